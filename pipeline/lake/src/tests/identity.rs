//! Filters of identities over lakes that grow, lose filters, change owners, against sets that know exactly.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;

use frontier::PartitionFrontier;
use model::position::partition_of;
use model::{LogClock, Partition};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use schemas::tables::{late, punches};

use super::support::{START, World, is_done, next, with_punch_at};
use crate::identity::plan::Limits;
use crate::{Claim, Commit, IdentityFilters, IdentityKey};

/// Small enough that a test's lake has several filters of several sizes.
const SMALL: Limits = Limits { loose_rows: 8, loose_files: 4, group_rows_max: 400, merge_at: 3 };

/// As many as the log of `support` has.
const PARTITIONS: u32 = 4;

/// A lake that grows, and exactly which identities it holds.
struct Grown {
    world: World,
    claim: Claim,
    random: StdRng,
    held: Vec<u32>,
    ends: BTreeMap<u32, i64>,
    /// By partition: stored, or waiting in the inbox.
    stored: BTreeMap<u32, HashSet<(String, String)>>,
}

/// A person of the partition.
fn person(partition: u32, nth: usize) -> String {
    let ours = |id: &String| partition_of(id.as_bytes(), PARTITIONS) == Partition::new(partition);
    (0..).map(|n| format!("E{n}")).filter(ours).nth(nth).unwrap()
}

impl Grown {
    async fn new(seed: u64, held: &[u32]) -> Self {
        let world = World::new();
        let claim = world.claim(held).await;
        let random = StdRng::seed_from_u64(seed);
        let ends = held.iter().map(|partition| (*partition, 0)).collect();
        Self { world, claim, random, held: held.to_vec(), ends, stored: BTreeMap::new() }
    }

    /// Commits some rows of every partition: most to `punches`, some to the inbox.
    async fn grow(&mut self) {
        let (mut rows, mut waiting) = (punches::Builder::default(), late::Builder::default());
        for (partition, end) in &mut self.ends {
            for _ in 0..self.random.random_range(1..6) {
                let at = START.plus_s(self.random.random_range(0..40 * 86_400));
                let day = at.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
                let (employee, event) =
                    (person(*partition, self.random.random_range(0..5)), format!("ev-{partition}-{end}"));
                with_punch_at(*partition, *end, at, day, |row| {
                    let mut row = row.clone();
                    (row.employee_id, row.event_id) = (&employee, &event);
                    if self.random.random_bool(0.2) {
                        waiting.append(&late::Row { punch: row, code: "older_than_memory" });
                    } else {
                        rows.append(&row);
                    }
                });
                self.stored.entry(*partition).or_default().insert((employee, event));
                *end += 1;
            }
        }
        let frontier = |end| PartitionFrontier::new(next(end), LogClock::at(START.plus_s(end)), next(0));
        let commit = Commit {
            late: vec![waiting.finish()],
            punches: vec![rows.finish()],
            frontiers: self.ends.iter().map(|(p, end)| (Partition::new(*p), frontier(*end))).collect(),
            ..Commit::default()
        };
        assert!(is_done(&self.world.lake.commit(&mut self.claim, commit).await.unwrap()));
    }

