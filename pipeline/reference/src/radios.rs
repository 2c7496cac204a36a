//! Access points, beacons and terminals that two sites both list: what a radio hears there names neither.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use model::{BssidBlock, Site};

use crate::problem::{At, Report};

/// Warns of everything that is listed by more than one site.
pub(crate) fn tell_shared(report: &mut Report, sites: &[Arc<Site>], places: &[At]) {
    let mut teller = Teller { report, sites, places };
    let blocks =
        sites.iter().enumerate().flat_map(|(site, s)| s.bssids.iter().map(move |block| (*block, site)));
    teller.blocks(blocks.collect());
    let beacons =
        sites.iter().enumerate().flat_map(|(site, s)| s.beacons.iter().map(move |beacon| (*beacon, site)));
    teller.same("shared_beacon", "beacon", beacons, |beacon| {
        format!("{:032x}/{}/{}", beacon.uuid, beacon.major, beacon.minor)
    });
    let terminals =
        sites.iter().enumerate().flat_map(|(site, s)| s.terminals.iter().map(move |id| (id, site)));
    teller.same("shared_terminal", "terminal", terminals, |id| id.to_string());
}

struct Teller<'a> {
    report: &'a mut Report,
    sites: &'a [Arc<Site>],
    places: &'a [At],
}

impl Teller<'_> {
    /// Blocks nest or are apart, never overlap in part; sorted by first address, the wider first, those that hold the
    /// one at hand form a stack.
    fn blocks(&mut self, mut blocks: Vec<(BssidBlock, usize)>) {
        blocks.sort_by_key(|(block, site)| (block.first(), block.prefix_bits(), *site));
        let mut around: Vec<(BssidBlock, usize)> = Vec::new();
        for (block, site) in blocks {
            while around.last().is_some_and(|(outer, _)| !holds(*outer, block)) {
                around.pop();
            }
            if let Some((outer, other)) = around.iter().rev().find(|(_, other)| *other != site) {
                let whole = if *outer == block { String::new() } else { format!(" (as part of {outer})") };
                self.tell("shared_bssid", &format!("access point {block}"), site, *other, &whole);
            }
            around.push((block, site));
        }
    }

    fn same<T: Eq + Hash>(
        &mut self,
        code: &'static str,
        noun: &str,
        listed: impl Iterator<Item = (T, usize)>,
        name: impl Fn(&T) -> String,
    ) {
        let mut first: HashMap<T, usize> = HashMap::new();
        for (thing, site) in listed {
            match first.entry(thing) {
                Entry::Vacant(entry) => {
                    entry.insert(site);
                }
                Entry::Occupied(entry) if *entry.get() != site => {
                    let told = format!("{noun} {}", name(entry.key()));
                    let other = *entry.get();
                    self.tell(code, &told, site, other, "");
                }
                Entry::Occupied(_) => {}
            }
        }
    }

    fn tell(&mut self, code: &'static str, thing: &str, site: usize, other: usize, whole: &str) {
        let other_place = self.report.place(self.places[other]);
        let what =
            format!("{thing} is listed by site {} too{whole} ({other_place})", self.sites[other].site_id);
        let subject = format!("site {}", self.sites[site].site_id);
        let remedy = "what is heard there names neither site: remove it from the one where it does not stand";
        self.report.warning(code, self.places[site], &subject, what, remedy);
    }
}

fn holds(outer: BssidBlock, inner: BssidBlock) -> bool {
    let shift = 48 - u32::from(outer.prefix_bits());
    outer.prefix_bits() <= inner.prefix_bits()
        && outer.first().bits() >> shift == inner.first().bits() >> shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_what_shares_its_prefix() {
        let block = |text| BssidBlock::parse(text).unwrap();
        for (outer, inner, held) in [
            ("aa:bb:cc:dd:ee:f0/44", "aa:bb:cc:dd:ee:f7", true),
            ("aa:bb:cc:dd:ee:f0/44", "aa:bb:cc:dd:ee:f0/44", true),
            ("aa:bb:cc:dd:ee:f0/44", "aa:bb:cc:dd:ee:e7", false),
            ("aa:bb:cc:dd:ee:f7", "aa:bb:cc:dd:ee:f0/44", false),
        ] {
            assert_eq!(holds(block(outer), block(inner)), held, "{outer} {inner}");
        }
    }
}
