//! A service that is played: it answers what a test wants, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::{Value, json};

/// Answers by request: `GET /products/A`, with or without its query.
#[derive(Clone, Default)]
pub(crate) struct Played(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    answers: HashMap<String, (u16, Value)>,
    asked: Vec<(String, String)>,
}

impl Played {
    /// From now on, `request` is answered so.
    pub(crate) fn answer(&self, request: &str, status: u16, body: Value) {
        self.0.lock().unwrap().answers.insert(request.to_owned(), (status, body));
    }

    /// What was asked so far by a method: the request, and its body.
    pub(crate) fn asked(&self, method: &str) -> Vec<(String, String)> {
        let asked = &self.0.lock().unwrap().asked;
        asked.iter().filter(|(request, _)| request.starts_with(method)).cloned().collect()
    }

    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(respond).with_state(self.clone())
    }
}

async fn respond(State(played): State<Played>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let whole = format!("{} {}", parts.method, parts.uri);
    let without_query = format!("{} {}", parts.method, parts.uri.path());
    let mut inner = played.0.lock().unwrap();
    inner.asked.push((whole.clone(), String::from_utf8(body.to_vec()).unwrap()));
    let nothing = (404, json!({"message": "Not Found"}));
    let found = inner.answers.get(&whole).or_else(|| inner.answers.get(&without_query)).unwrap_or(&nothing);
    let mut builder = Response::builder().status(found.0).header("content-type", "application/json");
    if found.0 == 503 {
        builder = builder.header("retry-after", "1");
    }
    builder.body(found.1.to_string().into()).unwrap()
}

/// A product of some batches, each `(ref, eta, purchased, allocated, shipped)`.
pub(crate) fn product(sku: &str, version: u64, batches: &[(&str, Option<&str>, u32, u32, u32)]) -> Value {
    let free = |eta: Option<&str>| batches.iter().filter(|batch| batch.1 == eta).map(|b| b.2 - b.3 - b.4).sum::<u32>();
    let mut days: Vec<_> = batches.iter().filter(|batch| batch.1.is_some()).map(|batch| batch.1).collect();
    days.sort_unstable();
    days.dedup();
    json!({
        "sku": sku, "version": version, "free": free(None),
        "incoming": days.iter().map(|eta| json!({"eta": eta, "free": free(*eta)})).collect::<Vec<_>>(),
        "waiting": {"lines": 0, "qty": 0},
        "batches": batches.iter().map(|(name, eta, purchased, allocated, shipped)| json!({
            "ref": name, "eta": eta, "purchased": purchased, "allocated": allocated, "shipped": shipped,
            "free": purchased - allocated - shipped,
        })).collect::<Vec<_>>(),
    })
}

/// An empty list.
pub(crate) fn nobody() -> Value {
    json!({"lines": [], "next": null})
}
