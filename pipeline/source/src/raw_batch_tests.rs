//! Batches against a plain list of records and gaps: cut anywhere and joined again, nothing changes.

use proptest::prelude::*;

use super::*;

/// What a log holds: steps of one offset (a record) or more (a gap).
#[derive(Clone, Debug)]
enum Step {
    Record { key: Option<Vec<u8>>, value: Option<Vec<u8>>, headers: Vec<(String, Option<Vec<u8>>)> },
    Gap(i64),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..6));
    let headers = proptest::collection::vec(("[a-c]{0,2}", bytes()), 0..3);
    prop_oneof![
        4 => (bytes(), bytes(), headers).prop_map(|(key, value, headers)| Step::Record { key, value, headers }),
        1 => (1..4_i64).prop_map(Step::Gap),
        1 => (1..3_i64).prop_map(Step::Pass),
    ]
}

fn batch_of(from: i64, steps: &[Step]) -> RawBatch {
    let mut batch = RawBatch::new();
    batch.begin(Partition::new(3), NextOffset::new(from).unwrap());
    for step in steps {
        let next = batch.next().get();
        match step {
            Step::Record { key, value, headers } => {
                let headers: Vec<Header<'_>> =
                    headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
                let mut encoded = Vec::new();
                RawHeaders::encode(&headers, &mut encoded);
                let headers = RawHeaders::from_encoded(&encoded).unwrap();
                let time = (next % 2 == 0).then_some(EventTime::from_ms(next));
                batch.push(Offset::new(next).unwrap(), time, key.as_deref(), value.as_deref(), headers);
            }
            Step::Gap(count) => batch.push_gap(NextOffset::new(next + count).unwrap()),
            Step::Pass(count) => batch.pass_to(NextOffset::new(next + count).unwrap()),
        }
    }
    batch
}

fn assert_same(one: &RawBatch, other: &RawBatch) {
    assert_eq!((one.partition(), one.from(), one.next()), (other.partition(), other.from(), other.next()));
    assert!(one.iter().eq(other.iter()));
    assert_eq!(one.gaps(), other.gaps());
    assert_eq!((one.bytes(), one.records()), (other.bytes(), other.records()));
}

proptest! {
    #[test]
    fn a_batch_cut_anywhere_and_joined_again_is_the_same(
        from in 0..5_i64,
        steps in proptest::collection::vec(step(), 0..12),
        cut in -1..40_i64,
    ) {
        let whole = batch_of(from, &steps);
        let (mut head, mut tail) = (whole.clone(), batch_of(9, &[Step::Gap(3)]));
        head.split_off(NextOffset::new(cut.max(0)).unwrap(), &mut tail);
        let at = cut.max(0).clamp(whole.from().get(), whole.next().get());
        prop_assert_eq!((head.next().get(), tail.from().get(), tail.next()), (at, at, whole.next()));
        prop_assert!(head.iter().all(|entry| entry.offset.get() < at));
        prop_assert!(tail.iter().all(|entry| entry.offset.get() >= at));
        prop_assert!(head.gaps().iter().all(|gap| gap.until.get() <= at));
        prop_assert!(tail.gaps().iter().all(|gap| gap.from.get() >= at));
        head.append_tail(&tail);
        assert_same(&head, &whole);
    }

    #[test]
    fn no_bytes_make_the_header_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Some(headers) = RawHeaders::from_encoded(&bytes) {
            let read: Vec<Header<'_>> = headers.iter().collect();
            let mut again = Vec::new();
            RawHeaders::encode(&read, &mut again);
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn the_tail_is_kept_and_goes_before_the_next_batch() {
    let record = |text: &str| Step::Record { key: None, value: Some(text.into()), headers: vec![] };
    let (mut batch, mut tail) = (batch_of(0, &[record("a"), record("b"), Step::Gap(2)]), RawBatch::new());
    batch.split_off(NextOffset::new(1).unwrap(), &mut tail);
    let next = batch_of(4, &[Step::Gap(1), record("c")]);
    tail.append_tail(&next);
    assert_same(&tail, &batch_of(1, &[record("b"), Step::Gap(3), record("c")]));
}

#[test]
#[should_panic(expected = "a batch of partition 3 from 2 behind one of partition 3 until 1")]
fn a_hole_between_two_batches_is_refused() {
    batch_of(0, &[Step::Gap(1)]).append_tail(&batch_of(2, &[]));
}

#[test]
#[should_panic(expected = "again or too late")]
fn an_offset_twice_is_refused() {
    let mut batch = batch_of(4, &[Step::Gap(1)]);
    batch.push(Offset::new(4).unwrap(), None, None, None, RawHeaders::default());
}
