//! One JSON object into the batch by a scanner that knows the contract's fields: the fast way in.
//!
//! In: a record's text.  Out: a draft and its lists, or `None`: not recognised at once.  Owns: nothing.
//! Absent on purpose: faults and their words. Whatever is rare (an escape in a text, an exponent, an unknown field with
//! a list in it), doubtful (a key twice, a name nobody knows) or wrong makes the scanner give up, and `json` reads the
//! record from its beginning: there is one reader that rejects, and this one only ever agrees with it.
//! Invariants: what the scanner takes, the general reader takes too, alike to the last bit, kept by
//! `tests/scan_agrees.rs` and the fuzz target `json`.
//! Why so: a general reader asks of every byte what it may be; here the contract's order of fields is tried in straight
//! code, one comparison a key, so that a producer who keeps to it is read without a search. Another order costs some
//! comparisons more, never the answer.

use model::{Batch, Datum, EventTime, Fix, Kind, LonLat, Origin, Platform, Text, Trigger};

use super::cursor::{Cursor, Number};
use super::draft::Draft;
use super::json_nested::platform_of;
use super::photo;
use super::time_text;

/// Reads the record's text into `draft` and its lists into `batch`, or gives up: the caller then rolls both back.
///
/// With `SPACED`, white space between tokens is passed; without, it is a surprise.
pub(super) fn read<const SPACED: bool>(text: &str, batch: &mut Batch, draft: &mut Draft) -> Option<()> {
    let mut scanner = Scanner::<SPACED> { at: Cursor::new(text), batch, draft };
    scanner.space();
    scanner.record()?;
    // A line's end is no oddity.
    scanner.at.space();
    scanner.at.is_at_end().then_some(())
}

/// Where the scanner stands, and what it fills.
///
/// Everything that moves the cursor is inlined, so that it lives in registers.
pub(super) struct Scanner<'a, 'b, const SPACED: bool> {
    pub(super) at: Cursor<'a>,
    pub(super) batch: &'b mut Batch,
    pub(super) draft: &'b mut Draft,
}

/// The known keys of one object that came, a bit each.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen(u32);

impl<const SPACED: bool> Scanner<'_, '_, SPACED> {
    /// Passes the white space that may stand between tokens.
    #[inline(always)]
    pub(super) fn space(&mut self) {
        if SPACED {
            self.at.space();
        }
    }

    /// Passes what stands between two entries: true if another one follows, false at the end, which is `end`.
    #[inline(always)]
    pub(super) fn more(&mut self, end: u8) -> Option<bool> {
        self.space();
        let byte = self.at.next()?;
        if byte == b',' {
            self.space();
            Some(true)
        } else {
            (byte == end).then_some(false)
        }
    }

    /// Passes the key `name` with its colon if it comes next; gives up if it came before.
    #[inline(always)]
    pub(super) fn key<const N: usize>(&mut self, seen: &mut Seen, bit: u32, name: &[u8; N]) -> Option<bool> {
        if !self.at.eat(name) {
            return Some(false);
        }
        let is_again = seen.0 >> bit & 1 != 0;
        seen.0 |= 1 << bit;
        self.space();
        (!is_again).then_some(true)
    }

    /// Passes the opening of an object or list: false where there is null instead.
    #[inline(always)]
    pub(super) fn opens(&mut self, opening: u8) -> Option<bool> {
        if self.at.eat(&[opening]) {
            self.space();
            return Some(true);
        }
        self.at.eat(b"null").then_some(false)
    }

    /// The record: rounds over the fields in the contract's order, until one ends the object.
    #[inline(always)]
    fn record(&mut self) -> Option<()> {
        if !self.opens(b'{')? {
            return None;
        }
        let mut seen = Seen::default();
        loop {
            let before = self.at.left();
            if !(self.said(&mut seen)? && self.sensed(&mut seen)?) {
                return Some(());
            }
            if self.at.left() == before && !self.unknown()? {
                return Some(());
            }
        }
    }

