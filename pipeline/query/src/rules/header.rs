//! The header of a rule: `-- key: value` lines above the statement, between sentences for people.

use model::AnomalyKind;

use super::{Rule, Subject};

/// The longest window: what is older is no news.
const WINDOW_MAX_MIN: i64 = 92 * 24 * 60;

const KEYS: [&str; 5] = ["kind", "subject", "window", "every", "clock"];

/// Reads a rule's file.
pub(super) fn parse(name: &str, text: &str) -> Result<Rule, String> {
    let (mut kind, mut subject, mut window_min, mut every_min) = (None, None, None, None);
    let mut needs_append_clock = false;
    for (key, value) in text.lines().map_while(|line| line.strip_prefix("--")).filter_map(key_and_value) {
        match key {
            "kind" => kind = Some(kind_of(value)?),
            "subject" => subject = Some(subject_of(value)?),
            "window" => window_min = Some(minutes("window", value)?),
            "every" => every_min = Some(minutes("every", value)?),
            "clock" if value == "append" => needs_append_clock = true,
            _ => return Err(format!("`clock: {value}`: only `append` may be asked for")),
        }
    }
    let lacks = |key: &str, example: &str| format!("its header lacks `-- {key}: {example}`");
    let rule = Rule {
        name: name.to_owned(),
        kind: kind.ok_or_else(|| lacks("kind", "shared_device"))?,
        subject: subject.ok_or_else(|| lacks("subject", "employee"))?,
        window_min: window_min.ok_or_else(|| lacks("window", "1 day"))?,
        every_min: every_min.ok_or_else(|| lacks("every", "1 hour"))?,
        needs_append_clock,
        sql: text.trim().trim_end_matches(';').to_owned(),
    };
    if rule.window_min < rule.every_min {
        return Err("its window is shorter than `every`: what happens between would never be seen".into());
    }
    if rule.window_min > WINDOW_MAX_MIN {
        return Err(format!("its window is longer than {} days", WINDOW_MAX_MIN / (24 * 60)));
    }
    Ok(rule)
}

/// A line of the header that sets something; sentences have no key of ours in front.
fn key_and_value(line: &str) -> Option<(&'static str, &str)> {
    let (key, value) = line.trim().split_once(':')?;
    let key = KEYS.into_iter().find(|known| *known == key)?;
    Some((key, value.trim()))
}

fn kind_of(value: &str) -> Result<AnomalyKind, String> {
    let kind = AnomalyKind::from_name(value).filter(|kind| kind.is_ruled());
    kind.ok_or_else(|| {
        let names: Vec<&str> =
            AnomalyKind::ALL.iter().filter(|kind| kind.is_ruled()).map(|kind| kind.name()).collect();
        format!("`kind: {value}` is none that a rule may find; these are {}", names.join(", "))
    })
}

fn subject_of(value: &str) -> Result<Subject, String> {
    match value {
        "employee" => Ok(Subject::Employee),
        "site" => Ok(Subject::Site),
        "org" => Ok(Subject::Org),
        "device" => Ok(Subject::Device),
        _ => Err(format!("`subject: {value}` is none of employee, site, org and device")),
    }
}

fn minutes(key: &str, value: &str) -> Result<i64, String> {
    let span: Option<jiff::SignedDuration> = value
        .parse::<jiff::Span>()
        .ok()
        .and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok());
    span.map(|span| span.as_mins()).filter(|minutes| *minutes >= 1).ok_or_else(|| {
        format!("`{key}: {value}` is no length of time such as `15 min`, `1 hour` or `7 days`")
    })
}
