//! The version of a snapshot: a hash of what it says.
//!
//! In: a [`Reference`] whose sets are sorted.  Out: hashes of its sets, and of these 16 hex digits.  Owns: nothing.
//! Invariants: equal rows give an equal version, whatever files they came from and in whatever order they stood, because
//! every set is sorted by id before it is hashed; another value anywhere gives another version. Each struct is taken
//! apart without `..`, so that a new field does not compile until it is hashed too.
//! Why so: rows of the lake carry the version; two runs over the same reference data must agree on it. Each site and each
//! other set has a hash of its own, so that a changed one does not make the others be hashed again.

use std::sync::Arc;

use jiff::civil::Date;
use model::reference::{Approval, Calendar, CalendarDay, DayKind, LawValue, Org};
use model::{
    Correction, EventTime, Fence, Leave, LonLat, Person, PersonIndex, Reference, Shift, Site, SiteIndex,
};
use sha2::{Digest as _, Sha256};

/// Bytes of the hash that are kept: 64 bits, 16 hex digits.
const BYTES: usize = 8;

/// A hash of one site.
pub(crate) type Digest = [u8; 16];

/// A hash of a set.
pub(crate) type SetDigest = [u8; 32];

/// The version that sets of these hashes make: sites one by one, then the others.
pub(crate) fn of(sites: &[Digest], sets: &[SetDigest]) -> Arc<str> {
    let mut hash = Hash::new();
    hash.text("sites");
    hash.count(sites.len());
    sites.iter().for_each(|site| hash.bytes(site));
    sets.iter().for_each(|set| hash.bytes(set));
    hash.finish().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// Of one site.
pub(crate) fn site(row: &Site) -> Digest {
    let mut hash = Hash::new();
    site_row(&mut hash, row);
    let whole = hash.finish();
    std::array::from_fn(|at| whole[at])
}

/// Of the orgs.
pub(crate) fn orgs(reference: &Reference) -> SetDigest {
    set("orgs", &reference.orgs, org)
}

/// Of the people.
pub(crate) fn people(reference: &Reference) -> SetDigest {
    set("people", &reference.people, |hash, row| person(hash, row, reference))
}

/// Of the shifts, through the policies that they point at, so that the numbering of resolved policies does not matter.
pub(crate) fn shifts(reference: &Reference) -> SetDigest {
    let texts: Vec<String> = reference.policies.iter().map(|policy| format!("{policy:?}")).collect();
    set("shifts", &reference.shifts, |hash, row| shift(hash, row, reference, &texts))
}

/// Of leave and permissions.
pub(crate) fn leave(reference: &Reference) -> SetDigest {
    set("leave", &reference.leave, |hash, row| leave_row(hash, row, reference))
}

/// Of the corrections.
pub(crate) fn corrections(reference: &Reference) -> SetDigest {
    set("corrections", &reference.corrections, |hash, row| correction(hash, row, reference))
}

/// Of which policy holds where.
pub(crate) fn policies(reference: &Reference) -> SetDigest {
    let texts: Vec<String> = reference.policies.iter().map(|policy| format!("{policy:?}")).collect();
    set("policies", reference.policy_rules.scopes(), |hash, scope| {
        hash.text(&scope.org);
        hash.texts(&scope.groups);
        hash.optional(scope.name.as_deref(), Hash::text);
        for (date, index) in &scope.from {
            hash.date(*date);
            hash.text(&texts[index.0 as usize]);
        }
    })
}

/// Of the calendars.
pub(crate) fn calendars(reference: &Reference) -> SetDigest {
    set("calendars", &reference.calendars, calendar)
}

/// Of the legal values.
pub(crate) fn law(reference: &Reference) -> SetDigest {
    set("law", &reference.law, |hash, row| {
        let LawValue { applies_to, key, value, valid_from, source, is_estimated } = row;
        hash.text(applies_to);
        hash.text(key);
        hash.number(*value);
        hash.date(*valid_from);
        hash.text(source);
        hash.integer(i64::from(*is_estimated));
    })
}

/// Of the zone rules: under other ones the same wall times are other instants.
pub(crate) fn tz(reference: &Reference) -> SetDigest {
    set("tz", std::slice::from_ref(&reference.tz_version), |hash, version| hash.text(version))
}

fn set<T>(name: &str, rows: &[T], row: impl FnMut(&mut Hash, &T)) -> SetDigest {
    let mut hash = Hash::new();
    hash.rows(name, rows, row);
    hash.finish()
}

fn site_row(hash: &mut Hash, row: &Site) {
    let Site {
        site_id,
        name,
        org,
        time_zone: _,
        time_zone_name,
        fence,
        tolerance_m,
        policy,
        bssids,
        beacons,
        terminals,
        managers,
        valid_from,
        valid_to,
    } = row;
    for text in [site_id, name, org, time_zone_name] {
        hash.text(text);
    }
    self::fence(hash, fence);
    hash.optional(*tolerance_m, Hash::number);
    hash.optional(policy.as_deref(), Hash::text);
    hash.count(bssids.len());
    for block in bssids {
        hash.integer(block.first().bits() as i64);
        hash.integer(i64::from(block.prefix_bits()));
    }
    hash.count(beacons.len());
    for beacon in beacons {
        hash.bytes(&beacon.uuid.to_be_bytes());
        hash.integer(i64::from(beacon.major));
        hash.integer(i64::from(beacon.minor));
    }
    hash.texts(terminals);
    hash.texts(managers);
    hash.optional(*valid_from, Hash::time);
    hash.optional(*valid_to, Hash::time);
}

fn fence(hash: &mut Hash, fence: &Fence) {
    match fence {
        Fence::Circle { centre, radius_m } => {
            hash.count(0);
            hash.point(*centre);
            hash.number(*radius_m);
        }
        Fence::Polygons(parts) => {
            hash.count(1 + parts.len());
            for part in parts {
                hash.count(part.len());
                for ring in part {
                    hash.count(ring.0.len());
                    for (lon, lat) in &ring.0 {
                        hash.number(*lon);
                        hash.number(*lat);
                    }
                }
            }
        }
    }
}

fn org(hash: &mut Hash, row: &Org) {
    let Org { org, names, managers } = row;
    hash.text(org);
    for name in names {
        hash.optional(name.as_deref(), Hash::text);
    }
    hash.texts(managers);
}

fn person(hash: &mut Hash, row: &Person, reference: &Reference) {
    let Person {
        employee_id,
        org,
        home_site,
        allowed_sites,
        groups,
        managers,
        location_declined,
        joined,
        left,
    } = row;
    hash.text(employee_id);
    hash.text(org);
    hash.optional(*home_site, |hash, site| hash.site(reference, site));
    hash.count(allowed_sites.len());
    for site in allowed_sites {
        hash.site(reference, *site);
    }
    hash.texts(groups);
    hash.texts(managers);
    hash.integer(i64::from(*location_declined));
    hash.optional(*joined, Hash::date);
    hash.optional(*left, Hash::date);
}

fn shift(hash: &mut Hash, row: &Shift, reference: &Reference, policies: &[String]) {
    let Shift { shift_id, person, site, business_date, segment, start, end, breaks, kind, plan, policy } =
        row;
    hash.text(shift_id);
    hash.person(reference, *person);
    hash.site(reference, *site);
    hash.date(*business_date);
    hash.integer(i64::from(*segment));
    hash.time(*start);
    hash.time(*end);
    hash.count(breaks.len());
    for one in breaks {
        hash.time(one.start);
        hash.time(one.end);
        hash.integer(i64::from(one.paid));
    }
    hash.text(kind.name());
    hash.text(plan.name());
    hash.text(&policies[policy.0 as usize]);
}

fn leave_row(hash: &mut Hash, row: &Leave, reference: &Reference) {
    let Leave {
        leave_id,
        person,
        from,
        until,
        leave_type,
        status,
        approvals,
        effective_at,
        place,
        compensation,
    } = row;
    hash.text(leave_id);
    hash.person(reference, *person);
    hash.time(*from);
    hash.time(*until);
    hash.text(leave_type);
    hash.text(status.name());
    hash.approvals(approvals);
    hash.optional(*effective_at, Hash::time);
    hash.optional(*place, Hash::point);
    hash.optional(compensation.map(|how| how.name()), Hash::text);
}

fn correction(hash: &mut Hash, row: &Correction, reference: &Reference) {
    let Correction {
        correction_id,
        person,
        kind,
        occurred_at,
        shift_id,
        correction_type,
        status,
        approvals,
        effective_at,
    } = row;
    hash.text(correction_id);
    hash.person(reference, *person);
    hash.text(kind.name());
    hash.time(*occurred_at);
    hash.optional(shift_id.as_deref(), Hash::text);
    hash.text(correction_type.name());
    hash.text(status.name());
    hash.approvals(approvals);
    hash.optional(*effective_at, Hash::time);
}

fn calendar(hash: &mut Hash, row: &Calendar) {
    let Calendar { applies_to, days, weekdays } = row;
    hash.text(applies_to);
    hash.count(days.len());
    for CalendarDay { date, kind, is_statutory, is_estimated } in days {
        hash.date(*date);
        hash.day_kind(*kind);
        hash.integer(i64::from(*is_statutory) * 2 + i64::from(*is_estimated));
    }
    for kind in weekdays {
        hash.day_kind(*kind);
    }
}

/// SHA-256 over values, each with its length where that varies, so that no two lists of values read alike.
struct Hash(Sha256);

impl Hash {
    fn new() -> Self {
        Self(Sha256::new())
    }

    fn rows<T>(&mut self, set: &str, rows: &[T], mut row: impl FnMut(&mut Self, &T)) {
        self.text(set);
        self.count(rows.len());
        for value in rows {
            row(self, value);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn integer(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    fn count(&mut self, count: usize) {
        self.integer(count as i64);
    }

    /// Zero has one sign here.
    fn number(&mut self, value: f64) {
        self.bytes(&(value + 0.0).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes(text.as_bytes());
    }

    fn texts(&mut self, texts: &[Arc<str>]) {
        self.count(texts.len());
        for text in texts {
            self.text(text);
        }
    }

    fn approvals(&mut self, approvals: &[Approval]) {
        self.count(approvals.len());
        for Approval { level, by, at } in approvals {
            self.optional(*level, |hash, level| hash.integer(i64::from(level)));
            self.optional(by.as_deref(), Self::text);
            self.time(*at);
        }
    }

    fn time(&mut self, time: EventTime) {
        self.integer(time.us());
    }

    fn date(&mut self, date: Date) {
        self.integer(i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day()));
    }

    fn point(&mut self, point: LonLat) {
        self.number(point.lon());
        self.number(point.lat());
    }

    fn day_kind(&mut self, kind: DayKind) {
        self.text(kind.name());
    }

    fn site(&mut self, reference: &Reference, site: SiteIndex) {
        self.text(&reference.site(site).site_id);
    }

    fn person(&mut self, reference: &Reference, person: PersonIndex) {
        self.text(&reference.person(person).employee_id);
    }

    fn optional<T>(&mut self, value: Option<T>, hash: impl FnOnce(&mut Self, T)) {
        self.integer(i64::from(value.is_some()));
        if let Some(value) = value {
            hash(self, value);
        }
    }

    fn finish(self) -> SetDigest {
        self.0.finalize().into()
    }
}
