//! What a receiver's answer means for the message and for its destination.
//!
//! Robots of DingTalk, WeCom and Feishu, and gateways before them, answer 200 and put the refusal inside: such a message was
//! not taken.
//!
//! Absent on purpose: a body that is no JSON object, or says nothing of an error: the status counts.
//! Source: the robots' manuals: `{"errcode": 0, "errmsg": "ok"}` of DingTalk and WeCom, `{"code": 0, "msg": "success"}` of Feishu.

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
        /// What its body says went wrong under a status of success.
        refusal: Option<String>,
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
            Self::Status { code: 200..=299, refusal: None, .. } => "sent",
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
            Self::Status { code: 200..=299, refusal: None, .. } => Outcome::Sent,
            Self::Status { code: 410, .. } => Outcome::Gone,
            Self::Status { code: code @ 200..=299, refusal: Some(refusal), .. } => {
                Outcome::Failed { leave_until: None, what: format!("HTTP status {code} with {refusal}") }
            }
            Self::Status { code, retry_after, .. } => Outcome::Failed {
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

/// The longest text of a refusal that is kept.
const REFUSAL_CHARS_MAX: usize = 200;

/// The refusal that the body of a 2xx holds: an `errcode` other than 0, or a `code` that is neither 0 nor an HTTP status of
/// success beside a `msg`.
pub(crate) fn refusal_in(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let refused = |key: &str, text: &str, is_well: fn(i64) -> bool| {
        let code = body.get(key)?.as_i64().filter(|code| !is_well(*code))?;
        let said = body.get(text).and_then(serde_json::Value::as_str)?;
        let said: String = said.chars().filter(|c| !c.is_control()).take(REFUSAL_CHARS_MAX).collect();
        Some(format!("{key} {code} inside: {said}"))
    };
    refused("errcode", "errmsg", |code| code == 0)
        .or_else(|| refused("code", "msg", |code| code == 0 || (200..300).contains(&code)))
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
        Reply::Status { code, retry_after: retry_after.map(str::to_owned), refusal: None }
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
    fn a_robot_that_says_200_and_means_no_has_not_taken_it() {
        for (body, said) in [
            (r#"{"errcode":0,"errmsg":"ok"}"#, None),
            (r#"{"code":0,"msg":"success","data":{}}"#, None),
            (r#"{"code":200,"msg":"ok"}"#, None),
            (r#"{"code":17}"#, None),
            (r#"["errcode"]"#, None),
            ("taken", None),
            ("", None),
            (
                r#"{"errcode":310000,"errmsg":"sign not match"}"#,
                Some("errcode 310000 inside: sign not match"),
            ),
            (
                r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#,
                Some("errcode 45009 inside: api freq out of limit"),
            ),
            (r#"{"code":19021,"msg":"sign match fail"}"#, Some("code 19021 inside: sign match fail")),
        ] {
            let refusal = refusal_in(body.as_bytes());
            assert_eq!(refusal.as_deref(), said, "{body}");
            let reply = Reply::Status { code: 200, retry_after: None, refusal };
            let is_sent = matches!(reply.outcome(EventTime::from_ms(0)), Outcome::Sent);
            assert_eq!((is_sent, reply.status() == "sent"), (said.is_none(), said.is_none()), "{body}");
        }
        let long = format!(r#"{{"errcode":1,"errmsg":"{}"}}"#, "x\\n".repeat(1_000));
        assert_eq!(
            refusal_in(long.as_bytes()).unwrap().len(),
            REFUSAL_CHARS_MAX + "errcode 1 inside: ".len()
        );
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
