//! A registry's answer about one id, as it is kept and as it is compiled.
//!
//! In: the JSON of `GET /schemas/ids/{id}`, and of what it refers to.  Out: an [`Answer`]; of that, a `WriterSchema`.
//! Owns: nothing.

use schemas::decode::WriterSchema;
use serde::{Deserialize, Serialize};

/// A schema with all that it refers to, as kept in a file of the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    /// Its text.
    pub(super) schema: String,
    /// `AVRO` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) schema_type: Option<String>,
    /// Texts of the schemas it refers to, each behind those that it refers to itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) referred: Vec<String>,
}

/// The registry's own words; more fields may come.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub(super) schema: String,
    #[serde(default)]
    pub(super) schema_type: Option<String>,
    #[serde(default)]
    pub(super) references: Option<Vec<Reference>>,
}

/// Another schema that one names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Reference {
    pub(super) subject: String,
    pub(super) version: u32,
}

/// What a registry says of a refusal.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Refused {
    pub(super) error_code: u32,
}

impl Answer {
    pub(super) fn kind(&self) -> &str {
        self.schema_type.as_deref().unwrap_or("AVRO")
    }
}

/// The schema, resolved against the contract.
///
/// # Errors
/// Why no punch can be read under it: the field, where it is one.
pub(super) fn compile(answer: &Answer) -> Result<WriterSchema, String> {
    let referred: Vec<&str> = answer.referred.iter().map(String::as_str).collect();
    let schema = match answer.kind() {
        "AVRO" => WriterSchema::avro_with(&answer.schema, &referred).map_err(|error| error.to_string())?,
        "PROTOBUF" => {
            WriterSchema::protobuf_file(&answer.schema, &referred).map_err(|error| error.to_string())?
        }
        "JSON" => WriterSchema::json(),
        other => return Err(format!("its type is `{other}`, which is neither AVRO, PROTOBUF nor JSON")),
    };
    match schema.missing_field() {
        Some(field) => Err(format!("it lacks the field `{field}`")),
        None => Ok(schema),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Option<&str>, schema: &str, referred: &[&str], want: &str) {
        let answer = Answer {
            schema: schema.to_owned(),
            schema_type: kind.map(str::to_owned),
            referred: referred.iter().map(|text| (*text).to_owned()).collect(),
        };
        let told = compile(&answer).map_or_else(|what| what, |_| "fits".to_owned());
        assert!(told.contains(want), "{told}");
    }

    #[test]
    fn what_no_punch_can_be_read_under_says_why() {
        let avro = include_str!("../../../../schemas/avro/punch.avsc");
        check(None, avro, &[], "fits");
        check(Some("AVRO"), &avro.replace("\"kind\"", "\"direction\""), &[], "it lacks the field `kind`");
        check(Some("AVRO"), "\"string\"", &[], "its top is no record");
        check(Some("JSON"), "{}", &[], "fits");
        check(Some("THRIFT"), "{}", &[], "`THRIFT`, which is neither");
        let kind = r#"{"type":"enum","name":"x.Kind","symbols":["in","out"]}"#;
        let fields = r#"{"type":"record","name":"P","fields":[{"name":"event_id","type":"string"},
            {"name":"employee_id","type":"string"},{"name":"occurred_at","type":"long"},
            {"name":"origin","type":"string"},{"name":"kind","type":"x.Kind"}]}"#;
        check(None, fields, &[kind], "fits");
        check(None, fields, &[], "`x.Kind` is no type");
    }

    #[test]
    fn a_protobuf_file_is_held_against_ours() {
        let ours = include_str!("../../../../schemas/proto/punch.proto");
        let held = |change: (&str, &str), want| {
            assert!(ours.contains(change.0), "{}", change.0);
            check(Some("PROTOBUF"), &ours.replacen(change.0, change.1, 1), &[], want);
        };
        held(("message Punch", "message Later { string a = 1; }\nmessage Punch"), "fits");
        held(("  string note = 13;", "  string note = 13; int32 shoes = 99;"), "fits");
        held(("string event_id = 1", "string eventId = 1"), "fits");
        held(("bytes bssid = 1", "string bssid = 1"), "fits");
        held(("DATUM_WGS84 = 0", "DATUM_UNSPECIFIED = 0"), "fits");
        held(("string event_id = 1", "string event_id = 21"), "`event_id` has number 21, expected 1");
        held(("  string employee_id = 2;", ""), "`Punch` lacks the field `employee_id`");
        held(("string device_id = 7", "string phone = 7"), "`device_id` is called `phone` at number 7");
        held(("int64 occurred_at", "sint64 occurred_at"), "`occurred_at` has another type");
        held(("repeated AccessPoint", "AccessPoint"), "`wifi` is not a list");
        held(("KIND_OUT = 2", "KIND_OUT = 7"), "`kind` gives OUT the number 7; OUT has 2");
        held(("optional double lat", "optional float lat"), "`lat` has another type");
        held(("syntax = \"proto3\"", "syntax ="), "no Protobuf file");
        let apart = ours.replace("enum Kind {", "enum Unused {").replacen(
            "package",
            "import \"kind.proto\";\npackage",
            1,
        );
        let kind = "syntax = \"proto3\"; package muster; enum Kind { KIND_UNSPECIFIED = 0; KIND_IN = 1; KIND_OUT = 2; }";
        let with = |referred: &[&str], want: &str| check(Some("PROTOBUF"), &apart, referred, want);
        with(&[], "type `Kind`, which is not known");
        with(&[kind], "fits");
    }
}
