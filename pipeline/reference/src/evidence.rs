//! The text of a policy's `evidence` to a rule: `any`, or kinds joined by `_and_` and `_or_`.

use model::{EvidenceRule, EvidenceSet};

/// How many alternatives a rule holds.
const SETS_MAX: usize = 4;

/// `any`, or terms terminal|wifi|beacon|gps joined by `_and_` (binds tighter) and `_or_` (contract, section 3). An
/// alternative that another one already covers says nothing and is left out.
pub(crate) fn parse(text: &str) -> Result<EvidenceRule, String> {
    if text == "any" {
        return Ok(EvidenceRule::Any);
    }
    let mut sets: Vec<EvidenceSet> = Vec::new();
    for alternative in text.split("_or_") {
        let mut set = EvidenceSet::EMPTY;
        for term in alternative.split("_and_") {
            let Some(kind) = EvidenceSet::from_name(term) else {
                return Err(format!(
                    "`{term}` is no kind of evidence; write `any`, or terminal, wifi, beacon, gps joined by `_and_` and `_or_`"
                ));
            };
            set = set.with(kind);
        }
        if !sets.iter().any(|other| set.contains(*other)) {
            sets.retain(|other| !other.contains(set));
            sets.push(set);
        }
    }
    if sets.len() > SETS_MAX {
        return Err(format!("it has {} alternatives; at most {SETS_MAX} fit", sets.len()));
    }
    let mut rule = [EvidenceSet::EMPTY; SETS_MAX];
    rule[..sets.len()].copy_from_slice(&sets);
    Ok(EvidenceRule::Sets(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let got = match parse(text) {
            Ok(EvidenceRule::Any) => "any".to_owned(),
            Ok(EvidenceRule::Sets(sets)) => {
                let used = sets.iter().filter(|set| !set.is_empty());
                used.map(|set| set.names().collect::<Vec<_>>().join("+")).collect::<Vec<_>>().join(" | ")
            }
            Err(what) => format!("! {}", what.split(';').next().unwrap()),
        };
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn terms_are_joined_and_absorbed() {
        for (text, expected) in [
            ("any", "any"),
            ("wifi", "wifi"),
            ("wifi_and_gps", "wifi+gps"),
            ("gps_and_wifi_or_terminal", "wifi+gps | terminal"),
            ("wifi_and_gps_or_wifi", "wifi"),
            ("wifi_or_wifi_and_gps_or_wifi", "wifi"),
            ("terminal_or_wifi_or_beacon_or_gps", "terminal | wifi | beacon | gps"),
            ("wifi_and_bluetooth", "! `bluetooth` is no kind of evidence"),
            ("", "! `` is no kind of evidence"),
            ("WIFI", "! `WIFI` is no kind of evidence"),
            (
                "wifi_and_gps_or_wifi_and_beacon_or_wifi_and_terminal_or_gps_and_beacon_or_gps_and_terminal",
                "! it has 5 alternatives",
            ),
        ] {
            check(text, expected);
        }
    }
}
