//! What an answer of the API means for its row, and for all others. Pure.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::kind::{Failure, Kind};

/// The longest that is waited because an API said so.
const LONGEST_ASKED: Duration = Duration::from_mins(1);
/// Characters of an answer that is not the service's, in an error.
const SHOWN: usize = 200;

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in by this request.
    Added(Placed),
    /// It was in before.
    ThereAlready(Placed),
    /// The line is promised, and waits for stock.
    Waiting,
    /// No batch has enough left, and the line is not kept.
    OutOfStock,
    /// The API refuses it, or can't read it, or never answered: it is not known to be in.
    Failed {
        /// The API's word for it, if it has one.
        code: Option<String>,
        /// Why.
        failure: Failure,
    },
}

/// The batch that a line got; nothing of a row that is a batch itself.
pub type Placed = Option<String>;

/// What to do about an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The row has its answer.
    Done(Outcome),
    /// Not now.
    Again {
        reason: String,
        wait: Option<Duration>,
        /// Whether everybody should.
        load: Load,
    },
    /// It would be the same for every row.
    Stop(String),
}

/// Whether an answer says that the API as a whole has too much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    TooMuch,
    Any,
}

/// What the service says where it refuses.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
    code: Option<String>,
    field: Option<String>,
    #[serde(default)]
    waiting: bool,
    stored: Option<Value>,
}

/// Judges an answer to the request of a row.
pub(super) fn judge(kind: Kind, answer: &Response<Bytes>) -> Verdict {
    let problem: Problem = serde_json::from_slice(answer.body()).unwrap_or_default();
    match (answer.status(), &problem.code) {
        (StatusCode::CREATED, _) => created(kind, answer),
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Verdict::Stop(not_let_in(answer, &problem)),
        (StatusCode::SERVICE_UNAVAILABLE, Some(code)) if code == "contended" => again(answer, &problem, Load::Any),
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => again(answer, &problem, Load::TooMuch),
        (status, None) if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            again(answer, &problem, Load::Any)
        }
        (_, Some(_)) => Verdict::Done(refused(problem)),
        (StatusCode::PAYLOAD_TOO_LARGE | StatusCode::BAD_REQUEST, None) => {
            Verdict::Done(Outcome::Failed { code: None, failure: Failure::of(shown(answer)) })
        }
        (_, None) => Verdict::Stop(format!("is this the API's address? It answered: {}", shown(answer))),
    }
}

fn created(kind: Kind, answer: &Response<Bytes>) -> Verdict {
    #[derive(Deserialize)]
    struct Allocated {
        batchref: String,
    }

    let placed = match kind {
        Kind::Batches => None,
        Kind::Lines => match serde_json::from_slice::<Allocated>(answer.body()) {
            Ok(allocated) => Some(allocated.batchref),
            Err(_) => return Verdict::Stop(format!("an answer of 201 names no batch: {}", shown(answer))),
        },
    };
    let replayed = answer.headers().get("idempotent-replayed");
    let is_replayed = replayed.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    Verdict::Done(if is_replayed { Outcome::ThereAlready(placed) } else { Outcome::Added(placed) })
}

fn refused(problem: Problem) -> Outcome {
    let Problem { message, code, field, waiting, stored } = problem;
    if code.as_deref() == Some("out_of_stock") {
        return if waiting { Outcome::Waiting } else { Outcome::OutOfStock };
    }
    let message = match field.as_deref().and_then(|field| message.strip_prefix(field)?.strip_prefix(": ")) {
        Some(within) => within.to_owned(),
        None => message,
    };
    let reason = match stored {
        Some(stored) => format!("{message}; stored is {}", shown_object(&stored)),
        None => message,
    };
    Outcome::Failed { code, failure: Failure { field, reason } }
}

/// `sku RETRO-CLOCK, qty 10, eta 2031-02-01`, whatever the API tells of it.
fn shown_object(stored: &Value) -> String {
    let Some(fields) = stored.as_object() else { return stored.to_string() };
    let order = |name: &str| ["sku", "qty", "eta"].iter().position(|known| *known == name).unwrap_or(usize::MAX);
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| order(name));
    let shown = fields.into_iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        Value::Null => format!("{name} none"),
        other => format!("{name} {other}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn again(answer: &Response<Bytes>, problem: &Problem, load: Load) -> Verdict {
    let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let wait = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_ASKED));
    let reason = if problem.message.is_empty() {
        shown(answer)
    } else {
        format!("{} {}", answer.status().as_u16(), problem.message)
    };
    Verdict::Again { reason, wait, load }
}

fn not_let_in(answer: &Response<Bytes>, problem: &Problem) -> String {
    let what = if problem.message.is_empty() {
        shown(answer)
    } else {
        format!("{} {}", answer.status().as_u16(), problem.message)
    };
    format!(
        "the API lets nobody in ({what}). Who may call is said in docs/deploying.md: give a valid token in API_TOKEN, \
         or AWS credentials that may invoke it"
    )
}

