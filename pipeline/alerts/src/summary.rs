//! One sentence about an alert in English, traditional and simplified Chinese, for a message on a phone.
//!
//! Absent on purpose: names of people, coordinates, access points and leave types: bodies travel to outside services
//! (contract, section 6). A person is told by pseudonym; names are added at delivery.

use model::{AnomalyKind, AnomalyState};

/// What a sentence may speak of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The broken rule.
    pub kind: AnomalyKind,
    /// Whether it holds.
    pub state: AnomalyState,
    /// The person's pseudonym.
    pub employee_id: Option<&'a str>,
    /// The device.
    pub device_id: Option<&'a str>,
    /// The site as people call it.
    pub site_name: Option<&'a str>,
    /// The business date, `2026-11-02`.
    pub business_date: &'a str,
    /// The planned start and end on the site's wall clock, `09:00`, `18:00`.
    pub planned: Option<(&'a str, &'a str)>,
    /// How many minutes, for kinds that have minutes.
    pub minutes: Option<i64>,
}

/// The sentence in English, traditional Chinese and simplified Chinese.
pub fn summary(facts: Facts<'_>) -> [String; 3] {
    [Language::English, Language::Traditional, Language::Simplified].map(|language| sentence(facts, language))
}

/// A language alerts are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// English.
    English,
    /// Traditional Chinese.
    Traditional,
    /// Simplified Chinese.
    Simplified,
}

/// What people call a broken rule.
pub(crate) fn kind_name(kind: AnomalyKind, language: Language) -> &'static str {
    match language {
        Language::English => english(kind),
        Language::Traditional => traditional(kind),
        Language::Simplified => simplified(kind),
    }
}

/// What stands between the facts.
struct Words {
    resolved: &'static str,
    minutes: &'static str,
    shift: &'static str,
    separator: &'static str,
}

const fn words(language: Language) -> Words {
    match language {
        Language::English => {
            Words { resolved: "Resolved: ", minutes: " min", shift: "shift ", separator: ", " }
        }
        Language::Traditional => {
            Words { resolved: "已解除：", minutes: " 分鐘", shift: "班次 ", separator: "，" }
        }
        Language::Simplified => {
            Words { resolved: "已解除：", minutes: " 分钟", shift: "班次 ", separator: "，" }
        }
    }
}

fn sentence(facts: Facts<'_>, language: Language) -> String {
    let words = words(language);
    let mut text = String::new();
    if facts.state == AnomalyState::Resolved {
        text.push_str(words.resolved);
    }
    text.push_str(kind_name(facts.kind, language));
    if let Some(minutes) = facts.minutes {
        text.push(' ');
        text.push_str(&minutes.to_string());
        text.push_str(words.minutes);
    }
    let shift = facts.planned.map(|(start, end)| format!("{}{start}–{end}", words.shift));
    let who = [facts.employee_id, facts.device_id].map(|id| id.map(str::to_owned));
    let parts = [facts.site_name.map(str::to_owned), shift];
    for part in who.into_iter().chain(parts).flatten().chain([facts.business_date.to_owned()]) {
        text.push_str(words.separator);
        text.push_str(&part);
    }
    text
}

fn english(kind: AnomalyKind) -> &'static str {
    match kind {
        AnomalyKind::Late => "Late",
        AnomalyKind::SeriousLate => "Seriously late",
        AnomalyKind::EarlyLeave => "Left early",
        AnomalyKind::NoShow => "Not here yet",
        AnomalyKind::Absent => "Absent",
        AnomalyKind::MissingIn => "No clock-in",
        AnomalyKind::MissingOut => "No clock-out",
        AnomalyKind::Outside => "Punched away from every site",
        AnomalyKind::Unscheduled => "Punched without a shift",
        AnomalyKind::WrongStore => "Punched at another store",
        AnomalyKind::Mocked => "Location to be reviewed",
        AnomalyKind::Contradiction => "Wi-Fi and GPS disagree",
        AnomalyKind::ClockSuspect => "A device clock is wrong",
        AnomalyKind::PunchRejected => "A punch could not be taken",
        AnomalyKind::IngestSilent => "Punches have stopped arriving",
        AnomalyKind::ApprovalPending => "A request waits for approval",
        AnomalyKind::ApprovalDecided => "A request was decided",
        AnomalyKind::ShortRest => "Too little rest between shifts",
        AnomalyKind::RestDayMissed => "No rest day",
        AnomalyKind::Reminder => "Your shift begins soon",
        AnomalyKind::HoursNear => "Close to the most hours allowed",
        AnomalyKind::HoursExceeded => "More hours than allowed",
        AnomalyKind::AbsenceRate => "Many have not come",
        AnomalyKind::ImpossibleTravel => "Two places too far apart, to be reviewed",
        AnomalyKind::SharedDevice => "One device for several people, to be reviewed",
        AnomalyKind::FrozenFix => "Location that never changes, to be reviewed",
        AnomalyKind::SiteDrift => "The fence may be in the wrong place",
        AnomalyKind::AccessPointMoved => "A listed access point is far from its site",
        AnomalyKind::LateHotspot => "Often late in one quarter of an hour",
        AnomalyKind::DeviceClock => "A device's clock is off",
    }
}

