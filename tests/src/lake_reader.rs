//! A lake read back by SQL, for oracles.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use lake::{Lake, LakeOptions};
use query::{Options, Session};
use tokio::runtime::Runtime;

/// One state of a lake.
pub struct LakeReader {
    runtime: Runtime,
    session: Session,
}

impl LakeReader {
    /// The lake in `folder` as it is now.
    pub fn open(folder: &Path) -> Self {
        Self::open_at(folder.to_str().unwrap(), LakeOptions::default())
    }

    /// The lake at `place` as it is now.
    pub fn open_at(place: &str, options: LakeOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let session = runtime.block_on(async {
            let lake = Lake::open_existing(place, options).await.unwrap();
            Session::open(lake, Options::default()).await.unwrap()
        });
        Self { runtime, session }
    }

    /// The answer to one statement.
    pub fn sql(&self, statement: &str) -> Vec<RecordBatch> {
        match self.runtime.block_on(self.session.sql(statement)) {
            Ok(answer) => answer.batches,
            Err(error) => panic!("{}", error.explain(statement)),
        }
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> i64 {
        let batches = self.sql(&format!("SELECT count(*) FROM {table}"));
        batches[0].column(0).as_primitive::<Int64Type>().value(0)
    }

    /// The versions of every key of a table, in no order.
    pub fn versions(&self, table: &str, key: &str) -> BTreeMap<String, Vec<i64>> {
        let mut versions: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for batch in self.sql(&format!("SELECT {key}, version FROM {table}")) {
            let keys = arrow::compute::cast(batch.column(0), &DataType::Utf8).unwrap();
            let (keys, numbers) = (keys.as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
            for row in 0..batch.num_rows() {
                assert!(keys.is_valid(row));
                versions.entry(keys.value(row).to_owned()).or_default().push(numbers.value(row));
            }
        }
        // A scan reads its files in any order.
        versions.values_mut().for_each(|versions| versions.sort_unstable());
        versions
    }
}

/// Message, alert and version of each row of `alert_deliveries` of which `what` holds.
pub fn deliveries(lake: &LakeReader, what: &str) -> Vec<(String, String, i64)> {
    let mut rows = Vec::new();
    for batch in
        lake.sql(&format!("SELECT webhook_id, anomaly_id, version FROM alert_deliveries WHERE {what}"))
    {
        let text = |column: usize| arrow::compute::cast(batch.column(column), &DataType::Utf8).unwrap();
        let (messages, alerts) = (text(0), text(1));
        let versions = batch.column(2).as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let cell = |column: &arrow::array::ArrayRef| column.as_string::<i32>().value(row).to_owned();
            rows.push((cell(&messages), cell(&alerts), versions.value(row)));
        }
    }
    rows
}
