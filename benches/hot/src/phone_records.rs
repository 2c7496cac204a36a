//! Phones' punches of one shape, about 470 bytes of JSON each: a fix, four access points, one beacon; every value drawn from a seed.
//!
//! Why so: the chain's day is what comes in, a third of it without a scan; a bar stated for one kind of record needs records of that kind
//! and no others, yet not one record over and over, which a processor would learn by heart.

use schemas::punch::{AccessPointLine, BeaconLine, LocationLine, OccurredAt, PunchLine};

/// `count` punches.
pub fn phone_records(count: usize) -> Vec<PunchLine> {
    let mut dice = Dice(7);
    (0..count).map(|_| punch(&mut dice)).collect()
}

fn punch(dice: &mut Dice) -> PunchLine {
    let kind = ["in", "out", "break_out", "break_in", "auto"][dice.below(5) as usize];
    let (hour, minute, second) = (dice.below(24), dice.below(60), dice.below(60));
    let access_point = |dice: &mut Dice| AccessPointLine {
        bssid: address(dice.below(1 << 48) & !(3 << 40)),
        rssi: Some(-40 - dice.below(50) as i16),
        connected: None,
        age_ms: None,
    };
    PunchLine {
        event_id: uuid(dice),
        employee_id: format!("E{}", dice.below(1_000_000)),
        kind: kind.to_owned(),
        occurred_at: OccurredAt::Text(format!("2026-11-22T{hour:02}:{minute:02}:{second:02}+08:00")),
        origin: "phone".to_owned(),
        trigger: None,
        device_id: None,
        site_id: None,
        location: Some(LocationLine {
            lon: (113_800_000 + dice.below(600_000)) as f64 / 1e6,
            lat: (22_100_000 + dice.below(400_000)) as f64 / 1e6,
            accuracy_m: Some((30 + dice.below(700)) as f64 / 10.0),
            datum: None,
            mocked: None,
            platform: None,
        }),
        wifi: Some((0..4).map(|_| access_point(dice)).collect()),
        beacons: Some(vec![BeaconLine {
            uuid: uuid(dice),
            major: dice.below(1 << 16) as u16,
            minor: dice.below(100) as u16,
            rssi: None,
        }]),
        photo: None,
        note: None,
        notice_version: None,
        tz: None,
    }
}

fn address(bits: u64) -> String {
    let o = bits.to_be_bytes();
    format!("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", o[2], o[3], o[4], o[5], o[6], o[7])
}

fn uuid(dice: &mut Dice) -> String {
    let (a, b) = (dice.below(u64::MAX), dice.below(u64::MAX));
    let (time, rest) = (a >> 32, b & 0xffff_ffff_ffff);
    format!("{time:08x}-{:04x}-{:04x}-{:04x}-{rest:012x}", (a >> 16) & 0xffff, a & 0xffff, b >> 48)
}

/// SplitMix64, so that the records are the same for ever.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * u128::from(bound)) >> 64) as u64
    }
}
