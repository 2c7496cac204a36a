//! Where the person of each punch was due: what the matcher needs to know beside the evidence.
//!
//! In: a batch, and the log clock at each of its punches.  Out: one [`Due`] a punch.
//! Absent on purpose: allocation per record once the buffers are warm, and history (a due needs the snapshot alone).

use std::hint::black_box;

use model::{Batch, Due, DueBatch, EventTime, Permitted, PersonIndex, Punch};

use crate::partition::AHEAD;
use crate::roster::Roster;

/// Fills `out` with one row per punch of `batch`, in its order. `clocks` holds, per punch, where the log's clock stands
/// once that record is read: [`append_clocks`], or what [`crate::Believer`] said. Per record, because what is in force
/// must not depend on where a batch was cut.
///
/// Permitted are home, allowed and all own shifts' sites of the snapshot, cancelled shifts' too.
pub fn expect(roster: &Roster, batch: &Batch, clocks: &[EventTime], out: &mut DueBatch) {
    assert_eq!(batch.punches.len(), clocks.len(), "one clock a punch");
    out.clear();
    let mut people = [None; AHEAD];
    for (punches, clocks) in batch.punches.chunks(AHEAD).zip(clocks.chunks(AHEAD)) {
        // Step by step for some people at once: their waits for memory then run beside each other.
        for (person, punch) in people.iter_mut().zip(punches) {
            *person = roster.person(batch.text(punch.employee_id));
        }
        let known = people.iter().zip(punches).filter_map(|(person, punch)| person.zip(Some(punch)));
        let read = known.map(|(person, punch)| roster.glance(person, punch.occurred_at));
        black_box(read.fold(0, u32::wrapping_add));
        for ((punch, clock), person) in punches.iter().zip(clocks).zip(people) {
            let due = due(roster, person, punch, *clock, out);
            out.rows.push(due);
        }
    }
}

/// The log clock at each punch under `clock = "append"`: the latest append time read so far. `clock` is where it stood
/// before the batch, and where it stands behind it.
pub fn append_clocks(batch: &Batch, clock: &mut EventTime, out: &mut Vec<EventTime>) {
    out.clear();
    out.extend(batch.punches.iter().map(|punch| {
        *clock = (*clock).max(punch.received_at);
        *clock
    }));
}

fn due(
    roster: &Roster,
    person: Option<PersonIndex>,
    punch: &Punch,
    clock: EventTime,
    out: &mut DueBatch,
) -> Due {
    let at = punch.occurred_at;
    let Some(person) = person else {
        return Due {
            person: None,
            scheduled: None,
            permitted: Permitted::All,
            policy: roster.policy_for(None, None, at),
            location_declined: false,
            field: None,
        };
    };
    let scheduled = roster.scheduled(person, at);
    let policy = roster.policy_for(Some(person), scheduled, at);
    let sites = roster.permitted(person);
    let from = out.sites.len() as u32;
    out.sites.extend(sites);
    let permitted =
        if sites.is_empty() { Permitted::All } else { Permitted::Sites(from..out.sites.len() as u32) };
    let radius_m = roster.reference().policy(policy).field_radius_m;
    let mut fields = roster.leave_of(person).iter().take_while(|leave| leave.from <= at).filter(|leave| {
        &*leave.leave_type == "field" && at < leave.until && leave.is_in_force(clock) && leave.place.is_some()
    });
    Due {
        person: Some(person),
        scheduled: scheduled.map(|shift| roster.shift_at(shift).site),
        permitted,
        policy,
        location_declined: roster.reference().person(person).location_declined,
        field: fields.next().and_then(|leave| leave.place).map(|place| (place, radius_m)),
    }
}
