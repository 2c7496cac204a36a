//! What a punch looks like when it arrives.

mod support;

use std::sync::Arc;

use attendance::*;
use jiff::tz::TimeZone;
use model::*;
use support::*;

/// Sends the punches in the order written; one line a punch: direction, shift, day, reasons.
#[track_caller]
fn check(script: &str, expected: &str) {
    let world = World::parse(script);
    let mut life = Life::new(&world);
    let mut lines = Vec::new();
    for sent in &world.sent {
        let arrives_at = sent.arrives_at.max(life.state.clock());
        let arrival = life.send(&Sent { arrives_at, ..sent.clone() });
        let direction = arrival.direction.map_or("-", Kind::name);
        let day = (arrival.business_date - world.date).get_days();
        let shift = arrival.shift_id.as_deref().unwrap_or("-");
        let reasons: Vec<_> = arrival.reasons.iter().map(Reason::name).collect();
        lines.push(format!("{direction} {shift} {day} {}", reasons.join(",")).trim_end().to_owned());
    }
    assert_eq!(lines.join("; "), expected, "{script}");
}

#[test]
fn direction_shift_and_day_as_far_as_can_be_told() {
    check("shift s1 22:00-30:00; in 21:58; out 30:03", "in s1 0; out s1 0");
    check(
        "shift s1 09:00-18:00; auto 08:55; auto 12:00; auto 13:00; auto 18:00",
        "in s1 0; out s1 0; in s1 0; out s1 0",
    );
    check("shift s1 09:00-18:00; auto 17:00", "out s1 0");
    check("auto 08:00; auto 09:00; auto 33:00", "in - 0; out - 0; in - 1");
    check("shift s1 09:00-18:00; break_out 12:00; break_in 12:30", "break_out s1 0; break_in s1 0");
}

#[test]
fn reasons_that_need_history() {
    check("shift s1 09:00-18:00; in 09:00; in 09:01; in 09:02:01", "in s1 0; in s1 0 repunch; in s1 0");
    check("shift s1 09:00-18:00; in 09:00; out 09:00:30", "in s1 0; out s1 0");
    check("shift s1 09:00-18:00; in 09:00; auto 09:00:30; auto 09:05", "in s1 0; in s1 0 repunch; out s1 0");
    check("shift s1 09:00-18:00; in 03:00; in 33:00", "in - 0 unscheduled; in - 1 unscheduled");
    check("in 03:00", "in - 0");
    check("shift s1 09:00-18:00; in 09:00 correction", "in - 0");
}

#[test]
fn a_clock_is_suspect_ahead_of_receipt_or_far_behind_its_source() {
    check(
        "shift s1 09:00-18:00; in 09:10 arrives 09:00; in 09:10:01 arrives 09:00 id x; auto 23:59 arrives 09:00",
        "in s1 0; in - 0 clock_suspect; - - 0 clock_suspect",
    );
    check("in 09:00 terminal device d; in -31d09:00 terminal device d", "in - 0; in - -31 clock_suspect");
    check("in 09:00 terminal device d; in -31d09:00:01 terminal device d", "in - 0; in - -31");
    check("in 09:00 terminal device d; in -31d09:00 terminal device f", "in - 0; in - -31");
    check("in 09:00 terminal; in -31d09:00 terminal", "in - 0; in - -31 clock_suspect");
    check("in 09:00 device d; in -31d09:00 device d", "in - 0; in - -31");
    // A suspect record is no measure for the next one.
    check(
        "in 40d09:00 terminal device d arrives 09:00; in 08:00 terminal device d",
        "in - 40 clock_suspect; in - 0",
    );
}

#[test]
fn the_days_zone_is_the_sites_then_home_device_import() {
    let mut world = World::parse("shift s1 33:00-40:00 at B");
    Arc::make_mut(&mut world.reference.sites[1]).time_zone = TimeZone::get("Europe/London").unwrap();
    world.reference.people[0].home_site = None;
    let import = TimeZone::get("America/New_York").unwrap();
    let date = |world: &World, at: &str, site: Option<u32>, zone: &str, import: Option<&TimeZone>| {
        let mut state = PartitionState::new(world.roster(), settings());
        let occurred_at = world.time(at);
        let facts = Facts {
            person: state.roster().person(EMPLOYEE),
            employee_id: EMPLOYEE,
            event_id: EventId::new("e"),
            kind: Kind::In,
            occurred_at,
            received_at: occurred_at,
            origin: Origin::Import,
            device_id: "",
            time_zone: zone,
            place: Place::NoEvidence,
            site: site.map(SiteIndex),
            import_zone: import,
        };
        let arrival = state.arrive(&facts, Clocking::Append);
        let zone = arrival.time_zone.iana_name().unwrap_or("UTC").to_owned();
        format!("{} {zone}", arrival.business_date)
    };
    // 2026-11-03T02:00+08:00 is 18:00 of the day before in London, 13:00 in New York.
    assert_eq!(date(&world, "26:00", Some(0), "", None), "2026-11-03 Asia/Hong_Kong");
    assert_eq!(date(&world, "26:00", Some(1), "", None), "2026-11-02 Europe/London");
    assert_eq!(date(&world, "26:00", None, "Asia/Tokyo", Some(&import)), "2026-11-03 Asia/Tokyo");
    assert_eq!(date(&world, "26:00", None, "no/zone", Some(&import)), "2026-11-02 America/New_York");
    assert_eq!(date(&world, "26:00", None, "", None), "2026-11-02 UTC");
    assert_eq!(date(&world, "33:00", None, "", None), "2026-11-03 Europe/London", "the shift's site");
    world.reference.people[0].home_site = Some(SiteIndex(0));
    assert_eq!(date(&world, "26:00", None, "Europe/Paris", Some(&import)), "2026-11-03 Asia/Hong_Kong");
}

#[test]
fn an_unknown_person_is_no_error() {
    let mut world = World::parse("in 09:00 outside; in 09:00:20; clock 10:00");
    world.reference.people.clear();
    let mut life = Life::new(&world);
    let arrivals: Vec<_> = world.sent.iter().map(|sent| life.send(sent)).collect();
    assert_eq!(arrivals[0].shift, None);
    assert!(arrivals[1].reasons.contains(Reason::Repunch));
    assert_eq!(life.said.text(&world), "! outside day0 [e1]");
    assert_eq!(life.said.findings.values().next().unwrap().org.as_ref(), "");
}
