//! Texts that tell an instant: RFC 3339, and the local times of exports.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use model::EventTime;

use crate::civil::{days_from_civil, days_in_month};

/// The instant of an RFC 3339 text with offset, cut to the microsecond; `None` if it is none.
///
/// The usual spelling is read by hand (20 ns instead of 150); the rest of RFC 3339 (lower case, a space for the `T`,
/// leap seconds) by jiff.
pub(super) fn rfc3339(text: &str) -> Option<EventTime> {
    usual_rfc3339(text.as_bytes()).or_else(|| general_rfc3339(text))
}

fn general_rfc3339(text: &str) -> Option<EventTime> {
    // jiff reads more than RFC 3339 has: a zone in brackets, weeks, reduced precision, offsets of a day and more.
    let bytes = text.as_bytes();
    let plain =
        bytes.len() >= 20 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[13] == b':' && bytes[16] == b':';
    let offset = bytes.len().checked_sub(6).map_or(&bytes[..0], |at| &bytes[at..]);
    let is_day_off = matches!(offset, [b'+' | b'-', hour @ .., b':', _, _] if hour > &b"23"[..]);
    if !plain || is_day_off || text.contains('[') {
        return None;
    }
    let timestamp: Timestamp = text.parse().ok()?;
    Some(EventTime::from_us(timestamp.as_nanosecond().div_euclid(1_000) as i64))
}

/// The same for the usual spelling only: `2026-11-22T08:58:31.250+08:00`, or with `Z`.
pub(super) fn usual_rfc3339(text: &[u8]) -> Option<EventTime> {
    let (date_time, rest) = text.split_first_chunk::<19>()?;
    let date = DATE.pairs(date_time, 0)?;
    let time = TIME.pairs(date_time, 8)?;
    let clock = CLOCK.pairs(date_time, 11)?;
    let pair = |pairs: u64, at: u32| (pairs >> (8 * at) & 0xff) as i64;
    let (year, month, day) = (pair(date, 0) * 100 + pair(date, 2), pair(date, 5), pair(time, 0));
    let (hour, minute, second) = (pair(time, 3), pair(time, 6), pair(clock, 6));
    let is_day = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    if !is_day || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = rest;
    let mut us = 0;
    if let [b'.', fraction @ ..] = rest {
        let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len == 0 || len > 9 {
            return None;
        }
        for at in 0..6 {
            us = us * 10 + fraction.get(at).filter(|_| at < len).map_or(0, |byte| i64::from(byte - b'0'));
        }
        rest = &fraction[len..];
    }
    let offset_min = match rest {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] if hours.len() == 2 => {
            let (hours, minutes) = (digits(hours)?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let size = hours * 60 + minutes;
            if *sign == b'-' { -size } else { size }
        }
        _ => return None,
    };
    let seconds =
        days_from_civil(year, month, day) * 86_400 + hour * 3_600 + (minute - offset_min) * 60 + second;
    Some(EventTime::from_us(seconds * 1_000_000 + us))
}

/// Where digits and separators stand in eight bytes.
struct Layout {
    text: u64,
    /// What sets the high bit of a digit's value above 9, and of a separator's difference above 0.
    room: u64,
}

const DATE: Layout = Layout::of(*b"0000-00-");
const TIME: Layout = Layout::of(*b"00T00:00");
const CLOCK: Layout = Layout::of(*b"00:00:00");

impl Layout {
    const fn of(text: [u8; 8]) -> Self {
        let mut room = [0; 8];
        let mut at = 0;
        while at < 8 {
            room[at] = if text[at] == b'0' { 0x76 } else { 0x7f };
            at += 1;
        }
        Self { text: u64::from_le_bytes(text), room: u64::from_le_bytes(room) }
    }

