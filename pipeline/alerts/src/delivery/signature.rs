//! Signs a message as Standard Webhooks 1.0.0 says: HMAC-SHA256 over `id.timestamp.body`, one signature a secret.
//!
//! Absent on purpose: `whsk_` key pairs (ed25519): receivers' libraries verify `v1` everywhere, `v1a` in few.

use std::fmt;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a secret (Standard Webhooks, "Signature scheme": 24 to 64).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Base64 as people paste it, with or without its padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A signing secret.
#[derive(Clone)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// Reads `whsec_` and base64 of 24 to 64 bytes. What is wrong is said without the secret.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let encoded = text.strip_prefix("whsec_").ok_or("a secret begins with `whsec_`")?;
        let bytes = LENIENT.decode(encoded).map_err(|_| "behind `whsec_` comes base64")?;
        if SECRET_BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err("a secret has 24 to 64 bytes") }
    }

    /// Its bytes, to notice that it was changed.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The header `webhook-signature`: one signature a secret, separated by spaces.
pub(crate) fn signatures(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signed: Vec<String> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    signed.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification's own libraries.
    #[test]
    fn signs_as_the_published_vector_says() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = br#"{"test": 2432232314}"#;
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signatures(std::slice::from_ref(&secret), id, 1_614_265_330, body), expected);
        let other = Secret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let both = signatures(&[other, secret], id, 1_614_265_330, body);
        let signed: Vec<&str> = both.split(' ').collect();
        assert_eq!((signed.len(), signed[1]), (2, expected));
        assert!(signed[0].starts_with("v1,") && signed[0] != expected);
    }

    #[test]
    fn a_secret_is_checked_and_never_shown() {
        for (text, what) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins with"),
            ("whsec_???", "base64"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZI", "24 to 64"),
        ] {
            assert!(Secret::parse(text).unwrap_err().contains(what), "{text}");
        }
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(format!("{secret:?}"), "…");
    }
}
