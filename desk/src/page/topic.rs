//! The topic of events, heard through a queue of the desk's own.

#![expect(
    clippy::disallowed_methods,
    reason = "whoever lost a connection waits in real time, and a queue's name is chosen by chance"
)]

use std::pin::pin;
use std::time::Duration;

use adapters::report::chain;
use anyhow::{Context as _, Result};
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, QueueAttributeName};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::emulator::Emulator;
use super::live::Live;

/// How the desk's queues are named, for rights and for whoever finds one.
const NAME: &str = "allocation-desk";
/// A desk that was killed leaves its queue; what nobody takes from it is gone after so many seconds.
const RETENTION: &str = "300";
/// How long one call waits for messages, in seconds.
const WAIT: i32 = 10;
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two tries when something is wrong.
const PAUSE: Duration = Duration::from_secs(2);
/// How long stopping may take: the local stack may be gone already.
const FAREWELL: Duration = Duration::from_secs(3);

/// A topic, and how to speak to its region.
pub(super) struct Topic {
    arn: String,
    region: String,
    endpoint: Option<String>,
}

impl Topic {
    /// The topic `arn`, which is the emulator's if there is one.
    pub(super) fn parse(arn: &str, emulator: Option<&Emulator>) -> Result<Self> {
        let region = match arn.split(':').collect::<Vec<_>>().as_slice() {
            ["arn", _, "sns", region, _, name] if !region.is_empty() && !name.is_empty() => Some((*region).to_owned()),
            _ => None,
        };
        let region = region.with_context(|| {
            format!("{arn:?} is no topic: expected the stack's output EventsTopicArn, arn:aws:sns:REGION:ACCOUNT:NAME")
        })?;
        let endpoint = emulator.map(|emulator| emulator.endpoint().to_owned());
        Ok(Self { arn: arn.to_owned(), region, endpoint })
    }

    /// Listens until `stop` ends, and leaves nothing behind then. What goes wrong is told to the page, and tried again.
    pub(super) async fn follow(self, live: Live, stop: impl Future<Output = ()>) {
        let mut ear = Ear { clients: self.clients().await, topic: self.arn, queue: None, subscription: None };
        let mut stop = pin!(stop);
        loop {
            // Not given up halfway: what was made must be known, to be removed.
            let mut trouble = ear.set_up().await.err();
            live.set_trouble(trouble.as_ref().map(|error| format!("{error:#}")));
            if trouble.is_none() {
                tokio::select! {
                    () = &mut stop => break,
                    error = ear.receive(&live) => trouble = Some(error),
                }
            }
            live.set_trouble(trouble.map(|error| format!("{error:#}")));
            tokio::select! {
                () = &mut stop => break,
                () = sleep(PAUSE) => {}
            }
        }
        ear.remove().await;
    }

    async fn clients(&self) -> Clients {
        let config = if let Some(endpoint) = &self.endpoint {
            local::aws::sdk_config(endpoint)
        } else {
            let region = Region::new(self.region.clone());
            let patience = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
            aws_config::defaults(BehaviorVersion::latest()).region(region).timeout_config(patience).load().await
        };
        Clients { sqs: aws_sdk_sqs::Client::new(&config), sns: aws_sdk_sns::Client::new(&config) }
    }
}

struct Clients {
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
}

/// The desk's queue: what was made of it so far.
struct Ear {
    clients: Clients,
    topic: String,
    /// Its URL.
    queue: Option<String>,
    subscription: Option<String>,
}

impl Ear {
    async fn set_up(&mut self) -> Result<()> {
        if self.queue.is_none() {
            self.queue = Some(self.create().await?);
        }
        if let (Some(url), None) = (&self.queue, &self.subscription) {
            self.subscription = Some(self.subscribe(url).await?);
        }
        Ok(())
    }

    async fn create(&self) -> Result<String> {
        let name = format!("{NAME}-{:016x}", fastrand::u64(..));
        let create = self.clients.sqs.create_queue().queue_name(&name);
        let create = create.attributes(QueueAttributeName::MessageRetentionPeriod, RETENTION);
        let created = create.send().await.map_err(told).with_context(|| format!("making the queue {name}"))?;
        created.queue_url.with_context(|| format!("the queue {name} has no address"))
    }

    async fn subscribe(&self, url: &str) -> Result<String> {
        let name = QueueAttributeName::QueueArn;
        let asked = self.clients.sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send();
        let attributes = asked.await.map_err(told).context("reading the queue's ARN")?.attributes.unwrap_or_default();
        let arn = attributes.get(&name).context("the queue has no ARN")?;
        let policy = policy(arn, &self.topic);
        let set = self.clients.sqs.set_queue_attributes().queue_url(url).attributes(QueueAttributeName::Policy, policy);
        set.send().await.map_err(told).context("letting the topic send to the queue")?;
        let subscribe = self.clients.sns.subscribe().topic_arn(&self.topic).protocol("sqs").endpoint(arn);
        let subscribe = subscribe.attributes("RawMessageDelivery", "true").return_subscription_arn(true);
        let subscribed = subscribe.send().await.map_err(told);
        let subscribed = subscribed.with_context(|| format!("subscribing to {}", self.topic))?;
        subscribed.subscription_arn.context("the subscription has no ARN")
    }

