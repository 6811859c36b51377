//! What the desk answers: its page, what it knows itself, and what it passes on.

use std::sync::Arc;

use adapters::report::chain;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use serde_json::json;

use super::answers::{Refusal, json, secured};
use super::assets::asset;
use super::emulator::Emulator;
use super::guard;
use super::live::Live;
use super::routes::is_route;
use crate::api::{Api, SendError};

/// The service takes 128 KiB; a little more, so that it refuses what is too much itself.
const BODY_BYTES: usize = 160 * 1024;

/// What the page may say of how it wants to be answered.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What the page reads of the service's answers.
const PASSED: [HeaderName; 4] = [
    header::RETRY_AFTER,
    HeaderName::from_static("idempotent-replayed"),
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("x-correlation-id"),
];

/// What may be done by the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look only.
    Look,
    /// Change things, too.
    Write,
}

impl Access {
    /// For whoever starts the desk.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Look => "looks only; with --write it may change things",
            Self::Write => "may change things",
        }
    }
}

/// The desk: what it was started with.
#[derive(Debug)]
pub struct Desk {
    /// The service.
    pub api: Api,
    /// What may be done.
    pub access: Access,
    /// Where the desk answers.
    pub port: u16,
    /// What happens, if it listens.
    pub live: Option<Live>,
    /// The local stack's emulator, if there is one.
    pub emulator: Option<Emulator>,
}

/// Answers all requests.
pub fn router(desk: Arc<Desk>) -> Router {
    Router::new().fallback(answer).with_state(desk)
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    secured(desk.answer(&parts, body).await.unwrap_or_else(|refusal| refusal.answer()))
}

impl Desk {
    async fn answer(&self, parts: &Parts, body: Body) -> Result<Response<Body>, Refusal> {
        let (method, path) = (&parts.method, parts.uri.path());
        guard::check(method, path, &parts.headers, self.port)?;
        if let Some(what) = path.strip_prefix("/desk/") {
            return self.known(method, what, &parts.uri).await;
        }
        if let Some(path) = path.strip_prefix("/api").filter(|path| path.starts_with('/')) {
            return self.pass_on(parts, path, body).await;
        }
        if method == Method::GET { Ok(asset(path)) } else { Err(no_route(method, path)) }
    }

    /// What the desk knows itself.
    async fn known(&self, method: &Method, what: &str, uri: &Uri) -> Result<Response<Body>, Refusal> {
        let value = match (method.as_str(), what) {
            ("GET", "settings") => json!({
                "api": self.api.url(),
                "write": self.access == Access::Write,
                "topic": self.live.is_some(),
                "emulator": self.emulator.is_some(),
            }),
            ("GET", "events") => {
                let after = uri.query().and_then(|query| query.strip_prefix("after="));
                let live = self.live.as_ref().ok_or(Refusal::NotHere("there is no topic"))?;
                live.after(after.and_then(|after| after.parse().ok()).unwrap_or(0), std::process::id())
            }
            ("GET", "mails") => self.emulator()?.mails().await.map_err(|error| no_answer(&error))?,
            ("GET", "letters") => self.emulator()?.letters().await.map_err(|error| no_answer(&error))?,
            _ => return Err(no_route(method, what)),
        };
        Ok(json(StatusCode::OK, &value))
    }

    fn emulator(&self) -> Result<&Emulator, Refusal> {
        self.emulator.as_ref().ok_or(Refusal::NotHere("there is no emulator"))
    }

    /// Asks the service, and answers as it does.
    async fn pass_on(&self, parts: &Parts, path: &str, body: Body) -> Result<Response<Body>, Refusal> {
        let method = &parts.method;
        if !is_route(method, path) {
            return Err(no_route(method, path));
        }
        if method != Method::GET && self.access == Access::Look {
            return Err(Refusal::ReadOnly);
        }
        let body = to_bytes(body, BODY_BYTES).await.map_err(|_| Refusal::TooLarge { limit: BODY_BYTES })?;
        let headers = request_headers(&parts.headers, !body.is_empty());
        let asked = parts.uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let answer = self.api.send(method.clone(), &asked, headers, body).await;
        answer.map(passed).map_err(|error| match error {
            SendError::Path(_) => Refusal::Path(error.to_string()),
            SendError::Unreachable { .. } | SendError::NoAnswer { .. } | SendError::TooLarge | SendError::Sign(_) => {
                Refusal::NoAnswer(chain(&error))
            }
        })
    }
}

fn no_route(method: &Method, path: &str) -> Refusal {
    Refusal::NoRoute { method: method.to_string(), path: path.to_owned() }
}

fn no_answer(error: &anyhow::Error) -> Refusal {
    Refusal::NoAnswer(format!("{error:#}"))
}

/// Of what the browser sends, the service gets what concerns it: no cookie, no origin.
fn request_headers(asked: &HeaderMap, has_body: bool) -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(header::ACCEPT, json.clone())]);
    if has_body {
        headers.insert(header::CONTENT_TYPE, json);
    }
    if let Some(prefer) = asked.get(PREFER) {
        headers.insert(PREFER, prefer.clone());
    }
    headers
}

/// Whatever answers there: it is JSON to the page, or plain text, and never a page of its own.
fn passed(answer: Response<Bytes>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type.is_some_and(|value| value.starts_with("application/json"));
    let kind = if is_json { "application/json" } else { "text/plain; charset=utf-8" };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = parts.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for name in PASSED {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests;
