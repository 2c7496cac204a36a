//! The cells of one CSV line to the JSON object that the same row is in NDJSON.

use schemas::rows::{Field, FieldKind};
use serde_json::{Map, Value};

/// Puts one cell under its key. An empty cell is an absent key. A header `name.en` is the key `en` of the object `name`.
/// What does not read as its kind stays text: the row's own check then says what it should have been.
pub(crate) fn insert(object: &mut Map<String, Value>, header: &str, fields: &[Field], cell: &str) {
    let cell = cell.trim();
    if cell.is_empty() {
        return;
    }
    if let Some((outer, inner)) = header.split_once('.')
        && kind_of(fields, outer) == Some(FieldKind::Json)
    {
        let entry = object.entry(outer).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(nested) = entry {
            nested.insert(inner.to_owned(), scalar(cell));
        }
        return;
    }
    let Some(kind) = kind_of(fields, header) else { return };
    object.insert(header.to_owned(), value(kind, cell));
}

/// Whether a CSV column of this name means something.
pub(crate) fn is_known(fields: &[Field], header: &str) -> bool {
    let outer = header.split_once('.').map(|(outer, _)| outer);
    kind_of(fields, header).is_some()
        || outer.is_some_and(|outer| kind_of(fields, outer) == Some(FieldKind::Json))
}

fn kind_of(fields: &[Field], name: &str) -> Option<FieldKind> {
    fields.iter().find(|field| field.name == name).map(|field| field.kind)
}

fn value(kind: FieldKind, cell: &str) -> Value {
    let text = || Value::String(cell.to_owned());
    match kind {
        FieldKind::Text => text(),
        FieldKind::Integer => cell.parse::<i64>().map_or_else(|_| text(), Value::from),
        FieldKind::Number => cell.parse::<f64>().map_or_else(|_| text(), Value::from),
        FieldKind::TextList => pieces(cell).map(|piece| Value::String(piece.to_owned())).collect(),
        FieldKind::Breaks => pieces(cell).map(a_break).collect(),
        FieldKind::Json => serde_json::from_str(cell).unwrap_or_else(|_| text()),
    }
}

fn pieces(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';').map(str::trim).filter(|piece| !piece.is_empty())
}

/// `12:00-13:00`, with ` paid` behind it where the break counts as work; full times are joined by `/`.
fn a_break(piece: &str) -> Value {
    let (times, paid) = match piece.strip_suffix("paid") {
        Some(times) => (times.trim_end(), true),
        None => (piece, false),
    };
    let Some((start, end)) = times.split_once('/').or_else(|| times.split_once('-')) else {
        return Value::String(piece.to_owned());
    };
    let mut object = Map::new();
    object.insert("start".to_owned(), start.trim().into());
    object.insert("end".to_owned(), end.trim().into());
    if paid {
        object.insert("paid".to_owned(), true.into());
    }
    Value::Object(object)
}

fn scalar(cell: &str) -> Value {
    match serde_json::from_str(cell) {
        Ok(number @ Value::Number(_)) => number,
        _ => Value::String(cell.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, kind: FieldKind, cell: &str, expected: &str) {
        let field = Field { name: header.split('.').next().unwrap().to_owned().leak(), kind };
        let mut object = Map::new();
        insert(&mut object, header, &[field], cell);
        assert_eq!(Value::Object(object).to_string(), expected, "{header}: {cell}");
    }

    #[test]
    fn cells_become_what_ndjson_would_hold() {
        for (header, kind, cell, expected) in [
            ("org", FieldKind::Text, " hk ", r#"{"org":"hk"}"#),
            ("org", FieldKind::Text, "  ", "{}"),
            ("segment", FieldKind::Integer, "2", r#"{"segment":2}"#),
            ("segment", FieldKind::Integer, "two", r#"{"segment":"two"}"#),
            ("radius_m", FieldKind::Number, "80.5", r#"{"radius_m":80.5}"#),
            ("groups", FieldKind::TextList, "a; b;;", r#"{"groups":["a","b"]}"#),
            ("breaks", FieldKind::Breaks, "12:00-13:00", r#"{"breaks":[{"end":"13:00","start":"12:00"}]}"#),
            (
                "breaks",
                FieldKind::Breaks,
                "12:00-13:00; 15:00 - 15:15 paid",
                r#"{"breaks":[{"end":"13:00","start":"12:00"},{"end":"15:15","paid":true,"start":"15:00"}]}"#,
            ),
            (
                "breaks",
                FieldKind::Breaks,
                "2026-11-02T12:00:00+08:00/2026-11-02T13:00:00+08:00",
                r#"{"breaks":[{"end":"2026-11-02T13:00:00+08:00","start":"2026-11-02T12:00:00+08:00"}]}"#,
            ),
            ("breaks", FieldKind::Breaks, "noon", r#"{"breaks":["noon"]}"#),
            ("place", FieldKind::Json, r#"{"lon":1}"#, r#"{"place":{"lon":1}}"#),
            ("name", FieldKind::Json, "Kowloon", r#"{"name":"Kowloon"}"#),
            ("name.zh-Hant", FieldKind::Json, "九龍", r#"{"name":{"zh-Hant":"九龍"}}"#),
            ("place.lon", FieldKind::Json, "114.1", r#"{"place":{"lon":114.1}}"#),
        ] {
            check(header, kind, cell, expected);
        }
    }
}
