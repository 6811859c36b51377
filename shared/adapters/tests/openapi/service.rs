//! The service in memory, and one whose store fails, asked as API Gateway would.

use adapters::http::{handle_command, handle_view};
use adapters::in_memory::{InMemoryEnvironment, InMemoryStore};
use domain::Command;
use lambda_http::request::from_str;
use lambda_http::{Context, RequestExt};
use serde_json::{Value, json};
use service_layer::MessageBus;
use service_layer::ports::{AllocationsView, Products, StoreError};

use crate::failing::Failing;

/// What is sent: a body or the order id of a path, and headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) body: Option<String>,
    pub(crate) orderid: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Sent {
    pub(crate) fn body(body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

pub(crate) struct Shop<S = InMemoryStore>(MessageBus<S, InMemoryEnvironment>);

impl Shop {
    /// With a batch `batch-001` of a hundred `RETRO-CLOCK`, and a line of `order-001` on it.
    pub(crate) fn new() -> Self {
        let shop = Self(MessageBus::new(InMemoryStore::default(), InMemoryEnvironment::default(), ()));
        let batch = json!({"ref": "batch-001", "sku": "RETRO-CLOCK", "qty": 100});
        assert_eq!(shop.answer("post", "/batches", &Sent::body(&batch)).status, 201);
        let line = json!({"orderid": "order-001", "sku": "RETRO-CLOCK", "qty": 10});
        assert_eq!(shop.answer("post", "/allocate", &Sent::body(&line)).status, 202);
        shop
    }
}

impl<S: Products + AllocationsView> Shop<S> {
    pub(crate) fn answer(&self, method: &str, path: &str, sent: &Sent) -> Answer {
        let mut headers = json!({"host": "example.execute-api.eu-west-1.amazonaws.com"});
        for (name, value) in &sent.headers {
            headers[*name] = value.as_str().into();
        }
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "", "headers": headers,
            "requestContext": {
                "accountId": "anonymous", "apiId": "example", "stage": "$default", "requestId": "r1",
                "http": {"method": method.to_uppercase(), "path": path, "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1", "userAgent": "test"},
                "time": "01/Jan/2011:00:00:00 +0000", "timeEpoch": 1_293_840_000_000_u64
            },
            "pathParameters": sent.orderid.as_ref().map(|orderid| json!({"orderid": orderid})),
            "body": sent.body, "isBase64Encoded": false
        });
        let mut context = Context::default();
        "request-1".clone_into(&mut context.request_id);
        let request = from_str(&event.to_string()).unwrap().with_lambda_context(context);
        let answered = async {
            match path {
                "/allocate" => handle_command(&self.0, request, Command::Allocate).await,
                "/batches" => handle_command(&self.0, request, Command::CreateBatch).await,
                "/allocations/{orderid}" => handle_view(self.0.store(), self.0.environment(), request).await,
                other => panic!("no route {other}"),
            }
        };
        let response = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answered).unwrap();
        let headers = response.headers().iter();
        Answer {
            status: response.status().as_u16(),
            headers: headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect(),
            body: String::from_utf8(response.body().to_vec()).unwrap(),
        }
    }
}

/// A store that does not answer.
pub(crate) fn silent() -> Shop<Failing> {
    failing(|| StoreError::Unavailable("no answer".into()))
}

/// A store with an item that can't be read.
pub(crate) fn broken() -> Shop<Failing> {
    failing(|| StoreError::Fault("no item".into()))
}

fn failing(failure: fn() -> StoreError) -> Shop<Failing> {
    Shop(MessageBus::new(Failing(failure), InMemoryEnvironment::default(), ()))
}
