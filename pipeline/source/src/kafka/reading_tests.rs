//! One partition's reading: jumps, ends, stalls, doubts.

use proptest::prelude::*;

use super::*;

fn reading(from: i64) -> (Reading, Instant) {
    let now = Instant::now();
    let mut reading = Reading::new(Partition::new(3), now);
    reading.begin(position(from), 1, now);
    reading.stage = Stage::Fetching;
    (reading, now)
}

fn take(reading: &mut Reading, offset: i64) -> Taken {
    reading.take(Offset::new(offset).unwrap(), None, None, Some(b"x"), RawHeaders::default())
}

fn end(next: i64, at_ms: i64) -> Option<End> {
    Some(End { next, at: Some(EventTime::from_ms(at_ms)) })
}

#[test]
fn jumps_are_no_loss_unless_the_client_skipped_damage() {
    let (mut reading, _) = reading(5);
    assert_eq!(take(&mut reading, 5), Taken::Yes);
    assert_eq!(take(&mut reading, 8), Taken::Yes);
    assert_eq!(take(&mut reading, 8), Taken::Repeat);
    assert_eq!(take(&mut reading, 3), Taken::Repeat);
    assert_eq!(reading.pending.gaps(), []);
    reading.is_suspect = true;
    assert_eq!(take(&mut reading, 9), Taken::Yes);
    assert!(reading.is_suspect, "no jump yet");
    assert_eq!(take(&mut reading, 12), Taken::Yes);
    assert_eq!(take(&mut reading, 20), Taken::Yes);
    let gaps: Vec<_> = reading.pending.gaps().iter().map(|gap| (gap.from.get(), gap.until.get())).collect();
    assert_eq!(gaps, [(10, 12)]);
}

#[test]
fn a_beginning_behind_the_position_is_a_gap_and_an_end_before_it_is_doubted_and_then_believed() {
    let (mut reading, now) = reading(5);
    assert_eq!(reading.hold_against(9, 20, now), Range::Fits);
    assert_eq!(reading.next(), position(9));
    assert_eq!(reading.pending.gaps().len(), 1);
    let later = |s| now + Duration::from_secs(s);
    assert_eq!(reading.hold_against_end(8, later(1)), Range::Doubtful);
    assert_eq!(reading.hold_against_end(8, later(3)), Range::Doubtful);
    assert_eq!(reading.hold_against_end(9, later(4)), Range::Fits, "it was a late answer");
    assert_eq!(reading.hold_against_end(8, later(5)), Range::Doubtful);
    // Meanwhile the position moves on, which makes no difference to the doubt.
    take(&mut reading, 9);
    assert_eq!(reading.hold_against_end(8, later(11)), Range::Beyond);
}

#[test]
fn the_end_is_told_when_reached_and_again_when_time_has_passed() {
    let (mut reading, _) = reading(5);
    assert_eq!(reading.caught_up(), None, "nobody has looked");
    reading.end = end(7, 1_000);
    assert_eq!(reading.caught_up(), None);
    take(&mut reading, 5);
    take(&mut reading, 6);
    assert_eq!(reading.caught_up(), None, "the records come first");
    reading.deliver(&mut RawBatch::new());
    let at = |reading: &mut Reading| reading.caught_up().map(|(next, at)| (next.get(), at.ms()));
    assert_eq!(at(&mut reading), Some((7, 1_000)));
    assert_eq!(at(&mut reading), None, "said");
    reading.end = end(7, 1_050);
    assert_eq!(at(&mut reading), None, "hardly news");
    reading.end = end(7, 1_100);
    assert_eq!(at(&mut reading), Some((7, 1_100)));
    reading.end = end(8, 1_300);
    assert_eq!(at(&mut reading), None, "the log has grown");
    reading.pass(position(8));
    assert_eq!(at(&mut reading), None, "what lies between is delivered first");
    reading.deliver(&mut RawBatch::new());
    reading.end = end(8, 1_050);
    assert_eq!(at(&mut reading), None, "time does not go back");
    reading.end = Some(End { next: 8, at: None });
    assert_eq!(at(&mut reading), None, "nobody knows the time");
    reading.end = end(8, 1_300);
    reading.is_paused = true;
    assert_eq!(at(&mut reading), None);
    reading.is_paused = false;
    assert_eq!(at(&mut reading), Some((8, 1_300)));
}

#[test]
fn only_what_could_deliver_and_does_not_is_stalled() {
    let (mut reading, now) = reading(5);
    let after = Duration::from_secs(60);
    let later = now + after;
    assert!(!reading.is_stalled(after, later), "nobody knows of more");
    reading.end = end(7, 0);
    assert!(reading.is_stalled(after, later));
    assert!(!reading.is_stalled(after, now));
    reading.is_paused = true;
    assert!(!reading.is_stalled(after, later));
    reading.is_paused = false;
    reading.stage = Stage::Asked(1);
    assert!(!reading.is_stalled(after, later));
    reading.stage = Stage::Fetching;
    take(&mut reading, 5);
    assert!(!reading.is_stalled(after, later), "it waits for us");
    reading.deliver(&mut RawBatch::new());
    assert!(reading.is_stalled(after, later));
    reading.touch(later);
    assert!(!reading.is_stalled(after, later + Duration::from_secs(1)));
    assert_eq!(reading.lag(), 1);
}

proptest! {
    /// Whatever comes in whatever order, batches join without a hole, and each record is in one of them once.
    #[test]
    fn batches_join_and_hold_each_record_once(
        offsets in prop::collection::vec(0_i64..60, 0..120),
        deliver_every in 1_usize..10,
    ) {
        let (mut reading, _) = reading(0);
        let mut next = NextOffset::START;
        let mut seen: Vec<i64> = Vec::new();
        let mut batch = RawBatch::new();
        let mut highest = -1;
        let mut wanted = Vec::new();
        for (n, offset) in offsets.iter().enumerate() {
            if *offset > highest {
                highest = *offset;
                wanted.push(*offset);
            }
            take(&mut reading, *offset);
            if n % deliver_every == 0 {
                reading.deliver(&mut batch);
                prop_assert_eq!(batch.from(), next);
                next = batch.next();
                seen.extend(batch.iter().map(|entry| entry.offset.get()));
            }
        }
        reading.deliver(&mut batch);
        prop_assert_eq!(batch.from(), next);
        seen.extend(batch.iter().map(|entry| entry.offset.get()));
        prop_assert_eq!(seen, wanted);
    }
}
