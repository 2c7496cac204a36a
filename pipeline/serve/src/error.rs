//! What can go wrong at the HTTP edge: what, where, and how to mend it.

use std::sync::Arc;

use source::Action;

/// The kind of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The address cannot be listened on.
    Bind,
    /// The certificate or its key cannot be used.
    Tls,
    /// A thread of the HTTP face cannot be started.
    Thread,
    /// A URL is none that this client speaks.
    Url,
    /// Nobody answers at a URL, or the answer broke off.
    Unreachable,
    /// The answer is no success: the server's reason is in the text.
    Refused,
    /// The answer is no metrics.
    NotMetrics,
}

/// A failure at the HTTP edge.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    kind: ErrorKind,
    text: String,
    #[source]
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), cause: None }
    }

    /// `doing` failed because of `cause`; `remedy` mends it.
    pub(crate) fn caused(
        kind: ErrorKind,
        doing: &str,
        cause: impl std::error::Error + Send + Sync + 'static,
        remedy: &str,
    ) -> Self {
        // The innermost cause says what happened: those around it say "error sending request" and the like.
        let mut innermost: &dyn std::error::Error = &cause;
        while let Some(inner) = innermost.source() {
            innermost = inner;
        }
        let text = format!("{doing}: {innermost}: {remedy}");
        Self { kind, text, cause: Some(Arc::new(cause)) }
    }

    /// Which kind.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without anybody's doing.
    pub const fn action(&self) -> Action {
        match self.kind {
            ErrorKind::Unreachable => Action::Retry,
            _ => Action::Stop,
        }
    }
}
