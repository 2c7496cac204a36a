//! Which rows are one person's, and where rows of others name that person.
//!
//! In: record batches of any table.  Out: the batches without the person.  Owns: nothing.
//! Absent on purpose: ids that others made (a `shift_id`, an `event_id` in a row of somebody else): they are no names of people.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use schemas::tables::{alert_deliveries, reviews};

use crate::error::{Error, Result};
use crate::fold::texts;

/// Whose row it is.
const PERSON: &str = "employee_id";

/// About which anomaly it is, in tables whose rows belong to an anomaly's person.
const ANOMALY: &str = "anomaly_id";

/// Columns in which rows of others may name a person: as a manager, an approver, a reviewer, or in words.
const NAMING: [&str; 7] = ["managers", "approvals", "reviewer", "sealed_by", "note", "message", "problems"];

/// What stands in the place of a person's id in a row of somebody else.
const ERASED: &str = "erased";

/// Whether `text` names `id`: with neither a letter nor a digit, `_` or `-` beside it.
pub fn names(text: &str, id: &str) -> bool {
    occurrences(text, id).next().is_some()
}

fn occurrences<'a>(text: &'a str, id: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_within = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let stands_alone = move |at: &usize| {
        !text[..*at].chars().next_back().is_some_and(is_within)
            && !text[*at + id.len()..].chars().next().is_some_and(is_within)
    };
    let found = text.match_indices(id).map(|(at, _)| at).filter(stands_alone);
    found.take_while(|_| !id.is_empty())
}

/// `text` with another word for `id`, if it names it.
pub fn unnamed(text: &str, id: &str) -> Option<String> {
    let (mut out, mut from) = (String::new(), 0);
    for at in occurrences(text, id) {
        out.push_str(&text[from..at]);
        out.push_str(ERASED);
        from = at + id.len();
    }
    (from > 0).then(|| out + &text[from..])
}

/// One person, and the anomalies about that person.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) anomalies: BTreeSet<String>,
}

/// What is left of a batch.
pub(super) struct Rest {
    pub(super) rows: RecordBatch,
    pub(super) removed: u64,
    pub(super) unnamed: u64,
}

/// Whether rows of the table are about anomalies, and theirs whose anomaly it is.
pub(super) fn is_of_anomalies(table: &str) -> bool {
    [reviews::NAME, alert_deliveries::NAME].contains(&table)
}

/// Whether rows of others may name a person in a table of these columns.
pub(super) fn may_name(schema: &SchemaRef) -> bool {
    schema.fields().iter().any(|field| NAMING.contains(&field.name().as_str()))
}

/// The columns that tell of people; none in a table of something else.
pub(super) fn telling(table: &str, schema: &SchemaRef) -> Option<SchemaRef> {
    let key = if is_of_anomalies(table) { ANOMALY } else { PERSON };
    let tells = |name: &str| name == key || NAMING.contains(&name);
    let fields: Vec<_> = schema.fields().iter().filter(|field| tells(field.name())).cloned().collect();
    (!fields.is_empty()).then(|| Arc::new(Schema::new(fields)))
}

impl Person {
    /// The batch without the person's rows, and with no word of the person in the others'.
    pub(super) fn leave(&self, table: &str, batch: &RecordBatch) -> Result<Rest> {
        let what = |e| Error::schema(format!("erase from table {table}"), e);
        let is_theirs = self.is_theirs(table, batch)?;
        let kept =
            filter_record_batch(batch, &arrow::compute::not(&is_theirs).map_err(what)?).map_err(what)?;
        let removed = (batch.num_rows() - kept.num_rows()) as u64;
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        let mut rows_unnamed = BTreeSet::new();
        for (field, column) in kept.schema().fields().iter().zip(kept.columns()) {
            let changed = if NAMING.contains(&field.name().as_str()) {
                self.without_name(field, column, &mut rows_unnamed).map_err(what)?
            } else {
                None
            };
            columns.push(changed.unwrap_or_else(|| column.clone()));
            fields.push(field.clone());
        }
        let rows = if rows_unnamed.is_empty() {
            kept
        } else {
            RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(what)?
        };
        Ok(Rest { rows, removed, unnamed: rows_unnamed.len() as u64 })
    }

    fn is_theirs(&self, table: &str, batch: &RecordBatch) -> Result<BooleanArray> {
        let of = |name: &str, is: &dyn Fn(&str) -> bool| -> Result<BooleanArray> {
            if batch.column_by_name(name).is_none() {
                return Ok(BooleanArray::from(vec![false; batch.num_rows()]));
            }
            Ok(texts(batch, name)?.iter().map(|text| Some(text.is_some_and(is))).collect())
        };
        if is_of_anomalies(table) {
            return of(ANOMALY, &|id| self.anomalies.contains(id));
        }
        of(PERSON, &|id| id == self.id)
    }

