//! Requests, from the event of API Gateway to the answer.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use adapters::http::{BODY_BYTES, Route};
use adapters::in_memory::{InMemoryEnvironment, InMemoryLineQueue, InMemoryStore};
use aws_smithy_types::base64;
use domain::{InvalidName, OrderId, OrderLine, Part, PartId};
use lambda_http::http::HeaderValue;
use lambda_http::{Body, Context, Request, Response};
use proptest::prelude::*;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use service_layer::MessageBus;
use testing::{answer, api_event, api_request};

use crate::object::{Object, mutated, text, value};
use crate::{REASON_CHARACTERS, config, contents, now};

const SKU: &str = "RETRO-CLOCK";

fn line() -> Object {
    Object::of(&[("orderid", "\"o1\""), ("sku", "\"RETRO-CLOCK\""), ("qty", "1")])
}

fn batch() -> Object {
    Object::of(&[("ref", "\"b2\""), ("sku", "\"LAMP\""), ("qty", "7"), ("eta", "\"2011-01-02\"")])
}

/// A line of an order, and what is wanted of the order beside two of them.
fn wanted_line() -> Object {
    Object::of(&[("sku", "\"RETRO-CLOCK\""), ("qty", "1"), ("line", "\"a\"")])
}

fn order(first: &str, second: &str) -> Object {
    let lines = format!("[{first},{second}]");
    Object::of(&[
        ("lines", &lines),
        ("version", "1"),
        ("if_short", "\"refuse\""),
        ("dry_run", "false"),
        ("split", "true"),
        ("hold_until", "\"1970-01-01T00:10:00Z\""),
    ])
}

/// A request of a route, with fields of its event added or changed.
fn request(route: Route, changes: &Value) -> Request {
    let mut event = api_event(route, "");
    for (name, change) in changes.as_object().unwrap() {
        match (event.get_mut(name).and_then(Value::as_object_mut), change.as_object()) {
            (Some(fields), Some(changes)) => fields.extend(changes.clone()),
            _ => event[name] = change.clone(),
        }
    }
    api_request(&event, Context::default())
}

/// What a body is in an event: API Gateway encodes what is not text.
fn encoded(body: &[u8]) -> Value {
    match std::str::from_utf8(body) {
        Ok(text) => json!({"body": text}),
        Err(_) => json!({"body": base64::encode(body), "isBase64Encoded": true}),
    }
}

/// All routes that are only read.
const QUESTIONS: &[Route] = &[
    Route::ViewAllocations,
    Route::ShowOrder,
    Route::OrderHistory,
    Route::ProductHistory,
    Route::ShowProduct,
    Route::ListWaiting,
    Route::ShowBatches,
    Route::ListLines,
];

/// A text as pages' tokens are written.
fn token(written: String) -> String {
    base64::encode(written).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
}

struct Shop {
    bus: MessageBus<InMemoryStore, InMemoryEnvironment>,
    queue: InMemoryLineQueue,
}

