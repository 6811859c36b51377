//! The desk's own answers, in the form of the service's: `message` for a person, `code` for the page.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// No inline script or style, nothing from another address, no frame, and forms go nowhere but through the page's script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// What each answer carries, also those that refuse.
const ALWAYS: [(HeaderName, HeaderValue); 7] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Adds what each answer carries.
pub(super) fn secured(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().extend(ALWAYS);
    response
}

/// An answer with one JSON value.
pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    typed(status, "application/json", value.to_string())
}

/// An answer with a text of a type.
pub(super) fn typed(status: StatusCode, content_type: &'static str, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Why the desk does not do what was asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the desk answers at http://localhost:{port}, and under no other name: open that address")]
    Host { port: u16 },
    #[error("another page asked the desk: it answers its own page only")]
    Stranger,
    #[error("the desk takes changes as application/json only")]
    ContentType,
    #[error("this desk only looks: start it with --write to change something")]
    ReadOnly,
    #[error("the service has no route for {method} {path}")]
    NoRoute { method: String, path: String },
    #[error("a request to the service has at most {limit} bytes")]
    TooLarge { limit: usize },
    #[error("{0}")]
    Path(String),
    #[error("{0}")]
    NoAnswer(String),
    #[error("{0}: it belongs to the local stack, and this desk was started without it")]
    NotHere(&'static str),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Host { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::Stranger | Self::ReadOnly => StatusCode::FORBIDDEN,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoRoute { .. } | Self::NotHere(_) => StatusCode::NOT_FOUND,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Path(_) => StatusCode::BAD_REQUEST,
            Self::NoAnswer(_) => StatusCode::BAD_GATEWAY,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Host { .. } | Self::Stranger | Self::ContentType => "desk_refused",
            Self::ReadOnly => "desk_read_only",
            Self::NoRoute { .. } => "desk_no_route",
            Self::TooLarge { .. } => "too_large",
            Self::Path(_) => "invalid_input",
            Self::NoAnswer(_) => "desk_no_answer",
            Self::NotHere(_) => "desk_not_here",
        }
    }

    /// As the page reads it.
    pub(super) fn answer(&self) -> Response<Body> {
        json(self.status(), &json!({"message": self.to_string(), "code": self.code()}))
    }
}
