//! The HTTP contract, byte for byte: API Gateway's events in, responses out.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod batches;
mod documents;
mod forms;
mod history;
mod lines;
mod links;
mod orders;
mod queue;
mod read_model;
mod views;

use std::fmt::Write as _;
use std::time::Duration;

use adapters::http::Route;
use adapters::in_memory::{InMemoryEnvironment, InMemoryHistory, InMemoryLineQueue, InMemoryStore, call_until};
use domain::Revision;
use insta::assert_snapshot;
use lambda_http::{Body, Context, Request, Response};
use serde_json::json;
use service_layer::MessageBus;
use service_layer::ports::{Environment, Lists, Timestamp};
use service_layer::store::{Asks, StoreError};
use testing::{Failing, Hanging, Hooked, answer_knowing, api_event, api_request, holds};

fn request(route: Route, prefer: Option<&str>, body: &str, orderid: Option<&str>) -> Request {
    let mut event = api_event(route, body);
    if let Some(prefer) = prefer {
        event["headers"]["prefer"] = prefer.into();
    }
    if let Some(orderid) = orderid {
        event["pathParameters"] = json!({"orderid": orderid});
    }
    let mut context = Context::default();
    context.deadline = 100_000;
    api_request(&event, context)
}

fn show(response: &Response<Body>) -> String {
    let mut text = response.status().as_u16().to_string();
    // Each response has a correlation id, which a test of its own looks at.
    for (name, value) in response.headers().iter().filter(|(name, _)| *name != "x-correlation-id") {
        write!(text, "\n{name}: {}", value.to_str().unwrap()).unwrap();
    }
    let body = std::str::from_utf8(response.body()).unwrap();
    format!("{text}\n\n{body}")
}

struct Api<S = InMemoryStore>(MessageBus<S, InMemoryEnvironment>, InMemoryHistory);

impl Api {
    fn new() -> Self {
        Self::of(InMemoryStore::default())
    }
}

impl<S: Asks + Lists> Api<S> {
    fn of(store: S) -> Self {
        Self(MessageBus::new(store, InMemoryEnvironment::default(), ()), InMemoryHistory::default())
    }

    /// Without a queue.
    async fn answer(&self, route: Route, request: Request) -> Response<Body> {
        answer_knowing(&self.1, route, &self.0, None::<&InMemoryLineQueue>, request).await
    }

    async fn get(&self, orderid: &str) -> String {
        let request = request(Route::ViewAllocations, None, "", Some(orderid));
        show(&self.answer(Route::ViewAllocations, request).await)
    }

    async fn post_batch(&self, body: &str) -> String {
        show(&self.answer(Route::CreateBatch, request(Route::CreateBatch, None, body, None)).await)
    }

    async fn patch_batch(&self, reference: &str, body: &str) -> String {
        let mut event = api_event(Route::ChangeBatch, body);
        event["pathParameters"] = json!({"ref": reference});
        let mut context = Context::default();
        context.deadline = 100_000;
        show(&self.answer(Route::ChangeBatch, api_request(&event, context)).await)
    }

    async fn post(&self, route: Route, body: &str) -> String {
        show(&self.answer(route, request(route, None, body, None)).await)
    }

    async fn post_allocate(&self, body: &str, prefer: Option<&str>) -> String {
        show(&self.answer(Route::Allocate, request(Route::Allocate, prefer, body, None)).await)
    }
}

const BATCH: &str = r#"{"ref": "b1", "sku": "RETRO-CLOCK", "qty": 10, "eta": "2011-01-02"}"#;
const LINE: &str = r#"{"orderid": "o1", "sku": "RETRO-CLOCK", "qty": 3}"#;
const TOO_LARGE: &str = r#"{"orderid": "o2", "sku": "RETRO-CLOCK", "qty": "11"}"#;
const REPRESENTATION: Option<&str> = Some("return=representation");

/// The same answer, given because nothing was left to do.
fn replayed(answer: &str) -> String {
    answer.replacen("\n\n", "\nidempotent-replayed: true\n\n", 1)
}

