//! The shop as its users see it: requests, messages, events and mails, as verbs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use aws_sdk_sns::types::MessageAttributeValue;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use local::{Mail, Stack};
use reqwest::Client;
use serde_json::{Value, json};

use crate::names::unique;

/// How long an outcome may take that comes through queues and streams, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The HTTP API.
pub(crate) struct Api {
    http: Client,
    url: String,
}

/// A response, as far as the contract describes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Answer {
    pub(crate) fn told(&self) -> (u16, &str) {
        (self.status, &self.body)
    }
}

impl Api {
    pub(crate) fn at(url: &str) -> Result<Self> {
        Ok(Self { http: Client::builder().no_proxy().build()?, url: url.to_owned() })
    }

    pub(crate) async fn create_batch(&self, reference: &str, sku: &str, qty: u32, eta: Option<&str>) -> Result<Answer> {
        let body = json!({"ref": reference, "sku": sku, "qty": qty, "eta": eta});
        self.post("batches", body.to_string(), None).await
    }

    pub(crate) async fn allocate(&self, orderid: &str, sku: &str, qty: u32) -> Result<Answer> {
        self.post("allocate", json!({"orderid": orderid, "sku": sku, "qty": qty}).to_string(), None).await
    }

    /// Allocates, and says what the request belongs to.
    pub(crate) async fn allocate_as(&self, orderid: &str, sku: &str, qty: u32, correlation: &str) -> Result<Answer> {
        let body = json!({"orderid": orderid, "sku": sku, "qty": qty}).to_string();
        self.post("allocate", body, Some(("x-correlation-id", correlation))).await
    }

    /// Allocates, and asks to be told the batch.
    pub(crate) async fn allocate_and_tell(&self, orderid: &str, sku: &str, qty: u32) -> Result<Answer> {
        let body = json!({"orderid": orderid, "sku": sku, "qty": qty}).to_string();
        self.post("allocate", body, Some(("prefer", "return=representation"))).await
    }

    /// Asks for an allocation, and does not wait for what becomes of it.
    pub(crate) async fn allocate_async(&self, orderid: &str, sku: &str, qty: u32) -> Result<Answer> {
        let body = json!({"orderid": orderid, "sku": sku, "qty": qty}).to_string();
        self.post("allocate", body, Some(("prefer", "respond-async"))).await
    }

    pub(crate) async fn post(&self, path: &str, body: String, header: Option<(&str, &str)>) -> Result<Answer> {
        let mut request = self.http.post(format!("{}/{path}", self.url)).header("content-type", "application/json");
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        answer(request.body(body)).await
    }

    /// Changes something, by a path that is percent-encoded.
    pub(crate) async fn patch(&self, path: &str, body: Value) -> Result<Answer> {
        answer(self.http.patch(format!("{}/{path}", self.url)).body(body.to_string())).await
    }

