//! What a client prefers (RFC 7240).

use lambda_http::http::{HeaderMap, HeaderValue};
use lambda_http::{Body, Response};

/// What a client wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preference {
    /// That the request was taken.
    Minimal,
    /// What became of it.
    Representation,
}

impl Preference {
    /// Reads the `Prefer` headers. As the standard says, the first `return` counts, and what is unknown or wrong
    /// is ignored.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = preferences(headers).filter(|(name, _)| name.eq_ignore_ascii_case(b"return"));
        match values.find_map(|(_, value)| value) {
            Some(b"representation" | b"\"representation\"") => Self::Representation,
            _ => Self::Minimal,
        }
    }
}

/// Whether a client can wait for what becomes of its request (RFC 7240, section 4.1). An empty value is none.
pub(super) fn prefers_async(headers: &HeaderMap) -> bool {
    preferences(headers)
        .any(|(name, value)| name.eq_ignore_ascii_case(b"respond-async") && matches!(value, None | Some(b"" | b"\"\"")))
}

/// The preferences of the `Prefer` headers, without their parameters: names, and values if they have one.
fn preferences(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let headers = headers.get_all("prefer").into_iter().map(HeaderValue::as_bytes);
    headers.flat_map(|header| split_unquoted(header, b',')).filter_map(|preference| {
        let parameterless = split_unquoted(preference, b';').next().unwrap_or_default();
        let mut parts = parameterless.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
        Some((parts.next()?, parts.next()))
    })
}

/// Splits a header where the separator stands outside of a quoted string (RFC 9110, section 5.6.4).
pub(super) fn split_unquoted(header: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    header.split(move |byte| {
        let literal = std::mem::take(&mut escaped);
        match byte {
            _ if literal => {}
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => return !quoted && *byte == separator,
        }
        false
    })
}

/// Tells a client that its preference was heeded.
pub(super) fn applied(mut response: Response<Body>, preference: &'static str) -> Response<Body> {
    response.headers_mut().insert("preference-applied", HeaderValue::from_static(preference));
    response
}
