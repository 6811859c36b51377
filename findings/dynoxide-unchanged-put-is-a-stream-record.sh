#!/usr/bin/env bash
# dynoxide-rs 3.2.0, a DynamoDB in one process (crates.io): a put of the item that is already there writes a record to
# the stream.
#
# AWS: a PutItem or UpdateItem "that does not change any data in an item" writes none
# (docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html).
# Who counts records, or takes each for a change, sees more of them here than on AWS.
#
# Output seen, twice, in November 2026:
#   the same item, put three times: ["INSERT", "MODIFY", "MODIFY"]
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
use serde_json::{from_value, json};

fn main() {
    let db = dynoxide::Database::memory().unwrap();
    let table = json!({
        "TableName": "stock",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    });
    db.create_table(from_value(table).unwrap()).unwrap();
    for _ in 0..3 {
        let put = json!({ "TableName": "stock", "Item": { "id": { "S": "lamp" }, "qty": { "N": "7" } } });
        db.put_item(from_value(put).unwrap()).unwrap();
    }

    let streams = db.list_streams(from_value(json!({ "TableName": "stock" })).unwrap()).unwrap();
    let arn = &streams.streams[0].stream_arn;
    let stream = db.describe_stream(from_value(json!({ "StreamArn": arn })).unwrap()).unwrap();
    let shard = &stream.stream_description.shards[0].shard_id;
    let from = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let from = db.get_shard_iterator(from_value(from).unwrap()).unwrap().shard_iterator;
    let read = db.get_records(from_value(json!({ "ShardIterator": from })).unwrap()).unwrap();
    let names: Vec<_> = read.records.iter().map(|record| record.event_name.as_str()).collect();

    println!("the same item, put three times: {names:?}");
    assert_eq!(names, ["INSERT", "MODIFY", "MODIFY"], "dynoxide behaves otherwise now");
}
RUST
CARGO_TARGET_DIR="$folder/target" cargo run --quiet --manifest-path "$folder/Cargo.toml"
