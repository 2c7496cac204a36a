//! One Parquet file of a table back into record batches.
//!
//! In: a file's entry in a scan, the wanted columns, maybe whose rows alone.  Out: batches of exactly those columns.
//! Owns: nothing.
//! Invariants: a batch has the wanted columns with the table's types whatever the file holds: columns that an older file lacks
//! are null, the month comes from the log, kept by [`shape`].

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderBuilder, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::errors::ParquetError;
use schemas::tables::MONTH_COLUMN;

use crate::error::{Error, ErrorKind, Result};
use crate::scan::FileEntry;

/// Rows of a batch at most.
const BATCH_ROWS: usize = 8_192;

/// The column by which rows of some people alone are found.
const PERSON_COLUMN: &str = "employee_id";

/// People whose rows are wanted.
pub(crate) type People = Arc<HashSet<String>>;

/// The rows of `file`, a file of the table whose root is the root of `store`: the columns `wanted`, with its types.
pub(crate) async fn read_file(
    table: &str,
    store: &dyn ObjectStore,
    file: &FileEntry,
    wanted: &SchemaRef,
) -> Result<Vec<RecordBatch>> {
    read_whole(table, store, file, wanted, None).await
}

/// The rows of `file` that are of `people`: of all others, the ids alone are decoded.
pub(crate) async fn read_people(
    table: &str,
    store: &dyn ObjectStore,
    file: &FileEntry,
    wanted: &SchemaRef,
    people: &People,
) -> Result<Vec<RecordBatch>> {
    read_whole(table, store, file, wanted, Some(people.clone())).await
}

async fn read_whole(
    table: &str,
    store: &dyn ObjectStore,
    file: &FileEntry,
    wanted: &SchemaRef,
    people: Option<People>,
) -> Result<Vec<RecordBatch>> {
    let what = || format!("read file {} of table {table}", file.path);
    let found = store.get(&file.path).await.map_err(|error| match error {
        object_store::Error::NotFound { .. } => Error::new(ErrorKind::Gone, what()),
        error => Error::store(what(), error),
    })?;
    let bytes = found.bytes().await.map_err(|e| Error::store(what(), e))?;
    let (wanted, month) = (wanted.clone(), file.business_month.clone());
    let decoded = tokio::task::spawn_blocking(move || decode(bytes, &wanted, month.as_deref(), people)).await;
    match decoded {
        Ok(batches) => batches.map_err(|e| Error::schema(what(), e)),
        Err(panic) => Err(Error::corrupt(format!("{}: {panic}", what()))),
    }
}

fn decode(
    bytes: Bytes,
    wanted: &SchemaRef,
    month: Option<&str>,
    people: Option<People>,
) -> std::result::Result<Vec<RecordBatch>, ParquetError> {
    let mut builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let names = wanted.fields().iter().map(|field| field.name().as_str());
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    if let Some(people) = people {
        builder = of_people(builder, people);
    }
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()?;
    reader.map(|batch| Ok(shape(&batch?, wanted, month)?)).collect()
}

fn of_people<T>(builder: ArrowReaderBuilder<T>, people: People) -> ArrowReaderBuilder<T> {
    let ids = ProjectionMask::columns(builder.parquet_schema(), [PERSON_COLUMN]);
    let is_wanted = ArrowPredicateFn::new(ids, move |batch| {
        let Some(ids) = batch.column_by_name(PERSON_COLUMN) else {
            return Ok(BooleanArray::new(BooleanBuffer::new_unset(batch.num_rows()), None));
        };
        let ids = cast(ids, &DataType::Utf8)?;
        let ids = ids.as_string::<i32>();
        let is_wanted = |row| ids.is_valid(row) && people.contains(ids.value(row));
        Ok(BooleanArray::from_iter((0..ids.len()).map(|row| Some(is_wanted(row)))))
    });
    builder.with_row_filter(RowFilter::new(vec![Box::new(is_wanted)]))
}

/// `batch` with exactly the columns `wanted`.
fn shape(
    batch: &RecordBatch,
    wanted: &SchemaRef,
    month: Option<&str>,
) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let rows = batch.num_rows();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(wanted.fields().len());
    let mut fields = Vec::with_capacity(wanted.fields().len());
    for field in wanted.fields() {
        let column = match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => column.clone(),
            Some(column) => cast(column, field.data_type())?,
            None if field.name() == MONTH_COLUMN => Arc::new(StringArray::from(vec![month; rows])),
            None => new_null_array(field.data_type(), rows),
        };
        // What an older file lacks is null even where the table now requires a value.
        fields.push(if column.null_count() > 0 {
            Arc::new(field.as_ref().clone().with_nullable(true))
        } else {
            field.clone()
        });
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, Int64Array};
    use arrow::datatypes::Field;
    use parquet::arrow::ArrowWriter;

    #[test]
    fn rows_of_some_people_are_theirs_and_no_others() {
        let rows = 20_000;
        let ids =
            StringArray::from_iter((0..rows).map(|row| (row % 7 != 3).then(|| format!("p-{}", row % 100))));
        let offsets = Int64Array::from_iter_values(0..rows);
        let file = RecordBatch::try_from_iter([
            (PERSON_COLUMN, Arc::new(ids) as ArrayRef),
            ("offset", Arc::new(offsets)),
        ])
        .unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), file.schema(), None).unwrap();
        writer.write(&file).unwrap();
        let bytes = Bytes::from(writer.into_inner().unwrap());
        let wanted: SchemaRef = Arc::new(Schema::new(vec![
            Field::new("offset", DataType::Int64, false),
            Field::new(MONTH_COLUMN, DataType::Utf8, false),
        ]));
        let offsets = |batch: &RecordBatch| {
            batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
        };
        let read = |people: &[&str]| -> Vec<i64> {
            let people = Arc::new(people.iter().map(|id| (*id).to_owned()).collect());
            let batches = decode(bytes.clone(), &wanted, Some("2026-11"), Some(people)).unwrap();
            batches.iter().flat_map(offsets).collect()
        };
        let theirs: Vec<i64> =
            (0..rows).filter(|row| row % 7 != 3 && [5, 68].contains(&(row % 100))).collect();
        assert_eq!(read(&["p-5", "p-68", "p-777"]), theirs);
        assert_eq!(read(&["p-777"]), [0_i64; 0]);
        assert_eq!(decode(bytes.clone(), &wanted, None, None).unwrap().len(), 3);
    }

    #[test]
    fn older_and_foreign_files_take_the_tables_shape() {
        let file = RecordBatch::try_from_iter([
            ("offset", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
            ("other", Arc::new(Int64Array::from(vec![9, 9]))),
        ])
        .unwrap();
        let wanted: SchemaRef = Arc::new(Schema::new(vec![
            Field::new("offset", DataType::Int64, false),
            Field::new("added_later", DataType::Utf8, false),
            Field::new(MONTH_COLUMN, DataType::Utf8, false),
        ]));
        let shaped = shape(&file, &wanted, Some("2026-11")).unwrap();
        assert_eq!(shaped.num_columns(), 3);
        assert_eq!(shaped.column(0).data_type(), &DataType::Int64);
        assert_eq!(shaped.column(1).null_count(), 2);
        let months = shaped.column(2).as_any().downcast_ref::<StringArray>().unwrap();
        assert_eq!(months.value(1), "2026-11");
    }
}
