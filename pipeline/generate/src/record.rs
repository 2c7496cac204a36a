//! One record as the log gets it: its bytes, its key, and what is true of it.
//!
//! In: a planned record.  Out: [`Record`].  Owns: nothing.
//! Invariants: a record sent again has the same bytes, kept by drawing both from the stream of the first one.

use model::{AnomalyKind, Bssid, Datum, EventTime, Origin, Place, Platform, Policy, RejectCode};
use schemas::lines::LedgerLine;
use schemas::punch::{AccessPointLine, BeaconLine, LocationLine, OccurredAt, PunchLine};

use crate::dice::{Dice, Subject};
use crate::evidence::{self, Sample, Setting};
use crate::people::employee_id;
use crate::plan::{plan, shift_site};
use crate::reckon::{Reckoning, reckon};
use crate::story::{Flaw, Plan, Planned, Scene, What};
use crate::world::World;

/// One record in arrival order.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The record's key: the person's `employee_id`.
    pub key: String,
    /// Its bytes as the producer wrote them, good or bad.
    pub value: Option<Vec<u8>>,
    /// When the log gets it.
    pub arrival: EventTime,
    /// What is true of it.
    pub truth: Truth,
}

/// What is true of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// A punch: its line of the ledger.
    Good(LedgerLine),
    /// The same punch again, byte for byte.
    Duplicate,
    /// No punch, or (`duplicate_conflict`) another punch under an id already taken: the code it is rejected under.
    Reject(RejectCode),
}

/// A person's day with everything that is true of its times.
pub(crate) struct Day {
    pub(crate) plan: Plan,
    pub(crate) reckoning: Reckoning,
    site: u32,
}

/// What `index` does on `day`, and what is true of it.
pub(crate) fn day(world: &World, index: u32, day: u16) -> Day {
    let plan = plan(world, index, day);
    let site = shift_site(world, index, day);
    let person = world.person(index);
    let duties = world.roster.duties(person, day);
    let reckoning = reckon(duties, &plan, world.policy_at(site), has_shift_near(world, index, day));
    Day { plan, reckoning, site }
}

/// Whether the person has a shift within 31 days of that day.
fn has_shift_near(world: &World, index: u32, day: u16) -> bool {
    let person = world.person(index);
    (day.saturating_sub(30)..(day + 31).min(world.roster.days())).any(|near| world.roster.works(person, near))
}

/// The record with that ordinal of the person's day.
pub(crate) fn record(world: &World, index: u32, day_number: u16, ordinal: u8) -> Record {
    let day = day(world, index, day_number);
    let planned = day.plan.records[usize::from(ordinal)];
    let maker = Maker { world, index, day_number, day: &day };
    let (key, value, truth) = match planned.what {
        What::Punch(scene) => {
            let (line, sample) = maker.punch(&planned, scene);
            let truth = Truth::Good(maker.ledger_line(&planned, scene, &line, &sample));
            (line.employee_id.clone(), Some(bytes(&line)), truth)
        }
        What::Stranger => {
            let (line, sample) = maker.stranger(&planned);
            let truth = maker.place_line(&line, &sample);
            (line.employee_id.clone(), Some(bytes(&line)), Truth::Good(truth))
        }
        What::Again(of) => {
            let line = maker.again(of);
            (line.employee_id.clone(), Some(bytes(&line)), Truth::Duplicate)
        }
        What::Conflict(of) => {
            let mut line = maker.again(of);
            line.occurred_at = maker.written_time(planned.occurred_at, false);
            (line.employee_id.clone(), Some(bytes(&line)), Truth::Reject(RejectCode::DuplicateConflict))
        }
        What::Bad(flaw) => {
            let (line, _) = maker.punch(&planned, Scene::Certain);
            let key = line.employee_id.clone();
            (key, maker.spoilt(&planned, line, flaw), Truth::Reject(flaw.code()))
        }
    };
    Record { key, value, arrival: planned.arrival, truth }
}

fn bytes(line: &PunchLine) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(640);
    serde_json::to_writer(&mut bytes, line).expect("a punch line is JSON and a vector takes every byte");
    bytes
}

struct Maker<'w> {
    world: &'w World,
    index: u32,
    day_number: u16,
    day: &'w Day,
}

