//! Addresses of access points as makers hand them out: runs of four under one of 2,000 makers.

use model::Bssid;

/// How many there are.
pub const MAKERS: u64 = 2_000;

/// The address with that number.
///
/// # Panics
/// Never: it has 48 bits.
pub fn address(number: u64) -> Bssid {
    let run = number / 4;
    let device = ((run / MAKERS).wrapping_mul(0x9_e375) << 2 & 0xff_fffc) | (number % 4);
    Bssid::from_bits(maker(run % MAKERS) << 24 | device).expect("24 bits of maker and 24 of device are 48")
}

/// A maker's first three octets: even first octets, so none names a group.
pub fn maker(number: u64) -> u64 {
    ((number & 0x3f) + 2) << 17 | (number >> 6) << 8 | (number * 37 % 256)
}