impl Shop {
    /// With one batch, and one line on it.
    fn new() -> Self {
        let bus = MessageBus::new(InMemoryStore::default(), InMemoryEnvironment::default(), ());
        let shop = Self { bus, queue: InMemoryLineQueue::default() };
        let batch = json!({"body": r#"{"ref":"b1","sku":"RETRO-CLOCK","qty":1000000}"#});
        assert_eq!(shop.ask(Route::CreateBatch, &batch).0, 201);
        let line = json!({"body": line().with("orderid", "\"o0\"".to_owned()).text()});
        assert_eq!(shop.ask(Route::Allocate, &line).0, 202);
        shop
    }

    fn store(&self) -> &InMemoryStore {
        self.bus.store()
    }

    fn contents(&self) -> String {
        format!("{} {:?}", contents(self.store()), self.queue.lines())
    }

    fn answer(&self, route: Route, request: Request) -> Response<Body> {
        now(answer(route, &self.bus, Some(&self.queue), request))
    }

    /// The status and the body of the answer.
    fn ask(&self, route: Route, changes: &Value) -> (u16, String) {
        told(&self.answer(route, request(route, changes)))
    }

    fn cancel(&self, orderid: &str) -> (u16, String) {
        let path = format!("/orders/{orderid}");
        self.ask(Route::CancelOrder, &json!({"rawPath": path, "pathParameters": {"orderid": orderid}}))
    }

    fn view(&self, orderid: &str) -> (u16, String) {
        let path = format!("/allocations/{orderid}");
        self.ask(Route::ViewAllocations, &json!({"rawPath": path, "pathParameters": {"orderid": orderid}}))
    }
}

fn told(response: &Response<Body>) -> (u16, String) {
    (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
}

/// The message of a refusal, which is short and on one line.
fn reason(body: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap();
    let fields: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let has = |details: &[&str]| fields == [&["code"], details, &["message"]].concat();
    assert!(has(&[]) || has(&["field"]) || has(&["qty"]) || fields == ["code", "message", "stored"], "{body}");
    let reason = value["message"].as_str().unwrap().to_owned();
    assert!(reason.chars().count() <= REASON_CHARACTERS && !reason.is_empty(), "{reason}");
    assert!(!reason.contains(char::is_control), "{reason:?}");
    reason
}

fn is_name(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| {
        let is_wrong = |character: char| character.is_control() || character == '\u{fffd}' || is_invisible(character);
        (1..=255).contains(&text.chars().count())
            && text.len() <= 1_000
            && text.trim() == text
            && !text.chars().any(is_wrong)
    })
}

/// Which characters these are is for the domain to know.
fn is_invisible(character: char) -> bool {
    matches!(OrderId::try_from(character.to_string()), Err(InvalidName::Invisible(_)))
}

/// A number as it is meant: 10, "10", 10.0 and 1e1 are one.
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            // To a float, 0 and -0 are two; added to 0, they are one.
            format!("{:.0}", float + 0.0).parse().ok()
        }),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

fn is_quantity(value: Option<&Value>) -> bool {
    value.and_then(whole_number).is_some_and(|number| (1..=u64::from(u32::MAX)).contains(&number))
}

