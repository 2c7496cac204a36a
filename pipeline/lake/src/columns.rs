//! Columns that a table of a former version of this program lacks.
//!
//! In: a table's schema as stored, and as this program writes it.  Out: an entry that makes the second of the first.
//! Owns: nothing.
//! Absent on purpose: columns renamed, dropped or of another type: a column's meaning never changes (contract, preamble), so a
//! table that says otherwise was made by another program.
//! Invariants: a table only ever gains columns, and only such as may be null: files written before stay as they are, and readers
//! of any version find in them what they found before; kept by [`schema_with_added`].
//! Why so: one entry with `metaData` and nothing else is all that Delta needs; it names no owner's partition, so that owners at
//! work step over it.

use bytes::Bytes;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::{Snapshot, StructType};
use serde_json::json;

use crate::encode::now_ms;
use crate::error::{Error, Result};
use crate::lake::schema_of;

/// The entry that adds to the table `name` the columns which it lacks; `None` if it has them all. Identity, settings and columns
/// of the table stay as they are.
pub(crate) fn grown(name: &str, snapshot: &Snapshot) -> Result<Option<Bytes>> {
    let what = || format!("add columns to table {name}");
    let wanted: StructType =
        schema_of(name)?.as_ref().try_into_kernel().map_err(|e| Error::schema(what(), e))?;
    let Some(schema) = schema_with_added(name, &snapshot.schema(), &wanted)? else { return Ok(None) };
    let schema = serde_json::to_string(&schema).map_err(|e| Error::schema(what(), e))?;
    let mut metadata = serde_json::to_value(snapshot.metadata()).map_err(|e| Error::schema(what(), e))?;
    metadata["schemaString"] = schema.into();
    let info = json!({ "timestamp": now_ms(), "operation": "ADD COLUMNS", "engineInfo": "muster" });
    let entry = [json!({ "commitInfo": info }), json!({ "metaData": metadata })];
    Ok(Some(entry.map(|action| action.to_string()).join("\n").into()))
}

/// The columns of `stored` and behind them those of `wanted` that it lacks; `None` if it lacks none.
fn schema_with_added(name: &str, stored: &StructType, wanted: &StructType) -> Result<Option<StructType>> {
    let mut added = Vec::new();
    for column in wanted.fields() {
        let refuse = |why: &str| {
            Err(Error::schema(
                format!("write to table {name}"),
                format!("its column `{}` {why}", column.name()),
            ))
        };
        match stored.field(column.name()) {
            None if !column.is_nullable() => {
                return refuse("is missing, and rows written before would lack it");
            }
            None => added.push(column.clone()),
            Some(known) if known.data_type() != column.data_type() => {
                return refuse(&format!("is {}, not {}", known.data_type(), column.data_type()));
            }
            Some(known) if column.is_nullable() && !known.is_nullable() => {
                return refuse("may not be null, and this version writes nulls");
            }
            Some(_) => {}
        }
    }
    if added.is_empty() {
        return Ok(None);
    }
    let all = stored.fields().cloned().chain(added);
    StructType::try_new(all).map(Some).map_err(|e| Error::schema(format!("add columns to table {name}"), e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use deltalake::kernel::{DataType, StructField};

    fn schema(columns: &str) -> StructType {
        let field = |column: &str| {
            let (name, kind) = column.split_once(':').unwrap();
            let data_type = if kind.starts_with("int") { DataType::LONG } else { DataType::STRING };
            StructField::new(name, data_type, kind.ends_with('?'))
        };
        StructType::try_new(columns.split_whitespace().map(field)).unwrap()
    }

    #[test]
    fn a_table_gains_what_it_lacks_and_keeps_what_it_has() {
        let stored = schema("a:int b:text? theirs:text? business_month:text");
        let grown = |wanted: &str| schema_with_added("t", &stored, &schema(wanted));
        assert!(grown("a:int b:text? business_month:text").unwrap().is_none());
        assert!(grown("b:text? a:int").unwrap().is_none(), "an older program's columns");
        let with_two = grown("c:int? a:int b:text? d:text? business_month:text").unwrap().unwrap();
        let expected = schema("a:int b:text? theirs:text? business_month:text c:int? d:text?");
        assert_eq!(with_two, expected);
    }

    #[test]
    fn a_table_of_another_kind_is_refused() {
        let stored = schema("a:int b:text?");
        for (wanted, why) in [
            ("a:int c:text", "its column `c` is missing"),
            ("a:text", "its column `a` is long, not string"),
            ("a:int?", "its column `a` may not be null"),
        ] {
            let error = schema_with_added("t", &stored, &schema(wanted)).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Schema);
            assert!(error.to_string().starts_with(&format!("write to table t: {why}")), "{error}");
        }
        assert!(
            schema_with_added("t", &stored, &schema("b:text")).unwrap().is_none(),
            "fewer nulls are no harm"
        );
    }
}
