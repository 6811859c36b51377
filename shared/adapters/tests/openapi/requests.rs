//! Requests made from the document: what its schemas allow, at their limits, and what they don't, just beyond.

use adapters::http::Route;
use serde_json::{Value, json};

use crate::batches::SAFE;
use crate::orders;
use crate::schema::{matches, resolved};
use crate::service::{Answer, Sent, Shop};

/// Names that say something in a path.
const NAMED: [&str; 6] = ["batch-001", "batch-004", "order-001", "order-003", "RETRO-CLOCK", "TALL-LAMP"];
/// All parameters of queries.
const QUERY: [&str; 3] = ["after", "limit", "sku"];

/// Asks for an answer before the line is allocated.
const RESPOND_ASYNC: &str = "respond-async";

const PREFERENCES: [Option<&str>; 5] = [
    None,
    Some("return=representation"),
    Some("return=minimal"),
    Some(RESPOND_ASYNC),
    Some("return=representation, respond-async"),
];

/// Whether a request can wait for what becomes of it.
pub(crate) fn can_wait(request: &Sent) -> bool {
    request.headers.iter().any(|(name, value)| *name == "prefer" && value.contains(RESPOND_ASYNC))
}

/// Requests with a value of every kind that the schemas allow, one field at a time.
pub(crate) fn valid(document: &Value, operation: &Value) -> Vec<Sent> {
    let names = path_name(document, operation).map(|name| candidates(document, name).0).unwrap_or_default();
    let names = || names.iter().cloned().map(path);
    let Some(schema) = body(document, operation) else {
        let mut requests: Vec<_> = names().chain(NAMED.map(Sent::name)).collect();
        // Of pages, only the service knows how the next one is named.
        for (name, schema) in query(document, operation).filter(|(name, _)| *name != "after") {
            requests.extend(asking(name, candidates(document, schema).0));
        }
        return requests;
    };
    let mut bodies = schema["examples"].as_array().unwrap().clone();
    for (body, name, field) in fields(document, schema) {
        let changed = candidates(document, field).0.into_iter().map(|value| with(&body, &name, value));
        let changed = changed.chain([without(&body, &name)]);
        bodies.extend(changed.filter(|body| matches(document, schema, body)));
        bodies.push(with(&body, "unknown", json!({"a": [1, null]})));
    }
    let mut requests = Vec::new();
    for body in &bodies {
        assert!(matches(document, schema, body), "{body}");
        for preference in PREFERENCES {
            let request = named(document, operation, Sent::body(body)).with("x-correlation-id", "order-7");
            requests.push(preference.map_or(request.clone(), |preference| request.with("prefer", preference)));
        }
    }
    // Each name with the first body, and the one that several batches have.
    let first = bodies.first().map(ToString::to_string);
    let several = Sent { name: Some("batch-004".to_owned()), ..Sent::default() };
    let of_names = names().chain([several]).filter(|_| path_name(document, operation).is_some());
    requests.extend(of_names.map(|request| Sent { body: first.clone(), ..request }));
    requests
}

/// Requests with one thing in them that no schema allows.
pub(crate) fn invalid(document: &Value, operation: &Value) -> Vec<Sent> {
    let Some(schema) = body(document, operation) else {
        let names = candidates(document, path_name(document, operation).unwrap()).1;
        let mut requests: Vec<_> = names.into_iter().filter(Value::is_string).map(path).collect();
        for (name, schema) in query(document, operation) {
            requests.extend(asking(name, candidates(document, schema).1));
        }
        requests.extend(query(document, operation).flat_map(|(name, _)| asking(name, [json!("")])));
        return requests;
    };
    let mut bodies = vec![json!([]), json!("text"), json!(1), Value::Null];
    for (body, name, field) in fields(document, schema) {
        let values = candidates(document, field).1.into_iter();
        let is_required = schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
        let values = values.filter(|value| !is_taken_all_the_same(document, field, value, is_required));
        bodies.extend(values.map(|value| with(&body, &name, value)));
        let allowed = candidates(document, field).0.into_iter().map(|value| with(&body, &name, value));
        // Fields that don't go together.
        bodies.extend(allowed.filter(|body| !matches(document, schema, body)));
        let shorter = without(&body, &name);
        if !matches(document, schema, &shorter) {
            bodies.push(shorter);
        }
    }
    let mut requests: Vec<Sent> = bodies.iter().map(|body| named(document, operation, Sent::body(body))).collect();
    for body in &bodies {
        assert!(!matches(document, schema, body), "{body}");
    }
    for text in ["", "{", "{]", "{\"a\":1,}", "\u{0}"] {
        requests.push(Sent { body: Some(text.to_owned()), ..Sent::default() });
    }
    requests.push(Sent { body: Some(" ".repeat(adapters::http::BODY_BYTES + 1)), ..Sent::default() });
    requests
}

fn body<'a>(document: &'a Value, operation: &'a Value) -> Option<&'a Value> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    schema.is_object().then(|| resolved(document, schema))
}

fn parameters<'a>(document: &'a Value, operation: &'a Value) -> impl Iterator<Item = &'a Value> {
    operation["parameters"].as_array().unwrap().iter().map(|parameter| resolved(document, parameter))
}