    /// Takes events for as long as all goes well.
    async fn receive(&mut self, live: &Live) -> anyhow::Error {
        loop {
            let Some(url) = &self.queue else { return anyhow::anyhow!("there is no queue") };
            let receive = self.clients.sqs.receive_message().queue_url(url).max_number_of_messages(10);
            let messages = match receive.wait_time_seconds(WAIT).message_attribute_names("All").send().await {
                Ok(received) => received.messages.unwrap_or_default(),
                Err(error) => {
                    if error.as_service_error().is_some_and(ReceiveMessageError::is_queue_does_not_exist) {
                        // Somebody removed it, or the emulator is a new one.
                        (self.queue, self.subscription) = (None, None);
                    }
                    return told(error).context("taking events from the queue");
                }
            };
            let taken = messages.iter().filter_map(event);
            taken.for_each(|event| live.add(event));
            if let Err(error) = delete(&self.clients.sqs, url, &messages).await {
                return error;
            }
        }
    }

    /// Leaves nothing behind, or says what.
    async fn remove(self) {
        if let Some(arn) = self.subscription {
            let unsubscribe = self.clients.sns.unsubscribe().subscription_arn(&arn).send();
            let outcome = timeout(FAREWELL, unsubscribe).await;
            say_if_left(&format!("the subscription {arn}"), outcome.map(|outcome| outcome.map(drop).map_err(told)));
        }
        if let Some(url) = self.queue {
            let delete = self.clients.sqs.delete_queue().queue_url(&url).send();
            let outcome = timeout(FAREWELL, delete).await;
            say_if_left(&format!("the queue {url}"), outcome.map(|outcome| outcome.map(drop).map_err(told)));
        }
    }
}

fn say_if_left(what: &str, outcome: Result<Result<()>, tokio::time::error::Elapsed>) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => eprintln!("{what} could not be removed: {error:#}"),
        Err(_) => eprintln!("{what} could not be removed in time: look whether it is there still"),
    }
}

/// An SDK's error says what failed in its causes only.
fn told(error: impl std::error::Error + 'static) -> anyhow::Error {
    anyhow::Error::msg(chain(&error))
}

/// Lets the topic, and nobody else, send to the queue.
fn policy(queue: &str, topic: &str) -> String {
    let statement = json!({
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    });
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

async fn delete(sqs: &aws_sdk_sqs::Client, url: &str, messages: &[Message]) -> Result<()> {
    let entries = messages.iter().enumerate().filter_map(|(at, message)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string());
        entry.set_receipt_handle(message.receipt_handle.clone()).build().ok()
    });
    let entries: Vec<_> = entries.collect();
    if entries.is_empty() {
        return Ok(());
    }
    let delete = sqs.delete_message_batch().queue_url(url).set_entries(Some(entries));
    delete.send().await.map(drop).map_err(told).context("removing events from the queue")
}

/// The event in a message, with the correlation id that stands beside it. What is no JSON object is none.
fn event(message: &Message) -> Option<Value> {
    let mut event: Value = serde_json::from_str(message.body.as_deref()?).ok()?;
    let fields = event.as_object_mut()?;
    let attributes = message.message_attributes.as_ref();
    let correlation_id = attributes.and_then(|all| all.get("correlation_id")?.string_value.clone());
    if let Some(id) = correlation_id {
        fields.entry("correlation_id").or_insert(id.into());
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::*;

    #[test]
    fn a_topic_names_its_region() {
        let topic = Topic::parse("arn:aws:sns:eu-west-1:123:allocation-EventsTopic", None).unwrap();
        assert_eq!(topic.region, "eu-west-1");
        for wrong in
            ["", "EventsTopic", "arn:aws:sqs:eu-west-1:123:q", "arn:aws:sns::123:t", "arn:aws:sns:eu-west-1:123:"]
        {
            assert!(Topic::parse(wrong, None).is_err_and(|error| error.to_string().contains("is no topic")), "{wrong}");
        }
    }

    #[test]
    fn an_event_has_the_correlation_id_that_stands_beside_it() {
        let id = MessageAttributeValue::builder().data_type("String").string_value("c1").build().unwrap();
        let message = Message::builder().body(r#"{"type":"Shipped"}"#).message_attributes("correlation_id", id).build();
        assert_eq!(event(&message), Some(json!({"type": "Shipped", "correlation_id": "c1"})));
        for body in ["", "no JSON", "[1]", "1"] {
            assert_eq!(event(&Message::builder().body(body).build()), None, "{body}");
        }
    }

    #[test]
    fn only_the_topic_may_send_to_the_queue() {
        let policy: Value = serde_json::from_str(&policy("arn:q", "arn:t")).unwrap();
        assert_eq!(policy["Statement"][0]["Condition"], json!({"ArnEquals": {"aws:SourceArn": "arn:t"}}));
        assert_eq!(policy["Statement"][0]["Resource"], "arn:q");
    }
}
