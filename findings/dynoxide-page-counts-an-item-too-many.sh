#!/usr/bin/env bash
# dynoxide-rs 3.2.0, a DynamoDB in one process (crates.io): the ScannedCount of a page that ends at 1 MB is one too
# high.
#
# AWS: ScannedCount is the number of items evaluated, and without a filter it is the same as Count
# (docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html). Here the item that no longer fitted into the
# page is counted there, and again on the next page: who adds the pages up gets more items than the table has.
# Query and Scan do the same. The items themselves are complete, each once.
#
# Output seen, twice, in November 2026, for 7 items of 300 KB:
#   Count 3, ScannedCount 4
#   Count 3, ScannedCount 4
#   Count 1, ScannedCount 1
#
# Exit code 0: still so. Needs cargo and a C compiler; takes some minutes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat > "$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
edition = "2024"

[dependencies]
dynoxide-rs = { version = "=3.2.0", default-features = false, features = ["native-sqlite"] }
serde_json = "1"
TOML
cat > "$folder/src/main.rs" <<'RUST'
use serde_json::{Value, from_value, json, to_value};

fn main() {
    let db = dynoxide::Database::memory().unwrap();
    let table = json!({
        "TableName": "orders",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            { "AttributeName": "order", "AttributeType": "S" },
            { "AttributeName": "line", "AttributeType": "N" },
        ],
        "KeySchema": [
            { "AttributeName": "order", "KeyType": "HASH" },
            { "AttributeName": "line", "KeyType": "RANGE" },
        ],
    });
    db.create_table(from_value(table).unwrap()).unwrap();
    for line in 1..=7 {
        let item = json!({
            "order": { "S": "o1" },
            "line": { "N": line.to_string() },
            "text": { "S": "x".repeat(300 * 1024) },
        });
        db.put_item(from_value(json!({ "TableName": "orders", "Item": item })).unwrap()).unwrap();
    }

    let mut query = json!({
        "TableName": "orders",
        "KeyConditionExpression": "#order = :order",
        "ExpressionAttributeNames": { "#order": "order" },
        "ExpressionAttributeValues": { ":order": { "S": "o1" } },
    });
    let mut pages = Vec::new();
    loop {
        let page = to_value(db.query(from_value(query.clone()).unwrap()).unwrap()).unwrap();
        let [count, scanned] = ["Count", "ScannedCount"].map(|name| page[name].as_u64().unwrap());
        println!("Count {count}, ScannedCount {scanned}");
        pages.push((count, scanned));
        match page.get("LastEvaluatedKey") {
            None | Some(Value::Null) => break,
            Some(key) => query["ExclusiveStartKey"] = key.clone(),
        }
    }
    assert_eq!(pages, [(3, 4), (3, 4), (1, 1)], "dynoxide behaves otherwise now");
}
RUST
CARGO_TARGET_DIR="$folder/target" cargo run --quiet --manifest-path "$folder/Cargo.toml"
