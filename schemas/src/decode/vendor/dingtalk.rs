//! DingTalk: punch details (`attendance/listRecord`), punch results (`attendance/list`), pushed events
//! (`attendance_check_record`).
//!
//! Sources: open.dingtalk.com, "attendance-clock-in-record-is-open" (details), "microapp/serverapi2/ul33mm"
//! (results), "employee-clock-in-event" (events). What the three have in common is read alike; which of them a record
//! is shows in its fields:
//!
//! ```text
//!   details   userCheckTime id bizId gmtCreate locationMethod …   a punch, invalid ones too
//!   results   userCheckTime id recordId? baseCheckTime timeResult verdicts only: the punch is `recordId`'s, or there is none
//!   events    checkTime bizId checkByUser                         a punch, but checkByUser = false repeats one
//! ```
//!
//! Where nobody punched, `userCheckTime` is the planned time: such a row never becomes a punch. Fixes are taken for
//! GCJ-02, as the vendor's maps are.

use jiff::tz::TimeZone;
use model::{Kind, NoPunch, Origin, RejectCode};

use super::super::draft::Fault;
use super::fields::{Epoch, Fields};
use super::{Read, Record, day_of_midnight, direction};

/// Fields that only punch details have.
const OF_DETAILS: &[&str] =
    &["bizId", "gmtCreate", "gmtModified", "locationMethod", "isLegal", "invalidRecordType"];

pub(super) fn read(record: &mut Record<'_>) -> Result<Read, Fault> {
    let (fields, options) = (record.fields, record.options);
    if !fields.has("userId") && fields.get("data").is_some_and(|data| data.is_string()) {
        let message =
            "the event stands as a text in `data`: unpack it first, as with `jq '.data |= fromjson'`";
        return Err(Fault::new(RejectCode::WrongType, message));
    }
    let person = record.person("userId")?;
    let mut said = record.about(&person);
    let kind = match fields.kept("checkType").as_deref() {
        Some("OnDuty") => Kind::In,
        Some("OffDuty") => Kind::Out,
        _ => Kind::Auto,
    };
    let zone: &TimeZone = &options.time_zone;
    said.direction = direction(kind);
    said.check_type = fields.kept_some("checkType");
    let kept_time = |name| fields.kept_time(name, Epoch::Milliseconds, options);
    said.business_date = kept_time("workDate").map(|midnight| day_of_midnight(midnight, zone));
    said.planned_at = kept_time("planCheckTime");
    said.base_at = kept_time("baseCheckTime");
    said.modified_at = kept_time("gmtModified");
    said.vendor_id = fields.kept_some("id").or_else(|| fields.kept_some("bizId"));
    said.time_result = fields.kept_some("timeResult");
    said.place_result = fields.kept_some("locationResult");
    said.invalid_type = fields.kept_some("invalidRecordType");
    said.invalid_message = fields.kept_some("invalidRecordMsg");
    said.approve_id = fields.kept_some("approveId").or_else(|| fields.kept_some("procInstId"));
    said.no_punch = no_punch(fields, said.time_result.as_deref());
    if let Some(why) = said.no_punch {
        if matches!(why, NoPunch::Replay | NoPunch::Result) {
            said.occurred_at = kept_time("userCheckTime").or_else(|| kept_time("checkTime"));
        }
        said.event_id = match why {
            NoPunch::Result => fields.kept_some("recordId"),
            NoPunch::Replay => said.vendor_id.clone(),
            NoPunch::NotPunched | NoPunch::System => None,
        };
        return Ok(record.says(said));
    }
    let time = |name| fields.time(name, Epoch::Milliseconds, options);
    let at = match time("userCheckTime")? {
        Some(at) => at,
        None => time("checkTime")?.ok_or_else(|| Fault::missing("userCheckTime"))?,
    };
    said.occurred_at = Some(at);
    record.draft.occurred_at = Some(at);
    record.draft.kind = Some(kind);
    record.draft.origin = Some(origin(fields));
    record.draft.photo.is_with_vendor = fields.has_any("photoUrl");
    let device = match fields.text("deviceSN")? {
        Some(clock) => clock,
        None => fields.text("deviceId")?.unwrap_or_default(),
    };
    record.push_device(&device);
    let check_type = said.check_type.clone().unwrap_or_default();
    said.event_id = Some(record.push_event_id(said.vendor_id.as_deref(), &device, at, &[&check_type]));
    read_place(record)?;
    Ok(record.says(said))
}

fn read_place(record: &mut Record<'_>) -> Result<(), Fault> {
    let fields = record.fields;
    let number = |name| fields.number(name, RejectCode::BadCoordinates);
    let either = |detail, event| match number(detail)? {
        Some(value) => Ok(Some(value)),
        None => number(event),
    };
    let (lon, lat) = (either("userLongitude", "longitude")?, either("userLatitude", "latitude")?);
    // The accuracy is at times an opaque text: no accuracy then.
    let accuracy_m = number("userAccuracy").unwrap_or_default();
    record.set_fix(lon, lat, accuracy_m)?;
    record.push_access_point(fields.text("userMacAddr").unwrap_or_default());
    Ok(())
}

/// Why the record is no punch, if it is none.
fn no_punch(fields: Fields<'_>, time_result: Option<&str>) -> Option<NoPunch> {
    let is_result =
        fields.has("recordId") || (time_result.is_some() && !OF_DETAILS.iter().any(|name| fields.has(name)));
    match fields.kept("sourceType").as_deref() {
        _ if time_result == Some("NotSigned") => Some(NoPunch::NotPunched),
        Some("SYSTEM") => Some(NoPunch::System),
        _ if fields.truth("checkByUser") == Some(false) => Some(NoPunch::Replay),
        _ if is_result => Some(NoPunch::Result),
        _ => None,
    }
}

fn origin(fields: Fields<'_>) -> Origin {
    let is_clock = fields.kept("locationMethod").as_deref() == Some("ATM");
    let is_outside = fields.kept("locationResult").as_deref() == Some("Outside");
    match fields.kept("sourceType").as_deref() {
        Some("ATM" | "DING_ATM") => Origin::Terminal,
        // A manager signed, or an approval did: the punch of a correction, whose row binds and not this one.
        Some("BOSS" | "APPROVE") => Origin::Correction,
        _ if is_clock => Origin::Terminal,
        _ if is_outside && (fields.has_any("outsideRemark") || fields.has_any("photoUrl")) => Origin::Field,
        _ => Origin::Phone,
    }
}
