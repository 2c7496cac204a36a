//! Who lists what, against the plain reading of the sites' lists; sentinels, prefixes, many beacons.

use model::{EventTime, Fence, LonLat, Site};

use super::*;

fn site(at: usize) -> Site {
    Site {
        site_id: format!("s{at}").into(),
        name: "".into(),
        org: "hk".into(),
        time_zone: jiff::tz::TimeZone::UTC,
        time_zone_name: "UTC".into(),
        fence: Fence::Circle { centre: LonLat::new(114.17, 22.32).unwrap(), radius_m: 50.0 },
        tolerance_m: None,
        policy: None,
        bssids: Vec::new(),
        beacons: Vec::new(),
        terminals: Vec::new(),
        managers: Vec::new(),
        valid_from: None,
        valid_to: None,
    }
}

/// A snapshot with a site for each list of blocks.
fn listing(blocks: &[&[&str]]) -> Reference {
    let sites = blocks.iter().enumerate().map(|(at, blocks)| Site {
        bssids: blocks.iter().map(|block| BssidBlock::parse(block).unwrap()).collect(),
        ..site(at)
    });
    Reference { sites: sites.collect(), ..Reference::default() }
}

fn seen(bssid: Bssid) -> AccessPoint {
    AccessPoint { bssid, rssi_dbm: None, connected: false, age_ms: 0 }
}

/// Who lists the address, asked alone and in a batch.
fn listed(index: &RadioIndex, address: &str) -> Vec<u32> {
    let bssid = Bssid::parse(address.as_bytes()).unwrap();
    let alone = index.access_point(bssid, |_| true);
    let mut together = Vec::new();
    index.access_points(&[seen(bssid)], &mut together);
    assert_eq!(together, [alone], "{address}");
    index.sites(alone).as_slice().iter().map(|site| site.0).collect()
}

#[test]
fn a_block_lists_its_addresses_at_every_length() {
    for bits in 24..=48_u8 {
        let first = 0xa456_3000_0000_u64 >> (48 - bits) << (48 - bits);
        let block = format!("{}/{bits}", Bssid::from_bits(first).unwrap());
        let reference = listing(&[&[], &[&block]]);
        let index = RadioIndex::build(&reference);
        let last = first | ((1 << (48 - bits)) - 1);
        for (address, sites) in [(first, &[1][..]), (last, &[1]), (last + 1, &[]), (first - 1, &[])] {
            let bssid = Bssid::from_bits(address).unwrap();
            if !bssid.is_placeholder() {
                assert_eq!(listed(&index, &bssid.to_string()), sites, "{bssid} in {block}");
            }
        }
    }
}

#[test]
fn an_address_may_have_several_sites_and_a_site_many_addresses() {
    let index = RadioIndex::build(&listing(&[
        &["a4:56:30:00:00:01", "a4:56:30:00:00:10/44", "06:56:30:00:00:01"],
        &["a4:56:30:00:00:01", "a4:56:30:00:00:12"],
        &["a4:56:30:00:00:01", "a4:56:30:00:00:10/44"],
    ]));
    assert_eq!(listed(&index, "a4:56:30:00:00:01"), [0, 1, 2]);
    assert_eq!(listed(&index, "a4:56:30:00:00:11"), [0, 2]);
    assert_eq!(listed(&index, "a4:56:30:00:00:12"), [1], "the longest prefix counts");
    assert_eq!(listed(&index, "06:56:30:00:00:01"), [0], "locally administered is no reason");
    assert_eq!(listed(&index, "a4:56:30:00:00:02"), [] as [u32; 0]);
    let twelve = Bssid::parse(b"a4:56:30:00:00:12").unwrap();
    let without_1 = index.access_point(twelve, |site| site.0 != 1);
    assert_eq!(index.sites(without_1).as_slice(), [SiteIndex(0), SiteIndex(2)], "the next prefix then");
}

#[test]
fn what_phones_report_in_place_of_an_address_is_listed_by_nobody() {
    let index = RadioIndex::build(&listing(&[
        &["00:00:00:00:00:00", "02:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"],
        &["00:00:00:00:00:00/24", "02:00:00:00:00:00/24", "ff:ff:ff:00:00:00/24", "01:00:5e:00:00:00/24"],
    ]));
    for address in ["00:00:00:00:00:00", "02:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"] {
        assert_eq!(listed(&index, address), [] as [u32; 0], "{address}");
    }
    assert_eq!(listed(&index, "02:00:00:00:00:01"), [1]);
    assert_eq!(listed(&index, "00:00:00:00:00:07"), [1]);
}

