//! A small lake made by hand: rows written as `column=value` words, stored as Parquet files by month.
#![allow(dead_code, reason = "each test program uses the part it needs")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::json::ReaderBuilder;
use object_store::local::LocalFileSystem;
use parquet::arrow::ArrowWriter;
use query::files::{LakeFile, LakeTable, LakeTables};
use schemas::tables::{self, MONTH_COLUMN};
use serde_json::{Map, Value};
use url::Url;

/// Rows by table, as JSON objects.
#[derive(Default)]
pub(crate) struct Rows {
    defaults: BTreeMap<String, Map<String, Value>>,
    rows: BTreeMap<String, Vec<Map<String, Value>>>,
}

impl Rows {
    /// Adds a row: `table column=value …`; `default table column=value …` says what later rows of the table begin with.
    pub(crate) fn add(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap();
        let (is_default, table) =
            if first == "default" { (true, words.next().unwrap()) } else { (false, first) };
        let schema = schema_of(table);
        let mut row = self.defaults.get(table).cloned().unwrap_or_default();
        for word in words {
            let (column, text) = word.split_once('=').unwrap_or_else(|| panic!("{word} in {line}"));
            let field =
                schema.field_with_name(column).unwrap_or_else(|_| panic!("{table} has no column {column}"));
            row.insert(column.to_owned(), value(field, text));
        }
        if is_default {
            self.defaults.insert(table.to_owned(), row);
        } else {
            self.push(table, row);
        }
    }

    /// Adds a row as an object; columns left out that must have a value get an empty one of their type.
    pub(crate) fn push(&mut self, table: &str, mut row: Map<String, Value>) {
        let month = ["business_date", "taken_at"].into_iter().find_map(|column| row.get(column)?.as_str());
        let month = month.map_or("2026-11", |date| &date[..7]).to_owned();
        row.entry(MONTH_COLUMN).or_insert(Value::String(month));
        for field in schema_of(table).fields().iter().filter(|field| !field.is_nullable()) {
            row.entry(field.name()).or_insert_with(|| empty(field));
        }
        self.rows.entry(table.to_owned()).or_default().push(row);
    }

    /// One row of `table` as `lake` takes it, the month with it.
    pub(crate) fn batch(&self, table: &str, row: usize) -> RecordBatch {
        all_columns(table, &[&self.rows[table][row]])
    }

    /// Writes the rows below `folder`, at most `rows_per_file` to a file, and lists the files.
    pub(crate) fn store(&self, folder: &Path, rows_per_file: usize) -> LakeTables {
        let tables = self.rows.iter().map(|(name, rows)| {
            let mut months: BTreeMap<&str, Vec<&Map<String, Value>>> = BTreeMap::new();
            for row in rows {
                months.entry(row[MONTH_COLUMN].as_str().unwrap()).or_default().push(row);
            }
            let mut files = Vec::new();
            for (month, rows) in months {
                for (number, rows) in rows.chunks(rows_per_file).enumerate() {
                    let folder = folder.join(name).join(format!("{MONTH_COLUMN}={month}"));
                    fs::create_dir_all(&folder).unwrap();
                    let batch = batch_of(name, rows);
                    files.push(write(&folder.join(format!("part-{number}.parquet")), &batch, Some(month)));
                }
            }
            Arc::new(LakeTable { name: name.clone(), version: 1, schema: schema_of(name), files })
        });
        lake_of(tables.collect())
    }
}

fn all_columns(table: &str, rows: &[&Map<String, Value>]) -> RecordBatch {
    let mut decoder =
        ReaderBuilder::new(schema_of(table)).with_batch_size(rows.len()).build_decoder().unwrap();
    decoder.serialize(rows).unwrap();
    decoder.flush().unwrap().unwrap()
}

/// A lake on the local disk.
pub(crate) fn lake_of(tables: Vec<Arc<LakeTable>>) -> LakeTables {
    LakeTables { url: Url::parse("file:///").unwrap(), store: Arc::new(LocalFileSystem::new()), tables }
}

/// Writes `batch` to `path` and lists it.
pub(crate) fn write(path: &Path, batch: &RecordBatch, month: Option<&str>) -> LakeFile {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    LakeFile {
        path: object_store::path::Path::from_absolute_path(path).unwrap(),
        size_bytes: fs::metadata(path).unwrap().len(),
        rows: Some(batch.num_rows() as u64),
        business_month: month.map(str::to_owned),
    }
}

pub(crate) fn schema_of(table: &str) -> SchemaRef {
    let known =
        tables::ALL.iter().find(|known| known.name == table).unwrap_or_else(|| panic!("no table {table}"));
    (known.schema)()
}

/// The rows as a file holds them: without the month.
fn batch_of(table: &str, rows: &[&Map<String, Value>]) -> RecordBatch {
    let mut batch = all_columns(table, rows);
    batch.remove_column(batch.schema().index_of(MONTH_COLUMN).unwrap());
    batch
}

fn value(field: &Field, text: &str) -> Value {
    match field.data_type() {
        _ if text == "null" => Value::Null,
        DataType::Boolean => Value::Bool(text.parse().unwrap()),
        DataType::Int32 | DataType::Int64 => Value::from(text.parse::<i64>().unwrap()),
        DataType::Float64 => Value::from(text.parse::<f64>().unwrap()),
        DataType::List(item) => {
            let items = text.split(';').filter(|item| !item.is_empty());
            Value::Array(items.map(|text| value(item, text)).collect())
        }
        _ => Value::String(text.replace('_', if field.name() == "name" { " " } else { "_" })),
    }
}

fn empty(field: &Field) -> Value {
    match field.data_type() {
        DataType::Boolean => Value::Bool(false),
        DataType::Int32 | DataType::Int64 | DataType::Float64 => Value::from(0),
        DataType::List(_) => Value::Array(Vec::new()),
        DataType::Date32 => Value::String("2026-11-02".to_owned()),
        DataType::Timestamp(_, _) => Value::String("2026-11-02T00:00:00Z".to_owned()),
        _ => Value::String(String::new()),
    }
}
