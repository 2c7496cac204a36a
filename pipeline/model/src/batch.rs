//! Records of one partition in offset order, decoded: the unit of work of the hot path.
//!
//! In: decoders of `schemas` push punches and rejects.  Out: columns `matcher`, `attendance` and the row builders read.
//! Owns: one text arena and three flat vectors, cleared and refilled, so that a warm batch allocates nothing; for
//! files of other attendance systems also what those say themselves, which does allocate.
//! Absent on purpose: lifetimes into the raw bytes (a batch outlives them), and any judgement.
//! Invariants: `Text` and the ranges of a punch point into the batch that made them, kept by `Batch::push_text`.

use std::ops::Range;

use crate::geometry::{Datum, LonLat};
use crate::ids::{BeaconId, Bssid};
use crate::position::{NextOffset, Offset, Partition};
use crate::time::EventTime;
use crate::vendor_record::VendorRecord;

/// A piece of the batch's text arena. Read it by [`Batch::text`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    from: u32,
    until: u32,
}

impl Text {
    /// Whether it holds no character.
    pub const fn is_empty(self) -> bool {
        self.from == self.until
    }
}

/// What the person says the punch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Coming to work.
    In,
    /// Leaving work.
    Out,
    /// Going on a break.
    BreakOut,
    /// Back from a break.
    BreakIn,
    /// Not said: the shift decides the direction.
    Auto,
}

/// By what road the punch came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The person's own phone.
    Phone,
    /// A time clock on the wall.
    Terminal,
    /// A shared tablet.
    Kiosk,
    /// A punch away from any site.
    Field,
    /// A file of another system.
    Import,
    /// A correction made by hand; kept, never bound (only `corrections` rows bind).
    Correction,
}

/// How a phone came to punch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// By the person's hand.
    Manual,
    /// On joining a network.
    Wifi,
    /// On crossing a fence.
    Fence,
}

/// Whose definition of accuracy a fix follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Not said: judged as Android's.
    #[default]
    Unknown,
    /// A 68th-percentile radius.
    Android,
    /// A radius of uncertainty in two dimensions.
    Ios,
}

macro_rules! named {
    ($($type:ident { $($variant:ident = $name:literal),+ })+) => { $(
        impl $type {
            /// Every value, in the contract's order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in the contract.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The value of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    )+ };
}
pub(crate) use named;

named! {
    Kind { In = "in", Out = "out", BreakOut = "break_out", BreakIn = "break_in", Auto = "auto" }
    Origin {
        Phone = "phone", Terminal = "terminal", Kiosk = "kiosk", Field = "field", Import = "import",
        Correction = "correction"
    }
    Trigger { Manual = "manual", Wifi = "wifi", Fence = "fence" }
}

/// One position fix of a phone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fix {
    /// Where, in its own datum.
    pub point: LonLat,
    /// The datum of `point`.
    pub datum: Datum,
    /// The accuracy radius in metres as reported: missing, zero and negative values are kept, the matcher judges them.
    pub accuracy_m: Option<f64>,
    /// Whether the phone says that the fix was simulated.
    pub mocked: bool,
    /// Whose definition of accuracy holds.
    pub platform: Platform,
}

/// One access point of a scan, its address well formed and no placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessPoint {
    /// Its address.
    pub bssid: Bssid,
    /// Received signal strength in dBm, where reported.
    pub rssi_dbm: Option<i16>,
    /// Whether the phone was connected to it.
    pub connected: bool,
    /// Age of the sighting in ms; 0 where not reported (fresh).
    pub age_ms: u32,
}

/// One beacon of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Its identity.
    pub id: BeaconId,
    /// Received signal strength in dBm, where reported.
    pub rssi_dbm: Option<i16>,
}

/// What a punch says of a photo: a reference and a hash, never the picture. Of each part: `None` where nothing came, an
/// empty text where what came is no reference or no hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Photo {
    /// Where the picture is kept.
    pub reference: Option<Text>,
    /// The SHA-256 of its bytes: 64 hex digits, small letters.
    pub sha256: Option<Text>,
    /// Whether another attendance system has it, of which neither is told.
    pub is_with_vendor: bool,
}

