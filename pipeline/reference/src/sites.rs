//! GeoJSON feature collections to sites.
//!
//! In: files of `[reference] sites`.  Out: sites sorted by id, their ids, problems; later the few that changed.
//! Owns: how each file was cut into features, so that a changed file is not read whole (`cut`).
//! Absent on purpose: what depends on other sets (managers, policies): `load` checks that when all sets are read.
//! Why so: the collection is cut into features without reading them (`RawValue` borrows each one's text), so that a
//! feature's line is known, a faulty one does not hide the next, and a large file is never held as a tree of values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::{BeaconId, BssidBlock, Datum, EventTime, Rows, Site};
use schemas::rows::{BeaconRow, SiteProperties};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::cut::Cut;
use crate::files;
use crate::ids::{Ids, Strings, org_fault};
use crate::problem::{At, FileId, Report};
use crate::rows::{self, Lines, offset_in, without_place};
use crate::site_geometry::{self, Place};
use crate::suggest::did_you_mean;
use crate::version::Digest;
use crate::{radios, spread, version, wall_time};

/// Keys without which a feature is no site. A missing `name` is the id.
const REQUIRED: &[&str] = &["site_id", "org", "time_zone"];

/// Longest tolerance in metres.
const TOLERANCE_M_MAX: f64 = 10_000.0;

/// A set that changes by more features than this and than one in [`CHANGED_ONE_IN`] of its sites is read whole.
const CHANGED_MAX: usize = 1_000;
const CHANGED_ONE_IN: usize = 16;

/// The sites read, sorted by id, each with its place and a hash of what it says.
#[derive(Default)]
pub(crate) struct Sites {
    pub(crate) sites: Rows<Arc<Site>>,
    pub(crate) places: Vec<At>,
    pub(crate) ids: Ids,
    pub(crate) digests: Vec<Digest>,
    /// One for each file.
    files: Vec<SiteFile>,
}

/// How a file was cut, and which site came of each feature.
#[derive(Default)]
struct SiteFile {
    cut: Option<Cut>,
    sites: Vec<u32>,
}

/// What became of sites whose files changed.
pub(crate) enum Update {
    /// More than some features of known sites: the set has to be read whole.
    Unfit,
    /// Features with errors: all is as it was.
    Faulty,
    /// They are taken over. Whether what other sets rest on is as it was.
    Taken {
        /// Orgs, time zones, policies and dates.
        same_links: bool,
        /// Managers.
        same_managers: bool,
    },
}

/// Reads every site.
pub(crate) fn read(report: &mut Report, files: &[(FileId, PathBuf)], strings: &mut Strings) -> Sites {
    let mut reader = Reader::new(strings);
    let mut cuts = Vec::with_capacity(files.len());
    for (file, path) in files {
        reader.file = cuts.len();
        let text = files::read_text(report, *file, path);
        let cut = text.and_then(|text| reader.collection(report, *file, &text));
        cuts.push(SiteFile { cut, sites: Vec::new() });
    }
    let Reader { mut read, mut ids, .. } = reader;
    read.sort_by(|a, b| a.site.site_id.cmp(&b.site.site_id));
    let (mut sites, mut places) = (Vec::with_capacity(read.len()), Vec::with_capacity(read.len()));
    for (index, Read { site, at, file, feature }) in read.into_iter().enumerate() {
        ids.set_index(&site.site_id, index);
        let of = &mut cuts[file].sites;
        of.resize(of.len().max(feature + 1), u32::MAX);
        of[feature] = index as u32;
        sites.push(Arc::new(site));
        places.push(at);
    }
    radios::tell_shared(report, &sites, &places);
    spread::tell_far(report, &sites, &places);
    let digests = sites.iter().map(|site| version::site(site)).collect();
    Sites { sites: sites.into(), places, ids, digests, files: cuts }
}

