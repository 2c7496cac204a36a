//! The country of a generated chain: cities, districts and areas as an org tree, its policies and its holidays.
//!
//! In: how many cities are needed.  Out: areas with a centre, names, and the policy in force there.  Owns: nothing.
//! Absent on purpose: real stores: the districts of Hong Kong are real, what stands in them is not.
//! Why so: each fence rule holds somewhere, and one district has grace, so that a small chain already takes every
//! branch of the judgement; policies differ by area only, so that a person's two stores never differ in theirs.

use model::policy::FenceRule;
use model::{LonLat, Policy};
use schemas::rows::{
    CalendarDayRow, CalendarFile, CalendarRow, NameRow, OrgRow, PolicyFile, PolicyRow, WeekdaysRow,
};

use crate::earth;

/// A quarter where stores stand: a leaf of the org tree.
#[derive(Clone, Debug)]
pub(crate) struct Area {
    /// Its org path: `hk/kln/mong-kok`.
    pub(crate) org: String,
    /// The letters its site ids begin with: `hk`.
    pub(crate) city: String,
    /// Where its middle is.
    pub(crate) centre: LonLat,
    /// What it is called in English, traditional and simplified Chinese.
    pub(crate) names: [String; 3],
    /// The policy in force there.
    pub(crate) policy: Policy,
}

/// Every city has that many areas.
pub(crate) const AREAS_PER_CITY: usize = 24;

/// Org, English, traditional and simplified Chinese, longitude and latitude of the middle.
type Row = (&'static str, &'static str, &'static str, &'static str, f64, f64);

const HONG_KONG: [Row; AREAS_PER_CITY] = [
    ("isl/central", "Central", "中環", "中环", 114.1577, 22.2819),
    ("kln/mong-kok", "Mong Kok", "旺角", "旺角", 114.1694, 22.3193),
    ("nt/sha-tin", "Sha Tin", "沙田", "沙田", 114.1880, 22.3820),
    ("kln/tsim-sha-tsui", "Tsim Sha Tsui", "尖沙咀", "尖沙咀", 114.1722, 22.2976),
    ("isl/causeway-bay", "Causeway Bay", "銅鑼灣", "铜锣湾", 114.1840, 22.2800),
    ("nt/tsuen-wan", "Tsuen Wan", "荃灣", "荃湾", 114.1130, 22.3710),
    ("kln/kwun-tong", "Kwun Tong", "觀塘", "观塘", 114.2260, 22.3120),
    ("isl/wan-chai", "Wan Chai", "灣仔", "湾仔", 114.1731, 22.2770),
    ("nt/yuen-long", "Yuen Long", "元朗", "元朗", 114.0240, 22.4450),
    ("kln/sham-shui-po", "Sham Shui Po", "深水埗", "深水埗", 114.1622, 22.3307),
    ("isl/north-point", "North Point", "北角", "北角", 114.2003, 22.2913),
    ("nt/tuen-mun", "Tuen Mun", "屯門", "屯门", 113.9740, 22.3920),
    ("kln/wong-tai-sin", "Wong Tai Sin", "黃大仙", "黄大仙", 114.1939, 22.3419),
    ("isl/tai-koo", "Tai Koo", "太古", "太古", 114.2170, 22.2860),
    ("nt/tai-po", "Tai Po", "大埔", "大埔", 114.1690, 22.4500),
    ("kln/hung-hom", "Hung Hom", "紅磡", "红磡", 114.1820, 22.3030),
    ("isl/chai-wan", "Chai Wan", "柴灣", "柴湾", 114.2370, 22.2650),
    ("nt/tseung-kwan-o", "Tseung Kwan O", "將軍澳", "将军澳", 114.2600, 22.3080),
    ("kln/kowloon-city", "Kowloon City", "九龍城", "九龙城", 114.1916, 22.3282),
    ("isl/aberdeen", "Aberdeen", "香港仔", "香港仔", 114.1550, 22.2480),
    ("nt/fanling", "Fanling", "粉嶺", "粉岭", 114.1390, 22.4920),
    ("isl/sheung-wan", "Sheung Wan", "上環", "上环", 114.1500, 22.2866),
    ("nt/kwai-fong", "Kwai Fong", "葵芳", "葵芳", 114.1270, 22.3570),
    ("nt/tung-chung", "Tung Chung", "東涌", "东涌", 113.9410, 22.2890),
];

