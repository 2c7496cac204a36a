//! The known name nearest to a misspelt one.

/// The candidate with the fewest edits from `name` (a swap of neighbours is one edit), if near enough to be meant: one
/// edit up to four characters, a third of the length beyond; case, `-` and `_` do not count. The first of equals.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(name);
    let allowed = if folded.len() <= 4 { 1 } else { folded.len() / 3 };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = fold(candidate);
        if folded.len().abs_diff(other.len()) > allowed {
            continue;
        }
        let distance = edits(&folded, &other);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `; did you mean …?` as a remedy, or `otherwise`.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match nearest(name, candidates) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => otherwise.to_owned(),
    }
}

fn fold(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Damerau's distance over adjacent swaps ("optimal string alignment").
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + differs);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if swapped {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["employee_id", "site_id", "time_zone", "org", "grace_in_min", "grace_out_min"];
        for (name, nearest_name) in [
            ("employe_id", Some("employee_id")),
            ("Employee-ID", Some("employee_id")),
            ("timezone", Some("time_zone")),
            ("time_znoe", Some("time_zone")),
            ("ogr", Some("org")),
            ("grace_in_mins", Some("grace_in_min")),
            ("easting", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), nearest_name, "{name}");
        }
    }
}
