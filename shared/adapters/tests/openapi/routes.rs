//! The routes are written down more than once. All say the same: the code, the document, the template, and the router
//! of `cargo lambda watch`.

use std::collections::BTreeSet;
use std::process::Command;

use adapters::http::Route;
use serde_json::Value;

use crate::document::document;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

/// Each route in a line, with its path as the code has it or written in another way.
fn routes(written: impl Fn(&str) -> String) -> BTreeSet<String> {
    Route::ALL.iter().map(|route| format!("{} {}", route.method(), written(route.path()))).collect()
}

#[test]
fn the_document_describes_each_route_and_nothing_else() {
    let document = document();
    let paths = document["paths"].as_object().unwrap().iter();
    let described = paths.flat_map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    // OpenAPI has no word for a greedy path.
    assert_eq!(described.collect::<BTreeSet<_>>(), routes(|path| path.replace("+}", "}")));
}

#[test]
fn the_readme_names_each_route_and_its_function() {
    let readme = include_str!("../../../../README.md");
    for route in Route::ALL {
        let row = format!("| `functions/{}` | ", route.function());
        let named = format!("`{} {}`", route.method(), route.path().replace("+}", "}"));
        let is_named = readme.lines().any(|line| line.starts_with(&row) && line.contains(&named));
        assert!(is_named, "README.md has no line {row}{named} |");
    }
}

#[test]
fn its_routes_are_those_of_the_template() {
    let template = include_str!("../../../../template.yaml");
    let keys = template.lines().filter_map(|line| line.trim().strip_prefix("RouteKey: "));
    let gateways = Route::ALL.iter().map(|route| format!("{} {}", route.method(), route.gateway_path()));
    assert_eq!(keys.map(str::to_owned).collect::<BTreeSet<_>>(), gateways.collect());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "cargo says so which one it is")]
fn the_router_of_the_inner_loop_has_each_route_and_nothing_else() {
    let cargo = std::env::var_os("CARGO").unwrap();
    let metadata = ["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path", MANIFEST];
    let output = Command::new(cargo).args(metadata).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();

    let router = metadata["metadata"]["lambda"]["watch"]["router"].as_object().unwrap();
    let mut found = Vec::new();
    for (path, functions) in router {
        for function in functions.as_array().unwrap() {
            let [method, function] = ["method", "function"].map(|field| function[field].as_str().unwrap().to_owned());
            found.push((method, path.clone(), function));
        }
    }
    let expected = Route::ALL.iter().map(|route| {
        // The router's way to write `{orderid+}`.
        let path = route.gateway_path().replace('{', "{*").replace("+}", "}");
        (route.method().to_owned(), path, route.function().to_owned())
    });
    let mut expected: Vec<_> = expected.collect();
    found.sort();
    expected.sort();
    // Lists share the path of what they are of.
    expected.dedup();
    assert_eq!(found, expected);
}
