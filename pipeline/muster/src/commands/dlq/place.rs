//! A place in a log as people write it, `TOPIC/PARTITION/OFFSET`: the name of the letter about the record there.

use std::fmt;

use model::Offset;
use source::LetterOrigin;

/// A place; the topic may be left out where only one can be meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// The topic; `file:<id>` for a file; empty where it was left out.
    pub(super) topic: String,
    /// The partition.
    pub(super) partition: u32,
    /// The offset; in a file the line, counted from 0.
    pub(super) offset: i64,
}

impl Place {
    /// The origin of a letter.
    pub(super) fn of(origin: &LetterOrigin) -> Self {
        let LetterOrigin { topic, partition, offset, .. } = origin;
        Self { topic: topic.clone(), partition: partition.number(), offset: offset.get() }
    }

    /// Whether this, as somebody wrote it, means `place`.
    pub(super) fn means(&self, place: &Self) -> bool {
        (self.topic.is_empty() || self.topic == place.topic)
            && (self.partition, self.offset) == (place.partition, place.offset)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.topic.is_empty() {
            write!(f, "{}/", self.topic)?;
        }
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

/// Offsets from one until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offsets {
    /// The first.
    pub(super) from: i64,
    /// The one behind the last.
    pub(super) until: i64,
}

/// Reads `FROM..UNTIL`, either of which may be left out.
pub(super) fn parse_offsets(text: &str) -> Result<Offsets, String> {
    let end = |text: &str, open: i64| match text {
        "" => Some(open),
        text => text.parse().ok().filter(|offset| *offset >= 0),
    };
    let read = text
        .split_once("..")
        .and_then(|(from, until)| Some(Offsets { from: end(from, 0)?, until: end(until, i64::MAX)? }));
    let read = read.filter(|offsets| offsets.from < offsets.until);
    read.ok_or_else(|| "offsets are written FROM..UNTIL: 100..200, 100.. or ..200".to_owned())
}

/// Reads `TOPIC/PARTITION/OFFSET` or `PARTITION/OFFSET`.
pub(super) fn parse(text: &str) -> Result<Place, String> {
    let read = || {
        let mut parts = text.rsplit('/');
        let offset = parts.next()?.parse().ok().and_then(Offset::new)?.get();
        let partition = parts.next()?.parse().ok()?;
        let topic = match parts.next() {
            Some("") => return None,
            Some(topic) => topic.to_owned(),
            None => String::new(),
        };
        parts.next().is_none().then_some(Place { topic, partition, offset })
    };
    read().ok_or_else(|| {
        "a place is written TOPIC/PARTITION/OFFSET or PARTITION/OFFSET: punches/0/41".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for text in
            ["punches/0/41", "0/0", "file:0123456789abcdef/0/7", "a.b-c_d/4294967295/9223372036854775806"]
        {
            assert_eq!(parse(text).map(|place| place.to_string()), Ok(text.to_owned()));
        }
        for text in
            ["", "41", "/", "/0/41", "punches/0", "punches/0/-1", "punches/x/1", "a/b/0/1", "0/1/", "0/+-1"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn offsets_are_half_open_and_may_lack_an_end() {
        let read = |text| parse_offsets(text).map(|offsets| (offsets.from, offsets.until)).ok();
        assert_eq!(read("100..200"), Some((100, 200)));
        assert_eq!((read("100.."), read("..200")), (Some((100, i64::MAX)), Some((0, 200))));
        for text in ["", "100", "200..100", "7..7", "-1..3", "a..b", "1...3"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_place_without_its_topic_means_any() {
        let whole = parse("punches/0/41").unwrap();
        assert!(parse("0/41").unwrap().means(&whole) && whole.means(&whole));
        assert!(!parse("1/41").unwrap().means(&whole) && !parse("other/0/41").unwrap().means(&whole));
    }
}