/// The fields of these names, read without the decoder; none if the body is no object or has one of them twice.
fn fields(body: &[u8], names: &[&str]) -> Option<Map<String, Value>> {
    struct Named<'a>(&'a [&'a str]);

    impl<'de> Visitor<'de> for Named<'_> {
        type Value = Map<String, Value>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map<String, Value>, A::Error> {
            let mut fields = Map::new();
            while let Some(key) = map.next_key::<String>()? {
                if !self.0.contains(&key.as_str()) {
                    map.next_value::<IgnoredAny>()?;
                } else if fields.insert(key, map.next_value()?).is_some() {
                    return Err(A::Error::custom("twice"));
                }
            }
            Ok(fields)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let fields = deserializer.deserialize_map(Named(names)).ok()?;
    deserializer.end().ok().map(|()| fields)
}

/// Whether it may name a line: no text at all, or a name that fits a key beside its SKU.
fn is_line_name(name: Option<&Value>, sku: Option<&Value>) -> bool {
    match (name, sku) {
        (None | Some(Value::Null), _) => true,
        (Some(Value::String(text)), Some(Value::String(sku))) => is_name(name) && text.len() + sku.len() <= 1_018,
        _ => false,
    }
}

/// Sends a body as a line, and holds the answer against what the body is.
fn check_line(body: &[u8]) {
    let shop = Shop::new();
    let before = shop.contents();
    let (status, answer) = shop.ask(Route::Allocate, &encoded(body));
    let valid = fields(body, &["orderid", "sku", "qty", "line"]).filter(|value| {
        body.len() <= BODY_BYTES
            && is_name(value.get("orderid"))
            && is_name(value.get("sku"))
            && is_quantity(value.get("qty"))
            && is_line_name(value.get("line"), value.get("sku"))
    });
    let Some(valid) = valid else {
        assert_eq!(status, if body.len() > BODY_BYTES { 413 } else { 400 }, "{answer}");
        reason(&answer);
        assert_eq!(shop.contents(), before);
        assert_eq!(shop.ask(Route::Allocate, &json!({"body": line().text()})).0, 202, "a valid line is taken after it");
        return;
    };
    if valid["sku"] != SKU {
        assert_eq!((status, reason(&answer)), (400, format!("Invalid sku {}", valid["sku"].as_str().unwrap())));
        assert_eq!(shop.contents(), before);
        return;
    }
    assert_eq!((status, answer.as_str()), (202, "OK"));
    let qty = u32::try_from(whole_number(&valid["qty"]).unwrap()).unwrap().try_into().unwrap();
    let orderid = valid["orderid"].as_str().unwrap().try_into().unwrap();
    let mut kept = OrderLine::unnamed(orderid, SKU.try_into().unwrap(), qty);
    if let Some(Value::String(name)) = valid.get("line") {
        kept.name = name.as_str().try_into().unwrap();
    }
    let has_place = kept.qty.get() < 1_000_000;
    let parts = shop.store().parts();
    assert_eq!(parts.get(&PartId::first_of(kept.id())).map(|part| &part.line), has_place.then_some(&kept));
    let mut path = String::new();
    for byte in kept.orderid.as_str().bytes() {
        write!(path, "%{byte:02X}").unwrap();
    }
    assert_eq!(shop.view(&path).0, if has_place { 200 } else { 404 }, "{path}");
}

/// Puts an order that has a line, and holds the answer against what the body is.
fn check_order(body: &[u8]) {
    let shop = Shop::new();
    let before = shop.contents();
    let path = json!({"pathParameters": {"orderid": "o0"}});
    let asked = [encoded(body), path].into_iter().fold(Map::new(), |mut event, part| {
        event.extend(part.as_object().unwrap().clone());
        event
    });
    let (status, answer) = shop.ask(Route::PutOrder, &asked.into());
    let told: Value = serde_json::from_str(&answer).unwrap();
    if status != 200 {
        assert!([400, 404, 409, 413, 422].contains(&status), "{status} {answer}");
        // A line that is short is told to subscribers.
        assert!(shop.contents() == before || told["code"] == "out_of_stock", "{answer}");
        let message = told["message"].as_str().unwrap();
        assert!(
            message.chars().count() <= REASON_CHARACTERS + 600 && !message.contains(char::is_control),
            "{message:?}"
        );
        return;
    }
    // An unknown field of a line may be a number that nothing holds.
    let Some(asked) = fields(body, &["lines", "if_short", "dry_run"]).map(Value::from) else { return };
    let of_line = |line: &Value| {
        let qty = whole_number(&line["qty"]).unwrap();
        let name = line["line"].as_str().map_or(qty.to_string(), str::to_owned);
        (line["sku"].as_str().unwrap().to_owned(), name, qty)
    };
    let lines = |lines: &Value| -> BTreeSet<_> { lines.as_array().unwrap().iter().map(of_line).collect() };
    let is_partial = asked["if_short"] == "partial";
    assert!(lines(&told["lines"]) == lines(&asked["lines"]) || is_partial, "{answer}");
    if asked["dry_run"] == true {
        assert_eq!(shop.contents(), before);
        return;
    }
    let stands = |part: &Part| part.line.orderid.as_str() == "o0" && part.place.is_standing();
    let parts = shop.store().parts();
    let kept = parts
        .values()
        .filter(|part| stands(part))
        .map(|Part { line, .. }| (line.sku.to_string(), line.name.to_string(), u64::from(line.qty.get())));
    assert_eq!(kept.collect::<BTreeSet<_>>(), lines(&told["lines"]), "{answer}");
}

fn check_batch(body: &[u8]) {
    let shop = Shop::new();
    let before = shop.contents();
    let (status, answer) = shop.ask(Route::CreateBatch, &encoded(body));
    let is_eta = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => {
            text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() && !text.starts_with("0000")
        }
        Some(_) => false,
    };
    let valid = fields(body, &["ref", "sku", "qty", "eta"]).filter(|value| {
        body.len() <= BODY_BYTES
            && is_name(value.get("ref"))
            && is_name(value.get("sku"))
            && is_quantity(value.get("qty"))
            && is_eta(value.get("eta"))
    });
    let Some(valid) = valid else {
        assert_eq!(status, if body.len() > BODY_BYTES { 413 } else { 400 }, "{answer}");
        reason(&answer);
        assert_eq!(shop.contents(), before);
        return;
    };
    if valid["ref"] == "b1" {
        assert_eq!(status, 409, "{answer}");
        return;
    }
    assert_eq!((status, answer.as_str()), (201, "OK"));
    let products = shop.store().products();
    let kept = products
        .iter()
        .flat_map(domain::Product::batches)
        .find(|kept| valid["ref"] == kept.reference.as_str())
        .unwrap();
    assert_eq!(valid["sku"], kept.sku.as_str());
    assert_eq!(whole_number(&valid["qty"]), Some(kept.purchased.into()));
    assert_eq!(valid.get("eta").and_then(Value::as_str).map(str::to_owned), kept.eta.map(|eta| eta.to_string()));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn bytes_are_a_body_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        check_line(&body);
        check_batch(&body);
        check_order(&body);
    }

    #[test]
    fn an_order_is_put_as_it_was_sent_or_refused(body in mutated(order(&wanted_line().text(), r#"{"sku":"RETRO-CLOCK","qty":2}"#))) {
        check_order(body.as_bytes());
    }

    #[test]
    fn a_line_of_an_order_is_taken_as_it_was_sent_or_refused(first in mutated(wanted_line()), second in mutated(wanted_line())) {
        check_order(order(&first, &second).text().as_bytes());
        check_order(order(&first, r#"{"sku":"RETRO-CLOCK","qty":2}"#).text().as_bytes());
    }

    #[test]
    fn a_line_is_taken_as_it_was_sent_or_refused(body in mutated(line())) {
        check_line(body.as_bytes());
    }

    #[test]
    fn a_batch_is_taken_as_it_was_sent_or_refused(body in mutated(batch())) {
        check_batch(body.as_bytes());
    }

    #[test]
    fn a_refusal_names_the_field_that_is_wrong(
        wrong in proptest::sample::select(vec!["orderid", "sku", "qty"]), value in value(),
    ) {
        let body = line().with(wrong, value).text();
        let one_is_wrong = serde_json::from_str::<Value>(&body).is_ok();
        let (status, answer) = Shop::new().ask(Route::Allocate, &json!({"body": body}));
        if one_is_wrong && status == 400 && !answer.contains("Invalid sku") {
            let field = serde_json::from_str::<Value>(&answer).unwrap()["field"].clone();
            prop_assert_eq!(field, wrong, "{}", answer);
            prop_assert!(reason(&answer).contains(wrong), "{}", answer);
        }
    }

    #[test]
    fn preferences_never_hurt(
        prefer in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4),
        nearly in "(return|Return|respond-async|foo|\"|,|;|=| |representation|minimal|\\\\|é){0,12}",
    ) {
        let shop = Shop::new();
        let mut request = request(Route::Allocate, &json!({"body": line().text(), "headers": {"prefer": nearly}}));
        for value in prefer.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()) {
            request.headers_mut().append("prefer", value);
        }
        let response = shop.answer(Route::Allocate, request);
        let (status, answer) = told(&response);
        let applied = response.headers().get("preference-applied").map(|applied| applied.to_str().unwrap());
        let expected = match applied {
            Some("respond-async") | None => (202, "OK"),
            Some("return=representation") => (201, r#"{"batchref":"b1"}"#),
            Some(other) => panic!("applied {other}"),
        };
        prop_assert_eq!((status, answer.as_str()), expected);
        let is_queued = applied == Some("respond-async");
        let (queued, allocated) = (shop.queue.lines().len(), shop.store().parts().len());
        prop_assert_eq!((queued, allocated), if is_queued { (1, 1) } else { (0, 2) }, "the line is in one place");
    }

    /// Header values are what HTTP lets pass.
    #[test]
    fn what_makes_the_uri_may_be_anything(
        path in text(), query in prop_oneof![text(), "[<>\"{}|^`?#&=%]{0,8}"],
        host in "[ -~é]{0,20}", protocol in "[ -~é]{0,20}", name in "[a-z-]{1,20}", value in "[ -~é]{0,200}",
    ) {
        let changes = json!({
            "rawPath": path, "rawQueryString": query, "body": line().text(),
            "headers": {"host": host, "x-forwarded-proto": protocol, name: value}
        });
        let (status, _) = Shop::new().ask(Route::Allocate, &changes);
        prop_assert!(status == 202 || status == 201);
    }

    #[test]
    fn any_path_is_read_or_not_found(orderid in prop_oneof![text(), "(%|%zz|%ff|%2F|%00|/|é|[a-f0-9]){0,8}"]) {
        let shop = Shop::new();
        let before = shop.contents();
        let (status, answer) = shop.view(&orderid);
        prop_assert_eq!((status, answer.as_str()), (404, "not found"));
        prop_assert_eq!(shop.contents(), before);
    }

    /// Names, and where a page begins, whole or as a text that says something else.
    #[test]
    fn whatever_is_asked_is_answered_or_refused_with_what_is_wrong(
        route in proptest::sample::select(QUESTIONS),
        name in prop_oneof![Just("o0".to_owned()), Just(SKU.to_owned()), Just("b1".to_owned()), text(), "(%|%zz|%ff|%2F|/){0,8}"],
        limit in proptest::option::of(prop_oneof!["[0-9]{1,5}", text()]),
        after in proptest::option::of(prop_oneof![
            text(),
            "[A-Za-z0-9_-]{0,40}",
            value().prop_map(token),
            (text(), text()).prop_map(|names| token(json!([names.0, names.1]).to_string())),
            (any::<u64>(), text(), text()).prop_map(|(age, order, line)| token(json!([age, order, line]).to_string())),
            (text(), any::<u64>()).prop_map(|(sku, version)| token(json!([sku, version]).to_string())),
            any::<u64>().prop_map(|version| version.to_string()),
            (text(), any::<u64>()).prop_map(|(sku, age)| token(json!([sku, [age, sku, sku]]).to_string())),
        ]),
        sku in proptest::option::of(text()),
    ) {
        let shop = Shop::new();
        let before = shop.contents();
        let (_, after_name) = route.path().split_once("+}").unwrap();
        let query: Map<String, Value> = [("limit", limit), ("after", after), ("sku", sku)]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
            .collect();
        let parameter = route.gateway_path().split(['{', '+']).nth(1).unwrap();
        let asked = json!({
            "pathParameters": {parameter: format!("{name}{after_name}")},
            "queryStringParameters": query,
            "headers": {"accept": "application/json"}
        });
        let (status, body) = shop.ask(route, &asked);
        match status {
            200 => prop_assert!(serde_json::from_str::<Value>(&body).is_ok(), "{body}"),
            400 | 404 => drop(reason(&body)),
            other => prop_assert!(false, "{other} {body}"),
        }
        prop_assert_eq!(shop.contents(), before);
    }

    #[test]
    fn any_path_cancels_an_order_or_names_none(orderid in prop_oneof![text(), "(%|%zz|%ff|%2F|%00|/|é|[a-f0-9]){0,8}"]) {
        let shop = Shop::new();
        let (status, answer) = shop.cancel(&orderid);
        let cancelled: Vec<_> = shop.store().cancelled().into_iter().collect();
        if status != 200 {
            prop_assert_eq!((status, cancelled), (400, Vec::new()), "{}", answer);
            prop_assert!(reason(&answer).starts_with("orderid: "), "{}", answer);
            return Ok(());
        }
        let [cancelled] = cancelled.try_into().unwrap();
        let shown: Value = serde_json::from_str(&answer).unwrap();
        prop_assert_eq!(shown, json!({"orderid": cancelled, "lines": [], "next": null}));
    }
}

/// Text that nests deeper than a parser could recurse.
#[test]
fn depth_is_no_danger() {
    let shop = Shop::new();
    let deep = |open: &str| open.repeat(BODY_BYTES / open.len() - 200);
    for open in ["[", "{\"a\":"] {
        let (status, answer) = shop.ask(Route::Allocate, &json!({"body": format!(r#"{{"orderid":{}"#, deep(open))}));
        assert_eq!(status, 400);
        assert!(reason(&answer).starts_with("orderid: "), "{answer}");
        let (status, _) = shop.ask(Route::Allocate, &json!({"body": format!(r#"{{"unknown":{}"#, deep(open))}));
        assert_eq!(status, 400);
        let value = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let body = line().with("unknown", value).text();
        assert_eq!(shop.ask(Route::Allocate, &json!({"body": body})).0, 202, "what is unknown is skipped");
    }
}

#[test]
fn a_body_has_at_most_128_kib() {
    let shop = Shop::new();
    let padded = |bytes: usize| format!("{}{}", line().text(), " ".repeat(bytes - line().text().len()));
    assert_eq!(shop.ask(Route::Allocate, &json!({"body": padded(131_072)})).0, 202);
    let before = shop.contents();
    let (status, answer) = shop.ask(Route::Allocate, &json!({"body": padded(131_073)}));
    assert_eq!((status, reason(&answer).as_str()), (413, "body: must have at most 131072 bytes, not 131073"));
    assert_eq!(shop.contents(), before);
}
