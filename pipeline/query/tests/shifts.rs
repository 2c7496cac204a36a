//! `site_health` on feeds that tell GCJ-02 or BD-09 without saying so, and on what merely looks like it.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use model::datum::from_wgs84;
use model::{Datum, LonLat};
use query::{Format, Options, Session, run_once};
use serde_json::{Map, Value, json};

const HONG_KONG: (f64, f64) = (114.16, 22.32);
const BEIJING: (f64, f64) = (116.40, 39.90);
const METRE: f64 = 1.0 / 111_195.0;

fn point(lon: f64, lat: f64) -> LonLat {
    LonLat::new(lon, lat).unwrap()
}

/// The `n`th of a chain's places around a city.
fn place(city: (f64, f64), n: usize) -> LonLat {
    point(city.0 + 0.013 * (n % 5) as f64, city.1 + 0.011 * (n / 5) as f64)
}

/// Sites and the fixes of their people.
#[derive(Default)]
struct Chain {
    rows: common::Rows,
    punches: usize,
}

fn row(of: Value) -> Map<String, Value> {
    of.as_object().unwrap().clone()
}

impl Chain {
    fn site(&mut self, id: &str, at: LonLat) {
        let site = json!({"site_id": id, "org": "o", "name": id, "time_zone": "UTC", "lon": at.lon(), "lat": at.lat(),
            "radius_m": 100, "taken_at": "2026-11-01T00:00:00Z"});
        self.rows.push("sites", row(site));
        let person = json!({"employee_id": format!("of-{id}"), "org": "o", "home_site": id,
            "taken_at": "2026-11-01T00:00:00Z"});
        self.rows.push("people", row(person));
    }

    /// `count` fixes within some 20 m of `at`.
    fn fixes(&mut self, id: &str, at: LonLat, count: usize, (topic, platform): (&str, Option<&str>)) {
        for _ in 0..count {
            self.punches += 1;
            let (event_id, employee_id) = (format!("p{}", self.punches), format!("of-{id}"));
            let beside = |stride: usize| METRE * ((self.punches * stride % 41) as f64 - 20.0);
            let (lon, lat) = (at.lon() + beside(7), at.lat() + beside(13));
            let punch = json!({"event_id": event_id, "employee_id": employee_id, "business_date": "2026-11-02",
                "place": "outside", "topic": topic, "origin": "phone"});
            self.rows.push("punches", row(punch));
            let evidence = json!({"event_id": event_id, "employee_id": employee_id, "business_date": "2026-11-02",
                "topic": topic, "lon": lon, "lat": lat, "platform": platform});
            self.rows.push("punch_evidence", row(evidence));
        }
    }

    /// A site at each of these places, told as `site` tells it, with ten fixes each, told as `fix` tells them.
    fn part(
        &mut self,
        name: &str,
        places: impl Iterator<Item = LonLat>,
        site: impl Fn(LonLat) -> LonLat,
        fix: impl Fn(LonLat) -> LonLat,
    ) {
        for (n, place) in places.enumerate() {
            let id = format!("{name}-{n}");
            self.site(&id, site(place));
            self.fixes(&id, fix(place), 10, (name, None));
        }
    }

    async fn asked(&self, statement: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let lake = self.rows.store(folder.path(), 1_000);
        let session = Session::over(lake, Options::default()).await.unwrap();
        let mut out = Vec::new();
        run_once(&session, statement, Format::Csv, &mut out).await.unwrap();
        String::from_utf8(out).unwrap().trim_end().to_owned()
    }

    /// Site, shift, feed; only sites that show a shift.
    async fn shifts(&self) -> Vec<String> {
        let statement = "SELECT concat_ws(', ', site_id, shift_suspected, shift_feed) FROM site_health \
                         WHERE shift_suspected IS NOT NULL ORDER BY site_id";
        self.asked(statement).await.lines().skip(1).map(|line| line.trim_matches('"').to_owned()).collect()
    }
}

fn as_told(point: LonLat) -> LonLat {
    point
}

fn told_in(datum: Datum) -> impl Fn(LonLat) -> LonLat {
    move |point| from_wgs84(point, datum)
}

fn places(city: (f64, f64), count: usize) -> impl Iterator<Item = LonLat> {
    (0..count).map(move |n| place(city, n))
}