    /// What is there. The path must be percent-encoded.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        answer(self.http.get(format!("{}/{path}", self.url))).await
    }

    /// Puts it. The path must be percent-encoded.
    pub(crate) async fn put(&self, path: &str, body: String) -> Result<Answer> {
        let request = self.http.put(format!("{}/{path}", self.url)).header("content-type", "application/json");
        answer(request.body(body)).await
    }

    /// Cancels it. The path must be percent-encoded.
    pub(crate) async fn delete(&self, path: &str) -> Result<Answer> {
        answer(self.http.delete(format!("{}/{path}", self.url))).await
    }

    /// The JSON that is answered to a question, be it an error. The path must be percent-encoded.
    pub(crate) async fn ask(&self, path: &str) -> Result<Value> {
        let Answer { status, body, .. } = self.get(path).await?;
        serde_json::from_str(&body).with_context(|| format!("{path}: {status} {body}"))
    }

    /// What the view says of an order. The id must be percent-encoded.
    pub(crate) async fn view(&self, orderid: &str) -> Result<Answer> {
        self.get(&format!("allocations/{orderid}")).await
    }

    /// Which batch the view says that an order's only line is on.
    pub(crate) async fn batch_of(&self, orderid: &str) -> Result<Option<String>> {
        let Answer { status, body, .. } = self.view(orderid).await?;
        if status == 404 {
            return Ok(None);
        }
        let shown: Value = serde_json::from_str(&body).with_context(|| format!("{status} {body}"))?;
        Ok(shown.pointer("/0/batchref").and_then(Value::as_str).map(str::to_owned))
    }

    /// Waits until the view shows an order's line there.
    pub(crate) async fn until_batch_of(&self, orderid: &str, batchref: Option<&str>) -> Result<()> {
        let what = format!("{orderid} on {batchref:?}");
        until(&what, async || Ok((self.batch_of(orderid).await?.as_deref() == batchref).then_some(()))).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let kept = ["content-type", "preference-applied", "retry-after", "x-correlation-id"];
    let header = |name: &str| Some((name.to_owned(), response.headers().get(name)?.to_str().ok()?.to_owned()));
    let headers = kept.into_iter().filter_map(header).collect();
    Ok(Answer { status: response.status().as_u16(), headers, body: response.text().await? })
}

/// Asks again and again until there is an outcome.
pub(crate) async fn until<T>(what: &str, ask: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(outcome) = ask().await? {
            return Ok(outcome);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("not after {} s: {what}", PATIENCE.as_secs())
}

/// The warehouse's side of the deployed stack.
pub(crate) struct Warehouse<'a> {
    stack: &'a Stack,
    sqs: aws_sdk_sqs::Client,
}

impl<'a> Warehouse<'a> {
    pub(crate) fn of(stack: &'a Stack) -> Self {
        Self { stack, sqs: aws_sdk_sqs::Client::new(&stack.sdk_config()) }
    }

    pub(crate) async fn change_quantity(&self, batchref: &str, qty: u32) -> Result<()> {
        self.send(&[&json!({"batchref": batchref, "qty": qty}).to_string()]).await
    }

    /// Sends messages in one batch, so that they are likely to arrive in one.
    pub(crate) async fn send(&self, bodies: &[&str]) -> Result<()> {
        let entry = |(index, body): (usize, &&str)| {
            SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(*body).build()
        };
        let entries = bodies.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
        let request = self.sqs.send_message_batch().queue_url(self.stack.queue_url());
        let output = request.set_entries(Some(entries)).send().await?;
        anyhow::ensure!(output.failed().is_empty(), "{:?}", output.failed());
        Ok(())
    }

    /// Waits until every message was delivered at least once.
    pub(crate) async fn until_nothing_is_visible(&self) -> Result<()> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        until("a queue without visible messages", async || Ok((self.count(name.clone()).await? == 0).then_some(())))
            .await
    }

    /// Whether every message was taken.
    pub(crate) async fn is_drained(&self) -> Result<bool> {
        Ok(self.count(QueueAttributeName::ApproximateNumberOfMessages).await? == 0 && self.in_flight().await? == 0)
    }

    /// Messages that were delivered and neither taken nor given back yet.
    pub(crate) async fn in_flight(&self) -> Result<u32> {
        self.count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible).await
    }

    /// Whether every line that clients did not wait for was taken from its queue.
    pub(crate) async fn has_no_queued_lines(&self) -> Result<bool> {
        let queues = self.sqs.list_queues().send().await?;
        let is_of_lines = |url: &&String| url.contains("AllocateQueue");
        let urls: Vec<&String> = queues.queue_urls().iter().filter(is_of_lines).collect();
        let [url] = urls[..] else { bail!("one queue of lines, and not {urls:?}") };
        let visible = self.count_in(url, QueueAttributeName::ApproximateNumberOfMessages).await?;
        Ok(visible == 0 && self.count_in(url, QueueAttributeName::ApproximateNumberOfMessagesNotVisible).await? == 0)
    }

    async fn count(&self, name: QueueAttributeName) -> Result<u32> {
        self.count_in(self.stack.queue_url(), name).await
    }

    async fn count_in(&self, url: &str, name: QueueAttributeName) -> Result<u32> {
        let request = self.sqs.get_queue_attributes().queue_url(url);
        let output = request.attribute_names(name.clone()).send().await?;
        let count = output.attributes().and_then(|attributes| attributes.get(&name)).context("no such attribute")?;
        Ok(count.parse()?)
    }
}

