//! Addresses of access points and UUIDs of beacons in the spelling that phones give, eight digits at a time.
//!
//! `None` for any other spelling, a wrong one included: `model` reads them all, and is the oracle of the test.

use model::Bssid;

/// `aa:bb:cc:dd:ee:ff` or `AA-BB-…`.
#[inline(always)]
pub(super) fn bssid(text: &[u8; 17]) -> Option<Bssid> {
    let (high, high_wrong) = three_octets(u64::from_le_bytes(part(text, 0)));
    let (low, low_wrong) = three_octets(u64::from_le_bytes(part(text, 9)));
    let is_separated = [2, 5, 8, 11, 14].iter().all(|at| matches!(text[*at], b':' | b'-'));
    if high_wrong | low_wrong != 0 || !is_separated {
        return None;
    }
    Bssid::from_bits(high << 24 | low)
}

/// `fda50693-a4e2-4fb1-afcf-c6eb07647825`, in any case.
#[inline(always)]
pub(super) fn uuid(text: &[u8; 36]) -> Option<u128> {
    let four = |at| u64::from(u32::from_le_bytes(part(text, at)));
    let (a, a_wrong) = four_octets(u64::from_le_bytes(part(text, 0)));
    let (b, b_wrong) = four_octets(four(9) | four(14) << 32);
    let (c, c_wrong) = four_octets(four(19) | four(24) << 32);
    let (d, d_wrong) = four_octets(u64::from_le_bytes(part(text, 28)));
    let is_hyphened = [8, 13, 18, 23].iter().all(|at| text[*at] == b'-');
    if a_wrong | b_wrong | c_wrong | d_wrong != 0 || !is_hyphened {
        return None;
    }
    Some(u128::from(a << 32 | b) << 64 | u128::from(c << 32 | d))
}

/// The `N` bytes at `at`, which the caller knows to be there.
#[inline(always)]
fn part<const N: usize>(text: &[u8], at: usize) -> [u8; N] {
    text.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

/// The number of the octets `aa?bb?cc`, and a number that is not zero if one of the six digits is none.
#[inline(always)]
fn three_octets(text: u64) -> (u64, u64) {
    const SEPARATORS: u64 = 0x0000_ff00_00ff_0000;
    let (values, wrong) = digits(text);
    let pairs = values << 4 | values >> 8;
    let octets = (pairs & 0xff) << 16 | (pairs >> 16 & 0xff00) | pairs >> 48 & 0xff;
    (octets, wrong & !SEPARATORS)
}

/// The number that eight digits write, and a number that is not zero if one of them is none.
#[inline(always)]
fn four_octets(text: u64) -> (u64, u64) {
    let (values, wrong) = digits(text);
    // Octets in the even bytes, the first lowest; closed up two by two, and turned round.
    let pairs = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    let eight = (fours | fours >> 16) as u32;
    (u64::from(eight.swap_bytes()), wrong)
}

/// What each of eight bytes is worth as a hex digit, and the high bit of each byte that is none.
#[inline(always)]
const fn digits(word: u64) -> (u64, u64) {
    let low = word & each(0x7f);
    // A decimal digit leaves 0 to 9, a letter of either case 1 to 6. What is added sets the high bit of anything above.
    let (decimal, letter) = (low ^ each(b'0'), (low | each(0x20)) ^ each(0x60));
    let (no_decimal, no_letter) = (decimal + each(0x76), (letter + each(0x79)) | !(letter + each(0x7f)));
    let values = (word & each(0xf)) + (word >> 6 & each(1)) * 9;
    (values, (no_decimal & no_letter | word) & each(0x80))
}

const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use model::BeaconId;

    use super::*;

    #[test]
    fn every_byte_at_every_place_is_read_as_model_reads_it() {
        for text in [*b"a4:56:30:0b:9c:ff", *b"A4-56-30-0B-9C-FF"] {
            for at in 0..text.len() {
                for byte in 0..=255 {
                    let mut text = text;
                    text[at] = byte;
                    assert_eq!(bssid(&text), Bssid::parse(&text), "{}", text.escape_ascii());
                }
            }
        }
        let text = *b"fda50693-a4e2-4FB1-AFCF-c6eb07647825";
        for at in 0..text.len() {
            for byte in 0..=255 {
                let mut text = text;
                text[at] = byte;
                assert_eq!(uuid(&text), BeaconId::parse_uuid(&text), "{}", text.escape_ascii());
            }
        }
    }
}
