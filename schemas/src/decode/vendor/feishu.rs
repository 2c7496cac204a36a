//! Feishu (Lark): punches (`user_flows/query`, the pushed `attendance.user_flow.created_v1`) and results
//! (`user_tasks/query`, `attendance.user_task.updated_v1`).
//!
//! Source: open.feishu.cn/document/server-docs/attendance-v1, "user_task/query-2", "user_task/query" and the two
//! events' pages.
//!
//! ```text
//!   punches   check_time record_id type …                                      a punch; made by the system (3, 4): none
//!   results   records[] { check_in_result, check_in_record_id, check_in_shift_time, … }     verdicts on both ends of each shift
//!   revised   status_changes[] { work_type, current_status, current_supplement }            verdicts that changed afterwards
//! ```
//!
//! Times are texts of seconds. A punch does not say which end of a shift it is: `auto`. No datum is told for the
//! coordinates that some events carry, so they are no evidence of a place.

use jiff::civil::Date;
use model::{Kind, NoPunch, Origin, VendorRecord};

use super::super::draft::Fault;
use super::fields::{Epoch, Fields};
use super::{Read, Record};

pub(super) fn read(record: &mut Record<'_>) -> Result<Read, Fault> {
    let header = record.fields.object("header");
    if let Some(event) = record.fields.object("event") {
        record.fields = event;
    }
    let fields = record.fields;
    let name = if fields.has("user_id") { "user_id" } else { "employee_id" };
    let person = record.person(name)?;
    let mut said = record.about(&person);
    said.modified_at =
        header.and_then(|header| header.kept_time("create_time", Epoch::Milliseconds, record.options));
    if fields.has("records") || fields.has("result_id") {
        return Ok(read_results(record, &said));
    }
    if fields.has("status_changes") || fields.has("task_id") {
        return Ok(read_changes(record, &said));
    }
    read_punch(record, said)
}

fn read_punch(record: &mut Record<'_>, mut said: VendorRecord) -> Result<Read, Fault> {
    let fields = record.fields;
    let made_by = fields.kept_some("type");
    said.check_type = made_by.clone();
    let names = ["record_id", "external_id", "idempotent_id"];
    said.vendor_id = names.into_iter().find_map(|name| fields.kept_some(name));
    said.time_result = fields.kept_some("check_result");
    said.risk = fields.kept_some("risk_result").filter(|risk| risk != "0");
    said.supplement = fields.kept_some("supplement");
    said.no_punch = matches!(made_by.as_deref(), Some("3" | "4")).then_some(NoPunch::System);
    if said.no_punch.is_some() {
        return Ok(record.says(said));
    }
    let at = fields.time("check_time", Epoch::Seconds, record.options)?;
    let at = at.ok_or_else(|| Fault::missing("check_time"))?;
    said.occurred_at = Some(at);
    record.draft.occurred_at = Some(at);
    record.draft.kind = Some(Kind::Auto);
    record.draft.origin = Some(match made_by.as_deref() {
        // An administrator's edit, an approved make-up: the punch of a correction, whose row binds and not this one.
        Some("1" | "2") => Origin::Correction,
        Some("5") => Origin::Terminal,
        Some("7") => Origin::Import,
        _ if fields.truth("is_field") == Some(true) => Origin::Field,
        _ => Origin::Phone,
    });
    record.draft.photo.is_with_vendor = fields.has_any("photo_urls");
    let device = fields.text("device_id")?.unwrap_or_default();
    record.push_device(&device);
    let flags = [made_by.as_deref().unwrap_or_default()];
    said.event_id = Some(record.push_event_id(said.vendor_id.as_deref(), &device, at, &flags));
    record.push_access_point(fields.text("bssid").unwrap_or_default());
    Ok(record.says(said))
}

/// Both ends of each shift of a day's results.
fn read_results(record: &mut Record<'_>, said: &VendorRecord) -> Read {
    let (fields, options) = (record.fields, record.options);
    let result_id = fields.kept_some("result_id");
    let day = day(fields, "day");
    let mut any = false;
    for (at, shift) in fields.objects("records").enumerate() {
        for (kind, end) in [(Kind::In, "check_in"), (Kind::Out, "check_out")] {
            let named = |name: &str| shift.kept_some(&format!("{end}_{name}"));
            let Some(result) = named("result") else { continue };
            let flow = shift.object(&format!("{end}_record"));
            let is_missing = matches!(result.as_str(), "Lack" | "Todo" | "NoNeedCheck");
            record.says(VendorRecord {
                business_date: day,
                direction: Some(kind),
                check_type: shift.kept_some("task_shift_type"),
                occurred_at: flow.and_then(|flow| flow.kept_time("check_time", Epoch::Seconds, options)),
                planned_at: shift.kept_time(&format!("{end}_shift_time"), Epoch::Seconds, options),
                vendor_id: result_id.as_ref().map(|id| format!("{id}/{at}/{end}")),
                event_id: named("record_id").filter(|id| id != "0"),
                no_punch: Some(if is_missing { NoPunch::NotPunched } else { NoPunch::Result }),
                time_result: Some(result),
                supplement: named("result_supplement").or_else(|| named("supplement")),
                ..said.clone()
            });
            any = true;
        }
    }
    if !any {
        let nothing = VendorRecord {
            business_date: day,
            vendor_id: result_id,
            no_punch: Some(NoPunch::Result),
            ..said.clone()
        };
        record.says(nothing);
    }
    Read::NoPunch
}

/// Verdicts that changed after the fact.
fn read_changes(record: &mut Record<'_>, said: &VendorRecord) -> Read {
    let fields = record.fields;
    let task_id = fields.kept_some("task_id");
    let day = day(fields, "date");
    let mut any = false;
    for change in fields.objects("status_changes") {
        let end = change.kept_some("work_type");
        let index = change.kept_some("index").unwrap_or_default();
        record.says(VendorRecord {
            business_date: day,
            direction: match end.as_deref() {
                Some("on") => Some(Kind::In),
                Some("off") => Some(Kind::Out),
                _ => None,
            },
            check_type: end.clone(),
            vendor_id: task_id.as_ref().map(|id| format!("{id}/{index}/{}", end.unwrap_or_default())),
            no_punch: Some(NoPunch::Result),
            time_result: change.kept_some("current_status"),
            supplement: change.kept_some("current_supplement"),
            ..said.clone()
        });
        any = true;
    }
    if !any {
        let nothing = VendorRecord {
            business_date: day,
            vendor_id: task_id,
            no_punch: Some(NoPunch::Result),
            ..said.clone()
        };
        record.says(nothing);
    }
    Read::NoPunch
}

/// A day written as `20261123`.
fn day(fields: Fields<'_>, name: &str) -> Option<Date> {
    let text = fields.kept_some(name)?;
    if text.len() != 8 {
        return None;
    }
    let number: u32 = text.parse().ok()?;
    Date::new((number / 10_000) as i16, (number / 100 % 100) as i8, (number % 100) as i8).ok()
}