    /// The fields that say who, what, when and how; false if the object ended behind one of them.
    #[inline(always)]
    fn said(&mut self, seen: &mut Seen) -> Option<bool> {
        if self.key(seen, 0, b"\"event_id\":")? {
            self.draft.event_id = self.text()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 1, b"\"employee_id\":")? {
            self.draft.employee_id = self.text()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 2, b"\"kind\":")? {
            self.draft.kind = self.named(Kind::from_name)?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 3, b"\"occurred_at\":")? {
            self.draft.occurred_at = self.time()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 4, b"\"origin\":")? {
            self.draft.origin = self.named(Origin::from_name)?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 5, b"\"trigger\":")? {
            self.draft.trigger = self.named(Trigger::from_name)?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 6, b"\"device_id\":")? {
            self.draft.device_id = self.text()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// The fields that say where, and the rest; false if the object ended behind one of them.
    #[inline(always)]
    fn sensed(&mut self, seen: &mut Seen) -> Option<bool> {
        if self.key(seen, 7, b"\"site_id\":")? {
            self.draft.site_claim = self.text()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 8, b"\"location\":")? {
            self.location()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 9, b"\"wifi\":")? {
            self.wifi()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 10, b"\"beacons\":")? {
            self.beacons()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 11, b"\"photo\":")? {
            self.photo()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 12, b"\"note\":")? {
            self.scalar()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 13, b"\"notice_version\":")? {
            self.scalar()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 14, b"\"tz\":")? {
            self.draft.time_zone = self.text()?;
            return self.more(b'}');
        }
        Some(true)
    }

    /// A field that no round over the known ones took; false if the object ended behind it.
    #[inline(always)]
    pub(super) fn unknown(&mut self) -> Option<bool> {
        self.at = past_unknown(self.at, SPACED)?;
        self.batch.unknown_fields += 1;
        self.more(b'}')
    }

    /// Passes a text, a number or a word.
    #[inline(always)]
    fn scalar(&mut self) -> Option<()> {
        self.at = past_scalar(self.at)?;
        Some(())
    }

    /// A text; empty where it is null.
    #[inline(always)]
    fn text(&mut self) -> Option<Text> {
        if self.at.eat(b"\"") {
            let text = self.at.plain_text()?;
            return Some(if text.is_empty() { Text::default() } else { self.batch.push_text(text) });
        }
        self.at.eat(b"null").then_some(Text::default())
    }

    /// A text that names a value; inner `None` where it is null or empty.
    #[inline(always)]
    fn named<T>(&mut self, from_name: fn(&str) -> Option<T>) -> Option<Option<T>> {
        if !self.at.eat(b"\"") {
            return self.at.eat(b"null").then_some(None);
        }
        match self.at.plain_text()? {
            "" => Some(None),
            name => from_name(name).map(Some),
        }
    }

    /// A time that a punch may claim; inner `None` where it is null or empty.
    #[inline(always)]
    fn time(&mut self) -> Option<Option<EventTime>> {
        let time = if self.at.eat(b"\"") {
            match self.at.plain_text()? {
                "" => return Some(None),
                text => time_text::usual_rfc3339(text.as_bytes())?,
            }
        } else if self.at.eat(b"null") {
            return Some(None);
        } else {
            match self.at.number()? {
                Number::Integer(ms) => EventTime::from_ms(ms),
                Number::Real(_) => return None,
            }
        };
        time.is_possible().then_some(Some(time))
    }

    /// The position fix.
    #[inline(always)]
    fn location(&mut self) -> Option<()> {
        if !self.opens(b'{')? {
            return Some(());
        }
        let mut place = Place::default();
        let mut seen = Seen::default();
        loop {
            let before = self.at.left();
            if !self.place(&mut place, &mut seen)? {
                break;
            }
            if self.at.left() == before && !self.unknown()? {
                break;
            }
        }
        let point = LonLat::new(place.lon?, place.lat?)?;
        let Place { accuracy_m, datum, mocked, platform, .. } = place;
        self.draft.fix = Some(Fix { point, datum, accuracy_m, mocked, platform });
        Some(())
    }

    #[inline(always)]
    fn place(&mut self, place: &mut Place, seen: &mut Seen) -> Option<bool> {
        if self.key(seen, 0, b"\"lon\":")? {
            place.lon = Some(self.at.number()?.real());
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 1, b"\"lat\":")? {
            place.lat = Some(self.at.number()?.real());
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 2, b"\"accuracy_m\":")? {
            place.accuracy_m = if self.at.eat(b"null") { None } else { Some(self.at.number()?.real()) };
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 3, b"\"datum\":")? {
            place.datum = self.named(Datum::from_name)?.unwrap_or_default();
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 4, b"\"mocked\":")? {
            place.mocked = self.truth()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 5, b"\"platform\":")? {
            place.platform = self.named(platform_of)?.unwrap_or_default();
            return self.more(b'}');
        }
        Some(true)
    }

    /// A boolean, false where it is null.
    #[inline(always)]
    pub(super) fn truth(&mut self) -> Option<bool> {
        if self.at.eat(b"false") || self.at.eat(b"null") {
            Some(false)
        } else {
            self.at.eat(b"true").then_some(true)
        }
    }

    /// The photo: its reference and its hash.
    #[inline(always)]
    fn photo(&mut self) -> Option<()> {
        if !self.opens(b'{')? {
            return Some(());
        }
        let mut seen = Seen::default();
        loop {
            let is_reference = self.key(&mut seen, 0, b"\"ref\":")?;
            if is_reference || self.key(&mut seen, 1, b"\"sha256\":")? {
                let part = if self.at.eat(b"\"") {
                    photo::part(usize::from(!is_reference), self.at.plain_text()?.as_bytes(), self.batch)
                } else {
                    self.at.eat(b"null").then_some(None)?
                };
                match is_reference {
                    true => self.draft.photo.reference = part,
                    false => self.draft.photo.sha256 = part,
                }
                if !self.more(b'}')? {
                    return Some(());
                }
            } else if !self.unknown()? {
                return Some(());
            }
        }
    }
}

/// Passes a key that is none of the known ones, and its value.
#[cold]
fn past_unknown(mut at: Cursor<'_>, spaced: bool) -> Option<Cursor<'_>> {
    // White space before the colon hides a known key from the comparisons above: here the colon must follow at once.
    if !(at.eat(b"\"") && at.plain_text().is_some() && at.eat(b":")) {
        return None;
    }
    if spaced {
        at.space();
    }
    past_scalar(at)
}

/// Passes a text, a number or a word.
fn past_scalar(mut at: Cursor<'_>) -> Option<Cursor<'_>> {
    if at.eat(b"\"") {
        at.plain_text()?;
    } else if !(at.eat(b"null") || at.eat(b"true") || at.eat(b"false")) {
        at.number()?;
    }
    Some(at)
}

/// The location's fields.
#[derive(Default)]
struct Place {
    lon: Option<f64>,
    lat: Option<f64>,
    accuracy_m: Option<f64>,
    datum: Datum,
    mocked: bool,
    platform: Platform,
}
