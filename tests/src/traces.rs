//! In which files of a folder a text stands, whatever they are: the bytes of each, and of Parquet files every text in every column.
//!
//! Absent on purpose: any code of the lake: which files count is of no matter, all that are there are read.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The files below `folder` in which `text` stands.
pub fn traces(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(traces(&path, text));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut has = bytes.windows(text.len()).any(|window| window == text.as_bytes());
        if path.extension().is_some_and(|ending| ending == "parquet") {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap());
            for batch in reader.unwrap().build().unwrap() {
                has |= batch.unwrap().columns().iter().any(|column| tells(column, text));
            }
        }
        found.extend(has.then(|| path.display().to_string()));
    }
    found
}

fn tells(column: &ArrayRef, text: &str) -> bool {
    match column.data_type() {
        DataType::Struct(_) => column.as_struct().columns().iter().any(|column| tells(column, text)),
        DataType::List(_) => tells(column.as_list::<i32>().values(), text),
        DataType::Map(..) => column.as_map().entries().columns().iter().any(|column| tells(column, text)),
        _ => match cast(column, &DataType::Utf8) {
            Ok(texts) => texts.as_string::<i32>().iter().flatten().any(|found| found.contains(text)),
            Err(_) => false,
        },
    }
}
