//! A snapshot's people by partition, and its shifts by org: what partitions ask for before their first punch.
//!
//! In: how many partitions the log has.  Out: whether a person is a partition's, the starts of an org.
//! Owns: nothing; the roster keeps what was made.
//! Why so: each partition would hash every person's key for itself, and the first punch would wait for it.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use model::position::{Partition, partition_of};
use model::reference::ShiftPlan;
use model::{Person, PersonIndex};

use super::{Roster, ShiftIndex};

impl Roster {
    /// Makes what the partitions of a log of so many ask for first, so that no punch waits for it.
    pub(crate) fn prepare(&self, partitions: u32, hears: bool) {
        self.partitions(partitions);
        if hears {
            self.starts();
        }
    }

    /// Makes what was asked of the snapshot before, while nobody waits for this one.
    pub fn prepare_like(&self, before: &Self) {
        if let Some((partitions, _)) = before.tables.partitions.get() {
            self.prepare(*partitions, before.tables.starts.get().is_some());
        }
    }

    /// Whether a person's key falls on `partition` of a log of so many.
    pub(crate) fn is_on(&self, person: PersonIndex, partition: Partition, partitions: u32) -> bool {
        let (known, of_people) = self.partitions(partitions);
        if *known == partitions {
            return of_people[person.0 as usize] == partition;
        }
        partition_of(self.reference.person(person).employee_id.as_bytes(), partitions) == partition
    }

    /// Of the number of partitions that was asked for first: a process reads one log.
    fn partitions(&self, partitions: u32) -> &(u32, Vec<Partition>) {
        self.tables.partitions.get_or_init(|| {
            let of = |person: &Person| partition_of(person.employee_id.as_bytes(), partitions);
            (partitions, self.reference.people.iter().map(of).collect())
        })
    }

    /// The planned shifts of each org that has any, by start.
    pub(crate) fn starts(&self) -> &HashMap<Arc<str>, Vec<ShiftIndex>, FixedState> {
        self.tables.starts.get_or_init(|| {
            let mut starts: HashMap<Arc<str>, Vec<ShiftIndex>, FixedState> = HashMap::default();
            for (place, shift) in self.reference.shifts.iter().enumerate() {
                let index = ShiftIndex(place as u32);
                let org = &self.reference.site(shift.site).org;
                if shift.plan != ShiftPlan::Planned {
                    continue;
                }
                match starts.get_mut(org) {
                    Some(of_org) => of_org.push(index),
                    None => _ = starts.insert(org.clone(), vec![index]),
                }
            }
            for of_org in starts.values_mut() {
                of_org.sort_unstable_by_key(|index| (self.shift_at(*index).start, *index));
                of_org.shrink_to_fit();
            }
            starts
        })
    }

    /// The planned shifts at the sites of `org`, by start.
    pub(crate) fn starts_of(&self, org: &str) -> &[ShiftIndex] {
        self.starts().get(org).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use model::Reference;

    use super::*;

    #[test]
    fn a_person_is_where_the_key_falls_in_a_log_of_any_size() {
        let person = |n: usize| Person {
            employee_id: format!("p{n}").into(),
            org: "hk".into(),
            home_site: None,
            allowed_sites: Vec::new(),
            groups: Vec::new(),
            managers: Vec::new(),
            location_declined: false,
            joined: None,
            left: None,
        };
        let reference = Arc::new(Reference {
            people: (0..200).map(person).collect::<Vec<_>>().into(),
            ..Reference::default()
        });
        let (roster, next) = (Roster::new(Arc::clone(&reference)), Roster::new(Arc::clone(&reference)));
        roster.prepare(8, true);
        next.prepare_like(&roster);
        assert_eq!(next.tables.partitions.get(), roster.tables.partitions.get(), "made beforehand");
        for partitions in [8, 3, 1] {
            let mut counts = vec![0; partitions as usize];
            for (n, person) in reference.people.iter().enumerate() {
                let of_key = partition_of(person.employee_id.as_bytes(), partitions);
                for number in 0..partitions {
                    let partition = Partition::new(number);
                    let is_on = next.is_on(PersonIndex(n as u32), partition, partitions);
                    assert_eq!(is_on, partition == of_key, "p{n}, {partitions}");
                    counts[number as usize] += usize::from(is_on);
                }
            }
            assert!(counts.iter().all(|count| *count > 0) && counts.iter().sum::<usize>() == 200);
        }
    }
}
