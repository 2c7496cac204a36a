//! One Parquet file of a table back into record batches.
//!
//! In: a file's entry in a scan, the wanted columns.  Out: batches of exactly those columns.  Owns: nothing.
//! Invariants: a batch has the wanted columns with the table's types whatever the file holds: columns that an older file lacks
//! are null, the month comes from the log, kept by [`shape`].

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemas::tables::MONTH_COLUMN;

use crate::error::{Error, Result};
use crate::scan::FileEntry;

/// Rows of a batch at most.
const BATCH_ROWS: usize = 8_192;

/// The rows of `file`, a file of the table whose root is the root of `store`: the columns `wanted`, with its types.
pub(crate) async fn read_file(
    table: &str,
    store: &dyn ObjectStore,
    file: &FileEntry,
    wanted: &SchemaRef,
) -> Result<Vec<RecordBatch>> {
    let what = || format!("read file {} of table {table}", file.path);
    let found = store.get(&file.path).await.map_err(|e| Error::store(what(), e))?;
    let bytes = found.bytes().await.map_err(|e| Error::store(what(), e))?;
    let (wanted, month) = (wanted.clone(), file.business_month.clone());
    let decoded = tokio::task::spawn_blocking(move || decode(bytes, &wanted, month.as_deref())).await;
    match decoded {
        Ok(batches) => batches.map_err(|e| Error::schema(what(), e)),
        Err(panic) => Err(Error::corrupt(format!("{}: {panic}", what()))),
    }
}

fn decode(
    bytes: Bytes,
    wanted: &SchemaRef,
    month: Option<&str>,
) -> std::result::Result<Vec<RecordBatch>, parquet::errors::ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let names = wanted.fields().iter().map(|field| field.name().as_str());
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()?;
    reader.map(|batch| Ok(shape(&batch?, wanted, month)?)).collect()
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
    use arrow::array::{Array, Int32Array, Int64Array};
    use arrow::datatypes::{DataType, Field};

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
