//! The reference data of a generated chain, as the files `reference` reads.
//!
//! In: a [`World`].  Out: text of each file, written row by row into whatever the caller gives.  Owns: nothing.
//! Absent on purpose: files and folders; names of people (nobody real works here).

use std::io::{self, Write};

use model::reference::Fence;
use model::{Datum, EventTime, LonLat, Ring};
use schemas::lines::local_text;
use schemas::rows::{
    ApprovalRow, BeaconRow, BreakRow, CorrectionRow, LeaveRow, OrgRow, PersonRow, PolicyFile, ShiftRow,
    SiteProperties,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::earth;
use crate::people::employee_id;
use crate::plan::{plan, shift_site};
use crate::region::{self, Area};
use crate::roster::TEMPLATES;
use crate::stores::Store;
use crate::world::World;

/// One file of reference data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// GeoJSON.
    Sites,
    /// NDJSON.
    Orgs,
    /// NDJSON.
    People,
    /// NDJSON.
    Shifts,
    /// NDJSON.
    Leave,
    /// NDJSON.
    Corrections,
    /// TOML.
    Policies,
    /// TOML.
    Calendars,
}

impl Part {
    /// Every file.
    pub const ALL: [Self; 8] = [
        Self::Sites,
        Self::Orgs,
        Self::People,
        Self::Shifts,
        Self::Leave,
        Self::Corrections,
        Self::Policies,
        Self::Calendars,
    ];

    /// The key of `[reference]` in the configuration that takes this file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Sites => "sites",
            Self::Orgs => "orgs",
            Self::People => "people",
            Self::Shifts => "shifts",
            Self::Leave => "leave",
            Self::Corrections => "corrections",
            Self::Policies => "policies",
            Self::Calendars => "calendars",
        }
    }

    /// A file name whose ending tells the format.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Sites => "sites.geojson",
            Self::Orgs => "orgs.ndjson",
            Self::People => "people.ndjson",
            Self::Shifts => "shifts.ndjson",
            Self::Leave => "leave.ndjson",
            Self::Corrections => "corrections.ndjson",
            Self::Policies => "policies.toml",
            Self::Calendars => "calendars.toml",
        }
    }
}

/// The reference data of a world.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'w> {
    world: &'w World,
}

impl<'w> Chain<'w> {
    pub(crate) const fn new(world: &'w World) -> Self {
        Self { world }
    }

    /// The whole text of one file.
    pub fn text(&self, part: Part) -> String {
        let mut bytes = Vec::new();
        self.write(part, &mut bytes).expect("a vector takes every byte");
        String::from_utf8(bytes).expect("every row is text")
    }

    /// Writes one file, row by row. Fails only as `out` fails.
    pub fn write(&self, part: Part, out: &mut impl Write) -> io::Result<()> {
        let toml = |text: Result<String, toml::ser::Error>| text.map_err(io::Error::other);
        match part {
            Part::Sites => self.write_sites(out),
            Part::Orgs => lines(out, self.orgs()),
            Part::People => lines(out, (0..self.world.spec.employees).map(|index| self.person(index))),
            Part::Shifts => lines(out, self.person_days().flat_map(|(index, day)| self.shifts(index, day))),
            Part::Leave => lines(out, self.person_days().filter_map(|(index, day)| self.leave(index, day))),
            Part::Corrections => {
                lines(out, self.person_days().filter_map(|(index, day)| self.correction(index, day)))
            }
            Part::Policies => out.write_all(toml(toml::to_string(&self.policies()))?.as_bytes()),
            Part::Calendars => out.write_all(toml(toml::to_string(&region::calendars()))?.as_bytes()),
        }
    }

    fn person_days(&self) -> impl Iterator<Item = (u32, u16)> + use<> {
        let employees = self.world.spec.employees;
        (0..self.world.roster.days()).flat_map(move |day| (0..employees).map(move |index| (index, day)))
    }

