//! Radio identities, and indexes into a reference snapshot.

use std::fmt;

/// A site's place in [`crate::Reference::sites`] of one snapshot. Meaningless in another snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteIndex(pub u32);

/// A person's place in [`crate::Reference::people`] of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonIndex(pub u32);

/// A resolved policy's place in [`crate::Reference::policies`] of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyIndex(pub u32);

/// The 48-bit address of one access point's radio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bssid(u64);

impl Bssid {
    /// The address with these 48 bits, or `None` if a higher bit is set.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits >> 48 == 0 { Some(Self(bits)) } else { None }
    }

    /// Six hex octets, separated by `:` or `-` or not at all, in any case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let separated = match text.len() {
            12 => false,
            17 => true,
            _ => return None,
        };
        let mut bits = 0_u64;
        let mut at = 0;
        for octet in 0..6 {
            if separated && octet > 0 {
                if !matches!(text[at], b':' | b'-') {
                    return None;
                }
                at += 1;
            }
            let high = (text[at] as char).to_digit(16)?;
            let low = (text[at + 1] as char).to_digit(16)?;
            bits = bits << 8 | u64::from(high << 4 | low);
            at += 2;
        }
        Some(Self(bits))
    }

    /// The address as a number below 2^48.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether phones report this address in place of one they may not tell, or it names a group of stations:
    /// 00:00:00:00:00:00, 02:00:00:00:00:00, ff:ff:ff:ff:ff:ff, any multicast address (contract, section 1).
    pub const fn is_placeholder(self) -> bool {
        self.0 == 0 || self.0 == 0x0200_0000_0000 || self.0 & 0x0100_0000_0000 != 0
    }
}

impl fmt::Display for Bssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = *b"00:00:00:00:00:00";
        for (at, octet) in self.0.to_be_bytes()[2..].iter().enumerate() {
            text[3 * at] = DIGITS[usize::from(octet >> 4)];
            text[3 * at + 1] = DIGITS[usize::from(octet & 15)];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// All addresses that share their first `prefix_bits` bits: one address at 48, a radio's block of virtual ones below.
/// Eight bytes, since a snapshot may hold twenty million: the lowest address, and the length above its 48 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BssidBlock(u64);

impl BssidBlock {
    /// The block of `first` at `prefix_bits` (24 to 48); `None` outside that range or if `first` has a bit set below
    /// the prefix (such a row is more likely a slip than an intention).
    pub fn new(first: Bssid, prefix_bits: u8) -> Option<Self> {
        let inside = (24..=48).contains(&prefix_bits);
        let aligned = inside && first.0 & ((1 << (48 - prefix_bits)) - 1) == 0;
        aligned.then_some(Self(first.0 | u64::from(prefix_bits) << 48))
    }

    /// `aa:bb:cc:dd:ee:ff`, or `aa:bb:cc:dd:ee:f0/44`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, bits.parse().ok()?),
            None => (text, 48),
        };
        Self::new(Bssid::parse(address.as_bytes())?, bits)
    }

    /// Its lowest address.
    pub const fn first(self) -> Bssid {
        Bssid(self.0 & ((1 << 48) - 1))
    }

    /// How many leading bits all its addresses share.
    pub const fn prefix_bits(self) -> u8 {
        (self.0 >> 48) as u8
    }
}

impl fmt::Debug for BssidBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BssidBlock({self})")
    }
}

impl fmt::Display for BssidBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix_bits() {
            48 => self.first().fmt(f),
            bits => write!(f, "{}/{bits}", self.first()),
        }
    }
}

/// One iBeacon: a 128-bit UUID, a major and a minor number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BeaconId {
    /// The UUID's 128 bits.
    pub uuid: u128,
    /// The major number.
    pub major: u16,
    /// The minor number.
    pub minor: u16,
}

impl BeaconId {
    /// 32 hex digits, with or without the usual hyphens.
    pub fn parse_uuid(text: &[u8]) -> Option<u128> {
        let mut bits = 0_u128;
        let mut digits = 0;
        for (i, byte) in text.iter().enumerate() {
            if *byte == b'-' && matches!(i, 8 | 13 | 18 | 23) {
                continue;
            }
            bits = bits << 4 | u128::from((*byte as char).to_digit(16)?);
            digits += 1;
        }
        (digits == 32).then_some(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bssid_reads_in_every_spelling_and_prints_in_one() {
        for text in ["A4:56:30:0b:9C:ff", "a4-56-30-0b-9c-ff", "a456300B9CFF"] {
            assert_eq!(Bssid::parse(text.as_bytes()).unwrap().to_string(), "a4:56:30:0b:9c:ff");
        }
        for text in [
            "",
            "192.168.1.1",
            "a4:56:30:0b:9c:fg",
            "a4:56:30:0b:9c:ff:00",
            "a456300b9cf",
            "é4:56:30:0b:9c:f",
        ] {
            assert_eq!(Bssid::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn placeholders_and_groups_are_known() {
        for text in ["000000000000", "020000000000", "ffffffffffff", "01005e000001"] {
            assert!(Bssid::parse(text.as_bytes()).unwrap().is_placeholder(), "{text}");
        }
        assert!(
            !Bssid::parse(b"024201000001").unwrap().is_placeholder(),
            "locally administered is no placeholder"
        );
    }

    #[test]
    fn a_block_is_aligned() {
        assert_eq!(BssidBlock::parse("aa:bb:cc:dd:ee:f0/44").unwrap().to_string(), "aa:bb:cc:dd:ee:f0/44");
        assert_eq!(BssidBlock::parse("aa:bb:cc:dd:ee:f1/44"), None);
        assert_eq!(BssidBlock::parse("aa:bb:cc:dd:ee:f0/12"), None);
        assert_eq!(BssidBlock::parse("aa:bb:cc:dd:ee:ff").unwrap().prefix_bits(), 48);
    }

    #[test]
    fn a_beacon_uuid_reads_with_and_without_hyphens() {
        let plain = BeaconId::parse_uuid(b"fda50693a4e24fb1afcfc6eb07647825").unwrap();
        assert_eq!(BeaconId::parse_uuid(b"FDA50693-A4E2-4FB1-AFCF-C6EB07647825"), Some(plain));
        assert_eq!(BeaconId::parse_uuid(b"fda5069-3a4e24fb1afcfc6eb07647825"), None);
    }
}
