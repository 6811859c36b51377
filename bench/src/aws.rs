//! AWS over TLS, as far as the functions call it: every answer is correct, and the same each time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::http::{response, serve};

/// Where the machine keeps the authorities that it trusts. Reading them is part of a cold start, on Lambda too.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The endpoint of all services.
pub(crate) struct Aws {
    port: u16,
    authorities: PathBuf,
}

impl Aws {
    /// Listens, with a certificate made for this run. What trusts it is written to a file in `folder`.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("making a certificate")?;
        let system = SYSTEM_AUTHORITIES.iter().find_map(|path| std::fs::read_to_string(path).ok());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listening as AWS")?;
        let port = listener.local_addr()?.port();
        // Another run at the same time has another certificate.
        let authorities = folder.join(format!("authorities-{port}.pem"));
        std::fs::write(&authorities, system.unwrap_or_default() + &made.cert.pem())
            .with_context(|| format!("writing {}", authorities.display()))?;

        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key).context("using the certificate")?;
        let tls = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let tls = tls.clone();
                let _ = connection.set_nodelay(true);
                tokio::spawn(async move {
                    if let Ok(connection) = tls.accept(connection).await {
                        serve(connection, async |request| answer(&request)).await;
                    }
                });
            }
        });
        Ok(Self { port, authorities })
    }

    /// What a process is told to find this endpoint and to trust it.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("AWS_ENDPOINT_URL", format!("https://localhost:{}", self.port)),
            ("SSL_CERT_FILE", self.authorities.display().to_string()),
        ]
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.authorities);
    }
}

fn answer(request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let body = request.body();
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    if let Some((_, operation)) = target.split_once('.') {
        let (status, body) = dynamodb(operation, body);
        return response(status, "application/x-amz-json-1.0", body.to_string());
    }
    match () {
        () if contains(body, "Destination.ToAddresses.member.1") => response(200, "text/xml", MAILED),
        () if contains(body, "Action=SendEmail") => response(400, "text/xml", NO_MAIL),
        () if contains(body, "PublishBatchRequestEntries.member.1") => response(200, "text/xml", PUBLISHED),
        () if contains(body, "Action=PublishBatch") => response(400, "text/xml", NOTHING_TO_PUBLISH),
        () => response(404, "text/plain", format!("nothing answers {} here", request.uri())),
    }
}

/// Items are found if the request is for the order, SKU or batch of the benchmark's events.
fn dynamodb(operation: &str, body: &Bytes) -> (u16, Value) {
    let text = |value: &str| json!({"S": value});
    let number = |value: &str| json!({"N": value});
    let batch =
        |reference| json!({"M": {"ref": text(reference), "purchased": number("100"), "allocated": number("3")}});
    let event = json!({
        "type": text("Allocated"), "orderid": text("order-000"), "sku": text("RETRO-CLOCK"), "qty": number("3"),
        "line": text("3"), "batchref": text("batch-001"), "eta": {"NULL": true}
    });
    let head = json!({
        "PK": text("SKU#RETRO-CLOCK"), "SK": text("PRODUCT"), "version": number("7"), "commit": text("00000000000000fe"),
        "batches": {"L": [batch("batch-001"), batch("batch-002"), batch("batch-003")]}, "backlog": {"BOOL": false},
        "waiting": {"M": {"lines": number("0"), "since": number("0"), "qty": number("0")}}, "events": {"L": [{"M": event}]},
        "at": text("2031-01-01T12:00:00.000Z"), "correlation": text("order-000")
    });
    let known = contains(body, "RETRO-CLOCK") || contains(body, "batch-001") || contains(body, "order-001");
    let answer = match operation {
        "PutItem" if contains(body, "NOBODY") => {
            let refusal = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
            return (400, json!({"__type": refusal, "message": "The conditional request failed"}));
        }
        "BatchGetItem" => json!({
            "Responses": {"allocation": if known { json!([head]) } else { json!([]) }}, "UnprocessedKeys": {}
        }),
        "Query" if contains(body, "BATCH#batch-001") && !contains(body, "LinesByPlace") => json!({"Items": [{
            "PK": text("BATCH#batch-001"), "SK": text("SKU#RETRO-CLOCK"), "qty": number("100")
        }]}),
        "GetItem" if known => json!({"Item": head}),
        // All of an order, and not a page of its lines: it is cancelled.
        "Query" if contains(body, "ORDER#order-001") && !contains(body, "Limit") => {
            json!({"Count": 1, "ScannedCount": 1, "Items": [{
                "PK": text("ORDER#order-001"), "SK": text("CANCELLED"), "expires_at": number("1925035200")
            }]})
        }
        "Query" if known => json!({"Count": 1, "ScannedCount": 1, "Items": [{
            "PK": text("ORDER#order-001"), "SK": text("LINE#RETRO-CLOCK\u{1f}3"), "qty": number("3"), "place": text("BATCH#1#batch-001\u{1f}RETRO-CLOCK"),
            "age": number("7"), "since": number("7")
        }]}),
        "Query" => json!({"Count": 0, "ScannedCount": 0, "Items": []}),
        // Nothing found, or written.
        _ => json!({}),
    };
    (200, answer)
}

const MAILED: &str = r#"<SendEmailResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><SendEmailResult><MessageId>010001760000-567910cd-659e-55d4-8ccb-5aaf14679dc0-000000</MessageId></SendEmailResult><ResponseMetadata><RequestId>d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ResponseMetadata></SendEmailResponse>"#;
const NO_MAIL: &str = r#"<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error><Type>Sender</Type><Code>ValidationError</Code><Message>2 validation errors detected: Value null at 'destination' failed to satisfy constraint: Member must not be null; Value null at 'message' failed to satisfy constraint: Member must not be null</Message></Error><RequestId>d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ErrorResponse>"#;
const NOTHING_TO_PUBLISH: &str = r#"<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>EmptyBatchRequest</Code><Message>The batch request doesn't contain any entries.</Message></Error><RequestId>d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ErrorResponse>"#;
const PUBLISHED: &str = r#"<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Failed/><Successful><member><MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId><Id>0</Id></member></Successful></PublishBatchResult><ResponseMetadata><RequestId>d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ResponseMetadata></PublishBatchResponse>"#;

fn contains(body: &Bytes, text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}
