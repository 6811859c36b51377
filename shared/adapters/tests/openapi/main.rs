//! The HTTP API in the words of `OpenAPI` 3.1: docs/openapi.json is generated here, and requests made from it are answered as it says.
//!
//! `OPENAPI=write cargo test -p adapters --test openapi` writes the file.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod document;
#[path = "../failing/mod.rs"]
mod failing;
mod requests;
mod schema;
mod service;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::document::{OPERATIONS, document};
use crate::schema::{matches, resolved};
use crate::service::{Answer, Shop};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

#[test]
fn the_file_is_what_the_code_says() {
    let document = document();
    if std::env::var_os("OPENAPI").is_some_and(|wish| wish == "write") {
        std::fs::write(FILE, format!("{document:#}\n")).unwrap();
    }
    let file: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert!(
        file == document,
        "docs/openapi.json is not what the code says: write it with `OPENAPI=write cargo test -p adapters --test openapi`"
    );
}

#[test]
fn its_routes_are_those_of_the_template() {
    let template = include_str!("../../../../template.yaml");
    let routes = template.lines().filter_map(|line| line.trim().strip_prefix("RouteKey: "));
    // The template's path is greedy, which OpenAPI has no word for.
    let routes: BTreeSet<String> = routes.map(|route| route.replace("+}", "}")).collect();
    let described = OPERATIONS.map(|(method, path)| format!("{} {path}", method.to_uppercase()));
    assert_eq!(routes, BTreeSet::from(described));
}

/// Holds an answer against what the document says of the operation.
fn check(document: &Value, method: &str, path: &str, answer: &Answer) {
    let Answer { status, headers, body } = answer;
    let responses = &document["paths"][path][method]["responses"];
    let response = resolved(document, &responses[status.to_string()]);
    assert!(response.is_object(), "{method} {path} answers {status}, which the document does not name: {body}");
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = resolved(document, header);
        let value = headers.iter().find(|(sent, _)| sent.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        let Some(value) = value else {
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
    let (_, content_type) = headers.iter().find(|(name, _)| name == "content-type").unwrap();
    let media_type = content_type.split(';').next().unwrap();
    let schema = &response["content"][media_type]["schema"];
    assert!(schema.is_object(), "{status} is {media_type}, which the document does not name");
    let body =
        if media_type == "application/json" { serde_json::from_str(body).unwrap() } else { body.as_str().into() };
    assert!(matches(document, schema, &body), "{status}: {body} is not what {schema} says");
}

#[test]
fn each_request_made_from_it_is_answered_as_it_says() {
    let document = document();
    let (mut valid, mut invalid) = (BTreeSet::new(), BTreeSet::new());
    for (method, path) in OPERATIONS {
        let operation = &document["paths"][path][method];
        for request in requests::valid(&document, operation) {
            let answer = Shop::new().answer(method, path, &request);
            check(&document, method, path, &answer);
            let refused = answer.status == 400 && !answer.body.contains("sku ");
            assert!(!refused && answer.status < 500, "{request:?} is valid: {}", answer.body);
            valid.insert((path, answer.status));
        }
        for request in requests::invalid(&document, operation) {
            let answer = Shop::new().answer(method, path, &request);
            check(&document, method, path, &answer);
            assert!([400, 404, 413].contains(&answer.status), "{request:?} is not valid: {}", answer.body);
            invalid.insert((path, answer.status));
        }
    }
    let view = "/allocations/{orderid}";
    let expected = [
        ("/allocate", 201),
        ("/allocate", 202),
        ("/allocate", 400),
        (view, 200),
        (view, 404),
        ("/batches", 201),
        ("/batches", 409),
    ];
    assert_eq!(valid, BTreeSet::from(expected), "every answer to valid requests was seen");
    let expected = [("/allocate", 400), ("/allocate", 413), ("/batches", 400), ("/batches", 413), (view, 404)];
    assert_eq!(invalid, BTreeSet::from(expected), "every answer to invalid requests was seen");
}

#[test]
fn a_store_that_fails_is_answered_as_it_says() {
    let document = document();
    for (method, path) in OPERATIONS {
        for request in requests::valid(&document, &document["paths"][path][method]).into_iter().take(1) {
            for (failing, status) in [(service::silent(), 503), (service::broken(), 500)] {
                let answer = failing.answer(method, path, &request);
                assert_eq!(answer.status, status);
                check(&document, method, path, &answer);
            }
        }
    }
}
