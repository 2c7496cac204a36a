//! A world as files, and what the loader makes of them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use model::Reference;
use model::reference::Approval;
use oracle::{Seconds, Time, World};

/// A folder for one world after another.
pub(crate) struct Files(tempfile::TempDir);

fn instant(at: Seconds) -> String {
    Timestamp::from_second(at).unwrap().to_string()
}

fn time(time: Time) -> String {
    match time {
        Time::Wall(minutes) => format!("{:02}:{:02}", minutes / 60, minutes % 60),
        Time::At(at) => instant(at),
    }
}

fn texts(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(","))
}

fn maybe(key: &str, value: &Option<String>) -> String {
    value.as_ref().map_or(String::new(), |value| format!(",\"{key}\":\"{value}\""))
}

fn approvals(of: &[Approval]) -> String {
    let one = |approval: &Approval| {
        let level = approval.level.map_or(String::new(), |level| format!("\"level\":{level},"));
        let by = approval.by.as_ref().map_or(String::new(), |by| format!("\"by\":\"{by}\","));
        format!("{{{level}{by}\"at\":\"{}\"}}", approval.at.timestamp())
    };
    of.iter().map(one).collect::<Vec<_>>().join(",")
}

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// What the loader makes of `world`; anything wrong with the files is a fault of the test.
    pub(crate) fn load(&self, world: &World) -> Arc<Reference> {
        let write = |name: &str, text: String| -> Vec<PathBuf> {
            let path: PathBuf = Path::new(self.0.path()).join(name);
            std::fs::write(&path, text).unwrap();
            vec![path]
        };
        let sources = reference::Sources {
            sites: write("sites.geojson", sites(world)),
            orgs: vec![],
            people: write("people.ndjson", people(world)),
            shifts: write("shifts.ndjson", shifts(world)),
            leave: write("leave.ndjson", leave(world)),
            corrections: write("corrections.ndjson", corrections(world)),
            policies: write("policies.toml", policies(world)),
            calendars: write("calendars.toml", calendars(world)),
            law: vec![],
        };
        let loaded = reference::load(&sources);
        loaded.reference.unwrap_or_else(|| panic!("{:#?}", loaded.problems))
    }
}

fn sites(world: &World) -> String {
    let features = world.sites.iter().enumerate().map(|(at, site)| {
        format!(
            "{{\"type\":\"Feature\",\"geometry\":{{\"type\":\"Point\",\"coordinates\":[{},22.3]}},\"properties\":\
             {{\"site_id\":\"{}\",\"name\":\"{}\",\"org\":\"{}\",\"time_zone\":\"{}\",\"radius_m\":100{}}}}}",
            114.1 + at as f64 / 10.0,
            site.id,
            site.id,
            site.org,
            site.zone.iana_name().unwrap(),
            maybe("policy", &site.policy)
        )
    });
    let features = features.collect::<Vec<_>>().join(",\n");
    format!("{{\"type\":\"FeatureCollection\",\"features\":[{features}]}}")
}

fn people(world: &World) -> String {
    let mut text = String::new();
    for person in &world.people {
        writeln!(
            text,
            "{{\"employee_id\":\"{}\",\"org\":\"{}\",\"allowed_sites\":{},\"groups\":{}{}}}",
            person.id,
            person.org,
            texts(&person.allowed),
            texts(&person.groups),
            maybe("home_site", &person.home)
        )
        .unwrap();
    }
    text
}

fn shifts(world: &World) -> String {
    let mut text = String::new();
    for shift in &world.shifts {
        let breaks = shift.breaks.iter().map(|one| {
            let (start, end) = (time(one.start), time(one.end));
            format!("{{\"start\":\"{start}\",\"end\":\"{end}\",\"paid\":{}}}", one.is_paid)
        });
        writeln!(
            text,
            "{{\"shift_id\":\"{}\",\"employee_id\":\"{}\",\"site_id\":\"{}\",\"business_date\":\"{}\",\"segment\":{},\
             \"start\":\"{}\",\"end\":\"{}\",\"breaks\":[{}],\"kind\":\"{}\",\"status\":\"{}\"{}}}",
            shift.id,
            shift.person,
            shift.site,
            shift.date,
            shift.segment,
            time(shift.start),
            time(shift.end),
            breaks.collect::<Vec<_>>().join(","),
            if shift.is_free { "free" } else { "fixed" },
            if shift.is_cancelled { "cancelled" } else { "planned" },
            maybe("policy", &shift.policy)
        )
        .unwrap();
    }
    text
}

fn leave(world: &World) -> String {
    let mut text = String::new();
    for row in &world.leave {
        writeln!(
            text,
            "{{\"leave_id\":\"{}\",\"employee_id\":\"{}\",\"from\":\"{}\",\"to\":\"{}\",\"type\":\"{}\",\
             \"status\":\"{}\",\"approvals\":[{}]}}",
            row.id,
            row.person,
            instant(row.from),
            instant(row.until),
            row.kind,
            row.status.name(),
            approvals(&row.approvals)
        )
        .unwrap();
    }
    text
}

fn corrections(world: &World) -> String {
    let mut text = String::new();
    for row in &world.corrections {
        writeln!(
            text,
            "{{\"correction_id\":\"{}\",\"employee_id\":\"{}\",\"kind\":\"{}\",\"occurred_at\":\"{}\",\"type\":\"{}\",\
             \"status\":\"{}\",\"approvals\":[{}]{}}}",
            row.id,
            row.person,
            row.kind.name(),
            instant(row.at),
            row.mends.name(),
            row.status.name(),
            approvals(&row.approvals),
            maybe("shift_id", &row.shift)
        )
        .unwrap();
    }
    text
}

fn policies(world: &World) -> String {
    let mut text = String::new();
    for table in &world.policies {
        writeln!(
            text,
            "[[policy]]\napplies_to = \"{}\"\nvalid_from = {}",
            table.applies_to, table.valid_from
        )
        .unwrap();
        if let Some(name) = &table.name {
            writeln!(text, "name = \"{name}\"").unwrap();
        }
        for (key, value) in &table.keys {
            let is_number = value.parse::<i64>().is_ok();
            let quote = if is_number { "" } else { "\"" };
            writeln!(text, "{key} = {quote}{value}{quote}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn calendars(world: &World) -> String {
    const WEEKDAYS: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let mut text = String::new();
    for calendar in &world.calendars {
        let kinds = WEEKDAYS.iter().zip(&calendar.weekdays);
        let kinds: Vec<String> = kinds.map(|(day, kind)| format!("{day} = \"{}\"", kind.name())).collect();
        let days = calendar.days.iter().map(|(date, (kind, is_statutory))| {
            format!("  {{ date = {date}, kind = \"{}\", statutory = {is_statutory} }},", kind.name())
        });
        writeln!(
            text,
            "[[calendar]]\napplies_to = \"{}\"\npreset = false\nweekdays = {{ {} }}\ndays = [\n{}\n]\n",
            calendar.applies_to,
            kinds.join(", "),
            days.collect::<Vec<_>>().join("\n")
        )
        .unwrap();
    }
    text
}