fn shown(answer: &Response<Bytes>) -> String {
    let text = String::from_utf8_lossy(answer.body());
    let text: String =
        text.trim().chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let cut: String = text.chars().take(SHOWN).collect();
    let end = if cut.len() < text.len() { ".." } else { "" };
    if cut.is_empty() { answer.status().to_string() } else { format!("{} {cut}{end}", answer.status()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    fn batch(status: u16, body: &str) -> Verdict {
        judge(Kind::Batches, &answer(status, &[], body))
    }

    fn failed(code: &str, field: Option<&str>, reason: &str) -> Verdict {
        let failure = Failure { field: field.map(str::to_owned), reason: reason.to_owned() };
        Verdict::Done(Outcome::Failed { code: Some(code.to_owned()), failure })
    }

    #[test]
    fn what_is_in_is_in_now_or_was_before() {
        assert_eq!(batch(201, r#"{"message":"OK"}"#), Verdict::Done(Outcome::Added(None)));
        let before = answer(201, &[("idempotent-replayed", "true")], r#"{"batchref":"b1"}"#);
        assert_eq!(judge(Kind::Batches, &before), Verdict::Done(Outcome::ThereAlready(None)));
        assert_eq!(judge(Kind::Lines, &before), Verdict::Done(Outcome::ThereAlready(Some("b1".to_owned()))));
    }

    #[test]
    fn what_is_refused_is_told_in_the_apis_words() {
        let differs = r#"{"message":"batch b1 exists already, with another sku, qty or eta","code":"batch_differs",
            "stored":{"sku":"RETRO-CLOCK","qty":10,"eta":null}}"#;
        let reason =
            "batch b1 exists already, with another sku, qty or eta; stored is sku RETRO-CLOCK, qty 10, eta none";
        assert_eq!(batch(409, differs), failed("batch_differs", None, reason));
        let invalid = r#"{"message":"qty: must be more","code":"invalid_input","field":"qty"}"#;
        assert_eq!(batch(400, invalid), failed("invalid_input", Some("qty"), "must be more"));
        let internal = r#"{"message":"internal error","code":"internal"}"#;
        assert_eq!(batch(500, internal), failed("internal", None, "internal error"));
    }

    #[test]
    fn no_stock_is_an_answer() {
        let line = |body| judge(Kind::Lines, &answer(400, &[], body));
        let short = r#"{"message":"Out of stock for sku S","code":"out_of_stock"}"#;
        assert_eq!(line(short), Verdict::Done(Outcome::OutOfStock));
        let waits = r#"{"message":"Out of stock for sku S","code":"out_of_stock","waiting":true}"#;
        assert_eq!(line(waits), Verdict::Done(Outcome::Waiting));
    }

    #[test]
    fn what_may_be_better_later_is_tried_again() {
        let again = |status, headers: &[(&str, &str)], body| match judge(Kind::Batches, &answer(status, headers, body))
        {
            Verdict::Again { wait, load, .. } => (wait.map(|wait| wait.as_secs()), load),
            other => panic!("{status}: {other:?}"),
        };
        assert_eq!(again(429, &[], r#"{"message":"Too Many Requests"}"#), (None, Load::TooMuch));
        assert_eq!(again(503, &[("retry-after", "7")], ""), (Some(7), Load::TooMuch));
        assert_eq!(again(503, &[("retry-after", "1")], r#"{"message":"m","code":"contended"}"#), (Some(1), Load::Any));
        assert_eq!(again(503, &[("retry-after", "999999")], ""), (Some(60), Load::TooMuch));
        assert_eq!(again(503, &[("retry-after", "Mon, 30 Nov 2026 12:00:00 GMT")], ""), (None, Load::TooMuch));
        for status in [500, 502, 504] {
            assert_eq!(again(status, &[], r#"{"message":"Internal Server Error"}"#), (None, Load::Any), "{status}");
        }
    }

    #[test]
    fn what_would_be_the_same_for_each_row_stops_them_all() {
        let stops = |status, body| match batch(status, body) {
            Verdict::Stop(reason) => reason,
            other => panic!("{status}: {other:?}"),
        };
        assert!(stops(403, r#"{"message":"Forbidden"}"#).starts_with("the API lets nobody in (403 Forbidden)"));
        assert!(stops(401, "").contains("(401 Unauthorized)"));
        assert!(stops(404, r#"{"message":"Not Found"}"#).contains("is this the API's address?"));
        assert!(stops(200, "<html>").contains("It answered: 200 OK <html>"));
        assert!(stops(301, "").contains("is this the API's address?"));
    }
}