    /// In each byte the number that the digits at its place and the next write, of the eight bytes at `at`; `None` if
    /// something else stands there.
    #[inline(always)]
    fn pairs(&self, text: &[u8; 19], at: usize) -> Option<u64> {
        let values = u64::from_le_bytes(*text.get(at..)?.first_chunk()?) ^ self.text;
        let others = ((values & 0x7f7f_7f7f_7f7f_7f7f) + self.room) | values;
        (others & 0x8080_8080_8080_8080 == 0).then(|| values * 10 + (values >> 8))
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// A wall-clock time as exports write it, without zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// The time.
    At(DateTime),
    /// The text names another weekday than the date has: day and month may be swapped, or a digit is wrong.
    WrongWeekday,
}

/// Reads `2015-05-05 15:21:26`, `2019/10/8 星期二 8:20`, `2019.10.08T08:20`: year, month and day separated by `-`, `/` or
/// `.`; an optional weekday (`星期二`, `周二`); hour and minute, optionally second. `None` if the text is none of these.
pub(super) fn local(text: &str) -> Option<Local> {
    let mut rest = text.trim();
    let year = number(&mut rest, 4, 4)?;
    let separator = separator(&mut rest, &['-', '/', '.'])?;
    let month = number(&mut rest, 1, 2)?;
    rest = rest.strip_prefix(separator)?;
    let day = number(&mut rest, 1, 2)?;
    let date = Date::new(i16::try_from(year).ok()?, month as i8, day as i8).ok()?;
    rest =
        rest.strip_prefix('T').filter(|time| time.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(rest);
    rest = rest.trim_start();
    let mut named = None;
    if let Some(after) = rest.strip_prefix("星期").or_else(|| rest.strip_prefix('周')) {
        let name = after.chars().next()?;
        named = Some(weekday(name)?);
        rest = after[name.len_utf8()..].trim_start();
    }
    let hour = number(&mut rest, 1, 2)?;
    rest = rest.strip_prefix(':')?;
    let minute = number(&mut rest, 2, 2)?;
    let second = match rest.strip_prefix(':') {
        Some(after) => {
            rest = after;
            number(&mut rest, 2, 2)?
        }
        None => 0,
    };
    let time = jiff::civil::Time::new(hour as i8, minute as i8, second as i8, 0).ok()?;
    let is_end = rest.is_empty();
    let local = match named {
        Some(named) if named != date.weekday() => Local::WrongWeekday,
        _ => Local::At(date.to_datetime(time)),
    };
    is_end.then_some(local)
}

fn number(rest: &mut &str, len_min: usize, len_max: usize) -> Option<i64> {
    let len = rest.bytes().take(len_max).take_while(u8::is_ascii_digit).count();
    if len < len_min {
        return None;
    }
    let (number, after) = rest.split_at(len);
    *rest = after;
    digits(number.as_bytes())
}

fn separator(rest: &mut &str, allowed: &[char]) -> Option<char> {
    let first = rest.chars().next().filter(|c| allowed.contains(c))?;
    *rest = &rest[first.len_utf8()..];
    Some(first)
}

fn weekday(name: char) -> Option<Weekday> {
    Some(match name {
        '一' => Weekday::Monday,
        '二' => Weekday::Tuesday,
        '三' => Weekday::Wednesday,
        '四' => Weekday::Thursday,
        '五' => Weekday::Friday,
        '六' => Weekday::Saturday,
        '日' | '天' => Weekday::Sunday,
        _ => return None,
    })
}

/// The instant of a wall-clock time: an ambiguous one is the earlier, a skipped one moves forward by the gap.
pub(super) fn instant(local: DateTime, zone: &TimeZone) -> Option<EventTime> {
    zone.to_ambiguous_timestamp(local).compatible().ok().map(EventTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_texts_agree_with_jiff() {
        let mut seen = 0;
        for days in (0..84_000_i64).step_by(37) {
            for offset_min in [0, 480, -210, 345, 840, -720] {
                let us = days * 86_400_000_000 + days * 1_234_567_891 % 86_400_000_000;
                let local = Timestamp::from_microsecond(us).unwrap();
                let offset = jiff::tz::Offset::from_seconds(offset_min * 60).unwrap();
                let text = local.display_with_offset(offset).to_string();
                assert_eq!(usual_rfc3339(text.as_bytes()), Some(EventTime::from_us(us)), "{text}");
                assert_eq!(rfc3339(&text), general_rfc3339(&text), "{text}");
                seen += 1;
            }
        }
        assert!(seen > 10_000);
    }

    #[test]
    fn what_is_no_rfc_3339_is_no_instant() {
        for text in [
            "",
            "yesterday",
            "2026-11-22T08:58:31",
            "2026-11-22 08:58",
            "2026-11-22T08:58:31+8",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T08:58:31.Z",
            "2026-11-22T08:58:31+24:00",
            "2026-11-22T08:58:31+08:60",
            "10000-01-01T00:00:00Z",
            "2026-11-22T08:58:31Z ",
            "2026-11-22T08:58:31+08:00[Asia/Hong_Kong]",
            "1700000000000",
            "２０２６-11-22T08:58:31Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn rare_spellings_are_read_too() {
        let at = rfc3339("2026-11-22T08:58:31Z").unwrap();
        for text in ["2026-11-22t08:58:31z", "2026-11-22 08:58:31Z", "2026-11-22T08:58:31.000000000-00:00"] {
            assert_eq!(rfc3339(text), Some(at), "{text}");
        }
        assert_eq!(rfc3339("2026-11-22T08:58:31.123456789Z"), Some(at.plus_us(123_456)));
        assert!(rfc3339("2016-12-31T23:59:60Z").is_some(), "a leap second is an instant");
        assert_eq!(rfc3339("9999-12-31T00:00:00Z").map(EventTime::is_possible), Some(false));
    }

    fn check(text: &str, want: Option<&str>) {
        let at = want.map(|want| Local::At(want.parse().unwrap()));
        assert_eq!(local(text), at, "{text}");
    }

    #[test]
    fn local_times_of_exports() {
        check("2015-05-05 15:21:26", Some("2015-05-05T15:21:26"));
        check("2019/10/8 星期二 8:20", Some("2019-10-08T08:20:00"));
        check(" 2019/10/8  周二  8:20:05 ", Some("2019-10-08T08:20:05"));
        check("2019.10.08T08:20", Some("2019-10-08T08:20:00"));
        check("2019/10/08 23:59:59", Some("2019-10-08T23:59:59"));
        for bad in [
            "",
            "2019",
            "2019-10/8 8:20",
            "2019-10-8",
            "19-10-08 8:20",
            "2019-02-30 8:20",
            "2019-10-08 24:00",
            "2019-10-08 8:2",
            "2019-10-08 8:20:61",
            "2019-10-08 8:20 PM",
            "2019-10-08 星期八 8:20",
            "星期二 8:20",
            "2019-10-08 8:20+08:00",
            "0000-00-00 00:00:00",
        ] {
            check(bad, None);
        }
        assert_eq!(local("2019/10/8 星期三 8:20"), Some(Local::WrongWeekday));
    }

    #[test]
    fn ambiguous_is_the_earlier_and_skipped_moves_forward() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let at = |text: &str| instant(text.parse().unwrap(), &zone).unwrap().timestamp().to_string();
        assert_eq!(at("2026-11-01T01:30:00"), "2026-11-01T05:30:00Z", "the first 01:30, still at −04:00");
        assert_eq!(at("2026-03-08T02:30:00"), "2026-03-08T07:30:00Z", "03:30 at −04:00");
    }
}