/// Publishes an event to the topic as the relay does.
pub(crate) async fn publish_again(stack: &Stack, event: &Value) -> Result<()> {
    let kind = event["type"].as_str().context("an event without a type")?;
    let kind = MessageAttributeValue::builder().data_type("String").string_value(kind).build()?;
    aws_sdk_sns::Client::new(&stack.sdk_config())
        .publish()
        .topic_arn(stack.topic_arn())
        .message(event.to_string())
        .message_attributes("type", kind)
        .send()
        .await?;
    Ok(())
}

/// Another service that listens to the topic by a queue of its own.
pub(crate) struct Subscriber {
    sqs: aws_sdk_sqs::Client,
    queue: String,
}

impl Subscriber {
    /// Subscribes to events whose attributes match a filter policy.
    pub(crate) async fn to(stack: &Stack, filter: &Value) -> Result<Self> {
        let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config());
        let created = sqs.create_queue().queue_name(unique("subscriber")).send().await?;
        let queue = created.queue_url().context("a queue without an address")?.to_owned();
        let name = QueueAttributeName::QueueArn;
        let output = sqs.get_queue_attributes().queue_url(&queue).attribute_names(name.clone()).send().await?;
        let arn = output.attributes().and_then(|attributes| attributes.get(&name)).context("no ARN")?;
        aws_sdk_sns::Client::new(&stack.sdk_config())
            .subscribe()
            .topic_arn(stack.topic_arn())
            .protocol("sqs")
            .endpoint(arn)
            .attributes("RawMessageDelivery", "true")
            .attributes("FilterPolicy", filter.to_string())
            .send()
            .await?;
        Ok(Self { sqs, queue })
    }

    /// Takes events of one SKU until they are enough.
    pub(crate) async fn events_of(&self, sku: &str, enough: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        let started = Instant::now();
        let mut events = Vec::new();
        while !enough(&events) {
            if started.elapsed() > PATIENCE {
                bail!("after {} s only these events of {sku}: {events:?}", PATIENCE.as_secs());
            }
            for body in self.receive().await? {
                let event: Value = serde_json::from_str(&body)?;
                if event["sku"] == sku {
                    events.push(event);
                }
            }
        }
        Ok(events)
    }

    /// Takes the next events; none, if none come within a second.
    pub(crate) async fn receive(&self) -> Result<Vec<String>> {
        let request = self.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10);
        let received = request.wait_time_seconds(1).send().await?;
        let mut bodies = Vec::new();
        for message in received.messages() {
            bodies.push(message.body().unwrap_or_default().to_owned());
            let handle = message.receipt_handle().unwrap_or_default();
            self.sqs.delete_message().queue_url(&self.queue).receipt_handle(handle).send().await?;
        }
        Ok(bodies)
    }
}

/// Waits for mails that name a SKU in their subject, until they are as many.
pub(crate) async fn until_mails(stack: &Stack, sku: &str, count: usize) -> Result<Vec<Mail>> {
    until(&format!("{count} mails on {sku}"), async || {
        let mut mails = stack.mails().await?;
        // Whole words: LAMP-1 is not LAMP-12.
        mails.retain(|mail| mail.subject.split(' ').any(|word| word == sku));
        Ok((mails.len() >= count).then_some(mails))
    })
    .await
}