    async fn filters(&self, before: Option<&IdentityFilters>) -> IdentityFilters {
        self.world.lake.identities_within(&self.claim.identity_extent(), before, SMALL).await.unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = self.world.dir().join("_muster/identity");
        let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Everything stored is known, what was never stored is not.
    fn check(&self, filters: &IdentityFilters) {
        for partition in &self.held {
            let known = filters.of(Partition::new(*partition)).unwrap();
            for (employee, event) in self.stored.get(partition).into_iter().flatten() {
                assert!(known.may_hold(IdentityKey::of(employee, event)), "{employee} {event} is forgotten");
            }
            for nth in 0..5 {
                let stranger = IdentityKey::of(&person(*partition, nth), "never");
                assert!(!known.may_hold(stranger), "{stranger:?} was never stored");
            }
            assert!(known.filters() <= 12, "{} filters are asked", known.filters());
        }
    }
}

#[tokio::test]
async fn no_identity_is_ever_called_new_again() {
    for seed in 0..2 {
        eprintln!("seed {seed}");
        let mut grown = Grown::new(seed, &[0, 1, 3]).await;
        let (mut before, mut most) = (None, 0);
        for round in 0..20 {
            grown.grow().await;
            match grown.random.random_range(0..8) {
                0 => before = None,
                1 => {
                    let held = grown.held.clone();
                    grown.claim = grown.world.claim(&held).await;
                }
                2 => grown.files().iter().for_each(|file| fs::remove_file(file).unwrap()),
                3 => {
                    for file in grown.files() {
                        let mut bytes = fs::read(&file).unwrap();
                        let at = grown.random.random_range(0..bytes.len());
                        bytes[at] ^= 0x10;
                        fs::write(&file, &bytes[..grown.random.random_range(1..=bytes.len())]).unwrap();
                    }
                    before = None;
                }
                _ => {}
            }
            let filters = grown.filters(before.as_ref()).await;
            grown.check(&filters);
            most = most.max(grown.files().len());
            assert!(most <= 12, "round {round}: {most} files");
            before = Some(filters);
        }
        assert!(most >= 2, "{most} filters were written");
    }
}

#[tokio::test]
async fn filters_on_disk_spare_reading_the_data_again() {
    let mut grown = Grown::new(7, &[0, 1, 2, 3]).await;
    for _ in 0..20 {
        grown.grow().await;
    }
    let first = grown.filters(None).await;
    grown.check(&first);
    let files = grown.files();
    assert!(!files.is_empty());
    let stored: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();

    // Without the data files: what is read comes from the filters.
    let months =
        fs::read_dir(grown.world.dir().join("punches")).unwrap().map(|folder| folder.unwrap().path());
    for month in months.filter(|path| path.file_name().is_some_and(|name| name != "_delta_log")) {
        fs::rename(&month, month.with_extension("away")).unwrap();
    }
    let again = grown.filters(None).await;
    grown.check(&again);
    // Those in memory are not even read from disk.
    files.iter().for_each(|file| fs::write(file, b"x").unwrap());
    let third = grown.filters(Some(&again)).await;
    grown.check(&third);

    // Damaged and not in memory: made anew, the same.
    for month in fs::read_dir(grown.world.dir().join("punches")).unwrap().map(|folder| folder.unwrap().path())
    {
        if month.extension().is_some_and(|end| end == "away") {
            fs::rename(&month, month.with_extension("")).unwrap();
        }
    }
    let fourth = grown.filters(None).await;
    grown.check(&fourth);
    let healed: Vec<Vec<u8>> = grown.files().iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(grown.files(), files);
    assert!(healed == stored, "what is made again is the same, byte for byte");
}

#[tokio::test]
async fn an_owner_keeps_only_its_partitions_sections() {
    let mut grown = Grown::new(11, &[0, 1, 2, 3]).await;
    for _ in 0..10 {
        grown.grow().await;
    }
    let all = grown.filters(None).await;
    let mut one = grown.claim.identity_extent();
    one.frontiers.retain(|partition, _| *partition == Partition::new(2));
    let lake = &grown.world.lake;
    let filters = lake.identities_within(&one, Some(&all), SMALL).await.unwrap();
    assert_eq!(filters.partitions().map(|(partition, _)| partition.number()).collect::<Vec<_>>(), [2]);
    assert!(filters.of(Partition::new(1)).is_none());
    let loaded = lake.identities_within(&one, None, SMALL).await.unwrap();
    assert!(loaded.bytes() < all.bytes() / 2, "{} of {} bytes", loaded.bytes(), all.bytes());
    grown.held = vec![2];
    grown.check(&loaded);
    // Sections that were not kept are read when they are needed.
    grown.held = vec![0, 1, 2, 3];
    let again = lake.identities_within(&grown.claim.identity_extent(), Some(&loaded), SMALL).await.unwrap();
    grown.check(&again);
}

#[tokio::test]
async fn an_unwritable_folder_costs_memory_and_nothing_else() {
    let mut grown = Grown::new(5, &[0]).await;
    for _ in 0..20 {
        grown.grow().await;
    }
    fs::write(grown.world.dir().join("_muster"), b"a file in the way").unwrap();
    let filters = grown.filters(None).await;
    grown.check(&filters);
    assert!(filters.groups.iter().all(|group| group.path.is_none()));
}