/// More addresses than a group, hits and misses mixed, in three prefix lengths.
#[test]
fn a_batch_is_answered_as_its_addresses_are() {
    let blocks: Vec<Vec<String>> = (0..200_u64)
        .map(|at| {
            let block = |number: u64, bits| format!("{}/{bits}", Bssid::from_bits(number).unwrap());
            let base = 0x0a56_3000_0000 + at * 0x100;
            vec![
                block(base, 44),
                block(base + 3, 48),
                block(base + 0x80, 45),
                block(0x7000_0000 + at % 9, 48),
            ]
        })
        .collect();
    let borrowed: Vec<Vec<&str>> =
        blocks.iter().map(|site| site.iter().map(String::as_str).collect()).collect();
    let reference = listing(&borrowed.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let index = RadioIndex::build(&reference);
    let addresses =
        (0..5_000_u64).map(|at| 0x0a56_3000_0000 + at * 7).chain((0..12).map(|at| 0x7000_0000 + at));
    let scan: Vec<_> = addresses.chain([0]).map(|bits| seen(Bssid::from_bits(bits).unwrap())).collect();
    let mut found = Vec::new();
    index.access_points(&scan, &mut found);
    let mut hits = 0;
    for (seen, found) in scan.iter().zip(&found) {
        let bits = seen.bssid.bits();
        let holds = |block: &BssidBlock| (bits ^ block.first().bits()) >> (48 - block.prefix_bits()) == 0;
        let longest = reference.sites.iter().flat_map(|site| &site.bssids).filter(|block| holds(block));
        let longest = longest.map(|block| block.prefix_bits()).max();
        let lists = |site: &Site| {
            site.bssids.iter().any(|block| holds(block) && Some(block.prefix_bits()) == longest)
        };
        let expected: Vec<_> =
            (0..200).filter(|at| lists(&reference.sites[*at as usize])).map(SiteIndex).collect();
        assert_eq!(index.sites(*found).as_slice(), expected, "{}", seen.bssid);
        assert_eq!(*found, index.access_point(seen.bssid, |_| true));
        hits += usize::from(!expected.is_empty());
    }
    assert!(hits > 300 && hits < scan.len() - 300, "{hits} of {}", scan.len());
}

#[test]
fn beacons_are_told_apart_by_all_their_bits() {
    let id = |uuid: u128, major, minor| BeaconId { uuid, major, minor };
    let mut sites = vec![site(0), site(1), site(2)];
    // More UUIDs than have a number of 16 bits.
    sites[0].beacons = (0..70_000).map(|uuid| id(uuid << 64 | 5, 1, 2)).collect();
    sites[1].beacons = vec![id(5, 1, 3), id(5, 2, 2), id(69_999 << 64 | 5, 1, 2), id(69_999 << 64 | 5, 7, 7)];
    sites[2].beacons = vec![id(5, 1, 3)];
    sites[2].valid_to = Some(EventTime::from_us(0));
    let index = RadioIndex::build(&Reference { sites: sites.into(), ..Reference::default() });
    let listed = |id: BeaconId| {
        let mut found = Vec::new();
        index.beacons(&[Beacon { id, rssi_dbm: None }], &mut found);
        index.sites(found[0]).as_slice().iter().map(|site| site.0).collect::<Vec<_>>()
    };
    for uuid in [0, 1, 65_535, 65_536, 69_998] {
        assert_eq!(listed(id(uuid << 64 | 5, 1, 2)), [0], "{uuid}");
        assert_eq!(listed(id(uuid << 64 | 5, 1, 1)), [] as [u32; 0], "{uuid}");
        assert_eq!(listed(id(uuid << 64 | 6, 1, 2)), [] as [u32; 0], "{uuid}");
    }
    assert_eq!(listed(id(5, 1, 3)), [1, 2]);
    assert_eq!(listed(id(5, 2, 2)), [1]);
    assert_eq!(listed(id(69_999 << 64 | 5, 1, 2)), [0, 1]);
    assert_eq!(listed(id(69_999 << 64 | 5, 7, 7)), [1]);
    assert_eq!(listed(id(69_999 << 64 | 5, 7, 8)), [] as [u32; 0]);
}
