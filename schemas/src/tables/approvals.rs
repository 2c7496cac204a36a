//! One approval of a request as tables tell it: a JSON object in a list of texts, so that every engine can take it apart.
//!
//! ```text
//!   {"request":"leave-17","level":2,"by":"M7","at":"2026-11-03T02:00:00Z"}      level and by only where the request tells them
//! ```

use std::borrow::Cow;

use model::reference::Approval;
use model::shift_result::Approved;
use serde::{Deserialize, Serialize};

use crate::lines::{utc_text, utc_time};

#[derive(Serialize, Deserialize)]
struct Text<'a> {
    request: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    level: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Cow<'a, str>>,
    at: Cow<'a, str>,
}

/// The text of one approval of the request `request_id`.
pub(super) fn text(request_id: &str, approval: &Approval) -> String {
    let text = Text {
        request: request_id.into(),
        level: approval.level,
        by: approval.by.as_deref().map(Into::into),
        at: utc_text(approval.at).into(),
    };
    serde_json::to_string(&text).expect("texts and numbers are JSON")
}

/// The approval that `text` tells; `None` for one that a newer version wrote otherwise.
pub(super) fn read(text: &str) -> Option<Approved> {
    let Text { request, level, by, at } = serde_json::from_str(text).ok()?;
    let approval = Approval { level, by: by.map(|by| by.as_ref().into()), at: utc_time(&at)? };
    Some(Approved { request_id: request.as_ref().into(), approval })
}