impl Sites {
    /// Takes over what changed in files, told by their places, since they were read without an error. Of what is wrong with
    /// the changed features all is told; what is odd about a site beside others (`radios`, `spread`) is told when all are read.
    pub(crate) fn update(
        &mut self,
        report: &mut Report,
        changed: &[(usize, FileId, &Path)],
        strings: &mut Strings,
    ) -> Update {
        let changed_max = CHANGED_MAX.max(self.sites.len() / CHANGED_ONE_IN);
        let mut reader = Reader::new(strings);
        let mut compared = Vec::with_capacity(changed.len());
        for (file, id, path) in changed {
            let Some(cut) = &self.files[*file].cut else { return Update::Unfit };
            // What cannot be opened or read is told by reading it whole.
            let Ok(input) = std::fs::File::open(path) else { return Update::Unfit };
            let Ok(Some(found)) = cut.compare(input, changed_max) else { return Update::Unfit };
            reader.file = *file;
            for (feature, text) in &found.changed {
                reader.feature(report, At::line(*id, found.lines[*feature]), *feature, text);
            }
            compared.push((*file, found));
        }
        if report.errors() > 0 {
            return Update::Faulty;
        }
        let index_of = |read: &Read| self.files[read.file].sites[read.feature] as usize;
        if reader.read.iter().any(|read| self.sites[index_of(read)].site_id != read.site.site_id) {
            return Update::Unfit;
        }
        let places: Vec<usize> = reader.read.iter().map(index_of).collect();
        for (file, found) in compared {
            let of = &mut self.files[file];
            of.sites
                .iter()
                .zip(&found.lines)
                .for_each(|(site, line)| self.places[*site as usize].line = *line);
            of.cut = Some(found.cut);
        }
        self.put(places.into_iter().zip(reader.read.into_iter().map(|read| read.site)))
    }

    /// Puts sites into the places of those they were.
    fn put(&mut self, sites: impl Iterator<Item = (usize, Site)>) -> Update {
        let (mut same_links, mut same_managers) = (true, true);
        for (at, site) in sites {
            let digest = version::site(&site);
            // White space, or the same in other words.
            if self.digests[at] == digest {
                continue;
            }
            let before = &self.sites[at];
            let links = |site: &Site| {
                (
                    site.org.clone(),
                    site.time_zone_name.clone(),
                    site.policy.clone(),
                    site.valid_from,
                    site.valid_to,
                )
            };
            same_links &= links(before) == links(&site);
            same_managers &= before.managers == site.managers;
            self.digests[at] = digest;
            self.sites[at] = Arc::new(Site { site_id: Arc::clone(&before.site_id), ..site });
        }
        Update::Taken { same_links, same_managers }
    }
}

/// What stands at the top of a GeoJSON file, as far as it matters.
#[derive(Deserialize)]
struct Collection<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    features: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    crs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Feature<'a> {
    #[serde(borrow)]
    geometry: Option<&'a RawValue>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

struct Reader<'s> {
    strings: &'s mut Strings,
    /// Every zone asked for, or what to do about a name that is none.
    zones: HashMap<String, Result<(TimeZone, Arc<str>), String>>,
    /// The place of the file at hand.
    file: usize,
    read: Vec<Read>,
    ids: Ids,
}

/// A site, and the feature that it was.
struct Read {
    site: Site,
    at: At,
    file: usize,
    feature: usize,
}

impl<'s> Reader<'s> {
    fn new(strings: &'s mut Strings) -> Self {
        Self { strings, zones: HashMap::new(), file: 0, read: Vec::new(), ids: Ids::default() }
    }