    /// The column with another word in the place of the person's id; `None` if it stands nowhere in it.
    fn without_name(
        &self,
        field: &Field,
        column: &ArrayRef,
        rows: &mut BTreeSet<usize>,
    ) -> std::result::Result<Option<ArrayRef>, arrow::error::ArrowError> {
        match field.data_type() {
            DataType::Utf8 => {
                let texts = column.as_string::<i32>();
                let Some((changed, places)) = self.unnamed(texts) else { return Ok(None) };
                rows.extend(places);
                Ok(Some(Arc::new(changed)))
            }
            DataType::List(item) if *item.data_type() == DataType::Utf8 => {
                let lists = column.as_list::<i32>();
                let Some((changed, places)) = self.unnamed(lists.values().as_string::<i32>()) else {
                    return Ok(None);
                };
                let offsets = lists.value_offsets();
                let row_of =
                    |place: usize| offsets.partition_point(|offset| *offset as usize <= place).checked_sub(1);
                rows.extend(places.into_iter().filter_map(row_of).filter(|row| *row < lists.len()));
                let nulls = lists.nulls().cloned();
                let lists =
                    ListArray::try_new(item.clone(), lists.offsets().clone(), Arc::new(changed), nulls)?;
                Ok(Some(Arc::new(lists)))
            }
            _ => Ok(None),
        }
    }

    fn unnamed(&self, texts: &StringArray) -> Option<(StringArray, Vec<usize>)> {
        let found = |(place, text): (usize, Option<&str>)| Some((place, unnamed(text?, &self.id)?));
        let changed: Vec<(usize, String)> = texts.iter().enumerate().filter_map(found).collect();
        let mut next = changed.iter().peekable();
        let text = |(place, text): (usize, Option<&'_ str>)| {
            let changed = next.next_if(|(changed, _)| *changed == place);
            changed.map(|(_, text)| text.clone()).or_else(|| text.map(str::to_owned))
        };
        let all: StringArray = texts.iter().enumerate().map(text).collect();
        (!changed.is_empty()).then(|| (all, changed.iter().map(|(place, _)| *place).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ListBuilder, StringBuilder};

    #[test]
    fn a_person_is_named_by_a_word_of_its_own() {
        for (text, expected) in [
            ("E12", Some("erased")),
            (r#"{"by":"E12","at":"x"}"#, Some(r#"{"by":"erased","at":"x"}"#)),
            ("told E12, and E12.", Some("told erased, and erased.")),
            ("E123 and XE12 and E12-5 and E12_", None),
            ("E123 then E12", Some("E123 then erased")),
            ("", None),
        ] {
            assert_eq!(unnamed(text, "E12").as_deref(), expected, "{text}");
            assert_eq!(names(text, "E12"), expected.is_some(), "{text}");
        }
        assert!(!names("anything", ""));
        assert!(names("由李明批准 李明", "李明"));
    }

    #[test]
    fn rows_go_words_change_and_the_rest_is_as_it_was() {
        let mut managers = ListBuilder::new(StringBuilder::new());
        for list in [vec!["M1", "E1"], vec![], vec!["M2"], vec!["E1"]] {
            list.into_iter().for_each(|id| managers.values().append_value(id));
            managers.append(true);
        }
        let managers = managers.finish();
        let batch = RecordBatch::try_from_iter_with_nullable([
            (
                PERSON,
                Arc::new(StringArray::from(vec![Some("E2"), None, Some("E1"), Some("E3")])) as ArrayRef,
                true,
            ),
            ("managers", Arc::new(managers) as ArrayRef, true),
            (
                "note",
                Arc::new(StringArray::from(vec![Some("by E1"), Some("x"), None, None])) as ArrayRef,
                true,
            ),
        ])
        .unwrap();
        let person = Person { id: "E1".to_owned(), anomalies: BTreeSet::new() };
        let rest = person.leave("people", &batch).unwrap();
        assert_eq!((rest.removed, rest.unnamed, rest.rows.num_rows()), (1, 2, 3));
        let notes = rest.rows.column(2).as_string::<i32>();
        assert_eq!((notes.value(0), notes.value(1), notes.is_null(2)), ("by erased", "x", true));
        let lists = rest.rows.column(1).as_list::<i32>();
        let list = |row| -> Vec<String> {
            lists.value(row).as_string::<i32>().iter().flatten().map(str::to_owned).collect()
        };
        assert_eq!([list(0), list(1), list(2)], [vec!["M1", "erased"], vec![], vec!["erased"]]);

        let other = Person { id: "E9".to_owned(), anomalies: BTreeSet::new() };
        let rest = other.leave("people", &batch).unwrap();
        assert_eq!((rest.removed, rest.unnamed), (0, 0));
        assert_eq!(rest.rows, batch);
    }

    #[test]
    fn rows_about_an_anomaly_go_with_it() {
        let ids = StringArray::from(vec!["aa", "bb", "aa"]);
        let batch = RecordBatch::try_from_iter([(ANOMALY, Arc::new(ids) as ArrayRef)]).unwrap();
        let person = Person { id: "E1".to_owned(), anomalies: BTreeSet::from(["aa".to_owned()]) };
        assert_eq!(person.leave(reviews::NAME, &batch).unwrap().removed, 2);
        assert_eq!(person.leave("sites", &batch).unwrap().removed, 0);
    }
}