#[tokio::test]
async fn a_batch_is_created() {
    let api = Api::new();
    let created = api.post_batch(BATCH).await;
    assert_snapshot!(created, @r"
    201
    content-type: text/plain; charset=utf-8

    OK
    ");
    assert_eq!(api.post_batch(BATCH).await, replayed(&created), "the same again");
    assert_snapshot!(api.post_batch(r#"{"ref": "b1", "sku": "RETRO-CLOCK", "qty": 10}"#).await, @r#"
    409
    content-type: application/json

    {"message":"batch b1 exists already, with another sku, qty or eta","code":"batch_differs","stored":{"sku":"RETRO-CLOCK","qty":10,"eta":"2011-01-02"}}
    "#);
}

#[tokio::test]
async fn happy_path_returns_202_and_batch_is_allocated() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    assert_snapshot!(api.post_allocate(LINE, None).await, @r"
    202
    content-type: text/plain; charset=utf-8

    OK
    ");
    assert_snapshot!(api.get("o1").await, @r#"
    200
    content-type: application/json

    [{"sku":"RETRO-CLOCK","batchref":"b1"}]
    "#);
}

#[tokio::test]
async fn a_client_may_prefer_to_be_told_the_batch() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    let allocated = api.post_allocate(LINE, REPRESENTATION).await;
    assert_snapshot!(allocated, @r#"
    201
    content-type: application/json
    preference-applied: return=representation

    {"batchref":"b1"}
    "#);
    for same in [
        "respond-async, return=representation; foo=1",
        r#"RETURN = "representation""#,
        "return=representation, return=minimal",
        r#"foo="a,b;c\",d"; bar="e,f", return=representation"#,
    ] {
        assert_eq!(api.post_allocate(LINE, Some(same)).await, replayed(&allocated), "{same}");
    }
    assert_snapshot!(api.post_allocate(LINE, None).await, @r"
    202
    content-type: text/plain; charset=utf-8
    idempotent-replayed: true

    OK
    ");
    for other in [
        "return=minimal",
        "return",
        "representation",
        "",
        "return=minimal, return=representation",
        r#"foo="a,return=representation""#,
        r#"foo="a\",return=representation,""#,
        r#"foo="a, return=representation"#,
    ] {
        assert!(api.post_allocate(LINE, Some(other)).await.starts_with("202\n"), "{other}");
    }
}

#[tokio::test]
async fn out_of_stock_is_taken_unless_the_client_prefers_to_know() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    assert_snapshot!(api.post_allocate(TOO_LARGE, None).await, @r"
    202
    content-type: text/plain; charset=utf-8

    OK
    ");
    assert_snapshot!(api.post_allocate(TOO_LARGE, REPRESENTATION).await, @r#"
    400
    content-type: application/json
    preference-applied: return=representation

    {"message":"Out of stock for sku RETRO-CLOCK","code":"out_of_stock"}
    "#);
    assert!(api.get("o2").await.starts_with("404\n"));
}

#[tokio::test]
async fn unhappy_path_returns_400_and_error_message() {
    let api = Api::new();
    let refused = api.post_allocate(LINE, None).await;
    assert_snapshot!(refused, @r#"
    400
    content-type: application/json

    {"message":"Invalid sku RETRO-CLOCK","code":"unknown_sku"}
    "#);
    assert_eq!(api.post_allocate(LINE, REPRESENTATION).await, refused);
    assert_snapshot!(api.get("o1").await, @r"
    404
    content-type: text/plain; charset=utf-8

    not found
    ");
}

#[tokio::test]
async fn a_line_that_waits_is_not_shown() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    api.post_allocate(LINE, None).await;
    api.0.handle(&holds("b1", 0, Revision::AsOf(1)), &call_until(Timestamp(10_000))).await.unwrap();
    assert!(api.get("o1").await.starts_with("404\n"));
}

#[tokio::test]
async fn any_order_id_can_be_read() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    // As an HTTP API hands it over, and as the sender wrote it.
    for (orderid, decoded_but_percent, raw) in [
        ("a b", "a b", "a%20b"),
        ("a/b", "a/b", "a%2Fb"),
        ("100%", "100%25", "100%25"),
        ("100%25", "100%2525", "100%2525"),
        ("a+b", "a+b", "a%2Bb"),
        ("ö#1", "ö#1", "%C3%B6%231"),
        ("?", "?", "%3F"),
        ("..", "..", "%2E%2E"),
        ("🪑", "🪑", "%F0%9F%AA%91"),
    ] {
        let line = json!({"orderid": orderid, "sku": "RETRO-CLOCK", "qty": 1}).to_string();
        assert!(api.post_allocate(&line, None).await.starts_with("202\n"), "{orderid}");
        assert!(api.get(decoded_but_percent).await.starts_with("200\n"), "{orderid}");
        assert!(api.get(raw).await.starts_with("200\n"), "{orderid}");
    }
    let no_orderid = "x".repeat(256);
    for orderid in ["", "a", no_orderid.as_str(), "a\nb", "a%0Ab", "%FF"] {
        assert!(api.get(orderid).await.starts_with("404\n"), "{orderid}");
    }
}

#[tokio::test]
async fn bad_input_is_told_which_field_and_changes_nothing() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    let long = "x".repeat(256);
    let line = |orderid: &str, sku: &str, qty: &str| format!(r#"{{"orderid":{orderid},"sku":{sku},"qty":{qty}}}"#);
    let clock = r#""RETRO-CLOCK""#;
    let refused = [
        (String::new(), "expected a JSON object"),
        ("{".to_owned(), "invalid JSON: EOF while parsing an object"),
        ("null".to_owned(), "expected a JSON object"),
        (r#"["o1","RETRO-CLOCK",1]"#.to_owned(), "expected a JSON object"),
        (format!("{LINE}{LINE}"), "invalid JSON: trailing characters"),
        ("{}".to_owned(), "missing field `orderid`"),
        (r#"{"orderid":"o1","qty":1}"#.to_owned(), "missing field `sku`"),
        (r#"{"orderid":"o1","sku":"RETRO-CLOCK"}"#.to_owned(), "missing field `qty`"),
        (r#"{"orderid":"o1","orderid":"o2","sku":"s","qty":1}"#.to_owned(), "duplicate field `orderid`"),
        (line("\"\"", clock, "1"), "orderid: must not be empty"),
        (line(&format!("\"{long}\""), clock, "1"), "orderid: must have at most 255 characters, not 256"),
        (line("5", clock, "1"), "orderid: invalid type: integer `5`, expected a string"),
        (line("\"o1\"", "null", "1"), "sku: invalid type: null, expected a string"),
        (line("\"o1\"", r#""A\nB""#, "1"), "sku: must not contain control characters"),
        (line("\" o1\"", clock, "1"), "orderid: must not begin or end with a blank, such as ' '"),
        (
            line("\"o1\"", r#""A\u200bB""#, "1"),
            "sku: must not contain characters that nobody sees, such as '\\u{200b}'",
        ),
        (line("\"M\u{fffd}bel\"", clock, "1"), "orderid: must not contain U+FFFD, which stands for what was not UTF-8"),
        (line("\"o1\"", clock, "0"), "qty: invalid value: integer `0`, expected a whole number from 1"),
        (line("\"o1\"", clock, "-3"), "qty: invalid value: integer `-3`, expected a whole number from 1"),
        (line("\"o1\"", clock, "1.5"), "qty: invalid type: floating point `1.5`, expected a whole number"),
        (line("\"o1\"", clock, "\"ten\""), "qty: invalid value: string \"ten\", expected a whole number"),
        (line("\"o1\"", clock, "4294967296"), "qty: invalid value: integer `4294967296`, expected"),
        (line("\"o1\"", clock, "true"), "qty: invalid type: boolean `true`, expected a whole number"),
    ];
    for (body, reason) in refused {
        let response = api.post_allocate(&body, REPRESENTATION).await;
        assert!(response.starts_with("400\ncontent-type: application/json\n\n{\"message\":\""), "{response}");
        let reason = json!(reason).to_string();
        assert!(response.contains(reason.trim_matches('"')), "{body}: {response}");
    }
    let batch =
        |reference: &str, eta: &str| format!(r#"{{"ref":{reference},"sku":"RETRO-CLOCK","qty":1,"eta":{eta}}}"#);
    let refused = [
        (batch("\"\"", "null"), "ref: must not be empty"),
        (batch("\"b2\"", "\"soon\""), "eta: must be a date such as 2011-01-31, or null, not \"soon\""),
        (batch("\"b2\"", "\"2011-02-30\""), "eta: must be a date such as 2011-01-31, or null"),
        (batch("\"b2\"", "1"), "eta: invalid type: integer `1`, expected a string"),
        (r#"{"sku":"RETRO-CLOCK","qty":1}"#.to_owned(), "missing field `ref`"),
    ];
    for (body, reason) in refused {
        let response = api.post_batch(&body).await;
        assert!(response.starts_with("400\ncontent-type: application/json\n\n{\"message\":\""), "{response}");
        let reason = json!(reason).to_string();
        assert!(response.contains(reason.trim_matches('"')), "{body}: {response}");
    }
    assert_eq!(api.0.store().outbox().len(), 1, "only the batch was added");
}

fn failing(failure: fn() -> StoreError) -> Api<Hooked<InMemoryStore, Failing>> {
    Api::of(Hooked { store: InMemoryStore::default(), hooks: Failing(failure) })
}

async fn told_of(failure: fn() -> StoreError) -> String {
    failing(failure).post_allocate(LINE, None).await
}

#[tokio::test]
async fn failures_say_whether_to_ask_again() {
    assert_snapshot!(told_of(|| StoreError::Conflict(Vec::new())).await, @r#"
    503
    content-type: application/json
    retry-after: 1

    {"message":"too many others are changing the same product at this moment (tries: 6)","code":"contended"}
    "#);
    assert_snapshot!(told_of(|| StoreError::Unavailable("secret".into())).await, @r#"
    503
    content-type: application/json
    retry-after: 1

    {"message":"temporarily unavailable","code":"unavailable"}
    "#);
    assert_snapshot!(told_of(|| StoreError::Fault("secret".into())).await, @r#"
    500
    content-type: application/json

    {"message":"internal error","code":"internal"}
    "#);
    assert!(failing(|| StoreError::Unavailable("secret".into())).get("o1").await.starts_with("503\n"));
}

/// The status of a request to the function of `route`, which came in by this key of a route, method and path.
async fn status_by(route: Route, (key, method, path): (&str, &str, &str)) -> u16 {
    let mut event = api_event(route, LINE);
    event["pathParameters"] = json!({"orderid": "o1"});
    let context = &mut event["requestContext"];
    (context["routeKey"], context["http"]["method"], context["http"]["path"]) =
        (key.into(), method.into(), path.into());
    let api = Api::new();
    api.post_batch(BATCH).await;
    api.post_allocate(LINE, None).await;
    api.answer(route, api_request(&event, Context::default())).await.status().as_u16()
}

#[tokio::test]
async fn a_route_is_known_by_its_key_and_where_there_is_none_by_method_and_path() {
    let (allocate, view) = (Route::Allocate, Route::ViewAllocations);
    assert_eq!(status_by(allocate, ("POST /allocate", "POST", "/shop/allocate")).await, 202, "a domain's mapping");
    assert_eq!(status_by(allocate, ("$default", "POST", "/allocate")).await, 202);
    assert_eq!(status_by(view, ("$default", "GET", "/allocations/a/b")).await, 200);
    assert_eq!(status_by(view, ("$default", "GET", "/allocations/")).await, 404);
    assert_eq!(status_by(allocate, ("$default", "GET", "/allocate")).await, 404);
    assert_eq!(status_by(allocate, ("$default", "POST", "/allocate/more")).await, 404);
    assert_eq!(status_by(allocate, ("POST /batches", "POST", "/batches")).await, 404, "another function's");
}

/// The correlation id of an answer to a request with these headers.
async fn correlation(api: &Api, headers: &[(&'static str, &str)]) -> String {
    let mut request = request(Route::Allocate, None, LINE, None);
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let response = api.answer(Route::Allocate, request).await;
    response.headers()["x-correlation-id"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_answer_names_what_its_request_belongs_to() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    let trace = ("x-amzn-trace-id", "Self=1-2-3;Root=1-67891233-abcdef012345678912345678");
    assert_eq!(correlation(&api, &[("x-correlation-id", "order-7"), trace]).await, "order-7");
    assert_eq!(api.0.store().outbox().last().unwrap().correlation.as_ref().unwrap().as_str(), "order-7");
    assert_eq!(correlation(&api, &[trace]).await, "1-67891233-abcdef012345678912345678");
    assert_eq!(correlation(&api, &[("x-correlation-id", "two words"), trace]).await, correlation(&api, &[trace]).await);
    assert_eq!(
        correlation(&api, &[]).await,
        "unknown",
        "outside of Lambda, which always has a name for its invocation"
    );
}

#[tokio::test]
async fn a_view_is_given_up_in_time_to_answer() {
    let told = Api::of(Hooked { store: InMemoryStore::default(), hooks: Hanging }).get("o1").await;
    assert!(told.starts_with("503\n") && told.contains("retry-after: 1"), "{told}");
}

#[tokio::test]
async fn a_command_is_given_up_in_time_to_answer() {
    let api = failing(|| StoreError::Conflict(Vec::new()));
    api.0.environment().sleep(Duration::from_millis(99_600)).await;
    assert_snapshot!(api.post_allocate(LINE, None).await, @r#"
    503
    content-type: application/json
    retry-after: 1

    {"message":"too many others are changing the same product at this moment (tries: 1)","code":"contended"}
    "#);
}

#[test]
fn each_route_is_asked_here() {
    for route in Route::ALL {
        let is_asked = |line: &str| line.contains(&format!("Route::{route:?}")) && !line.trim().starts_with("//");
        let files = [
            include_str!("main.rs"),
            include_str!("batches.rs"),
            include_str!("history.rs"),
            include_str!("lines.rs"),
            include_str!("orders.rs"),
            include_str!("views.rs"),
        ];
        assert!(files.into_iter().flat_map(str::lines).any(is_asked), "no answer of {route:?} is held here");
    }
}