    fn collection(&mut self, report: &mut Report, file: FileId, text: &str) -> Option<Cut> {
        let collection: Collection<'_> = match serde_json::from_str(text) {
            Ok(collection) => collection,
            Err(error) => {
                let at = At { file, line: error.line() as u64, column: error.column() as u64 };
                let what = format!("not a GeoJSON FeatureCollection: {}", without_place(&error));
                report.syntax_error("not_geojson", at, what, "export it as GeoJSON", "");
                return None;
            }
        };
        let Some(features) = collection.features.filter(|_| collection.kind == "FeatureCollection") else {
            let what = match &*collection.kind {
                "Topology" => "it is TopoJSON".to_owned(),
                "" => "it has no `type`".to_owned(),
                other => format!("it is a {other}"),
            };
            let remedy = "convert it to a GeoJSON FeatureCollection";
            report.error("not_geojson", At::file(file), "", what, remedy);
            return None;
        };
        if let Some(name) = collection.crs.and_then(foreign_crs) {
            let what = format!("its coordinates are told in {name}");
            let remedy = "reproject it to WGS-84 longitude and latitude (EPSG:4326) and remove `crs`";
            report.error("projected", At::file(file), "", what, remedy);
            return None;
        }
        if features.is_empty() {
            report.warning("empty_file", At::file(file), "", "it holds no feature", "");
        }
        let mut lines = Lines::new(text);
        for (number, feature) in features.iter().enumerate() {
            let line = lines.line_of(offset_in(text, feature.get()));
            self.feature(report, At::line(file, line), number, feature.get());
        }
        Cut::of(text, &features)
    }

    fn feature(&mut self, report: &mut Report, at: At, number: usize, text: &str) {
        let place = format!("feature {number}");
        let feature: Feature<'_> = match serde_json::from_str(text) {
            Ok(feature) => feature,
            Err(error) => {
                let what = format!("it does not read as a feature: {}", without_place(&error));
                report.error("not_geojson", at, &place, what, "");
                return;
            }
        };
        let text = feature.properties.map_or("{}", RawValue::get);
        let text = if text == "null" { "{}" } else { text };
        let mut properties: Map<String, Value> = match serde_json::from_str(text) {
            Ok(properties) => properties,
            Err(error) => {
                let what = format!("its `properties` do not read: {}", without_place(&error));
                report.error("not_geojson", at, &place, what, "");
                return;
            }
        };
        // It has just read as an object: only its keys can be news.
        if rows::tell_keys::<SiteProperties>(report, at, &place, text).is_err() {
            return;
        }
        amend(&mut properties);
        let subject = match rows::subject::<SiteProperties>(&properties) {
            id if id.is_empty() => place.clone(),
            id => format!("{id}, {place}"),
        };
        let radius_m = properties.get("radius_m").and_then(Value::as_f64);
        let datum = self.datum(report, at, &subject, &properties);
        let geometry = feature.geometry.map(RawValue::get);
        let place_of = Place { at, subject: &subject };
        let fence = site_geometry::fence(report, &place_of, geometry, radius_m, datum.unwrap_or_default());
        let row = rows::from_object::<SiteProperties>(report, at, &place, REQUIRED, properties);
        let Some(row) = row else { return };
        let Some(site_id) = self.ids.claim(report, at, "site", &row.site_id) else { return };
        let site = self.site(report, at, &subject, site_id, &row);
        let (Some(mut site), Some(fence), Some(_)) = (site, fence, datum) else { return };
        site.fence = fence;
        self.read.push(Read { site, at, file: self.file, feature: number });
    }

    fn datum(
        &self,
        report: &mut Report,
        at: At,
        subject: &str,
        properties: &Map<String, Value>,
    ) -> Option<Datum> {
        let Some(Value::String(name)) = properties.get("datum") else { return Some(Datum::Wgs84) };
        let datum = Datum::from_name(name);
        if datum.is_none() {
            let what = format!("`datum` is `{name}`");
            report.error("bad_value", at, subject, what, "write wgs84, gcj02 or bd09");
        }
        datum
    }

    /// The site without its fence, which stands in for a moment as a circle of no size.
    fn site(
        &mut self,
        report: &mut Report,
        at: At,
        subject: &str,
        site_id: Arc<str>,
        row: &SiteProperties,
    ) -> Option<Site> {
        let errors = report.errors();
        if let Some(fault) = org_fault(&row.org) {
            let what = format!("`org` `{}` {fault}", row.org);
            report.error("bad_org", at, subject, what, "write a path such as hk/kln/mong-kok");
        }
        if let Some(tolerance_m) = row.tolerance_m
            && !(0.0..=TOLERANCE_M_MAX).contains(&tolerance_m)
        {
            let what = format!("`tolerance_m` is {tolerance_m}");
            report.error("bad_value", at, subject, what, format!("write metres from 0 to {TOLERANCE_M_MAX}"));
        }
        let zone = self.zone(report, at, subject, &row.time_zone);
        let zone_or_utc = &zone.as_ref().map_or(TimeZone::UTC, |(zone, _)| zone.clone());
        let valid_from = bound(report, at, subject, "valid_from", row.valid_from.as_deref(), zone_or_utc);
        let valid_to = bound(report, at, subject, "valid_to", row.valid_to.as_deref(), zone_or_utc);
        if let (Some(from), Some(to)) = (valid_from, valid_to)
            && to <= from
        {
            let what = "`valid_to` is not after `valid_from`: the site never counts";
            report.error(
                "empty_span",
                at,
                subject,
                what,
                "`valid_to` is the first instant or day at which it no longer counts",
            );
        }
        let bssids = blocks(report, at, subject, &row.bssids);
        let beacons = beacons(report, at, subject, &row.beacons);
        let (time_zone, time_zone_name) = zone?;
        if report.errors() > errors {
            return None;
        }
        Some(Site {
            site_id,
            name: row.name.as_str().into(),
            org: self.strings.get(&row.org),
            time_zone,
            time_zone_name,
            fence: model::Fence::Polygons(Vec::new()),
            tolerance_m: row.tolerance_m,
            policy: row.policy.as_deref().map(|name| self.strings.get(name)),
            bssids,
            beacons,
            terminals: row.terminals.iter().map(|id| id.trim().into()).collect(),
            managers: self.strings.all(&row.managers),
            valid_from,
            valid_to,
        })
    }

    fn zone(
        &mut self,
        report: &mut Report,
        at: At,
        subject: &str,
        name: &str,
    ) -> Option<(TimeZone, Arc<str>)> {
        let strings = &mut *self.strings;
        let zone = self.zones.entry(name.to_owned()).or_insert_with(|| match TimeZone::get(name) {
            Ok(zone) => {
                let iana = strings.get(zone.iana_name().unwrap_or(name));
                Ok((zone, iana))
            }
            Err(_) => {
                let known: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
                let otherwise = "write an IANA zone such as Asia/Hong_Kong";
                Err(did_you_mean(name, known.iter().map(String::as_str), otherwise))
            }
        });
        match zone {
            Ok(zone) => Some(zone.clone()),
            Err(remedy) => {
                let what = format!("`time_zone` `{name}` is no IANA zone");
                report.error("unknown_zone", at, subject, what, remedy.as_str());
                None
            }
        }
    }
}

