//! What is measured: each function, its event, what it must answer, and the floor beside it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::process::Command;

/// A function of the service.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// The least program that makes the same calls.
    pub(crate) floor: &'static str,
    pub(crate) event: Bytes,
    /// Fields of the right answer: what fails is not fast, it is wrong.
    pub(crate) answer: Value,
}

/// What is run: a function's executable, or its floor's.
#[derive(Clone, Copy)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a Path,
    pub(crate) event: &'a Bytes,
    /// Of a function. A floor ends with an error if one of its calls does, and decides nothing that could be wrong.
    pub(crate) answer: Option<&'a Value>,
}

pub(crate) fn functions() -> [Function; 10] {
    let function =
        |name, floor, event: Value, answer| Function { name, floor, event: event.to_string().into(), answer };
    let line = r#"{"orderid":"order-001","sku":"RETRO-CLOCK","qty":3}"#;
    let batch = r#"{"ref":"batch-004","sku":"RETRO-CLOCK","qty":100,"eta":"2031-01-02"}"#;
    let view = json!({"statusCode": 200, "body": r#"[{"sku":"RETRO-CLOCK","batchref":"batch-001"}]"#});
    // It has been cancelled before: what is measured does not depend on what was measured before it.
    let cancelled = json!({"statusCode": 200, "body": r#"{"orderid":"order-001","lines":[],"next":null}"#});
    let no_failures = json!({"batchItemFailures": []});
    let change = message(r#"{"batchref":"batch-001","qty":90}"#);
    let out_of_stock = message(
        r#"{"type":"OutOfStock","orderid":"order-001","sku":"RETRO-CLOCK","qty":3,"waiting":false,"line":"3","lines":1,"id":"RETRO-CLOCK#8#1","version":8,"of":1,"at":"2031-01-01T12:00:00.000Z"}"#,
    );
    let allocated = message(
        r#"{"type":"Allocated","orderid":"order-001","sku":"RETRO-CLOCK","qty":3,"line":"3","batchref":"batch-001","eta":null,"id":"RETRO-CLOCK#8#1","version":8,"of":1,"at":"2031-01-01T12:00:00.000Z"}"#,
    );
    [
        function("allocate", "floor-commit", request("POST /allocate", line), json!({"statusCode": 202, "body": "OK"})),
        function("allocate-queued", "floor-commit", message(line), no_failures.clone()),
        function("batches", "floor-commit", request("POST /batches", batch), json!({"statusCode": 201, "body": "OK"})),
        function("orders", "floor-order", request("DELETE /orders/{orderid+}", ""), cancelled),
        function("allocations-view", "floor-query", request("GET /allocations/{orderid+}", ""), view),
        function("change-batch-quantity", "floor-change", change, no_failures.clone()),
        function("expire-holds", "floor-due", json!({}), json!({"products": 0})),
        function("publish-events", "floor-publish", stream(), no_failures.clone()),
        function("handle-events", "floor-mail", out_of_stock, no_failures.clone()),
        function("record-history", "floor-record", allocated, no_failures),
    ]
}

/// A request as an HTTP API hands it over, payload 2.0.
fn request(route: &str, body: &str) -> Value {
    let (method, path) = route.split_once(' ').unwrap_or_default();
    let path = path.replace("{orderid+}", "order-001");
    json!({
        "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "",
        "headers": {
            "accept": "*/*", "content-length": body.len().to_string(), "content-type": "application/json",
            "host": "abcdefghij.execute-api.eu-west-1.amazonaws.com", "user-agent": "curl/8.5.0",
            "x-amzn-trace-id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700", "x-correlation-id": "order-001",
            "x-forwarded-for": "192.0.2.1", "x-forwarded-port": "443", "x-forwarded-proto": "https"
        },
        "pathParameters": {"orderid": "order-001"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdefghij", "domainName": "abcdefghij.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "abcdefghij", "requestId": "JKJaXmPLvHcESHA=", "routeKey": route, "stage": "$default",
            "time": "01/Jan/2031:12:00:00 +0000", "timeEpoch": 1_925_035_200_000_u64,
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "curl/8.5.0"
            }
        },
        "body": body, "isBase64Encoded": false
    })
}

/// One message, as Lambda takes it from a queue.
fn message(body: &str) -> Value {
    json!({"Records": [{
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d", "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body, "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3", "messageAttributes": {},
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": "1925035200000", "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1925035200001"
        },
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:queue", "awsRegion": "eu-west-1"
    }]})
}

/// One commit with one event, as the table's stream brings it.
fn stream() -> Value {
    let event = json!({"M": {
        "type": {"S": "Allocated"}, "orderid": {"S": "order-001"}, "sku": {"S": "RETRO-CLOCK"}, "qty": {"N": "3"}, "line": {"S": "3"},
        "batchref": {"S": "batch-001"}, "eta": {"NULL": true}
    }});
    let batch =
        |reference: &str| json!({"M": {"ref": {"S": reference}, "purchased": {"N": "100"}, "allocated": {"N": "3"}}});
    json!({"Records": [{
        "eventID": "c4ca4238a0b923820dcc509a6f75849b", "eventName": "MODIFY", "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/allocation/stream/2031-01-01T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_925_035_200, "SequenceNumber": "4421584500000000017450439091",
            "SizeBytes": 400, "StreamViewType": "NEW_IMAGE",
            "Keys": {"PK": {"S": "SKU#RETRO-CLOCK"}, "SK": {"S": "PRODUCT"}},
            "NewImage": {
                "PK": {"S": "SKU#RETRO-CLOCK"}, "SK": {"S": "PRODUCT"}, "version": {"N": "8"},
                "commit": {"S": "00000000000000ff"}, "backlog": {"BOOL": false}, "correlation": {"S": "order-001"},
                "batches": {"L": [batch("batch-001"), batch("batch-002"), batch("batch-003")]},
                "waiting": {"M": {"lines": {"N": "0"}, "since": {"N": "0"}, "qty": {"N": "0"}}}, "events": {"L": [event]},
                "at": {"S": "2031-01-01T12:00:00.000Z"}
            }
        }
    }]})
}

/// What template.yaml and Lambda tell a function. One set does for all.
pub(crate) fn environment() -> [(&'static str, &'static str); 19] {
    [
        ("ALLOCATE_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/allocation-lines"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "example"),
        ("AWS_SESSION_TOKEN", "example"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "measured"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
        ("EVENTS_TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:events"),
        ("MAIL_FROM", "shop@example.com"),
        ("MAIL_TO", "stock@example.com"),
        ("MAX_RECEIVES", "5"),
        ("ENDED_LINES_DAYS", "90"),
        ("HISTORY_DAYS", "90"),
        ("HISTORY_TABLE_NAME", "allocation"),
        ("STACK_NAME", "allocation"),
        ("TABLE_NAME", "allocation"),
    ]
}

/// What was built, by name.
pub(crate) struct Executables(HashMap<String, PathBuf>);

impl Executables {
    /// A function and its floor.
    pub(crate) fn of<'a>(&'a self, function: &'a Function) -> Result<[Program<'a>; 2]> {
        let Function { name, floor, event, answer } = function;
        let program = |name: &str, answer| -> Result<Program<'a>> {
            let path = self.0.get(name).with_context(|| format!("cargo built no {name}"))?;
            Ok(Program { path, event, answer })
        };
        Ok([program(name, Some(answer))?, program(floor, None)?])
    }
}

/// Builds these functions and their floors in one go, so that they share each compiled dependency.
pub(crate) async fn build(functions: &[Function], profile: &str) -> Result<Executables> {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--locked", "--profile", profile, "--message-format", "json-render-diagnostics"]);
    for Function { name, floor, .. } in functions {
        build.args(["--package", name, "--bin", name, "--package", "floor", "--bin", floor]);
    }
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).stdin(Stdio::null()).stdout(Stdio::piped());
    // Not `output`, which would keep what cargo says.
    let output = build.spawn().context("running cargo")?.wait_with_output().await?;
    ensure!(output.status.success(), "the functions don't compile");
    let messages = output.stdout.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let executable = |message: Value| {
        let path = message.get("executable")?.as_str()?.into();
        Some((message.pointer("/target/name")?.as_str()?.to_owned(), path))
    };
    Ok(Executables(messages.filter_map(executable).collect()))
}
