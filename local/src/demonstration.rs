//! `cargo local --check`: the service at work, through the deployed stack and nothing else.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use local::{Mail, Stack, aws};
use reqwest::Method;
use serde_json::{Value, json};

/// How long an event or a mail may take to come through.
const PATIENCE: Duration = Duration::from_mins(1);

const DONE: &str = r#"{"message":"OK"}"#;
const APPLIED: &str = r#"{"applied":true}"#;

/// Runs every step, telling each; an error at the first that differs from what it should be.
pub(crate) async fn run(stack: &Stack) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().build().context("making an HTTP client")?;
    let shop = Shop { stack, http };
    let events = shop.subscribe().await.context("subscribing a queue to the topic")?;

    let early = json!({ "ref": "early-batch", "sku": "RETRO-CLOCK", "qty": 100, "eta": "2030-01-01" });
    shop.post("batches", &early, (201, "OK")).await?;
    let later = json!({ "ref": "later-batch", "sku": "RETRO-CLOCK", "qty": 100, "eta": "2030-02-01" });
    shop.post("batches", &later, (201, "OK")).await?;
    shop.post("allocate", &json!({ "orderid": "order-1", "sku": "RETRO-CLOCK", "qty": 10 }), (202, "OK")).await?;
    shop.view("order-1", &json!([{ "sku": "RETRO-CLOCK", "batchref": "early-batch" }])).await?;

    shop.change_quantity("early-batch", 5).await?;
    shop.event(&events, &json!({ "type": "Allocated", "orderid": "order-1", "sku": "RETRO-CLOCK", "qty": 10, "batchref": "later-batch" }))
        .await?;
    shop.view("order-1", &json!([{ "sku": "RETRO-CLOCK", "batchref": "later-batch" }])).await?;

    // Of those that lie there now, the shipped ones are gone, but the batch held them.
    shop.post("ship", &json!({ "orderid": "order-1", "sku": "RETRO-CLOCK", "qty": 10 }), (200, DONE)).await?;
    shop.patch("batches/later-batch", &json!({ "on_hand": 20 }), (200, APPLIED)).await?;
    shop.post("allocate", &json!({ "orderid": "order-3", "sku": "RETRO-CLOCK", "qty": 5 }), (202, "OK")).await?;
    shop.patch("batches/early-batch", &json!({ "eta": "2030-03-01" }), (200, APPLIED)).await?;
    shop.view("order-3", &json!([{ "sku": "RETRO-CLOCK", "batchref": "later-batch" }])).await?;
    shop.post("deallocate", &json!({ "orderid": "order-3", "sku": "RETRO-CLOCK", "qty": 5 }), (200, DONE)).await?;
    let ended = json!({ "sku": "RETRO-CLOCK", "line": "5", "qty": 5, "state": "cancelled", "parts": [] });
    shop.get("orders/order-3", &json!({ "orderid": "order-3", "lines": [ended], "next": null })).await?;
    shop.get("products/RETRO-CLOCK", &what_is_left()).await?;

    shop.order_tables_and_lamps().await?;
    shop.split_clocks().await?;

    shop.post("allocate", &json!({ "orderid": "order-2", "sku": "RETRO-CLOCK", "qty": 1000 }), (202, "OK")).await?;
    shop.mail("RETRO-CLOCK").await
}

/// The product as it is before the last line.
fn what_is_left() -> Value {
    json!({
        "sku": "RETRO-CLOCK",
        "version": 9,
        "free": 0,
        "incoming": [{ "eta": "2030-02-01", "free": 20 }, { "eta": "2030-03-01", "free": 5 }],
        "waiting": { "lines": 0, "qty": 0 },
        "batches": [
            { "ref": "later-batch", "eta": "2030-02-01", "purchased": 30, "allocated": 0, "shipped": 10, "free": 20 },
            { "ref": "early-batch", "eta": "2030-03-01", "purchased": 5, "allocated": 0, "shipped": 0, "free": 5 }
        ]
    })
}

struct Shop<'a> {
    stack: &'a Stack,
    http: reqwest::Client,
}