#[tokio::test]
async fn a_feed_without_its_tag_is_told_at_each_of_its_sites() {
    for datum in [Datum::Gcj02, Datum::Bd09] {
        let mut chain = Chain::default();
        chain.part("hk", places(HONG_KONG, 4), as_told, told_in(datum));
        chain.part("bj", places(BEIJING, 4), as_told, told_in(datum));
        chain.part("drawn", places(HONG_KONG, 4), told_in(datum), as_told);
        chain.part("good", places(BEIJING, 4), as_told, as_told);
        let expected = |part: &str, whose: &str| {
            (0..4)
                .map(move |n| format!("{part}-{n}, {whose} {}, {part} phone", datum.name()))
                .collect::<Vec<_>>()
        };
        let expected =
            [expected("bj", "fixes"), expected("drawn", "sites"), expected("hk", "fixes")].concat();
        assert_eq!(chain.shifts().await, expected);
    }
}

#[tokio::test]
async fn how_far_and_where_to_is_told_of_the_feed_that_is_shifted() {
    let mut chain = Chain::default();
    for (n, there) in places(HONG_KONG, 4).enumerate() {
        let id = format!("s{n}");
        chain.site(&id, there);
        chain.fixes(&id, from_wgs84(there, Datum::Gcj02), 10, ("punches", Some("android")));
        chain.fixes(&id, there, 30, ("punches", Some("ios")));
    }
    let numbers = chain
        .asked(
            "SELECT site_id, shift_suspected, shift_feed, shift_m BETWEEN 550 AND 620 AS metres, \
             shift_bearing_deg BETWEEN 110 AND 130 AS direction, drift_m < 30 AS drift, fixes FROM site_health \
             ORDER BY site_id LIMIT 1",
        )
        .await;
    assert_eq!(
        numbers.lines().last().unwrap(),
        "s0,fixes gcj02,punches phone android,true,true,true,40",
        "the middle of all fixes hides what one platform tells"
    );
}

#[tokio::test]
async fn what_no_datum_explains_is_not_called_one() {
    let by = |east_m: f64, north_m: f64| {
        move |at: LonLat| {
            point(at.lon() + east_m * METRE / at.lat().to_radians().cos(), at.lat() + north_m * METRE)
        }
    };
    let mut chain = Chain::default();
    // A site that moved by as much as GCJ-02 moves it, among nine that did not: it drifts, and nothing more is said.
    chain.part("moved", places(HONG_KONG, 9), as_told, as_told);
    let there = place(HONG_KONG, 9);
    chain.site("moved-9", there);
    chain.fixes("moved-9", from_wgs84(there, Datum::Gcj02), 10, ("moved", None));
    // All of a feed's fixes lie 300 m to the south-west.
    chain.part("aside", places(BEIJING, 4), as_told, by(-240.0, -180.0));
    let expected: Vec<String> = (0..4).map(|n| format!("aside-{n}, constant, aside phone")).collect();
    assert_eq!(chain.shifts().await, expected);
    let moved = chain
        .asked(
            "SELECT drift_m > 500 AS far, round(drift_bearing_deg / 10) AS tens FROM site_health \
             WHERE site_id = 'moved-9'",
        )
        .await;
    assert_eq!(moved, "far,tens\ntrue,12.0");
}

#[tokio::test]
async fn fewer_than_ten_fixes_show_nothing() {
    let with = |fixes: usize| {
        let mut chain = Chain::default();
        for (n, there) in places(BEIJING, 4).enumerate() {
            let id = format!("s{n}");
            chain.site(&id, there);
            chain.fixes(&id, from_wgs84(there, Datum::Gcj02), fixes, ("punches", None));
        }
        chain
    };
    assert_eq!(with(9).shifts().await, [""; 0]);
    assert_eq!(with(10).shifts().await.len(), 4);
    // The number that the view's header states.
    assert_eq!(model::datum_shift::FIXES_MIN, 10);
}

#[tokio::test]
async fn replayed_files_are_one_feed_and_polygons_none() {
    let mut chain = Chain::default();
    for (n, there) in places(HONG_KONG, 4).enumerate() {
        let id = format!("s{n}");
        chain.site(&id, there);
        for file in ["file:aaaa", "file:bbbb"] {
            chain.fixes(&id, from_wgs84(there, Datum::Gcj02), 5, (file, None));
        }
    }
    assert_eq!(chain.shifts().await.first().unwrap(), "s0, fixes gcj02, files phone");
    let mut outlines = Chain::default();
    for n in 0..4 {
        let site = json!({"site_id": format!("s{n}"), "org": "o", "name": "s", "time_zone": "UTC",
            "taken_at": "2026-11-01T00:00:00Z"});
        outlines.rows.push("sites", row(site));
        let person = json!({"employee_id": format!("of-s{n}"), "org": "o", "home_site": format!("s{n}"),
            "taken_at": "2026-11-01T00:00:00Z"});
        outlines.rows.push("people", row(person));
        outlines.fixes(&format!("s{n}"), place(HONG_KONG, n), 10, ("punches", None));
    }
    assert_eq!(outlines.shifts().await, [""; 0]);
}
