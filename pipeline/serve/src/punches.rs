//! `POST /v1/punches`: a body of records in, a line of truth about each out, once they are durable.
//!
//! In: a request.  Out: 200 and `[{event_id, result, code?, message?}]` in the body's order, or one refusal of the
//! whole.  Owns: nothing.
//! Absent on purpose: de-duplication (the pipeline finds repeats, so that a sender in doubt simply sends again), and
//! reasons that depend on who the person is.
//! Invariants: a record answered `accepted` is durable in the log with the bytes that were sent; one answered
//! `rejected` is not in the log at all, and its sender holds the only copy: that is why it is told, one by one, with
//! code and message, and counted by code. After a 503 or a broken connection the same request may be sent again.
//! Why so: 429 before the body is read and 413 before it is whole, so that memory stays under `requests_max` ×
//! `body_bytes_max`.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use model::RejectCode;
use serde::Serialize;
use tokio::time::timeout;

use crate::group_commit::{Appended, Entry, Unavailable};
use crate::http::{Ingest, Refusal, Shared, check_token};
use crate::metrics::IngestResult;
use crate::records::{self, Fault, RECORDS_MAX, Record, Shape, Taken};

/// When to come back after 429: the queue empties within one append.
const FULL_RETRY_AFTER_S: u32 = 1;
/// When to come back after 503: a broker's election or a disk's clearing takes longer.
const UNAVAILABLE_RETRY_AFTER_S: u32 = 5;

/// What is said of one record.
#[derive(Debug, Serialize)]
struct Line {
    event_id: Option<String>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Line {
    fn accepted(event_id: Option<String>) -> Self {
        Self { event_id, result: IngestResult::Accepted.name(), code: None, message: None }
    }

    fn rejected(event_id: Option<String>, code: RejectCode, message: String) -> Self {
        let result = IngestResult::Rejected.name();
        Self { event_id, result, code: Some(code.name()), message: Some(message) }
    }
}

/// Answers the request.
pub(crate) async fn take(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Refusal> {
    check_token(&shared, request.headers())?;
    let Some(ingest) = &shared.ingest else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "this process takes no punches by HTTP"));
    };
    let shape = shape(request.headers())?;
    let Ok(slot) = Arc::clone(&shared.slots).try_acquire_owned() else {
        let text = "as many requests as [serve] requests_max allows are being answered: send it again";
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(FULL_RETRY_AFTER_S));
    };
    shared.slots_used.add(1);
    let used = Used { shared: &shared, _slot: slot };
    let body = body(&shared, request).await?;
    let records = records::read(&body, shape, ingest.record_bytes_max).map_err(refuse)?;
    let lines = append(&shared, ingest, records).await?;
    drop(used);
    let text = serde_json::to_string(&lines).expect("lines are text under names");
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// A slot that is given back, and counted as such, however the request ends.
struct Used<'a> {
    shared: &'a Shared,
    _slot: tokio::sync::OwnedSemaphorePermit,
}

impl Drop for Used<'_> {
    fn drop(&mut self) {
        self.shared.slots_used.sub(1);
    }
}

fn shape(headers: &HeaderMap) -> Result<Shape, Refusal> {
    let refuse = |text: &str| Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    let is_coded = |value: &header::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get(header::CONTENT_ENCODING).is_some_and(is_coded) {
        return refuse("a compressed body is not read: send it without Content-Encoding");
    }
    let content_type = match headers.get(header::CONTENT_TYPE).map(header::HeaderValue::to_str).transpose() {
        Ok(content_type) => content_type,
        Err(_) => return refuse("the Content-Type is no text"),
    };
    match Shape::of(content_type) {
        Some(shape) => Ok(shape),
        None => refuse(
            "send a JSON array as `Content-Type: application/json`, a JSON object a line as `application/x-ndjson`, or \
             Arrow IPC as `application/vnd.apache.arrow.stream`",
        ),
    }
}

async fn body(shared: &Shared, request: Request) -> Result<Bytes, Refusal> {
    let max = shared.body_bytes_max;
    let too_large = || {
        let text = format!("a body has at most {max} bytes ([serve] body_bytes_max): send it in parts");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    let stated = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if stated.and_then(|text| text.parse::<u64>().ok()).is_some_and(|stated| stated > max as u64) {
        return Err(too_large());
    }
    let body: Body = request.into_body();
    match timeout(shared.waits.body, to_bytes(body, max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_limit(&error) => Err(too_large()),
        Ok(Err(error)) => Err(Refusal::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}"))),
        Err(_) => {
            let text = format!("the body did not arrive within {} s", shared.waits.body.as_secs());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, text))
        }
    }
}

fn is_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<LengthLimitError>() || error.source().is_some_and(is_limit)
}

fn refuse(fault: Fault) -> Refusal {
    match fault {
        Fault::NotJson(what) => Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("the body is neither a JSON array nor a JSON object a line: {what}"),
        ),
        Fault::NotArrow(what) => {
            Refusal::new(StatusCode::BAD_REQUEST, format!("the body is no batch of punches: {what}"))
        }
        Fault::TooMany => Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a request has at most {RECORDS_MAX} records: send them in parts"),
        ),
    }
}

/// Appends what is a punch, and says of each record what became of it.
async fn append(shared: &Shared, ingest: &Ingest, records: Vec<Record>) -> Result<Vec<Line>, Refusal> {
    let entry = |record: &Record| match &record.taken {
        Taken::Punch { key, value } => Some(Entry { key: key.clone(), value: value.clone() }),
        Taken::Reject { .. } => None,
    };
    let entries = records.iter().filter_map(entry).collect();
    let appended = match timeout(shared.waits.append, ingest.queue.append(entries)).await {
        Ok(outcome) => outcome.map_err(unavailable)?,
        Err(_) => {
            let text = "the log has not answered: whether the records are in it is not known; send them again, \
                        repeats are found";
            return Err(busy(text));
        }
    };
    let mut appended = appended.into_iter();
    let line = |record: Record| match record.taken {
        Taken::Reject { code, message } => Line::rejected(record.event_id, code, message),
        Taken::Punch { .. } => match appended.next().expect("an append answers for each punch") {
            Appended::Durable => Line::accepted(record.event_id),
            Appended::TooLarge => {
                let message = "the log takes no record as large".to_owned();
                Line::rejected(record.event_id, RejectCode::TooLarge, message)
            }
        },
    };
    let lines: Vec<Line> = records.into_iter().map(line).collect();
    count(shared, &lines);
    Ok(lines)
}

fn count(shared: &Shared, lines: &[Line]) {
    let mut accepted = 0;
    for line in lines {
        match line.code.and_then(RejectCode::from_name) {
            None => accepted += 1,
            Some(code) => shared.metrics.count_ingest_rejected(code),
        }
    }
    shared.metrics.count_ingested(IngestResult::Accepted, accepted);
}

fn unavailable(why: Unavailable) -> Refusal {
    match why {
        Unavailable::Log(text) => busy(&format!("the log takes no records now: {text}")),
        Unavailable::Full => busy("the log is behind: as many requests as may wait are waiting"),
        Unavailable::Gone => busy("this process is stopping, or its ingest thread died"),
    }
}

fn busy(text: &str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(UNAVAILABLE_RETRY_AFTER_S)
}