/// What a [`Photo`] is worth to whoever has to look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhotoState {
    /// Nothing came.
    Absent,
    /// Something came, but no reference with a hash: nobody could say later that a picture is the one that was taken.
    Malformed,
    /// It can be found, and told from any other.
    Whole,
}

impl Photo {
    /// What it is worth.
    pub fn state(&self) -> PhotoState {
        match (self.reference, self.sha256) {
            _ if self.is_with_vendor => PhotoState::Whole,
            (None, None) => PhotoState::Absent,
            (Some(reference), Some(hash)) if !reference.is_empty() && !hash.is_empty() => PhotoState::Whole,
            _ => PhotoState::Malformed,
        }
    }
}

/// One clock-in, clock-out or break, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Punch {
    /// Its record's offset.
    pub offset: Offset,
    /// When the log took the record; for files without append times, `occurred_at`.
    pub received_at: EventTime,
    /// With `employee_id` the identity, for ever.
    pub event_id: Text,
    /// The person's pseudonym.
    pub employee_id: Text,
    /// What the person says it is.
    pub kind: Kind,
    /// When it happened by the device's clock.
    pub occurred_at: EventTime,
    /// By what road it came.
    pub origin: Origin,
    /// How the phone came to punch.
    pub trigger: Option<Trigger>,
    /// The device, or an empty text.
    pub device_id: Text,
    /// The site a terminal claims to be at, or an empty text.
    pub site_claim: Text,
    /// The device's IANA zone, or an empty text.
    pub time_zone: Text,
    /// The position fix.
    pub fix: Option<Fix>,
    /// The usable access points seen, in [`Batch::access_points`].
    pub wifi: Range<u32>,
    /// Access points dropped because their address was malformed or a placeholder.
    pub wifi_ignored: u16,
    /// The beacons seen, in [`Batch::beacons`].
    pub beacons: Range<u32>,
    /// What came along as a photo.
    pub photo: Photo,
}

/// Why a record could not be taken. The names are the contract's stable codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectCode {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The text is not JSON (or not the file's format).
    NotJson,
    /// A field has another type or an unknown value.
    WrongType,
    /// A required field is absent or empty.
    MissingField,
    /// A coordinate is no number or out of range.
    BadCoordinates,
    /// The time is no time, or outside 1970–2199.
    TimeImpossible,
    /// The record is larger than a punch may be.
    TooLarge,
    /// The record has no value.
    NullValue,
    /// Judging the record failed by a fault of our own.
    Internal,
    /// A repeat of a punch already taken; no dead letter.
    Duplicate,
    /// A repeat of a punch already taken, with other content.
    DuplicateConflict,
    /// Offsets the log does not hold.
    Gap,
    /// A punch found on another partition than its person's: it was appended again to the right one.
    Misplaced,
    /// The record names a schema that its registry does not know.
    UnknownSchema,
    /// The record was written under a schema that no punch has.
    SchemaMismatch,
}

named! {
    RejectCode {
        NotUtf8 = "not_utf8", NotJson = "not_json", WrongType = "wrong_type", MissingField = "missing_field",
        BadCoordinates = "bad_coordinates", TimeImpossible = "time_impossible", TooLarge = "too_large",
        NullValue = "null_value", Internal = "internal", Duplicate = "duplicate",
        DuplicateConflict = "duplicate_conflict", Gap = "gap", Misplaced = "misplaced",
        UnknownSchema = "unknown_schema", SchemaMismatch = "schema_mismatch"
    }
}

impl RejectCode {
    /// Whether the record goes to the dead letters as well as to `rejects`.
    pub const fn has_letter(self) -> bool {
        !matches!(self, Self::Duplicate | Self::Gap | Self::Misplaced)
    }
}

/// A record that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its offset; for a gap, the first missing one.
    pub offset: Offset,
    /// The offset just behind it (`offset + 1` but for a gap).
    pub until: NextOffset,
    /// Why.
    pub code: RejectCode,
    /// What exactly, for a person: the field, the place in the text, the remedy.
    pub message: String,
    /// The person, where it could be read.
    pub employee_id: Option<String>,
    /// The event, where it could be read.
    pub event_id: Option<String>,
}