impl Maker<'_> {
    fn dice(&self, subject: Subject, ordinal: u8) -> Dice {
        self.world.seed.dice(subject, self.index, self.day_number, ordinal)
    }

    /// The punch of that plan: its line and what its evidence was sampled as.
    fn punch(&self, planned: &Planned, scene: Scene) -> (PunchLine, Sample) {
        let world = self.world;
        let mut dice = self.dice(Subject::Evidence, planned.ordinal);
        let event_id = event_id(&mut dice);
        let person = world.person(self.index);
        let expected = world.roster.expected(person, planned.occurred_at);
        let scheduled = expected.map(|duty| match duty.day == self.day_number {
            true => self.day.site,
            false => shift_site(world, self.index, duty.day),
        });
        let policy = world.policy_at(scheduled.unwrap_or(person.home));
        let setting = Setting { person, phone: self.index, store: planned.store, scheduled, policy };
        let sample = evidence::sample(world, &mut dice, setting, scene);
        let line = self.line(&mut dice, planned, event_id, employee_id(self.index), &sample);
        (line, sample)
    }

    fn stranger(&self, planned: &Planned) -> (PunchLine, Sample) {
        let world = self.world;
        let mut dice = self.dice(Subject::Evidence, planned.ordinal);
        let event_id = event_id(&mut dice);
        let (person, policy) = (world.person(self.index), Policy::default());
        let setting =
            Setting { person, phone: self.index, store: planned.store, scheduled: None, policy: &policy };
        let sample = evidence::plainest(world, &mut dice, setting);
        let line = self.line(&mut dice, planned, event_id, format!("x-{:07}", self.index), &sample);
        (line, sample)
    }

    fn again(&self, of: u8) -> PunchLine {
        let first = self.day.plan.records[usize::from(of)];
        let scene = if let What::Punch(scene) = first.what { scene } else { Scene::Certain };
        self.punch(&first, scene).0
    }

    fn line(
        &self,
        dice: &mut Dice,
        planned: &Planned,
        event_id: String,
        employee_id: String,
        sample: &Sample,
    ) -> PunchLine {
        let evidence = &sample.evidence;
        let location = evidence.fix.map(|(fix, _)| LocationLine {
            lon: fix.point.lon(),
            lat: fix.point.lat(),
            accuracy_m: fix.accuracy_m,
            datum: (fix.datum != Datum::Wgs84).then(|| fix.datum.name().to_owned()),
            mocked: fix.mocked.then_some(true),
            platform: match fix.platform {
                Platform::Android => Some("android".to_owned()),
                Platform::Ios => Some("ios".to_owned()),
                Platform::Unknown => None,
            },
        });
        let seen = evidence.wifi.iter().map(|seen| AccessPointLine {
            bssid: spelt(dice, seen.bssid),
            rssi: seen.rssi_dbm,
            connected: seen.connected.then_some(true),
            age_ms: (seen.age_ms > 0).then_some(seen.age_ms),
        });
        let wifi: Vec<AccessPointLine> = seen.collect();
        let beacons: Vec<BeaconLine> = evidence
            .beacons
            .iter()
            .map(|beacon| BeaconLine {
                uuid: uuid(beacon.uuid),
                major: beacon.major,
                minor: beacon.minor,
                rssi: Some(dice.within(-90..-50) as i16),
            })
            .collect();
        let is_phone = sample.origin == Origin::Phone;
        PunchLine {
            event_id,
            employee_id,
            kind: planned.kind.name().to_owned(),
            occurred_at: self.written_time(planned.occurred_at, dice.chance(0.1)),
            origin: sample.origin.name().to_owned(),
            trigger: sample.trigger.map(|trigger| trigger.name().to_owned()),
            device_id: Some(evidence.device_id.clone()),
            site_id: evidence.claim.map(|store| self.world.store(store).site_id.clone()),
            location,
            wifi: (!wifi.is_empty()).then_some(wifi),
            beacons: (!beacons.is_empty()).then_some(beacons),
            photo: None,
            note: None,
            notice_version: (is_phone && dice.chance(0.3)).then(|| "2026-09".to_owned()),
            tz: (is_phone && dice.chance(0.5)).then(|| self.world.spec.time_zone.clone()),
        }
    }

    /// The instant as a producer writes it: text with the zone's offset, or epoch milliseconds.
    fn written_time(&self, at: EventTime, as_number: bool) -> OccurredAt {
        if as_number {
            return OccurredAt::EpochMs(at.ms());
        }
        let timestamp = at.timestamp();
        let offset = self.world.roster.zone().to_offset(timestamp);
        OccurredAt::Text(timestamp.display_with_offset(offset).to_string())
    }

    /// What is true of a punch's place.
    fn place_line(&self, line: &PunchLine, sample: &Sample) -> LedgerLine {
        let site_id = |store: &u32| self.world.store(*store).site_id.clone();
        let mut candidates: Vec<String> = sample.truth.candidates.iter().map(site_id).collect();
        candidates.sort_unstable();
        LedgerLine {
            event_id: Some(line.event_id.clone()),
            employee_id: line.employee_id.clone(),
            place: Some(sample.truth.place.name().to_owned()),
            site_id: sample.truth.site.as_ref().map(site_id),
            candidates,
            anomalies: Vec::new(),
            shift_id: None,
        }
    }

    /// What is true of a punch: its place, what its time shows, and what its place shows.
    fn ledger_line(&self, planned: &Planned, scene: Scene, line: &PunchLine, sample: &Sample) -> LedgerLine {
        let (world, truth) = (self.world, &sample.truth);
        let known = &self.day.reckoning.records[usize::from(planned.ordinal)];
        let person = world.person(self.index);
        let mut kinds = known.kinds.clone();
        if known.counts {
            let elsewhere = truth.site.filter(|site| *site != self.day.site);
            let is_permitted = |site| site == person.home || Some(site) == person.other;
            let is_wrong_store = known.segment.is_some() && elsewhere.is_some_and(is_permitted);
            for (holds, kind) in [
                (truth.place == Place::Outside, AnomalyKind::Outside),
                (truth.is_torn, AnomalyKind::Contradiction),
                (scene == Scene::Simulated && line.location.is_some(), AnomalyKind::Mocked),
                (is_wrong_store && truth.place == Place::Inside, AnomalyKind::WrongStore),
            ] {
                if holds {
                    kinds.push(kind);
                }
            }
        }
        let mut anomalies: Vec<String> = kinds.into_iter().map(|kind| kind.name().to_owned()).collect();
        anomalies.sort_unstable();
        let shift_id = known.segment.map(|segment| world.shift_id(self.index, self.day_number, segment));
        LedgerLine { anomalies, shift_id, ..self.place_line(line, sample) }
    }

    /// The bytes of a record that is no punch.
    fn spoilt(&self, planned: &Planned, mut line: PunchLine, flaw: Flaw) -> Option<Vec<u8>> {
        let mut dice = self.dice(Subject::Spoil, planned.ordinal);
        line.location.get_or_insert(LocationLine {
            lon: 114.17,
            lat: 22.3,
            accuracy_m: Some(10.0),
            datum: None,
            mocked: None,
            platform: None,
        });
        match flaw {
            Flaw::NullValue => return None,
            Flaw::Truncated => {
                let mut bytes = bytes(&line);
                let kept = dice.within(1..bytes.len() as i64 - 1) as usize;
                bytes.truncate(kept);
                return Some(bytes);
            }
            Flaw::NotUtf8 | Flaw::TooLarge => {
                line.note = Some("?".to_owned());
                let mut bytes = bytes(&line);
                // The only question mark of the text becomes a byte that no UTF-8 text holds, or a megabyte.
                let mark = bytes.iter().position(|byte| *byte == b'?')?;
                let rest = bytes.split_off(mark + 1);
                bytes.truncate(mark);
                match flaw {
                    Flaw::NotUtf8 => bytes.push(0xff),
                    _ => bytes.resize(mark + (1 << 20), b'x'),
                }
                bytes.extend(rest);
                return Some(bytes);
            }
            Flaw::Year9999 => line.occurred_at = OccurredAt::Text("9999-12-31T23:59:59+08:00".to_owned()),
            Flaw::Year1969 => line.occurred_at = OccurredAt::Text("1969-12-31T23:59:59Z".to_owned()),
            Flaw::UnknownKind => line.kind = "lunch".to_owned(),
            _ => {}
        }
        let mut value = serde_json::to_value(&line).expect("a punch line is JSON");
        match flaw {
            Flaw::WrongType => value["kind"] = 7.into(),
            Flaw::NanCoordinates => value["location"]["lon"] = "NaN".into(),
            Flaw::FarCoordinates => value["location"]["lat"] = dice.between(91.0, 9_000.0).into(),
            Flaw::MissingField => {
                value.as_object_mut().map(|fields| fields.remove("event_id"));
            }
            _ => {}
        }
        Some(value.to_string().into_bytes())
    }
}

/// A random UUID, version 4.
fn event_id(dice: &mut Dice) -> String {
    let bits = u128::from(dice.bits()) << 64 | u128::from(dice.bits());
    uuid(bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62)
}

fn uuid(bits: u128) -> String {
    let mut text = String::with_capacity(36);
    for (place, octet) in bits.to_be_bytes().into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        push_hex(&mut text, octet);
    }
    text
}

fn push_hex(text: &mut String, octet: u8) {
    for digit in [octet >> 4, octet & 0xf] {
        text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
    }
}

/// The address in one of the spellings producers use.
fn spelt(dice: &mut Dice, bssid: Bssid) -> String {
    let style = dice.below(20);
    let mut text = String::with_capacity(17);
    for (place, octet) in bssid.bits().to_be_bytes().into_iter().skip(2).enumerate() {
        match (place, style) {
            (0, _) | (_, 0) => {}
            (_, 1) => text.push('-'),
            _ => text.push(':'),
        }
        push_hex(&mut text, octet);
    }
    if style == 2 { text.to_uppercase() } else { text }
}
