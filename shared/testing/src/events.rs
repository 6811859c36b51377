//! Events as AWS hands them over, and what answers them.

use std::convert::Infallible;

use adapters::http::{
    Route, answer_about_batches, answer_about_lines, answer_about_orders, answer_readers, without_uri,
};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Context, Request, RequestExt, Response};
use serde_json::{Value, json};
use service_layer::MessageBus;
use service_layer::ports::{Environment, LineQueue, Lists};
use service_layer::store::Asks;

/// A request of a route as an HTTP API hands it over, payload format 2.0; one without a body, if that is empty. A test
/// changes whatever it cares about.
#[must_use]
pub fn api_event(route: Route, body: &str) -> Value {
    let (method, path) = (route.method(), route.gateway_path());
    let host = "example.execute-api.eu-west-1.amazonaws.com";
    json!({
        "version": "2.0",
        "routeKey": format!("{method} {path}"),
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {"host": host, "x-forwarded-proto": "https", "content-type": "application/json"},
        "requestContext": {
            "routeKey": format!("{method} {path}"),
            "accountId": "anonymous", "apiId": "example", "domainName": host, "stage": "$default", "requestId": "r1",
            "http": {"method": method, "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
            "time": "01/Jan/2011:00:00:00 +0000", "timeEpoch": 1_293_840_000_000_u64
        },
        "body": (!body.is_empty()).then_some(body),
        "isBase64Encoded": false
    })
}

/// The request of such an event, read as the functions read it.
#[must_use]
pub fn api_request(event: &Value, context: Context) -> Request {
    let event: LambdaRequest = serde_json::from_str(&event.to_string()).unwrap();
    Request::from(without_uri(event)).with_lambda_context(context)
}

/// What the route's own function answers.
pub async fn answer<S: Asks + Lists, E: Environment, Q: LineQueue>(
    route: Route,
    bus: &MessageBus<S, E>,
    queue: Option<&Q>,
    request: Request,
) -> Response<Body> {
    let answer: Result<_, Infallible> = match route.function() {
        "allocate" => answer_about_lines(bus, queue, request).await,
        "batches" => answer_about_batches(bus, request).await,
        "orders" => answer_about_orders(bus, request).await,
        "allocations-view" => answer_readers(bus.store(), bus.environment(), request).await,
        other => panic!("{other} answers no requests"),
    };
    answer.unwrap()
}

/// A message of a queue.
#[must_use]
pub fn sqs_message(id: &str, body: &str) -> SqsMessage {
    let mut message = SqsMessage::default();
    message.message_id = Some(id.to_owned());
    message.body = Some(body.to_owned());
    message
}

/// Messages as Lambda hands them over.
#[must_use]
pub fn sqs_event(messages: impl IntoIterator<Item = SqsMessage>) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = messages.into_iter().collect();
    event
}
