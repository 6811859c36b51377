//! The HTTP API in the words of `OpenAPI` 3.1: docs/openapi.json is generated here, and requests made from it are
//! answered as it says.
//!
//! `OPENAPI=write cargo test -p adapters --test openapi` writes the file.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod batches;
mod document;
mod events;
mod history;
mod lines;
mod orders;
mod products;
mod queue;
mod requests;
mod routes;
mod schema;
mod service;

use std::collections::BTreeSet;

use adapters::http::Route;
use serde_json::Value;

use crate::document::{document, operation, shared};
use crate::schema::{describes_all, matches, resolved};
use crate::service::{Answer, Shop};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

#[test]
fn the_file_is_what_the_code_says() {
    hold(FILE, &document());
}

/// Holds a file against what the code says; or writes it, if that is asked for.
#[expect(clippy::disallowed_methods, reason = "how the file is written anew")]
fn hold(path: &str, document: &Value) {
    if std::env::var_os("OPENAPI").is_some_and(|wish| wish == "write") {
        std::fs::write(path, format!("{document:#}\n")).unwrap();
    }
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(
        file == *document,
        "{path} is not what the code says: write it with `OPENAPI=write cargo test -p adapters --test openapi`"
    );
}

/// Nothing in memory waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Holds an answer against what the document says of the operation.
fn check(document: &Value, route: Route, answer: &Answer) {
    let Answer { status, headers, body } = answer;
    let responses = &operation(document, route)["responses"];
    let response = resolved(document, &responses[status.to_string()]);
    assert!(response.is_object(), "{route:?} answers {status}, which the document does not name: {body}");
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = resolved(document, header);
        let Some(value) = answer.header(name) else {
            assert!(header["required"] != true, "{status} has no {name}");
            continue;
        };
        let value = if header["schema"]["type"] == "integer" { value.parse().unwrap() } else { Value::from(value) };
        assert!(matches(document, &header["schema"], &value), "{name}: {value}");
    }
    let described = response["headers"].as_object().unwrap();
    for (name, _) in headers.iter().filter(|(name, _)| name != "content-type") {
        assert!(described.keys().any(|known| known.eq_ignore_ascii_case(name)), "{status} sends {name}");
    }
    let media_type = answer.header("content-type").unwrap().split(';').next().unwrap();
    let schema = &response["content"][media_type]["schema"];
    assert!(schema.is_object(), "{status} is {media_type}, which the document does not name");
    let body = serde_json::from_str(body).unwrap();
    assert!(matches(document, schema, &body), "{status}: {body} is not what {schema} says");
    assert!(describes_all(document, schema, &body), "{status}: {body} has more than {schema} says");
}

/// Answers of API Gateway, and those to failures: see [`a_store_that_fails_is_answered_as_it_says`].
const BEFORE_OR_BEHIND_IT: [u16; 5] = [401, 403, 429, 500, 503];

#[test]
fn each_request_made_from_it_is_answered_as_it_says() {
    let document = document();
    let mut seen = BTreeSet::new();
    for &route in Route::ALL {
        let operation = operation(&document, route);
        for request in requests::valid(&document, operation) {
            let answer = Shop::new().answer(route, &request);
            check(&document, route, &answer);
            let refused = answer.status == 400 && !answer.body.contains("sku ");
            assert!(!refused && answer.status < 500, "{request:?} is valid: {}", answer.body);
            seen.insert((route, answer.status));
        }
        for request in requests::invalid(&document, operation) {
            let answer = Shop::new().answer(route, &request);
            check(&document, route, &answer);
            assert!([400, 404, 413].contains(&answer.status), "{request:?} is not valid: {}", answer.body);
            seen.insert((route, answer.status));
        }
    }
    for (route, answer) in requests::special() {
        check(&document, route, &answer);
        seen.insert((route, answer.status));
    }
    let statuses = |route: &Route| {
        let responses = operation(&document, *route)["responses"].as_object().unwrap();
        let responses = responses.iter().filter(|(_, response)| **response != shared("LongAnswer"));
        responses.map(|(status, _)| status.parse().unwrap()).collect::<Vec<u16>>()
    };
    let described = Route::ALL.iter().flat_map(|route| statuses(route).into_iter().map(move |status| (*route, status)));
    let described = described.filter(|(_, status)| !BEFORE_OR_BEHIND_IT.contains(status));
    assert_eq!(seen, described.collect(), "every answer that is described was seen");
}

#[test]
fn a_client_that_can_wait_is_answered_once_its_line_is_on_the_queue() {
    let document = document();
    let requests = requests::valid(&document, operation(&document, Route::Allocate));
    let (can_wait, can_not): (Vec<_>, Vec<_>) = requests.into_iter().partition(requests::can_wait);
    assert!(!can_wait.is_empty() && !can_not.is_empty());
    for request in can_wait {
        let shop = Shop::new();
        let answer = shop.answer(Route::Allocate, &request);
        assert_eq!((answer.status, answer.header("preference-applied")), (202, Some("respond-async")), "{request:?}");
        assert_eq!(shop.queued().len(), 1, "{request:?}");
    }
    for request in can_not {
        let shop = Shop::new();
        let answer = shop.answer(Route::Allocate, &request);
        assert_ne!(answer.header("preference-applied"), Some("respond-async"), "{request:?}");
        assert_eq!(shop.queued(), [], "{request:?}");
    }
}

#[test]
fn a_store_that_fails_is_answered_as_it_says() {
    let document = document();
    for &route in Route::ALL {
        for request in requests::valid(&document, operation(&document, route)).into_iter().take(1) {
            for (failing, status) in [(service::silent(), 503), (service::broken(), 500)] {
                let answer = failing.answer(route, &request);
                assert_eq!(answer.status, status);
                check(&document, route, &answer);
            }
        }
    }
}
