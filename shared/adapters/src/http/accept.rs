//! In which form a client takes an answer (RFC 9110, section 12.5.1).

use lambda_http::http::header::ACCEPT;
use lambda_http::http::{HeaderMap, HeaderValue};

use super::prefer::split_unquoted;

/// How an answer that is only `OK` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// As plain text, which was so before it could be asked for.
    Text,
    /// As JSON, like all other answers.
    Json,
}

impl Format {
    /// JSON is for those who name it. Whoever takes anything gets what was sent before.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).into_iter().map(HeaderValue::as_bytes);
        let mut ranges = accepted.flat_map(|header| split_unquoted(header, b','));
        if ranges.any(is_json) { Self::Json } else { Self::Text }
    }
}

/// Whether a media range of an `Accept` header is `application/json`, and not one that is refused.
fn is_json(range: &[u8]) -> bool {
    let mut parts = split_unquoted(range, b';').map(<[u8]>::trim_ascii);
    let is_json = parts.next().is_some_and(|range| range.eq_ignore_ascii_case(b"application/json"));
    let is_zero = |weight: &[u8]| weight.iter().all(|byte| b"0.".contains(byte));
    is_json && !parts.any(|part| matches!(part, [b'q' | b'Q', b'=', weight @ ..] if is_zero(weight)))
}
