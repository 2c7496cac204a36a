//! The embedded log against a plain list per partition.

use proptest::prelude::*;

use super::tests::{World, read_all};
use super::*;
use crate::log::{Append, NewRecord};

type KeyAndValue = (Option<Vec<u8>>, Option<Vec<u8>>);

/// What one step of the property test does.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(Option<u8>, Option<Vec<u8>>)>),
    Read { records_max: usize, bytes_max: usize },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    let record = (proptest::option::of(0..6_u8), proptest::option::of(bytes));
    prop_oneof![
        4 => proptest::collection::vec(record, 1..12).prop_map(Step::Append),
        3 => (1..9_usize, 1..200_usize).prop_map(|(records_max, bytes_max)| Step::Read { records_max, bytes_max }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Against a plain list per partition: whatever is appended comes back, once, in order, at any batch size.
    #[test]
    fn any_appends_read_in_any_batches_are_the_same_records(steps in proptest::collection::vec(step(), 1..14)) {
        let world = World::new();
        let mut options = Options { partitions: 3, ..Options::default() };
        let mut log = world.open_with(options);
        let mut expected: Vec<Vec<KeyAndValue>> = vec![Vec::new(); 3];
        for step in steps {
            match step {
                Step::Append(list) => {
                    let list: Vec<_> = list.into_iter().map(|(key, value)| (key.map(|key| vec![key]), value)).collect();
                    let records: Vec<_> = list
                        .iter()
                        .map(|(key, value)| NewRecord { key: key.as_deref(), value: value.as_deref(), ..NewRecord::default() })
                        .collect();
                    let placed = log.appender().append("punches", &records).unwrap();
                    for (record, (partition, offset)) in list.into_iter().zip(placed) {
                        let rows = &mut expected[partition.number() as usize];
                        prop_assert_eq!(rows.len() as i64, offset.get());
                        rows.push(record);
                    }
                }
                Step::Read { records_max, bytes_max } => {
                    options.batch = BatchLimits { records_max, bytes_max };
                    drop(log);
                    log = world.open_with(options);
                }
                Step::Reopen => {
                    drop(log);
                    log = world.open_with(options);
                }
            }
            let reads = read_all(&log, "punches");
            for (partition, rows) in expected.iter().enumerate() {
                let found: Vec<_> = reads.iter().filter(|read| read.partition as usize == partition).collect();
                prop_assert!(found.iter().enumerate().all(|(at, read)| read.offset == at as i64));
                let found: Vec<_> = found.iter().map(|read| (read.key.clone(), read.value.clone())).collect();
                prop_assert_eq!(&found, rows);
            }
        }
    }
}