const HONG_KONG_ABOVE: [(&str, &str, &str, &str); 4] = [
    ("hk", "Hong Kong", "香港", "香港"),
    ("hk/isl", "Hong Kong Island", "香港島", "香港岛"),
    ("hk/kln", "Kowloon", "九龍", "九龙"),
    ("hk/nt", "New Territories", "新界", "新界"),
];

/// Districts of a made-up city, each with eight areas.
const DISTRICTS: [(&str, &str, &str, &str); 3] =
    [("n", "North", "北區", "北区"), ("c", "Centre", "中區", "中区"), ("s", "South", "南區", "南区")];

/// All areas of `cities` cities, Hong Kong first.
pub(crate) fn areas(cities: u32) -> Vec<Area> {
    let mut areas: Vec<Area> = HONG_KONG
        .iter()
        .map(|(org, en, hant, hans, lon, lat)| area("hk", org, earth::point(*lon, *lat), [en, hant, hans]))
        .collect();
    for city in 1..cities {
        let (lon, lat) = (100.0 + 0.6 * f64::from(city % 40), 22.9 + 0.5 * f64::from(city / 40 % 40));
        for (row, (district, en, hant, hans)) in DISTRICTS.iter().enumerate() {
            for column in 1..=8 {
                let centre = earth::point(lon + 0.055 * f64::from(column), lat + 0.055 * row as f64);
                let names = [en, hant, hans].map(|name| format!("{name} {column}"));
                let names = names.each_ref().map(String::as_str);
                areas.push(area(&format!("c{city:03}"), &format!("{district}/a{column}"), centre, names));
            }
        }
    }
    areas
}

fn area(city: &str, org: &str, centre: LonLat, names: [&str; 3]) -> Area {
    let org = format!("{city}/{org}");
    let policy = policy_at(&org);
    Area { org, city: city.to_owned(), centre, names: names.map(str::to_owned), policy }
}

/// Name, scope, fence rule, tolerance in metres, grace in minutes.
type Table = (&'static str, &'static str, FenceRule, f64, i64);

/// The policy tables.
const POLICIES: [Table; 5] = [
    ("default", "", FenceRule::Lenient, 0.0, 0),
    ("new-territories", "hk/nt", FenceRule::Centre, 30.0, 5),
    ("kwun-tong", "hk/kln/kwun-tong", FenceRule::Strict, 0.0, 0),
    ("central", "hk/isl/central", FenceRule::Probability, 0.0, 0),
    ("made-up-north", "c001/n", FenceRule::Centre, 50.0, 3),
];

/// The policy in force at `org`: the table with the longest scope that covers it at a path border. Every table here
/// sets the same keys, so that the longest one alone decides.
fn policy_at(org: &str) -> Policy {
    let table = POLICIES.iter().filter(|table| covers(table.1, org)).max_by_key(|table| table.1.len());
    let (_, _, fence_rule, tolerance_m, grace_min) = *table.unwrap_or(&POLICIES[0]);
    Policy { fence_rule, tolerance_m, grace_in_min: grace_min, grace_out_min: grace_min, ..Policy::default() }
}

fn covers(scope: &str, org: &str) -> bool {
    scope.is_empty() || org == scope || org.starts_with(&format!("{scope}/"))
}

