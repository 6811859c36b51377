//! Events as AWS hands them over, and what answers them.

use std::convert::Infallible;

use adapters::http::{
    Route, answer_about_batches, answer_about_lines, answer_about_orders, answer_readers, without_uri,
};
use adapters::in_memory::{InMemoryEnvironment, InMemoryHistory};
use adapters::recorder::record_events;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage, SqsMessageAttribute};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Context, Request, RequestExt, Response};
use serde_json::{Value, json};
use service_layer::MessageBus;
use service_layer::history::History;
use service_layer::outbox::Envelope;
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

/// What the route's own function answers, where nothing of the past is recorded.
pub async fn answer<S: Asks + Lists, E: Environment, Q: LineQueue>(
    route: Route,
    bus: &MessageBus<S, E>,
    queue: Option<&Q>,
    request: Request,
) -> Response<Body> {
    answer_knowing(&InMemoryHistory::default(), route, bus, queue, request).await
}

/// What the route's own function answers, with what is recorded of the past.
pub async fn answer_knowing<S: Asks + Lists, H: History, E: Environment, Q: LineQueue>(
    history: &H,
    route: Route,
    bus: &MessageBus<S, E>,
    queue: Option<&Q>,
    request: Request,
) -> Response<Body> {
    let answer: Result<_, Infallible> = match route.function() {
        "allocate" => answer_about_lines(bus, queue, request).await,
        "batches" => answer_about_batches(bus, request).await,
        "orders" => answer_about_orders(bus, request).await,
        "allocations-view" => answer_readers(bus.store(), history, bus.environment(), request).await,
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

/// An event as the topic delivers it to a queue.
#[must_use]
pub fn told(envelope: &Envelope) -> SqsMessage {
    let mut message = sqs_message(&envelope.id, &serde_json::to_string(envelope).unwrap());
    let mut correlation = SqsMessageAttribute::default();
    correlation.string_value = envelope.correlation.as_ref().map(ToString::to_string);
    message.message_attributes.insert("correlation_id".to_owned(), correlation);
    message
}

/// The subscriber that keeps what happened hears of these events, and keeps all of them.
pub async fn hear<H: History>(history: &H, envelopes: &[Envelope]) {
    let (environment, mut context) = (InMemoryEnvironment::default(), Context::default());
    context.deadline = 100_000;
    let messages = sqs_event(envelopes.iter().map(told));
    let response = record_events(history, &environment, messages, &context, 5).await;
    assert!(response.batch_item_failures.is_empty(), "{response:?}");
}

/// Messages as Lambda hands them over.
#[must_use]
pub fn sqs_event(messages: impl IntoIterator<Item = SqsMessage>) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = messages.into_iter().collect();
    event
}
