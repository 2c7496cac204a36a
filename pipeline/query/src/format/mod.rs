//! Answers as text and files: a table for people, CSV and NDJSON for scripts, Parquet for other engines.
//!
//! In: [`Rows`].  Out: bytes into any writer.  Owns: nothing.
//! Absent on purpose: knowledge of the terminal. Its width is handed in, so that a test sees what a person would see.
//! Why so: JSON is one object a line, as every other file of Muster is: it can be streamed, cut and joined.

mod columns;
mod delimited;
mod table;

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::Error;
use crate::session::{Answer, Rows};

pub use table::{Layout, write_expanded, write_table};

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A drawn table, for people.
    Table,
    /// RFC 4180 with a header; lists are joined with `;`, instants are RFC 3339 in UTC, null is an empty field.
    Csv,
    /// One JSON object a line (NDJSON); nulls are written, so that every line has every key.
    Json,
    /// One Parquet file, zstd.
    Parquet,
}

impl Format {
    /// Every format.
    pub const ALL: &'static [Self] = &[Self::Table, Self::Csv, Self::Json, Self::Parquet];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// Whether rows are written as they come, without holding the whole answer.
    pub const fn is_streamed(self) -> bool {
        !matches!(self, Self::Table)
    }
}

/// Writes rows as they come. Returns how many there were.
pub(crate) async fn write_streamed(
    rows: &mut Rows,
    format: Format,
    out: &mut dyn Write,
) -> Result<usize, Error> {
    let mut writer = Writer::new(format, &rows.schema(), out)?;
    let mut count = 0;
    while let Some(batch) = rows.next().await? {
        count += batch.num_rows();
        writer.write(&batch)?;
    }
    writer.finish()?;
    Ok(count)
}

/// Writes a collected answer in any format; tables laid out as `layout` says.
pub fn write_answer(
    answer: &Answer,
    format: Format,
    layout: Layout,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if format == Format::Table {
        return write_table(answer, layout, out);
    }
    let mut writer = Writer::new(format, &answer.schema, out)?;
    for batch in &answer.batches {
        writer.write(batch)?;
    }
    writer.finish()
}

enum Writer<'a> {
    Csv(delimited::CsvWriter<'a>),
    Json(delimited::JsonWriter<'a>),
    Parquet(Box<ArrowWriter<Vec<u8>>>, &'a mut dyn Write),
}

impl<'a> Writer<'a> {
    fn new(format: Format, schema: &SchemaRef, out: &'a mut dyn Write) -> Result<Self, Error> {
        Ok(match format {
            Format::Table | Format::Csv => Self::Csv(delimited::CsvWriter::new(schema, out)?),
            Format::Json => Self::Json(delimited::JsonWriter::new(out)),
            Format::Parquet => {
                let compression = Compression::ZSTD(ZstdLevel::try_new(3).map_err(Error::output)?);
                let properties = WriterProperties::builder().set_compression(compression).build();
                let writer = ArrowWriter::try_new(Vec::new(), SchemaRef::clone(schema), Some(properties));
                Self::Parquet(Box::new(writer.map_err(Error::output)?), out)
            }
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        match self {
            Self::Csv(writer) => writer.write(batch),
            Self::Json(writer) => writer.write(batch),
            Self::Parquet(writer, out) => {
                writer.write(batch).map_err(Error::output)?;
                hand_over(writer.inner_mut(), *out)
            }
        }
    }

    fn finish(self) -> Result<(), Error> {
        match self {
            Self::Csv(writer) => writer.finish(),
            Self::Json(writer) => writer.finish(),
            Self::Parquet(writer, out) => {
                let mut last = writer.into_inner().map_err(Error::output)?;
                hand_over(&mut last, out)?;
                out.flush().map_err(Error::output)
            }
        }
    }
}

/// Moves finished bytes on. The Parquet writer wants a writer that may cross threads, which standard output's lock may
/// not; it counts what it has written itself, so its buffer may be emptied under it.
fn hand_over(buffer: &mut Vec<u8>, out: &mut dyn Write) -> Result<(), Error> {
    out.write_all(buffer).map_err(Error::output)?;
    buffer.clear();
    Ok(())
}