/// What the path names, if it names something.
fn path_name<'a>(document: &'a Value, operation: &'a Value) -> Option<&'a Value> {
    parameters(document, operation).find(|parameter| parameter["in"] == "path").map(|parameter| &parameter["schema"])
}

/// The parameters of the query.
fn query<'a>(document: &'a Value, operation: &'a Value) -> impl Iterator<Item = (&'static str, &'a Value)> {
    let name = |parameter: &Value| QUERY.into_iter().find(|known| parameter["name"] == **known).unwrap();
    let of_query = parameters(document, operation).filter(|parameter| parameter["in"] == "query");
    of_query.map(move |parameter| (name(parameter), &parameter["schema"]))
}

/// A parameter of the query with each of these values.
fn asking(name: &'static str, values: impl IntoIterator<Item = Value>) -> impl Iterator<Item = Sent> {
    let written = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    // A query knows no types: digits are a number.
    let is_digits = |value: &Value| value.as_str().is_some_and(|text| text.parse::<u64>().is_ok());
    let is_writable =
        move |value: &Value| !value.is_array() && !value.is_object() && !value.is_f64() && !is_digits(value);
    let values = values.into_iter().filter(is_writable).map(written);
    values.map(move |value| Sent { query: vec![(name, value)], ..Sent::name("order-001") })
}

/// What no single request comes to, on a shop as most are.
pub(crate) fn special() -> Vec<(Route, Answer)> {
    let stuck = Shop::with_a_stuck_line().answer(Route::CancelOrder, &Sent::name("order-001"));
    let [short, unknown] = ["RETRO-CLOCK", "NO-SUCH-THING"].map(|sku| orders::too_much(&Shop::new(), sku));
    let put = [orders::too_many(&Shop::new()), short, unknown].map(|answer| (Route::PutOrder, answer));
    [(Route::CancelOrder, stuck)].into_iter().chain(put).collect()
}

fn path(name: Value) -> Sent {
    let Value::String(name) = name else { panic!("a path is text") };
    Sent { name: Some(name), ..Sent::default() }
}

/// About something that is there, if the path is to name it.
fn named(document: &Value, operation: &Value, request: Sent) -> Sent {
    let name = path_name(document, operation).map(|_| "batch-001".to_owned());
    Sent { name, ..request }
}

/// For each example of a body, each of its fields.
fn fields<'a>(document: &'a Value, schema: &'a Value) -> Vec<(Value, String, &'a Value)> {
    let mut fields = Vec::new();
    for body in schema["examples"].as_array().unwrap() {
        for (name, field) in schema["properties"].as_object().unwrap() {
            let field = resolved(document, field);
            // What no schema can say has tests of its own.
            fields.extend((field["format"] != "date-time").then(|| (body.clone(), name.clone(), field)));
        }
    }
    fields
}

/// What is taken, though the document does not say so: null for what may be left out, numbers as text, and larger ones
/// than every client can hold.
fn is_taken_all_the_same(document: &Value, field: &Value, value: &Value, is_required: bool) -> bool {
    let number = value.as_str().and_then(|text| text.parse::<u64>().ok());
    let is_large = value.as_u64().is_some_and(|number| number > SAFE);
    (value.is_null() && !is_required)
        || is_large
        || number.is_some_and(|number| matches(document, field, &json!(number)))
}

pub(crate) fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[name] = value;
    body
}

pub(crate) fn without(body: &Value, name: &str) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove(name);
    body
}

/// Values at the limits of a schema: those that match it, and those that don't.
pub(crate) fn candidates(document: &Value, schema: &Value) -> (Vec<Value>, Vec<Value>) {
    let schema = resolved(document, schema);
    let mut values = vec![
        Value::Null,
        json!(true),
        json!([]),
        json!({}),
        json!(1.5),
        json!(2.0),
        json!(1e300),
        json!(-1),
        json!(""),
        json!(" "),
        json!("a b"),
        json!("a "),
        json!("\u{a0}a"),
        json!("a\u{200b}b"),
        json!("\u{feff}a"),
        json!("\u{fffd}"),
        json!("\n"),
        json!("\u{7f}"),
        json!("\u{85}"),
        json!("é🪑"),
        json!("-1"),
        json!("0"),
        json!("00"),
        json!("007"),
        json!("4294967295"),
        json!("4294967296"),
        json!("9999999999"),
        json!("2011-01-31"),
        json!("order-001"),
    ];
    let choices = schema["anyOf"].as_array().map_or(vec![schema], |choices| choices.iter().collect());
    for schema in choices.into_iter().map(|choice| resolved(document, choice)) {
        for limit in ["minimum", "maximum"].iter().filter_map(|limit| schema[limit].as_i64()) {
            values.extend([json!(limit - 1), json!(limit), json!(limit + 1)]);
        }
        for limit in ["minLength", "maxLength"].iter().filter_map(|limit| schema[limit].as_u64()) {
            let limit = usize::try_from(limit).unwrap();
            values.extend([limit - 1, limit, limit + 1].map(|length| json!("x".repeat(length))));
        }
        values.extend(schema["examples"].as_array().into_iter().flatten().cloned());
    }
    values.into_iter().partition(|value| matches(document, schema, value))
}