/// The file of policies: the tables that hold somewhere in `areas`.
pub(crate) fn policies(areas: &[&Area]) -> PolicyFile {
    let row =
        |(name, applies_to, rule, tolerance_m, grace_min): &(&str, &str, FenceRule, f64, i64)| PolicyRow {
            name: Some((*name).to_owned()),
            applies_to: Some((*applies_to).to_owned()),
            valid_from: Some("2020-01-01".to_owned()),
            fence_rule: Some(rule.name().to_owned()),
            tolerance_m: Some(*tolerance_m),
            grace_in_min: Some(*grace_min),
            grace_out_min: Some(*grace_min),
            ..PolicyRow::default()
        };
    let holds = |table: &&Table| areas.iter().any(|area| covers(table.1, &area.org));
    PolicyFile { policy: POLICIES.iter().filter(holds).map(row).collect() }
}

/// The inner nodes of the org tree above `areas`, without managers.
pub(crate) fn orgs_above(areas: &[&Area]) -> Vec<OrgRow> {
    let row = |org: String, names: [String; 3]| OrgRow { org, name: name_row(&names), managers: Vec::new() };
    let mut rows: Vec<OrgRow> = HONG_KONG_ABOVE
        .iter()
        .map(|(org, en, hant, hans)| row((*org).to_owned(), [en, hant, hans].map(|name| (*name).to_owned())))
        .collect();
    let mut cities: Vec<&str> =
        areas.iter().map(|area| area.city.as_str()).filter(|city| *city != "hk").collect();
    cities.dedup();
    for city in cities {
        let number = city.trim_start_matches(['c', '0']);
        rows.push(row(city.to_owned(), ["City", "城市", "城市"].map(|name| format!("{name} {number}"))));
        for (district, en, hant, hans) in DISTRICTS {
            rows.push(row(format!("{city}/{district}"), [en, hant, hans].map(str::to_owned)));
        }
    }
    rows.retain(|row| areas.iter().any(|area| covers(&row.org, &area.org)));
    rows
}

/// The three names as a row has them.
pub(crate) fn name_row(names: &[String; 3]) -> NameRow {
    let [en, zh_hant, zh_hans] = names.clone().map(Some);
    NameRow { en, zh_hant, zh_hans }
}

/// General holidays of Hong Kong in 2026, as gazetted on 2025-05-16.
const HOLIDAYS: [(&str, &str); 17] = [
    ("2026-01-01", "The first day of January"),
    ("2026-02-17", "Lunar New Year's Day"),
    ("2026-02-18", "The second day of Lunar New Year"),
    ("2026-02-19", "The third day of Lunar New Year"),
    ("2026-04-03", "Good Friday"),
    ("2026-04-04", "The day following Good Friday"),
    ("2026-04-06", "The day following Ching Ming Festival"),
    ("2026-04-07", "The day following Easter Monday"),
    ("2026-05-01", "Labour Day"),
    ("2026-05-25", "The day following the Birthday of the Buddha"),
    ("2026-06-19", "Tuen Ng Festival"),
    ("2026-07-01", "Hong Kong Special Administrative Region Establishment Day"),
    ("2026-09-26", "The day following the Chinese Mid-Autumn Festival"),
    ("2026-10-01", "National Day"),
    ("2026-10-19", "The day following Chung Yeung Festival"),
    ("2026-12-25", "Christmas Day"),
    ("2026-12-26", "The first weekday after Christmas Day"),
];

/// The file of calendars: Hong Kong's general holidays and Sundays.
pub(crate) fn calendars() -> CalendarFile {
    let day = |(date, name): &(&str, &str)| CalendarDayRow {
        date: Some((*date).to_owned()),
        kind: "holiday".to_owned(),
        statutory: None,
        name: Some((*name).to_owned()),
        status: None,
    };
    let calendar = CalendarRow {
        applies_to: Some("hk".to_owned()),
        source: Some("General holidays for 2026, Government of the Hong Kong SAR, 2025-05-16".to_owned()),
        status: Some("official".to_owned()),
        preset: None,
        weekdays: WeekdaysRow { sunday: Some("rest".to_owned()), ..WeekdaysRow::default() },
        days: HOLIDAYS.iter().map(day).collect(),
    };
    CalendarFile { calendar: vec![calendar] }
}
