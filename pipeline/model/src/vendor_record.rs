//! What another attendance system says of one of its check points, beside the punch that Muster judges itself.
//!
//! Absent on purpose: any trust. A vendor's verdict decides nothing here; it is kept so that the two can be compared.
//! Also absent: coordinates, addresses, access points, names, pictures and free text, which the table these become
//! rows of must not hold.

use jiff::civil::Date;

use crate::batch::{Kind, named};
use crate::position::Offset;
use crate::time::EventTime;

/// A system whose files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// DingTalk (钉钉).
    DingTalk,
    /// WeCom (企业微信).
    WeCom,
    /// Feishu (飞书), Lark.
    Feishu,
}

/// Why a vendor's record is no punch of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoPunch {
    /// A check point at which nobody punched.
    NotPunched,
    /// Written by the vendor's system: nobody punched.
    System,
    /// Told again because the schedule changed; the punch came before.
    Replay,
    /// The vendor's verdict only: the punch itself comes with its punch details.
    Result,
}

named! {
    Vendor { DingTalk = "dingtalk", WeCom = "wecom", Feishu = "feishu" }
    NoPunch { NotPunched = "not_punched", System = "system", Replay = "replay", Result = "result" }
}

/// One check point as a vendor tells it. Texts are the vendor's own words: unknown values survive. `None` is what it
/// does not say; an empty text is a field that it left empty to say that nothing is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct VendorRecord {
    /// Its record's offset.
    pub offset: Offset,
    /// A hash of everything the record holds and of its place in it: the same record has it in any file.
    pub id: u128,
    /// Whose record it is.
    pub vendor: Vendor,
    /// The person, by the vendor's id.
    pub employee_id: String,
    /// The day the check point counts for.
    pub business_date: Option<Date>,
    /// `In` or `Out`, where the vendor says which end of a shift it is.
    pub direction: Option<Kind>,
    /// What kind of check it is.
    pub check_type: Option<String>,
    /// When the person punched.
    pub occurred_at: Option<EventTime>,
    /// When the schedule wants the punch.
    pub planned_at: Option<EventTime>,
    /// From when the vendor counts late and early minutes.
    pub base_at: Option<EventTime>,
    /// When the vendor last changed the record: the later one of the same `vendor_id` holds.
    pub modified_at: Option<EventTime>,
    /// The vendor's id of the record.
    pub vendor_id: Option<String>,
    /// The punch of ours it speaks of.
    pub event_id: Option<String>,
    /// Why the record is no punch; `None` where it is one.
    pub no_punch: Option<NoPunch>,
    /// The vendor's verdict on the time.
    pub time_result: Option<String>,
    /// The vendor's verdict on the place.
    pub place_result: Option<String>,
    /// Why the vendor does not count it.
    pub invalid_type: Option<String>,
    /// The same in the vendor's sentence.
    pub invalid_message: Option<String>,
    /// What the vendor suspects.
    pub risk: Option<String>,
    /// The approval behind it.
    pub approve_id: Option<String>,
    /// What replaced or excused the punch.
    pub supplement: Option<String>,
    /// The record as JSON with its keys sorted, less what the module's header names.
    pub raw: String,
}

impl VendorRecord {
    /// What `vendor` says of `employee_id` in the record at `offset`: nothing yet.
    pub fn about(vendor: Vendor, offset: Offset, employee_id: &str) -> Self {
        Self {
            offset,
            id: 0,
            vendor,
            employee_id: employee_id.to_owned(),
            business_date: None,
            direction: None,
            check_type: None,
            occurred_at: None,
            planned_at: None,
            base_at: None,
            modified_at: None,
            vendor_id: None,
            event_id: None,
            no_punch: None,
            time_result: None,
            place_result: None,
            invalid_type: None,
            invalid_message: None,
            risk: None,
            approve_id: None,
            supplement: None,
            raw: String::new(),
        }
    }
}