impl Shop<'_> {
    /// One order of two SKUs: put as a whole, refused where one of them is short, and edited.
    async fn order_tables_and_lamps(&self) -> Result<()> {
        for (sku, qty) in [("SMALL-TABLE", 5), ("TALL-LAMP", 2)] {
            self.post("batches", &json!({ "ref": "container", "sku": sku, "qty": qty }), (201, "OK")).await?;
        }
        let wanted = |tables: u32, lamps: u32, version: u32| {
            let tables = json!({ "sku": "SMALL-TABLE", "qty": tables, "line": "L1" });
            let lamps = json!({ "sku": "TALL-LAMP", "qty": lamps, "line": "L2" });
            json!({ "lines": [tables, lamps], "version": version })
        };
        let got = |sku: &str, line: &str, qty: u32| {
            let parts = json!([{ "batchref": "container", "eta": null, "qty": qty }]);
            json!({ "sku": sku, "line": line, "qty": qty, "state": "allocated", "parts": parts })
        };
        let placed = |tables: u32, lamps: u32, version: u32| {
            let lines = [got("SMALL-TABLE", "L1", tables), got("TALL-LAMP", "L2", lamps)];
            json!({ "orderid": "order-4", "lines": lines, "version": version })
        };
        let short = json!({
            "message": "no batch has 3 left of sku \"TALL-LAMP\" for order \"order-4\"; nothing was changed",
            "code": "out_of_stock",
            "lines": [{ "sku": "TALL-LAMP", "line": "L2", "qty": 3, "free": 2, "incoming": [] }]
        });
        self.put("orders/order-4", &wanted(3, 1, 1), (200, &placed(3, 1, 1))).await?;
        self.put("orders/order-4", &wanted(5, 3, 2), (409, &short)).await?;
        self.put("orders/order-4", &wanted(5, 2, 3), (200, &placed(5, 2, 3))).await
    }

    /// One line that no batch can hold, on two of them.
    async fn split_clocks(&self) -> Result<()> {
        let line = json!({ "sku": "RETRO-CLOCK", "qty": 24, "line": "L1" });
        let parts = json!([
            { "batchref": "later-batch", "eta": "2030-02-01", "qty": 20 },
            { "batchref": "early-batch", "eta": "2030-03-01", "qty": 4 }
        ]);
        let placed = json!({ "sku": "RETRO-CLOCK", "line": "L1", "qty": 24, "state": "allocated", "parts": parts });
        let wanted = json!({ "lines": [line], "split": true });
        self.put("orders/order-5", &wanted, (200, &json!({ "orderid": "order-5", "lines": [placed] }))).await
    }

    async fn post(&self, path: &str, body: &Value, expected: (u16, &str)) -> Result<()> {
        self.ask(Method::POST, path, body, expected).await
    }

    async fn patch(&self, path: &str, body: &Value, expected: (u16, &str)) -> Result<()> {
        self.ask(Method::PATCH, path, body, expected).await
    }

    async fn ask(&self, method: Method, path: &str, body: &Value, (status, text): (u16, &str)) -> Result<()> {
        let (request, got_status, got_text) = self.send(method, path, Some(body)).await?;
        ensure!(
            (got_status, got_text.as_str()) == (status, text),
            "{request}: {got_status} {got_text}, not {status} {text}"
        );
        say(&request, &format!("{status} {text}"));
        Ok(())
    }

    async fn view(&self, orderid: &str, allocations: &Value) -> Result<()> {
        self.get(&format!("allocations/{orderid}"), allocations).await
    }

    async fn get(&self, path: &str, expected: &Value) -> Result<()> {
        self.read(Method::GET, path, None, (200, expected)).await
    }

    async fn put(&self, path: &str, body: &Value, expected: (u16, &Value)) -> Result<()> {
        self.read(Method::PUT, path, Some(body), expected).await
    }

    /// Reads the answer's JSON, whatever the order of its fields.
    async fn read(&self, method: Method, path: &str, body: Option<&Value>, expected: (u16, &Value)) -> Result<()> {
        let (request, status, text) = self.send(method, path, body).await?;
        let found = serde_json::from_str::<Value>(&text).unwrap_or_default();
        ensure!((status, &found) == expected, "{request}: {status} {text}, not {} {}", expected.0, expected.1);
        say(&request, &format!("{status} {text}"));
        Ok(())
    }

    /// What was asked, and the status and text that it was answered with.
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(String, u16, String)> {
        let mut request = format!("{method} /{path}");
        let mut sent = self.http.request(method, format!("{}/{path}", self.stack.api_url()));
        if let Some(body) = body {
            request = format!("{request} {body}");
            sent = sent.json(body);
        }
        let (status, text) = answer(sent.send().await).await.with_context(|| request.clone())?;
        Ok((request, status, text))
    }

    async fn change_quantity(&self, batchref: &str, qty: u32) -> Result<()> {
        let message = json!({ "batchref": batchref, "qty": qty }).to_string();
        self.sqs("SendMessage", &json!({ "QueueUrl": self.stack.queue_url(), "MessageBody": message })).await?;
        say("message to the queue", &message);
        Ok(())
    }

    /// A queue of its own that gets all events.
    async fn subscribe(&self) -> Result<String> {
        let queue = self.sqs("CreateQueue", &json!({ "QueueName": "demonstration" })).await?;
        let url = queue.get("QueueUrl").and_then(Value::as_str).context("a queue without an address")?.to_owned();
        let attributes =
            self.sqs("GetQueueAttributes", &json!({ "QueueUrl": url, "AttributeNames": ["QueueArn"] })).await?;
        let arn =
            attributes.pointer("/Attributes/QueueArn").and_then(Value::as_str).context("a queue without an ARN")?;
        let fields = [
            ("Action", "Subscribe"),
            ("Version", "2010-03-31"),
            ("TopicArn", self.stack.topic_arn()),
            ("Protocol", "sqs"),
            ("Endpoint", arn),
            ("Attributes.entry.1.key", "RawMessageDelivery"),
            ("Attributes.entry.1.value", "true"),
        ];
        aws::call_by_form(&self.http, self.stack.endpoint(), "sns", &fields).await?;
        Ok(url)
    }

    /// Waits for an event that has all fields of `wanted`.
    async fn event(&self, queue: &str, wanted: &Value) -> Result<()> {
        let started = Instant::now();
        let mut others = Vec::new();
        while started.elapsed() < PATIENCE {
            let request = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1 });
            let received = self.sqs("ReceiveMessage", &request).await?;
            for message in received.get("Messages").and_then(Value::as_array).into_iter().flatten() {
                let body = message.get("Body").and_then(Value::as_str).unwrap_or_default();
                let event = serde_json::from_str::<Value>(body).unwrap_or_default();
                if wanted.as_object().into_iter().flatten().all(|(name, value)| event.get(name) == Some(value)) {
                    say("event on the topic", body);
                    return Ok(());
                }
                others.push(body.to_owned());
            }
        }
        bail!("no event {wanted} on the topic after {} s, only: {}", PATIENCE.as_secs(), others.join(", "));
    }

    /// Waits for a mail that names the SKU.
    async fn mail(&self, sku: &str) -> Result<()> {
        let started = Instant::now();
        let names_sku = |mail: &Mail| mail.subject.contains(sku) && mail.text.contains(sku);
        while started.elapsed() < PATIENCE {
            if let Some(mail) = self.stack.mails().await?.iter().find(|mail| names_sku(mail)) {
                say(
                    &format!("mail to {}", mail.to.join(", ")),
                    &format!("{}: {}", mail.subject, mail.text.lines().next().unwrap_or_default()),
                );
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("no mail about {sku} after {} s", PATIENCE.as_secs());
    }

    async fn sqs(&self, action: &str, body: &Value) -> Result<Value> {
        aws::call(&self.http, self.stack.endpoint(), &format!("AmazonSQS.{action}"), body).await
    }
}

async fn answer(sent: reqwest::Result<reqwest::Response>) -> Result<(u16, String)> {
    let response = sent?;
    Ok((response.status().as_u16(), response.text().await?))
}

fn say(what: &str, result: &str) {
    println!("{what}\n    -> {result}");
}
