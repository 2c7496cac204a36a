//! Record batches to Parquet files of one month each, on their way to be named by a commit.
//!
//! In: batches of one table, the month their last column.  Out: files in the store, unnamed by any log yet, as `add` actions.
//! Owns: nothing: a file whose commit never comes is swept up by maintenance.
//! Why so: `ArrowWriter` at hand instead of delta-rs's `RecordBatchWriter`: encodings per column (offsets and times as packed
//! deltas, ids that repeat as dictionaries, ids that do not as delta byte arrays) and statistics of the columns that files are
//! skipped by. Measured over 22 columns of punches, see `tests::size`.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use deltalake::kernel::Add;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use schemas::tables::{MONTH_COLUMN, split_by_month};

use crate::error::{Error, ErrorKind, Result};
use crate::statistics;

/// Rows of a row group at most: what a reader decodes at once, and skips at once.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// A file of fewer rows is written as it is: setting up a compressor for each of its columns costs more than their values,
/// and most of its bytes are Parquet's own. A device whose clock is years ahead makes such files, a month each.
const COMPRESSED_ROWS_MIN: usize = 128;

/// Columns whose values grow from row to row, or nearly: packed deltas take one or two bytes a row. Instants that differ
/// by days take four, and less time than a dictionary in which hardly any repeats.
const DELTA_COLUMNS: &[&str] = &[
    "occurred_at",
    "received_at",
    "offset",
    "until_offset",
    "rejected_at",
    "planned_start",
    "planned_end",
    "first_in",
    "last_out",
    "decided_at",
    "detected_at",
    "first_at",
    "last_at",
    "cause_offset",
    "cause_clock",
];

/// Texts that never repeat, or hardly within the seconds between two commits: a dictionary of them is dead weight.
const UNIQUE_TEXT_COLUMNS: &[&str] =
    &["event_id", "local_time", "anomaly_id", "shift_id", "in_event_id", "out_event_id"];

/// Numbers that never repeat, in no order.
const UNIQUE_NUMBER_COLUMNS: &[&str] = &["distance_m", "lon", "lat", "inputs"];

/// One file, encoded.
pub(crate) struct Encoded {
    month: String,
    bytes: Bytes,
    statistics: String,
}

#[cfg(test)]
impl Encoded {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// The rows of `batches` as files, in order, one month a file, none much larger than `target_file_bytes`. Rows keep their order.
/// Takes processor time: run it where that hurts nobody.
pub(crate) fn encode(table: &str, batches: &[RecordBatch], target_file_bytes: u64) -> Result<Vec<Encoded>> {
    let mut months: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
    for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
        let parts = split_by_month(batch).map_err(|e| Error::schema(format!("write table {table}"), e))?;
        for (month, part) in parts {
            months.entry(month).or_default().push(without_month(table, &part)?);
        }
    }
    let mut files = Vec::new();
    for (month, batches) in months {
        encode_month(table, &month, &batches, target_file_bytes, &mut files)?;
    }
    Ok(files)
}

fn encode_month(
    table: &str,
    month: &str,
    batches: &[RecordBatch],
    target_file_bytes: u64,
    files: &mut Vec<Encoded>,
) -> Result<()> {
    let schema = batches[0].schema();
    let failed = |e| Error::schema(format!("write table {table}"), e);
    let mut from = 0;
    while from < batches.len() {
        let rows = batches[from..].iter().map(RecordBatch::num_rows).sum();
        let properties = properties(&schema, rows);
        let mut writer =
            ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(failed)?;
        let mut until = from;
        while until < batches.len() && (until == from || size(&writer) < target_file_bytes) {
            writer.write(&batches[until]).map_err(failed)?;
            until += 1;
        }
        let bytes = writer.into_inner().map_err(failed)?.into();
        let statistics = statistics::of(&batches[from..until]);
        files.push(Encoded { month: month.to_owned(), bytes, statistics });
        from = until;
    }
    Ok(())
}

fn size(writer: &ArrowWriter<Vec<u8>>) -> u64 {
    (writer.bytes_written() + writer.in_progress_size()) as u64
}

