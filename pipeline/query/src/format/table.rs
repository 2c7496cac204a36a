//! An answer as a drawn table: numbers to the right, wide characters counted as wide, and a width that is kept.
//!
//! Why so: a table wider than the screen is folded into bands of columns, the first column repeated, instead of being
//! cut: nothing a clerk asked for may silently be missing.

use std::io::Write;

use arrow::array::RecordBatch;
use console::measure_text_width;

use super::columns::{TextColumn, is_number};
use crate::error::Error;
use crate::session::Answer;

/// How wide a table may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As wide as it needs: for files, pipes and pagers that scroll.
    Whole,
    /// At most so many columns of the screen; wider tables are folded into bands.
    Fold(usize),
}

/// How null reads in a table.
const NULL: &str = "NULL";

struct Column {
    name: String,
    right: bool,
    width: usize,
    cells: Vec<String>,
}

fn columns_of(answer: &Answer) -> Result<Vec<Column>, Error> {
    let mut columns: Vec<Column> = answer
        .schema
        .fields()
        .iter()
        .map(|field| Column {
            name: one_line(field.name()),
            right: is_number(field.data_type()),
            width: measure_text_width(field.name()),
            cells: Vec::new(),
        })
        .collect();
    for batch in &answer.batches {
        add_cells(&mut columns, batch)?;
    }
    Ok(columns)
}

fn add_cells(columns: &mut [Column], batch: &RecordBatch) -> Result<(), Error> {
    for (column, texts) in columns.iter_mut().zip(TextColumn::all(batch, NULL)?) {
        for row in 0..batch.num_rows() {
            let cell = one_line(&texts.text(row)?);
            column.width = column.width.max(measure_text_width(&cell));
            column.cells.push(cell);
        }
    }
    Ok(())
}

/// A cell keeps to its line: line ends and tabs are shown as their escapes, other control characters are dropped so
/// that no stored text can move the cursor of the one who reads it.
fn one_line(text: &str) -> String {
    let text = text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Writes `answer` as a drawn table, and below it how many rows there are.
pub fn write_table(answer: &Answer, layout: Layout, out: &mut dyn Write) -> Result<(), Error> {
    // A plan is read as text, not as cells: its line ends matter.
    if answer.schema.fields().iter().map(|field| field.name().as_str()).eq(["plan_type", "plan"]) {
        return write_plan(answer, out);
    }
    let columns = columns_of(answer)?;
    let mut text = String::new();
    for band in bands(&columns, layout) {
        draw(&band, answer.rows(), &mut text);
    }
    text += &format!("({} {})\n", answer.rows(), if answer.rows() == 1 { "row" } else { "rows" });
    out.write_all(text.as_bytes()).map_err(Error::output)
}

fn write_plan(answer: &Answer, out: &mut dyn Write) -> Result<(), Error> {
    for batch in &answer.batches {
        let columns = TextColumn::all(batch, NULL)?;
        for row in 0..batch.num_rows() {
            let text = format!("{}\n{}\n", columns[0].text(row)?, columns[1].text(row)?);
            out.write_all(text.as_bytes()).map_err(Error::output)?;
        }
    }
    Ok(())
}

/// Cuts the columns into groups that fit, each beginning with the first column.
fn bands(columns: &[Column], layout: Layout) -> Vec<Vec<&Column>> {
    let Layout::Fold(screen) = layout else { return vec![columns.iter().collect()] };
    let Some((first, rest)) = columns.split_first() else { return vec![Vec::new()] };
    let wide = |column: &Column| column.width + 3;
    let mut bands = vec![vec![first]];
    let mut width = wide(first) + 1;
    for column in rest {
        if width + wide(column) > screen && bands.last().is_some_and(|band| band.len() > 1) {
            bands.push(vec![first]);
            width = wide(first) + 1;
        }
        width += wide(column);
        bands.last_mut().unwrap_or(&mut Vec::new()).push(column);
    }
    bands
}

fn draw(columns: &[&Column], rows: usize, text: &mut String) {
    let rule = |left: &str, middle: &str, right: &str| {
        let parts: Vec<String> = columns.iter().map(|column| "─".repeat(column.width + 2)).collect();
        format!("{left}{}{right}\n", parts.join(middle))
    };
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(columns).map(|(cell, column)| pad(cell, column));
        format!("│ {} │\n", padded.collect::<Vec<_>>().join(" │ "))
    };
    text.push_str(&rule("┌", "┬", "┐"));
    text.push_str(&line(columns.iter().map(|column| column.name.as_str()).collect()));
    text.push_str(&rule("├", "┼", "┤"));
    for row in 0..rows {
        text.push_str(&line(columns.iter().map(|column| column.cells[row].as_str()).collect()));
    }
    text.push_str(&rule("└", "┴", "┘"));
}

fn pad(cell: &str, column: &Column) -> String {
    let space = " ".repeat(column.width - measure_text_width(cell).min(column.width));
    if column.right { format!("{space}{cell}") } else { format!("{cell}{space}") }
}

/// Writes `answer` one value a line, a block for each row: for rows with many columns.
pub fn write_expanded(answer: &Answer, out: &mut dyn Write) -> Result<(), Error> {
    let columns = columns_of(answer)?;
    let names = columns.iter().map(|column| measure_text_width(&column.name)).max().unwrap_or(0);
    let mut text = String::new();
    for row in 0..answer.rows() {
        let head = format!("─[ row {} ]", row + 1);
        text += &format!("{head}{}\n", "─".repeat((names + 20).saturating_sub(measure_text_width(&head))));
        for column in &columns {
            let space = " ".repeat(names - measure_text_width(&column.name));
            text += &format!("{}{space} │ {}\n", column.name, column.cells[row]);
        }
    }
    text += &format!("({} {})\n", answer.rows(), if answer.rows() == 1 { "row" } else { "rows" });
    out.write_all(text.as_bytes()).map_err(Error::output)
}
