//! A file of sites with some radii and access points changed, and every other byte as it was.
//!
//! In: the text of a GeoJSON FeatureCollection, changes by site.  Out: the changed text.  Owns: nothing.
//! Absent on purpose: what may be changed (`accept` decides), and a tree of values: numbers keep their text, keys their order,
//! lines their breaks.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What becomes of one site.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change {
    /// Its new `radius_m`.
    pub(super) radius_m: Option<f64>,
    /// Access points to be added to its `bssids`.
    pub(super) bssids: Vec<String>,
}

#[derive(Deserialize)]
struct Collection<'a> {
    #[serde(borrow)]
    features: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Feature<'a> {
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(borrow)]
    site_id: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "raw")]
    radius_m: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    bssids: Option<&'a RawValue>,
}

/// The value's text, `null` too.
fn raw<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

/// `text` with `changes`, by site, and which of these sites it holds.
///
/// # Errors
/// What cannot be read or changed, in a sentence.
pub(super) fn changed(
    text: &str,
    changes: &BTreeMap<String, Change>,
) -> Result<(String, BTreeSet<String>), String> {
    let collection: Collection<'_> =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| error.to_string())?;
    let (mut edits, mut found): (Vec<(Range<usize>, String)>, _) = (Vec::new(), BTreeSet::new());
    for (number, feature) in collection.features.iter().enumerate() {
        let told = |error: serde_json::Error| format!("feature {number}: {error}");
        let feature: Feature<'_> = serde_json::from_str(feature.get()).map_err(told)?;
        let Some(properties) = feature.properties.map(RawValue::get) else { continue };
        let read: Properties<'_> = serde_json::from_str(properties).map_err(told)?;
        let Some(change) = changes.get(&*read.site_id) else { continue };
        found.insert(read.site_id.clone().into_owned());
        let place = |part: &str| {
            let from = part.as_ptr() as usize - text.as_ptr() as usize;
            from..from + part.len()
        };
        if let Some(radius_m) = change.radius_m {
            let Some(before) = read.radius_m else {
                return Err(format!("{}: it has no radius_m", read.site_id));
            };
            edits.push((place(before.get()), format!("{radius_m}")));
        }
        if change.bssids.is_empty() {
            continue;
        }
        let quoted: Vec<String> = change.bssids.iter().map(|bssid| format!("\"{bssid}\"")).collect();
        let listed = match read.bssids.map(RawValue::get) {
            None => None,
            Some(list) => {
                let read: Option<Vec<&RawValue>> = serde_json::from_str(list).map_err(told)?;
                Some((place(list), read.unwrap_or_default()))
            }
        };
        edits.push(match listed {
            None => {
                let inner = properties.strip_suffix('}').unwrap_or(properties);
                let at = place(inner.trim_end()).end;
                (at..at, format!(", \"bssids\": [{}]", quoted.join(", ")))
            }
            Some((whole, list)) => match &list[..] {
                [] => (whole, format!("[{}]", quoted.join(", "))),
                [.., last] => {
                    let at = place(last.get()).end;
                    let between = separator(&list, text);
                    (at..at, quoted.iter().map(|bssid| format!("{between}{bssid}")).collect())
                }
            },
        });
    }
    edits.sort_by_key(|(range, _)| range.start);
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (range, new) in edits {
        out.push_str(&text[from..range.start]);
        out.push_str(&new);
        from = range.end;
    }
    out.push_str(&text[from..]);
    Ok((out, found))
}

/// What stands between the last two of a list.
fn separator<'a>(list: &[&RawValue], text: &'a str) -> &'a str {
    let [.., before, last] = list else { return ", " };
    let place = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    &text[place(before.get()) + before.get().len()..place(last.get())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"type": "FeatureCollection", "features": [
  {"type": "Feature", "geometry": {"type": "Point", "coordinates": [114.170, 22.30e0]},
    "properties": {
      "site_id": "a", "radius_m": 1.00e2, "z": {"q": {}},
      "bssids": [
        "aa:00:00:00:00:01",
        "aa:00:00:00:00:02"
      ]
    }},
  {"type": "Feature", "properties": {"radius_m": 50, "bssids": [], "site_id": "b"}},
  {"type": "Feature", "properties": {"site_id": "c", "bssids": null}},
  {"type": "Feature", "properties": {"site_id": "d", "bssids": ["aa:00:00:00:00:03"]}},
  {"type": "Feature", "properties": {"site_id": "e", "more": {"q": {}} }}
]}
"#;

    fn change(radius_m: Option<f64>, bssids: &[&str]) -> Change {
        Change { radius_m, bssids: bssids.iter().map(|&bssid| bssid.to_owned()).collect() }
    }

    #[test]
    fn only_what_changes_changes() {
        let changes = BTreeMap::from([
            ("a".to_owned(), change(Some(180.0), &["x", "y"])),
            ("b".to_owned(), change(Some(60.0), &["x"])),
            ("c".to_owned(), change(None, &["x"])),
            ("d".to_owned(), change(None, &["x"])),
            ("e".to_owned(), change(None, &["x", "y"])),
            ("nowhere".to_owned(), change(Some(1.0), &[])),
        ]);
        let expected = FILE
            .replace("1.00e2", "180")
            .replace("00:02\"\n", "00:02\",\n        \"x\",\n        \"y\"\n")
            .replace("\"radius_m\": 50, \"bssids\": []", "\"radius_m\": 60, \"bssids\": [\"x\"]")
            .replace("null", "[\"x\"]")
            .replace("00:03\"", "00:03\", \"x\"")
            .replace("{\"q\": {}} }}", "{\"q\": {}}, \"bssids\": [\"x\", \"y\"] }}");
        let (new, found) = changed(FILE, &changes).unwrap();
        assert_eq!(new, expected);
        assert_eq!(found, ["a", "b", "c", "d", "e"].map(str::to_owned).into());
        let marked = format!("\u{feff}{FILE}");
        assert_eq!(changed(&marked, &changes).unwrap().0, format!("\u{feff}{expected}"));
        assert_eq!(changed(FILE, &BTreeMap::new()).unwrap().0, FILE);
    }

    #[test]
    fn a_site_without_a_radius_gets_none() {
        let changes = BTreeMap::from([("c".to_owned(), change(Some(60.0), &[]))]);
        assert_eq!(changed(FILE, &changes).unwrap_err(), "c: it has no radius_m");
    }
}
