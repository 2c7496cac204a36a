//! Whether a punch that comes out of the inbox `late` repeats one that its person's history holds.
//!
//! In: the punch and the person's stored punches, read from the lake.  Out: what arrival would have said of a live punch
//! with the same history.
//! Why so: on arrival such a punch is older than memory, so its neighbours are unknown; the row it becomes is written
//! only once they are.

use model::{EventId, StoredPunch};

use crate::roster::Roster;
use crate::standing::{Seen, Standing, sort, standing};

/// Whether `punch`, arriving where `known` are the stored punches of its person (in any order), is a re-punch: one of the
/// same kind, or of any kind for an `auto` one, precedes it within the policy's debounce. A suspect clock never is one.
pub fn is_repunch(roster: &Roster, punch: &StoredPunch, known: &[StoredPunch]) -> bool {
    let person = roster.person(&punch.employee_id);
    let is_before =
        |other: &&StoredPunch| other.occurred_at <= punch.occurred_at && other.event_id != punch.event_id;
    let before: Vec<&StoredPunch> = known.iter().filter(is_before).collect();
    let ids: Vec<EventId> = before.iter().map(|other| EventId::new(&other.event_id)).collect();
    let own_id = EventId::new(&punch.event_id);
    let mut seen: Vec<Seen<'_>> = before
        .iter()
        .zip(&ids)
        .map(|(other, id)| Seen::of(other, id))
        .chain([Seen::of(punch, &own_id)])
        .collect();
    sort(&mut seen);
    let Some(own) = seen.iter().position(|seen| *seen.event == own_id) else { return false };
    let run = |at: usize| {
        let person = person.filter(|_| seen[at].counts());
        person.and_then(|person| roster.run_at(person, seen[at].occurred_at))
    };
    standing(roster, person, &seen, own, |earlier| run(earlier) == run(own)) == Standing::Repunch
}