/// A place in a batch's text and lists. See [`Batch::roll_back`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    text: usize,
    access_points: usize,
    beacons: usize,
    vendor_records: usize,
}

/// Records of one partition in offset order, decoded.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The partition they come from.
    pub partition: Partition,
    /// The position behind the last record, rejects included.
    pub next: NextOffset,
    /// The punches, by offset.
    pub punches: Vec<Punch>,
    /// The records that are none, by offset.
    pub rejects: Vec<Reject>,
    /// Access points of all punches.
    pub access_points: Vec<AccessPoint>,
    /// Beacons of all punches.
    pub beacons: Vec<Beacon>,
    /// What other attendance systems say in these records, by offset: beside a punch, or where a record is none.
    pub vendor_records: Vec<VendorRecord>,
    /// Fields that no version of the contract names, counted.
    pub unknown_fields: u64,
    text: String,
}

impl Batch {
    /// An empty batch of `partition` that ends at `next`.
    pub fn new(partition: Partition, next: NextOffset) -> Self {
        Self {
            partition,
            next,
            punches: Vec::new(),
            rejects: Vec::new(),
            access_points: Vec::new(),
            beacons: Vec::new(),
            vendor_records: Vec::new(),
            unknown_fields: 0,
            text: String::new(),
        }
    }

    /// Empties it for reuse and keeps its memory.
    pub fn clear(&mut self, partition: Partition, next: NextOffset) {
        self.partition = partition;
        self.next = next;
        self.punches.clear();
        self.rejects.clear();
        self.access_points.clear();
        self.beacons.clear();
        self.vendor_records.clear();
        self.unknown_fields = 0;
        self.text.clear();
    }

    /// Copies `text` into the arena.
    pub fn push_text(&mut self, text: &str) -> Text {
        let from =
            u32::try_from(self.text.len()).expect("a batch's text stays below 4 GiB: records are bounded");
        self.text.push_str(text);
        Text { from, until: self.text.len() as u32 }
    }

    /// Gives the text's place in the arena back; only for the piece pushed last.
    pub fn pop_text(&mut self, text: Text) {
        debug_assert_eq!(text.until as usize, self.text.len());
        self.text.truncate(text.from as usize);
    }

    /// The piece of text.
    #[inline]
    pub fn text(&self, text: Text) -> &str {
        &self.text[text.from as usize..text.until as usize]
    }

    /// Where the text and the lists end now.
    pub fn mark(&self) -> Mark {
        Mark {
            text: self.text.len(),
            access_points: self.access_points.len(),
            beacons: self.beacons.len(),
            vendor_records: self.vendor_records.len(),
        }
    }

    /// Gives back the text and the list items that were pushed since `mark` was made, for a record that turned
    /// out to be no punch.
    pub fn roll_back(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.access_points.truncate(mark.access_points);
        self.beacons.truncate(mark.beacons);
        self.vendor_records.truncate(mark.vendor_records);
    }

    /// The access points that `punch` saw.
    #[inline]
    pub fn wifi(&self, punch: &Punch) -> &[AccessPoint] {
        &self.access_points[punch.wifi.start as usize..punch.wifi.end as usize]
    }

    /// The beacons that `punch` saw.
    #[inline]
    pub fn beacons(&self, punch: &Punch) -> &[Beacon] {
        &self.beacons[punch.beacons.start as usize..punch.beacons.end as usize]
    }

    /// How many records it holds, rejects included.
    pub fn records(&self) -> usize {
        self.punches.len() + self.rejects.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_growth_and_is_gone_after_clear() {
        let mut batch = Batch::new(Partition::new(0), NextOffset::START);
        let first = batch.push_text("E1");
        let second = batch.push_text(&"x".repeat(10_000));
        assert_eq!(batch.text(first), "E1");
        assert_eq!(batch.text(second).len(), 10_000);
        batch.clear(Partition::new(1), NextOffset::START);
        assert_eq!(batch.push_text("E2"), Text { from: 0, until: 2 });
    }

    #[test]
    fn every_name_reads_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(*kind));
        }
        for code in RejectCode::ALL {
            assert_eq!(RejectCode::from_name(code.name()), Some(*code));
        }
    }
}