/// What people write, brought to the row's own form: a missing name is the id, a beacon may be `uuid/major/minor`.
fn amend(properties: &mut Map<String, Value>) {
    if properties.get("name").is_none_or(|name| name.is_null() || name == "")
        && let Some(id) = properties.get("site_id").cloned()
    {
        properties.insert("name".to_owned(), id);
    }
    if let Some(Value::Array(beacons)) = properties.get_mut("beacons") {
        for beacon in beacons {
            if let Some(object) = beacon.as_str().and_then(beacon_object) {
                *beacon = object;
            }
        }
    }
}

fn beacon_object(text: &str) -> Option<Value> {
    let mut parts = text.split('/').map(str::trim);
    let (uuid, major, minor) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |text: &str| text.parse::<u16>().ok();
    let (major, minor) = (number(major)?, number(minor)?);
    parts.next().is_none().then(|| serde_json::json!({ "uuid": uuid, "major": major, "minor": minor }))
}

fn beacons(report: &mut Report, at: At, subject: &str, rows: &[BeaconRow]) -> Vec<BeaconId> {
    let mut beacons = Vec::with_capacity(rows.len());
    for row in rows {
        match BeaconId::parse_uuid(row.uuid.as_bytes()) {
            Some(uuid) => beacons.push(BeaconId { uuid, major: row.major, minor: row.minor }),
            None => {
                let what = format!("beacon `{}` is no UUID", row.uuid);
                report.error("bad_beacon", at, subject, what, "write 32 hex digits, with or without hyphens");
            }
        }
    }
    beacons.sort_unstable();
    beacons.dedup();
    beacons
}

fn blocks(report: &mut Report, at: At, subject: &str, texts: &[String]) -> Vec<BssidBlock> {
    let mut blocks = Vec::with_capacity(texts.len());
    for text in texts {
        match BssidBlock::parse(text.trim()) {
            Some(block) if block.prefix_bits() == 48 && block.first().is_placeholder() => {
                let what = format!("`{text}` is what phones report in place of an address they may not tell");
                report.error(
                    "bad_bssid",
                    at,
                    subject,
                    what,
                    "write the access point's own address, or remove it",
                );
            }
            Some(block) => blocks.push(block),
            None => {
                let remedy = "write six hex octets (aa:bb:cc:dd:ee:ff), or a block whose bits behind the prefix are 0 \
                              (aa:bb:cc:dd:ee:f0/44; prefix 24 to 48)";
                report.error("bad_bssid", at, subject, format!("`{text}` is no access point"), remedy);
            }
        }
    }
    blocks.sort_unstable_by_key(|block| (block.first(), block.prefix_bits()));
    blocks.dedup();
    blocks
}

/// An instant, or a day: its midnight on the site's wall clock.
fn bound(
    report: &mut Report,
    at: At,
    subject: &str,
    key: &str,
    text: Option<&str>,
    zone: &TimeZone,
) -> Option<EventTime> {
    let text = text?;
    match wall_time::instant_in(text, Some(zone)) {
        Ok(time) => Some(time),
        Err(fault) => {
            let what = format!("`{key}` `{text}` {fault}");
            report.error("bad_time", at, subject, what, "write a day such as 2026-11-02, or RFC 3339");
            None
        }
    }
}

/// The name of a coordinate reference system that is not longitude and latitude in degrees.
fn foreign_crs(crs: &RawValue) -> Option<String> {
    let crs: Value = serde_json::from_str(crs.get()).ok()?;
    let name = crs.get("properties")?.get("name")?.as_str()?;
    let is_degrees = ["CRS84", "EPSG::4326", "EPSG:4326"].iter().any(|known| name.ends_with(known));
    (!is_degrees).then(|| name.to_owned())
}
