//! Plays the API: keeps batches, knows repeats, and misbehaves where a test says so.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The reference or order id.
    pub(crate) name: String,
    /// How often it was asked for before.
    pub(crate) before: usize,
    pub(crate) headers: HeaderMap,
    pub(crate) at: Instant,
}

/// What the API does about a request.
pub(crate) enum Reaction {
    /// What it ought to.
    Usual,
    /// The same, later.
    After(BoxFuture<'static, ()>),
    /// It does what it ought to, and the answer is lost on its way.
    Lost,
    /// This answer, and nothing else.
    Answer(u16, &'static [(&'static str, &'static str)], &'static str),
}

type Script = dyn Fn(&Asked) -> Reaction + Send + Sync;

struct Api {
    script: Box<Script>,
    state: Mutex<Kept>,
}

/// What the API knows.
#[derive(Default)]
pub(crate) struct Kept {
    /// By reference and SKU, or order, SKU and line.
    pub(crate) stored: BTreeMap<String, Value>,
    pub(crate) asked: Vec<Asked>,
    times: HashMap<String, usize>,
    under_way: usize,
    /// The most requests that were under way together.
    pub(crate) most: usize,
}

pub(crate) struct Server {
    pub(crate) url: String,
    api: Arc<Api>,
}

impl Server {
    /// Starts it, on a port of its own.
    pub(crate) async fn start(script: impl Fn(&Asked) -> Reaction + Send + Sync + 'static) -> Self {
        let api = Arc::new(Api { script: Box::new(script), state: Mutex::default() });
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&api));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        Self { url, api }
    }

    pub(crate) async fn well_behaved() -> Self {
        Self::start(|_| Reaction::Usual).await
    }

    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.api.state.lock().unwrap()
    }

    /// How many things it has stored.
    pub(crate) fn stored(&self) -> usize {
        self.kept().stored.len()
    }

    /// How often it was asked for this name.
    pub(crate) fn times(&self, name: &str) -> usize {
        self.kept().times.get(name).copied().unwrap_or_default()
    }
}

async fn answer(State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let asked = {
        let mut kept = api.state.lock().unwrap();
        let name = body["ref"].as_str().or(body["orderid"].as_str()).unwrap().to_owned();
        let times = kept.times.entry(name.clone()).or_default();
        let before = *times;
        *times += 1;
        let asked = Asked { name, before, headers, at: Instant::now() };
        kept.asked.push(asked.clone());
        kept.under_way += 1;
        kept.most = kept.most.max(kept.under_way);
        asked
    };
    let response = match (api.script)(&asked) {
        Reaction::Usual => usual(&api, uri.path(), &body),
        Reaction::After(wait) => {
            wait.await;
            usual(&api, uri.path(), &body)
        }
        Reaction::Lost => {
            usual(&api, uri.path(), &body);
            let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("lost"))]);
            Response::new(Body::from_stream(broken))
        }
        Reaction::Answer(status, headers, text) => respond(status, headers, text.to_owned()),
    };
    api.state.lock().unwrap().under_way -= 1;
    response
}

fn usual(api: &Api, path: &str, body: &Value) -> Response<Body> {
    let stored = &mut api.state.lock().unwrap().stored;
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    match path {
        "/batches" => {
            let (name, sku) = (text("ref"), text("sku"));
            let batch = json!({"sku": sku, "qty": text("qty").parse::<u32>().unwrap(), "eta": body.get("eta")});
            let known = stored.entry(format!("{name}/{sku}")).or_insert(Value::Null);
            if known.is_null() {
                *known = batch;
                return respond(201, &[], r#"{"message":"OK"}"#.to_owned());
            }
            if *known == batch {
                return respond(201, &[("idempotent-replayed", "true")], r#"{"message":"OK"}"#.to_owned());
            }
            let message = format!("batch {name} exists already, with another sku, qty or eta");
            respond(409, &[], json!({"message": message, "code": "batch_differs", "stored": known}).to_string())
        }
        "/allocate" => {
            let sku = text("sku");
            let problem = |code: &str, message: &str| json!({"code": code, "message": format!("{message} {sku}")});
            match sku {
                "SOLD-OUT" => respond(400, &[], problem("out_of_stock", "Out of stock for sku").to_string()),
                "PROMISED" => {
                    let mut waits = problem("out_of_stock", "Out of stock for sku");
                    waits["waiting"] = true.into();
                    respond(400, &[], waits.to_string())
                }
                "UNKNOWN" => respond(400, &[], problem("unknown_sku", "Invalid sku").to_string()),
                _ => {
                    let name = format!("{}/{sku}/{}{}", text("orderid"), text("line"), text("qty"));
                    let is_new = stored.insert(name, json!("b1")).is_none();
                    let replayed: &[_] = if is_new { &[] } else { &[("idempotent-replayed", "true")] };
                    respond(201, replayed, r#"{"batchref":"b1"}"#.to_owned())
                }
            }
        }
        _ => respond(404, &[], r#"{"message":"Not Found"}"#.to_owned()),
    }
}

fn respond(status: u16, headers: &[(&str, &str)], body: String) -> Response<Body> {
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body)).unwrap()
}
