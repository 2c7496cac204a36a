//! What a receiver's answer means for the message and for its destination.
//!
//! Absent on purpose: the answer's body. Receivers that say "200" and put an error inside (chat robots) need a reader
//! of their own, and this is where it joins: it turns a body into the same [`Outcome`]s.

use model::EventTime;

/// The longest that a receiver may ask to be left alone, in seconds.
const RETRY_AFTER_S_MAX: i64 = 24 * 3_600;

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The receiver answered.
    Status {
        /// The HTTP status.
        code: u16,
        /// Its header `retry-after`.
        retry_after: Option<String>,
    },
    /// Nobody answered.
    Failed {
        /// Why, in a word, for metrics and `alert_deliveries`: `timeout`, `connect`, `address_refused`, …
        kind: &'static str,
        /// Why, for a person.
        what: String,
    },
}

/// What that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was taken.
    Sent,
    /// The receiver wants nothing any more: the destination is switched off.
    Gone,
    /// It was not taken, or nobody knows.
    Failed {
        /// The destination is to be left alone until then.
        leave_until: Option<EventTime>,
        /// Why, for a person.
        what: String,
    },
}

impl Reply {
    /// The word for it in `alert_deliveries`.
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::Status { code: 200..=299, .. } => "sent",
            Self::Status { code: 410, .. } => "gone",
            Self::Status { code: 300..=399, .. } => "redirect_refused",
            Self::Status { .. } => "refused",
            Self::Failed { kind, .. } => kind,
        }
    }

    /// The HTTP status, if there was one.
    pub(crate) const fn code(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            Self::Failed { .. } => None,
        }
    }

    pub(crate) fn outcome(&self, now: EventTime) -> Outcome {
        match self {
            Self::Status { code: 200..=299, .. } => Outcome::Sent,
            Self::Status { code: 410, .. } => Outcome::Gone,
            Self::Status { code, retry_after } => Outcome::Failed {
                leave_until: match code {
                    429 | 502 | 503 | 504 => retry_after.as_deref().and_then(|text| later(text, now)),
                    _ => None,
                },
                what: match code {
                    300..=399 => format!("HTTP status {code}: redirects are not followed"),
                    401 | 403 => {
                        format!("HTTP status {code}: is the secret, or the token in its URL, right?")
                    }
                    _ => format!("HTTP status {code}"),
                },
            },
            Self::Failed { what, .. } => Outcome::Failed { leave_until: None, what: what.clone() },
        }
    }
}

/// The instant that `retry-after` names, seconds or an HTTP date (RFC 9110, 10.2.3), a day away at most.
fn later(text: &str, now: EventTime) -> Option<EventTime> {
    let text = text.trim();
    let until = match text.parse::<u32>() {
        Ok(seconds) => now.plus_s(i64::from(seconds)),
        Err(_) => EventTime::from(jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?),
    };
    (until > now).then(|| until.min(now.plus_s(RETRY_AFTER_S_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: u16, retry_after: Option<&str>) -> Outcome {
        // 2015-10-21T07:28:00Z
        Reply::Status { code, retry_after: retry_after.map(str::to_owned) }
            .outcome(EventTime::from_ms(1_445_412_480_000))
    }

    #[test]
    fn only_2xx_is_success_and_410_is_the_end() {
        for code in [200, 201, 202, 204, 299] {
            assert_eq!(outcome(code, None), Outcome::Sent);
        }
        assert_eq!(outcome(410, None), Outcome::Gone);
        for code in [100, 301, 302, 304, 307, 308, 400, 401, 404, 429, 500, 503, 599] {
            assert!(matches!(outcome(code, None), Outcome::Failed { leave_until: None, .. }), "{code}");
        }
        let Outcome::Failed { what, .. } = outcome(302, None) else { panic!() };
        assert!(what.contains("redirects are not followed"));
    }

    #[test]
    fn retry_after_is_obeyed_in_seconds_and_as_a_date() {
        let now = EventTime::from_ms(1_445_412_480_000);
        for (text, wait_s) in [
            ("120", Some(120)),
            (" 5 ", Some(5)),
            ("Wed, 21 Oct 2015 07:30:00 GMT", Some(120)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", None),
            ("0", None),
            ("-5", None),
            ("soon", None),
            ("999999999", Some(RETRY_AFTER_S_MAX)),
        ] {
            for code in [429, 502, 503, 504] {
                let Outcome::Failed { leave_until, .. } = outcome(code, Some(text)) else { panic!() };
                assert_eq!(leave_until, wait_s.map(|wait_s| now.plus_s(wait_s)), "{code} {text}");
            }
            let Outcome::Failed { leave_until, .. } = outcome(500, Some(text)) else { panic!() };
            assert_eq!(leave_until, None);
        }
    }
}
