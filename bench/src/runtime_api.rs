//! The Lambda Runtime API, as one process sees it: it asks for an event, and posts what it answers.
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>)

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use crate::http::{response, serve};

/// A process that takes longer than this has hung. Under valgrind a cold start takes some seconds.
const PATIENCE: Duration = Duration::from_mins(2);
/// What an invocation may take, as the process is told.
const LIMIT: Duration = Duration::from_mins(1);

enum Told {
    /// It asked for the next event.
    Asks,
    /// It posted this, to a path that ends so.
    Posts { path: String, body: Bytes, at: Instant },
}

/// Feeds events to one process.
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    events: mpsc::UnboundedSender<Bytes>,
    told: mpsc::UnboundedReceiver<Told>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listening for a function")?;
        let address = listener.local_addr()?;
        let (events, queue) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (queue, tell) = (Arc::clone(&queue), tell.clone());
                let _ = connection.set_nodelay(true);
                tokio::spawn(serve(connection, async move |request| answer(request, &queue, &tell).await));
            }
        });
        Ok(Self { address, events, told })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the process has nothing more to do than to ask for an event.
    pub(crate) async fn asked(&mut self) -> Result<()> {
        match self.next().await? {
            Told::Asks => Ok(()),
            Told::Posts { path, body, .. } => bail!("unexpected post to {path}: {}", String::from_utf8_lossy(&body)),
        }
    }

    /// Hands out an event and waits for its answer: how long that took, and the answer.
    pub(crate) async fn invoke(&mut self, event: &Bytes) -> Result<(Duration, Value)> {
        let start = Instant::now();
        self.events.send(event.clone())?;
        match self.next().await? {
            Told::Posts { path, body, at } if path.ends_with("/response") => {
                Ok((at.saturating_duration_since(start), serde_json::from_slice(&body)?))
            }
            Told::Posts { path, body, .. } => bail!("post to {path}: {}", String::from_utf8_lossy(&body)),
            Told::Asks => bail!("asked for another event instead of answering this one"),
        }
    }

    async fn next(&mut self) -> Result<Told> {
        timeout(PATIENCE, self.told.recv()).await.context("no sign of the process")?.context("the server ended")
    }
}

async fn answer(
    request: Request<Bytes>,
    queue: &Mutex<mpsc::UnboundedReceiver<Bytes>>,
    tell: &mpsc::UnboundedSender<Told>,
) -> Response<Full<Bytes>> {
    let json = "application/json";
    if request.method() == Method::POST {
        let at = Instant::now();
        let path = request.uri().path().to_owned();
        let _ = tell.send(Told::Posts { path, body: request.into_body(), at });
        return response(202, json, r#"{"status":"OK"}"#);
    }
    let _ = tell.send(Told::Asks);
    let Some(event) = queue.lock().await.recv().await else {
        return response(500, json, "");
    };
    let mut response = response(200, json, event);
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(LIMIT);
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:measured".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0".to_owned()),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
