//! Rows as CSV and as NDJSON, written as they come.
//!
//! Why so: the engine's CSV writer refuses lists; ours joins them, as the contract's own CSV files do.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::json::writer::{LineDelimited, WriterBuilder};

use super::columns::TextColumn;
use crate::error::Error;

/// Writes CSV with a header: RFC 4180, lines end in a line feed.
pub(super) struct CsvWriter<'a> {
    out: &'a mut dyn Write,
}

impl<'a> CsvWriter<'a> {
    pub(super) fn new(schema: &Schema, out: &'a mut dyn Write) -> Result<Self, Error> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut writer = Self { out };
        writer.line(names.into_iter().map(Field::Text))?;
        Ok(writer)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let columns = TextColumn::all(batch, "")?;
        for row in 0..batch.num_rows() {
            let texts = columns.iter().map(|column| column.text(row)).collect::<Result<Vec<_>, _>>()?;
            let fields = texts.iter().zip(batch.columns()).map(|(text, column)| match column.is_null(row) {
                true => Field::Null,
                false => Field::Text(text),
            });
            self.line(fields)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        self.out.flush().map_err(Error::output)
    }

    fn line<'t>(&mut self, fields: impl Iterator<Item = Field<'t>>) -> Result<(), Error> {
        let mut line = String::new();
        for (at, field) in fields.enumerate() {
            if at > 0 {
                line.push(',');
            }
            field.push_to(&mut line);
        }
        line.push('\n');
        self.out.write_all(line.as_bytes()).map_err(Error::output)
    }
}

enum Field<'t> {
    Null,
    Text(&'t str),
}

impl Field<'_> {
    /// Quoted where the text needs it. An empty text is quoted, so that it differs from null.
    fn push_to(&self, line: &mut String) {
        let Self::Text(text) = self else { return };
        if !text.is_empty() && !text.contains([',', '"', '\n', '\r']) {
            return line.push_str(text);
        }
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    }
}

/// Writes one JSON object a line.
pub(super) struct JsonWriter<'a> {
    inner: arrow::json::Writer<&'a mut dyn Write, LineDelimited>,
}

impl<'a> JsonWriter<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        let inner = WriterBuilder::new()
            .with_explicit_nulls(true)
            .with_timestamp_format("%Y-%m-%dT%H:%M:%S%.f".to_owned())
            .with_timestamp_tz_format("%Y-%m-%dT%H:%M:%S%.fZ".to_owned())
            .build::<_, LineDelimited>(out);
        Self { inner }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.inner.write(batch).map_err(Error::output)
    }

    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.inner.finish().map_err(Error::output)?;
        self.inner.into_inner().flush().map_err(Error::output)
    }
}
