//! An instant on a site's wall clock, as text with its offset and as a day.

use std::fmt::Write;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::EventTime;

use crate::civil::{civil_from_days, date_of, two_digits};

const DAY_US: i64 = 86_400_000_000;

/// The day on the wall clock of `zone`: the business date of a punch that no shift holds.
pub fn local_date(time: EventTime, zone: &TimeZone) -> Date {
    let (local_us, _) = local(time, zone);
    date_of(local_us.div_euclid(DAY_US) as i32).unwrap_or(Date::MAX)
}

/// Writes the instant as RFC 3339 on the wall clock of `zone`: `2026-11-22T08:58:31+08:00`, with a fraction of 3 or 6
/// digits where there is one. For instants of the years 0 to 9999.
pub(crate) fn write(time: EventTime, zone: &TimeZone, out: &mut impl Write) {
    let (local_us, offset_s) = local(time, zone);
    let (year, month, day) = civil_from_days(local_us.div_euclid(DAY_US));
    let us_of_day = local_us.rem_euclid(DAY_US);
    let s_of_day = us_of_day / 1_000_000;
    let mut text = *b"0000-00-00T00:00:00.000000+00:00";
    let year = year.clamp(0, 9_999);
    two_digits(&mut text[0..2], year / 100);
    two_digits(&mut text[2..4], year % 100);
    two_digits(&mut text[5..7], month);
    two_digits(&mut text[8..10], day);
    two_digits(&mut text[11..13], s_of_day / 3_600);
    two_digits(&mut text[14..16], s_of_day / 60 % 60);
    two_digits(&mut text[17..19], s_of_day % 60);
    let us = us_of_day % 1_000_000;
    text[19] = b'.';
    two_digits(&mut text[20..22], us / 10_000);
    two_digits(&mut text[22..24], us / 100 % 100);
    two_digits(&mut text[24..26], us % 100);
    let len = match us {
        0 => 19,
        us if us % 1_000 == 0 => 23,
        _ => 26,
    };
    text[len..len + 6].copy_from_slice(b"+00:00");
    if offset_s < 0 {
        text[len] = b'-';
    }
    // Offsets with seconds exist only before 1972; RFC 3339 knows none, so they are cut to the minute.
    let minutes = offset_s.abs() / 60;
    two_digits(&mut text[len + 1..len + 3], minutes / 60);
    two_digits(&mut text[len + 4..len + 6], minutes % 60);
    // Only ASCII is written, and the sinks here are buffers in memory, which cannot fail.
    let _ = out.write_str(std::str::from_utf8(&text[..len + 6]).unwrap_or_default());
}

fn local(time: EventTime, zone: &TimeZone) -> (i64, i64) {
    let offset_s = i64::from(zone.to_offset(time.timestamp()).seconds());
    (time.plus_s(offset_s).us(), offset_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_and_the_day_agree_with_jiff() {
        for name in ["Asia/Hong_Kong", "Europe/London", "America/New_York", "Asia/Kathmandu", "UTC"] {
            let zone = TimeZone::get(name).unwrap();
            for step in 0..2_000_i64 {
                // Steps of about 41 days and an odd rest visit every season, hour and fraction up to 2199.
                let time = EventTime::from_us(step * 3_599_983_123_457 + [0, 1_000, 1][(step % 3) as usize]);
                let zoned = time.timestamp().to_zoned(zone.clone());
                let mut text = String::new();
                write(time, &zone, &mut text);
                let back: jiff::Timestamp = text.parse().unwrap();
                assert_eq!(text[..19], zoned.strftime("%Y-%m-%dT%H:%M:%S").to_string(), "{name} {text}");
                assert_eq!(local_date(time, &zone), zoned.date(), "{name} {text}");
                if zoned.offset().seconds() % 60 == 0 {
                    assert_eq!(EventTime::from(back), time, "{name} {text}");
                }
            }
        }
    }

    #[test]
    fn a_fraction_is_written_only_where_there_is_one() {
        let zone = TimeZone::get("Asia/Hong_Kong").unwrap();
        for (us, tail) in [(0, "00+08:00"), (5_000, "00.005+08:00"), (5, "00.000005+08:00")] {
            let mut text = String::new();
            write(EventTime::from_us(us), &zone, &mut text);
            assert_eq!(text, format!("1970-01-01T08:00:{tail}"));
        }
    }
}