    fn write_sites(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"{\"type\":\"FeatureCollection\",\"features\":[")?;
        for (index, store) in self.world.stores().iter().enumerate() {
            out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
            let properties = self.properties(index as u32, store);
            let feature = json!({"type": "Feature", "properties": properties, "geometry": geometry(store)});
            serde_json::to_writer(&mut *out, &feature)?;
        }
        out.write_all(b"\n]}\n")
    }

    fn properties(&self, index: u32, store: &Store) -> SiteProperties {
        let radius_m = if let Fence::Circle { radius_m, .. } = store.fence { Some(radius_m) } else { None };
        let beacon = |beacon: &model::BeaconId| BeaconRow {
            uuid: format!("{:032x}", beacon.uuid),
            major: beacon.major,
            minor: beacon.minor,
        };
        SiteProperties {
            site_id: store.site_id.clone(),
            name: store.name.clone(),
            org: self.world.areas[store.area as usize].org.clone(),
            time_zone: self.world.spec.time_zone.clone(),
            radius_m,
            datum: (store.datum != Datum::Wgs84).then(|| store.datum.name().to_owned()),
            tolerance_m: store.tolerance_m,
            policy: None,
            bssids: store.access_points.iter().map(ToString::to_string).collect(),
            beacons: store.beacons.iter().map(beacon).collect(),
            terminals: store.terminals.clone(),
            managers: self.managers(index),
            valid_from: None,
            valid_to: None,
        }
    }

    /// The first of a store's people runs it; where there are more than twenty, the first two.
    fn managers(&self, store: u32) -> Vec<String> {
        let staff = self.world.staff_of(store);
        let count = if staff.len() > 20 { 2 } else { 1 };
        staff.take(count).map(employee_id).collect()
    }

    /// The areas where stores stand, each with its first store.
    fn areas(&self) -> Vec<(&'w Area, u32)> {
        let mut first_store = vec![None; self.world.areas.len()];
        for (index, store) in self.world.stores().iter().enumerate() {
            first_store[store.area as usize].get_or_insert(index as u32);
        }
        let areas = self.world.areas.iter().zip(first_store);
        areas.filter_map(|(area, first)| Some((area, first?))).collect()
    }

    /// The org tree; an area is run by the managers of its first store.
    fn orgs(&self) -> impl Iterator<Item = OrgRow> {
        let areas = self.areas();
        let above = region::orgs_above(&areas.iter().map(|(area, _)| *area).collect::<Vec<_>>());
        let leaves = areas.into_iter().map(|(area, first)| OrgRow {
            org: area.org.clone(),
            name: region::name_row(&area.names),
            managers: self.managers(first),
        });
        above.into_iter().chain(leaves)
    }

    fn policies(&self) -> PolicyFile {
        region::policies(&self.areas().into_iter().map(|(area, _)| area).collect::<Vec<_>>())
    }

    fn person(&self, index: u32) -> PersonRow {
        let person = self.world.person(index);
        let site_id = |store: u32| self.world.store(store).site_id.clone();
        let store = self.world.store(person.home);
        PersonRow {
            employee_id: employee_id(index),
            org: self.world.areas[store.area as usize].org.clone(),
            home_site: Some(site_id(person.home)),
            allowed_sites: person.other.map(site_id).into_iter().collect(),
            groups: Vec::new(),
            managers: Vec::new(),
            lang: Some(["zh-Hant", "zh-Hant", "zh-Hans", "en"][index as usize % 4].to_owned()),
            contacts: None,
            employment_type: Some(if person.other.is_some() { "part_time" } else { "full_time" }.to_owned()),
            location_consent: person.declined.then(|| "declined".to_owned()),
            name: None,
            joined: None,
            left: None,
        }
    }

    fn shifts(&self, index: u32, day: u16) -> Vec<ShiftRow> {
        let person = self.world.person(index);
        let segments = TEMPLATES[usize::from(person.template)].segments;
        let duties = self.world.roster.duties(person, day);
        let site = shift_site(self.world, index, day);
        let row = |(duty, [start, end, from, until]): (&crate::roster::Duty, &[i64; 4])| ShiftRow {
            shift_id: self.world.shift_id(index, day, duty.segment),
            employee_id: employee_id(index),
            site_id: self.world.store(site).site_id.clone(),
            business_date: self.world.roster.date(day).to_string(),
            segment: (duty.segment > 0).then(|| duty.segment.into()),
            start: clock_text(*start),
            end: clock_text(*end),
            breaks: duty.lunch.map(|_| lunch(*from, *until)).into_iter().collect(),
            kind: None,
            policy: None,
            status: None,
        };
        duties.iter().zip(segments).map(row).collect()
    }

    fn leave(&self, index: u32, day: u16) -> Option<LeaveRow> {
        let leave = plan(self.world, index, day).leave?;
        Some(LeaveRow {
            leave_id: self.world.shift_id(index, day, 0).replacen("s-", "l-", 1),
            employee_id: employee_id(index),
            from: self.time(leave.from),
            to: self.time(leave.until),
            leave_type: if index.is_multiple_of(3) { "sick" } else { "annual" }.to_owned(),
            status: "approved".to_owned(),
            approvals: self.approvals(index, leave.approved_at),
            place: None,
            compensation: None,
        })
    }

    fn correction(&self, index: u32, day: u16) -> Option<CorrectionRow> {
        let mend = plan(self.world, index, day).correction?;
        let shift_id = self.world.shift_id(index, day, mend.segment);
        Some(CorrectionRow {
            correction_id: shift_id.replacen("s-", "m-", 1),
            employee_id: employee_id(index),
            kind: mend.kind.name().to_owned(),
            occurred_at: self.time(mend.occurred_at),
            shift_id: Some(shift_id),
            correction_type: if mend.kind == model::Kind::Out { "missing" } else { "late" }.to_owned(),
            status: "approved".to_owned(),
            approvals: self.approvals(index, mend.approved_at),
        })
    }

    fn approvals(&self, index: u32, at: EventTime) -> Vec<ApprovalRow> {
        let by = self.managers(self.world.person(index).home).into_iter().next();
        vec![ApprovalRow { level: Some(1), by, at: self.time(at) }]
    }

    fn time(&self, at: EventTime) -> String {
        local_text(at, self.world.roster.zone())
    }
}

fn lines<T: Serialize>(out: &mut impl Write, rows: impl Iterator<Item = T>) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *out, &row)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn lunch(from: i64, until: i64) -> BreakRow {
    BreakRow { start: clock_text(from), end: clock_text(until), paid: None }
}

/// `HH:MM`, up to 47:59, counted from the business date.
fn clock_text(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn geometry(store: &Store) -> Value {
    let closed = |ring: &Ring| {
        let corners = ring.0.iter().chain(ring.0.first());
        corners.map(|(lon, lat)| json!([lon, lat])).collect::<Vec<_>>()
    };
    match &store.fence {
        Fence::Circle { centre, .. } => json!({"type": "Point", "coordinates": told(*centre, store.datum)}),
        Fence::Polygons(parts) => {
            let parts: Vec<Vec<_>> = parts.iter().map(|part| part.iter().map(closed).collect()).collect();
            match parts.as_slice() {
                [part] => json!({"type": "Polygon", "coordinates": part}),
                _ => json!({"type": "MultiPolygon", "coordinates": parts}),
            }
        }
    }
}

fn told(centre: LonLat, datum: Datum) -> Value {
    let centre = if datum == Datum::Gcj02 { earth::written(earth::gcj02(centre)) } else { centre };
    json!([centre.lon(), centre.lat()])
}
