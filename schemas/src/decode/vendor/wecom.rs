//! WeCom: punch records (`checkin/getcheckindata`) and those of its time clocks (`hardware/get_hardware_checkin_data`).
//!
//! Source: developer.work.weixin.qq.com/document/path/90262 and /94126. A record has no id: it gets one of its
//! person, time, device and type. What is normal has an empty `exception_type`; otherwise it is a list of Chinese
//! words, split here by what they are about:
//!
//! ```text
//!   时间异常 未打卡          the time       (未打卡: nobody punched, so the record is no punch)
//!   地点异常 wifi异常        the place
//!   非常用设备               the device
//! ```
//!
//! Coordinates are whole millionths of a degree, in GCJ-02.

use model::{Kind, NoPunch, Origin, RejectCode};

use super::super::draft::Fault;
use super::fields::{Epoch, Fields};
use super::{Read, Record, direction};

const NOT_PUNCHED: &str = "未打卡";
const OF_PLACE: &[&str] = &["地点异常", "wifi异常"];
const OF_DEVICE: &[&str] = &["非常用设备"];

pub(super) fn read(record: &mut Record<'_>) -> Result<Read, Fault> {
    let (fields, options) = (record.fields, record.options);
    let person = record.person("userid")?;
    let mut said = record.about(&person);
    let check_type = fields.kept_some("checkin_type");
    let kind = match check_type.as_deref() {
        Some("上班打卡") => Kind::In,
        Some("下班打卡") => Kind::Out,
        _ => Kind::Auto,
    };
    said.direction = direction(kind);
    said.check_type = check_type.clone();
    said.planned_at = fields.kept_time("sch_checkin_time", Epoch::Seconds, options);
    if let Some(exceptions) = fields.kept("exception_type") {
        let (mut of_time, mut of_place, mut of_device) = (Vec::new(), Vec::new(), Vec::new());
        for word in exceptions.split([';', '；']).map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                _ if OF_PLACE.contains(&word) => of_place.push(word),
                _ if OF_DEVICE.contains(&word) => of_device.push(word),
                // A word nobody knows yet survives here.
                _ => of_time.push(word),
            }
        }
        said.no_punch = of_time.contains(&NOT_PUNCHED).then_some(NoPunch::NotPunched);
        said.time_result = Some(of_time.join(";"));
        said.place_result = Some(of_place.join(";"));
        said.risk = Some(of_device.join(";")).filter(|words| !words.is_empty());
    }
    if said.no_punch.is_some() {
        return Ok(record.says(said));
    }
    let at = fields.time("checkin_time", Epoch::Seconds, options)?;
    let at = at.ok_or_else(|| Fault::missing("checkin_time"))?;
    let clock = fields.text("device_sn")?;
    said.occurred_at = Some(at);
    record.draft.occurred_at = Some(at);
    record.draft.kind = Some(kind);
    record.draft.origin = Some(match (&clock, check_type.as_deref()) {
        (Some(_), _) => Origin::Terminal,
        (None, Some("外出打卡")) => Origin::Field,
        _ => Origin::Phone,
    });
    record.draft.photo.is_with_vendor = fields.has_any("mediaids");
    let device = match clock {
        Some(clock) => clock,
        None => fields.text("deviceid")?.unwrap_or_default(),
    };
    record.push_device(&device);
    said.event_id =
        Some(record.push_event_id(None, &device, at, &[check_type.as_deref().unwrap_or_default()]));
    record.set_fix(degrees(fields, "lng")?, degrees(fields, "lat")?, None)?;
    record.push_access_point(fields.text("wifimac").unwrap_or_default());
    Ok(record.says(said))
}

/// Whole millionths of a degree, as degrees.
fn degrees(fields: Fields<'_>, name: &str) -> Result<Option<f64>, Fault> {
    match fields.number(name, RejectCode::BadCoordinates)? {
        Some(number) if number.fract() != 0.0 => {
            let message = format!("`{name}` is no whole number of millionths of a degree");
            Err(Fault::new(RejectCode::BadCoordinates, message))
        }
        number => Ok(number.map(|number| number / 1e6)),
    }
}
