//! What there is to ask: the list of tables and views, and one of them with its columns and their meaning.

use std::fmt::Write;

use arrow::datatypes::DataType;
use console::measure_text_width;

use crate::catalog::{Relation, RelationKind};
use crate::error::Error;

/// Every relation in a line: views first, then tables, then the steps views are made of.
pub(super) fn list(relations: &[Relation], width: usize) -> String {
    let names = relations.iter().map(|relation| relation.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for kind in [RelationKind::View, RelationKind::Table, RelationKind::Step] {
        for relation in relations.iter().filter(|relation| relation.kind == kind) {
            let about = match (kind, relation.rows) {
                (RelationKind::Table, Some(1)) => "1 row".to_owned(),
                (RelationKind::Table, Some(rows)) => format!("{rows} rows"),
                (RelationKind::Table, None) => String::new(),
                _ => first_sentence(&relation.about).to_owned(),
            };
            row(&mut text, &format!("{:names$}  {:5}  ", relation.name, kind.name()), &about, width);
        }
    }
    text
}

/// One relation with its columns.
pub(super) fn describe(relations: &[Relation], name: &str, width: usize) -> Result<String, Error> {
    let Some(relation) = relations.iter().find(|relation| relation.name.eq_ignore_ascii_case(name)) else {
        let names: Vec<&str> = relations.iter().map(|relation| relation.name.as_str()).collect();
        return Err(Error::no_relation(name, &names));
    };
    let mut text = format!("{} {}\n", relation.kind.name(), relation.name);
    if !relation.about.is_empty() {
        row(&mut text, "", &relation.about, width);
    }
    let fields = relation.schema.fields();
    let names = fields.iter().map(|field| field.name().len()).max().unwrap_or(0);
    for field in fields {
        let meaning = relation.meanings.iter().find(|(column, _)| column == field.name());
        let meaning = meaning.map_or("", |(_, meaning)| meaning.as_str());
        let head = format!("  {:names$}  {:11}  ", field.name(), type_name(field.data_type()));
        row(&mut text, &head, meaning, width);
    }
    Ok(text)
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |at| &text[..=at])
}

/// How narrow the text beside a head may become before it is left to run over the edge.
const TEXT_WIDTH_MIN: usize = 30;

/// Appends `head` and `text`, the text broken between words at `width` and continued below itself.
fn row(out: &mut String, head: &str, text: &str, width: usize) {
    let indent = measure_text_width(head);
    let room = width.saturating_sub(indent).max(TEXT_WIDTH_MIN);
    let mut line = head.to_owned();
    let mut used = 0;
    for word in text.split(' ') {
        let word_width = measure_text_width(word);
        if used > 0 && used + 1 + word_width > room {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent);
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += word_width;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// A type in SQL's words.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int32 | DataType::UInt32 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt64 => "bigint".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Dictionary(_, value) => type_name(value),
        DataType::List(item) => format!("{}[]", type_name(item.data_type())),
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_continued_below_itself() {
        let mut text = String::new();
        row(&mut text, "late_min  ", "late minutes, after grace; 0 within it, always", 45);
        assert_eq!(text, "late_min  late minutes, after grace; 0 within\n          it, always\n");
        let mut empty = String::new();
        row(&mut empty, "x  ", "", 80);
        assert_eq!(empty, "x\n");
    }
}