/// The rows less the month: Delta keeps a partition column in the log, not in the files.
fn without_month(table: &str, batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let keep: Vec<usize> =
        (0..schema.fields().len()).filter(|at| schema.field(*at).name() != MONTH_COLUMN).collect();
    batch.project(&keep).map_err(|e| Error::schema(format!("write table {table}"), e))
}

/// How a file of at most `rows` rows is written.
fn properties(schema: &SchemaRef, rows: usize) -> WriterProperties {
    let level = ZstdLevel::try_new(1).expect("1 is a zstd level");
    let compression =
        if rows < COMPRESSED_ROWS_MIN { Compression::UNCOMPRESSED } else { Compression::ZSTD(level) };
    let mut properties = WriterProperties::builder()
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_created_by("muster".to_owned());
    for field in schema.fields() {
        let path = ColumnPath::from(field.name().as_str());
        let encoding = match field.name().as_str() {
            name if DELTA_COLUMNS.contains(&name) => Encoding::DELTA_BINARY_PACKED,
            name if UNIQUE_TEXT_COLUMNS.contains(&name) => Encoding::DELTA_BYTE_ARRAY,
            name if UNIQUE_NUMBER_COLUMNS.contains(&name) => Encoding::PLAIN,
            _ => continue,
        };
        properties =
            properties.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, encoding);
    }
    properties.build()
}

/// Puts `files` into the table whose root is the root of `store`. None is part of the table until a commit adds it.
pub(crate) async fn upload(table: &str, store: &dyn ObjectStore, files: Vec<Encoded>) -> Result<Vec<Add>> {
    let mut adds = Vec::with_capacity(files.len());
    for file in files {
        let folder = format!("{MONTH_COLUMN}={}", file.month);
        let name = format!("part-00000-{}-c000.zstd.parquet", uuid(rand::random()));
        let path = Path::from(folder).join(name);
        let size = file.bytes.len() as i64;
        store
            .put(&path, file.bytes.into())
            .await
            .map_err(|e| Error::store(format!("write file {path} of table {table}"), e))?;
        adds.push(Add {
            path: path.to_string(),
            partition_values: HashMap::from([(MONTH_COLUMN.to_owned(), Some(file.month))]),
            size,
            modification_time: now_ms(),
            data_change: true,
            stats: Some(file.statistics),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        });
    }
    Ok(adds)
}

/// The same bits as text, marked as a random UUID (version 4).
pub(crate) fn uuid(bits: u128) -> String {
    let bits = (bits & !(0xf_u128 << 76) & !(0x3_u128 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Wall time for Delta's own bookkeeping (log retention, vacuum); no rule of ours sees it.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Refuses batches whose columns are not `schema`'s, before anything is written.
pub(crate) fn check_schema(table: &str, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
    for batch in batches {
        if batch.schema_ref().fields() != schema.fields() {
            let what = format!("write table {table}: the rows' columns are not the table's");
            return Err(Error::new(ErrorKind::Schema, what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};

    fn batch(months: &[&str]) -> RecordBatch {
        let offsets: Vec<i64> = (0..months.len() as i64).collect();
        RecordBatch::try_from_iter([
            ("offset", Arc::new(Int64Array::from(offsets)) as ArrayRef),
            (MONTH_COLUMN, Arc::new(StringArray::from(months.to_vec()))),
        ])
        .unwrap()
    }

    #[test]
    fn a_file_holds_one_month_and_not_much_more_than_the_target() {
        let batches = vec![batch(&["2026-11", "2026-12", "2026-11"]), batch(&["2026-12"]), batch(&[])];
        let months = |target| -> Vec<String> {
            encode("punches", &batches, target).unwrap().into_iter().map(|file| file.month).collect()
        };
        assert_eq!(months(1 << 20), ["2026-11", "2026-12"]);
        assert_eq!(months(1), ["2026-11", "2026-12", "2026-12"]);
    }

    #[test]
    fn a_uuid_is_one_of_version_4() {
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
    }
}