fn traditional(kind: AnomalyKind) -> &'static str {
    match kind {
        AnomalyKind::Late => "遲到",
        AnomalyKind::SeriousLate => "嚴重遲到",
        AnomalyKind::EarlyLeave => "早退",
        AnomalyKind::NoShow => "尚未到崗",
        AnomalyKind::Absent => "缺勤",
        AnomalyKind::MissingIn => "缺上班卡",
        AnomalyKind::MissingOut => "缺下班卡",
        AnomalyKind::Outside => "在所有門店範圍外打卡",
        AnomalyKind::Unscheduled => "無班次打卡",
        AnomalyKind::WrongStore => "在其他門店打卡",
        AnomalyKind::Mocked => "定位待覆核",
        AnomalyKind::Contradiction => "Wi-Fi 與 GPS 不一致",
        AnomalyKind::ClockSuspect => "裝置時鐘有誤",
        AnomalyKind::PunchRejected => "打卡記錄無法接收",
        AnomalyKind::IngestSilent => "打卡數據中斷",
        AnomalyKind::ApprovalPending => "有申請待審批",
        AnomalyKind::ApprovalDecided => "申請已有結果",
        AnomalyKind::ShortRest => "班次間休息不足",
        AnomalyKind::RestDayMissed => "未有休息日",
        AnomalyKind::Reminder => "即將上班",
        AnomalyKind::HoursNear => "工時接近上限",
        AnomalyKind::HoursExceeded => "工時超出上限",
        AnomalyKind::AbsenceRate => "多人未到崗",
        AnomalyKind::ImpossibleTravel => "兩次定位相距過遠，待覆核",
        AnomalyKind::SharedDevice => "多人共用一部裝置，待覆核",
        AnomalyKind::FrozenFix => "定位長期不變，待覆核",
        AnomalyKind::SiteDrift => "圍欄位置可能有誤",
        AnomalyKind::AccessPointMoved => "登記的存取點遠離其門店",
        AnomalyKind::LateHotspot => "同一時段經常遲到",
        AnomalyKind::DeviceClock => "裝置時鐘不準",
    }
}

fn simplified(kind: AnomalyKind) -> &'static str {
    match kind {
        AnomalyKind::Late => "迟到",
        AnomalyKind::SeriousLate => "严重迟到",
        AnomalyKind::EarlyLeave => "早退",
        AnomalyKind::NoShow => "尚未到岗",
        AnomalyKind::Absent => "缺勤",
        AnomalyKind::MissingIn => "缺上班卡",
        AnomalyKind::MissingOut => "缺下班卡",
        AnomalyKind::Outside => "在所有门店范围外打卡",
        AnomalyKind::Unscheduled => "无班次打卡",
        AnomalyKind::WrongStore => "在其他门店打卡",
        AnomalyKind::Mocked => "定位待复核",
        AnomalyKind::Contradiction => "Wi-Fi 与 GPS 不一致",
        AnomalyKind::ClockSuspect => "设备时钟有误",
        AnomalyKind::PunchRejected => "打卡记录无法接收",
        AnomalyKind::IngestSilent => "打卡数据中断",
        AnomalyKind::ApprovalPending => "有申请待审批",
        AnomalyKind::ApprovalDecided => "申请已有结果",
        AnomalyKind::ShortRest => "班次间休息不足",
        AnomalyKind::RestDayMissed => "未有休息日",
        AnomalyKind::Reminder => "即将上班",
        AnomalyKind::HoursNear => "工时接近上限",
        AnomalyKind::HoursExceeded => "工时超出上限",
        AnomalyKind::AbsenceRate => "多人未到岗",
        AnomalyKind::ImpossibleTravel => "两次定位相距过远，待复核",
        AnomalyKind::SharedDevice => "多人共用一台设备，待复核",
        AnomalyKind::FrozenFix => "定位长期不变，待复核",
        AnomalyKind::SiteDrift => "围栏位置可能有误",
        AnomalyKind::AccessPointMoved => "登记的接入点远离其门店",
        AnomalyKind::LateHotspot => "同一时段经常迟到",
        AnomalyKind::DeviceClock => "设备时钟不准",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_what_who_where_and_when() {
        let mut facts = Facts {
            kind: AnomalyKind::Late,
            state: AnomalyState::Firing,
            employee_id: Some("E17"),
            device_id: None,
            site_name: Some("Mong Kok 2"),
            business_date: "2026-11-02",
            planned: Some(("09:00", "18:00")),
            minutes: Some(12),
        };
        let [en, hant, hans] = summary(facts);
        assert_eq!(en, "Late 12 min, E17, Mong Kok 2, shift 09:00–18:00, 2026-11-02");
        assert_eq!(hant, "遲到 12 分鐘，E17，Mong Kok 2，班次 09:00–18:00，2026-11-02");
        assert_eq!(hans, "迟到 12 分钟，E17，Mong Kok 2，班次 09:00–18:00，2026-11-02");
        facts.state = AnomalyState::Resolved;
        facts.planned = None;
        facts.minutes = None;
        assert_eq!(summary(facts)[0], "Resolved: Late, E17, Mong Kok 2, 2026-11-02");
    }
}
