//! Who is answered: networks by the peer's address, bearers by the SHA-256 of their token.
//!
//! In: a peer's address, an `Authorization` header.  Out: whether it may, and by whose token.  Owns: the hashes.
//! Absent on purpose: `X-Forwarded-For` (whoever is connected can write it), slow password hashes (a token is 32
//! random bytes, not a word), and tokens in log lines: a token is told by its name.
//! Invariants: every hash is compared, each in constant time, whichever fits.

use std::fmt;
use std::hint::black_box;
use std::net::IpAddr;

use ipnet::IpNet;
use sha2::{Digest, Sha256};

/// A token's name and the SHA-256 of its bytes.
#[derive(Clone)]
pub(crate) struct TokenHash {
    name: String,
    sha256: [u8; 32],
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenHash").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TokenHash {
    /// The hash in `hex`, 64 digits of any case.
    pub(crate) fn parse(name: &str, hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut sha256 = [0; 32];
        for (byte, pair) in sha256.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self { name: name.to_owned(), sha256 })
    }
}

/// Whom the HTTP face answers.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    tokens: Vec<TokenHash>,
    networks: Vec<IpNet>,
}

impl Access {
    pub(crate) const fn new(tokens: Vec<TokenHash>, networks: Vec<IpNet>) -> Self {
        Self { tokens, networks }
    }

    /// Whether a peer at `address` is answered.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let inside = || self.networks.iter().any(|network| network.contains(&address));
        self.networks.is_empty() || address.is_loopback() || inside()
    }

    /// Whether a request with this `Authorization` header may do what needs a token.
    pub(crate) fn admits(&self, authorization: Option<&[u8]>) -> bool {
        if self.tokens.is_empty() {
            return true;
        }
        let Some(token) = authorization.and_then(bearer) else { return false };
        let given: [u8; 32] = Sha256::digest(token).into();
        let mut found = false;
        for known in &self.tokens {
            found |= is_same(&known.sha256, &given);
        }
        found
    }
}

/// The token of `Bearer <token>`; the scheme's name in any case (RFC 9110, section 11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(6)?;
    let token = rest.strip_prefix(b" ")?.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty()).then_some(token)
}

/// Equality whose time tells nothing of the place of the first difference. What is compared are hashes, whose
/// beginnings an attacker cannot choose one by one; this takes away what would be left to measure.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let difference = one.iter().zip(other).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `test` (FIPS 180 implementations agree on it).
    const OF_TEST: &str = "9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn access(tokens: &[&str], networks: &[&str]) -> Access {
        let tokens = tokens.iter().map(|hex| TokenHash::parse("t", hex).unwrap()).collect();
        Access::new(tokens, networks.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn a_bearer_is_known_by_the_hash_of_the_token() {
        let other = "00".repeat(32);
        let access = access(&[OF_TEST, &other], &[]);
        for good in ["Bearer test", "bearer test", "BEARER  test "] {
            assert!(access.admits(Some(good.as_bytes())), "{good}");
        }
        for bad in ["Bearer tes", "Bearer testt", "Basic test", "Bearer", "Bearer ", "", "Bearertest"] {
            assert!(!access.admits(Some(bad.as_bytes())), "{bad}");
        }
        assert!(!access.admits(None));
        assert!(!access.admits(Some(b"Bearer \xff")));
    }

    #[test]
    fn without_tokens_everybody_is_admitted() {
        assert!(access(&[], &[]).admits(None));
    }

    #[test]
    fn one_different_byte_anywhere_is_another_hash() {
        let one = [7; 32];
        for at in 0..32 {
            let mut other = one;
            other[at] ^= 0x80;
            assert!(!is_same(&one, &other), "{at}");
        }
        assert!(is_same(&one, &one));
    }

    #[test]
    fn networks_hold_peers_in_either_notation() {
        let access = access(&[], &["10.1.0.0/16", "2001:db8::/32", "192.0.2.7/32"]);
        for good in ["10.1.255.255", "::ffff:10.1.0.1", "2001:db8::1", "192.0.2.7", "127.0.0.1", "::1"] {
            assert!(access.allows(good.parse().unwrap()), "{good}");
        }
        for bad in ["10.2.0.0", "::ffff:10.2.0.1", "2001:db9::1", "192.0.2.8"] {
            assert!(!access.allows(bad.parse().unwrap()), "{bad}");
        }
        assert!(Access::new(Vec::new(), Vec::new()).allows("203.0.113.9".parse().unwrap()));
    }

    #[test]
    fn what_is_no_hash_is_none() {
        for bad in ["", "test", &"0".repeat(63), &"g".repeat(64), &"é".repeat(32)] {
            assert!(TokenHash::parse("t", bad).is_none(), "{bad}");
        }
    }
}
