//! Records of the table's stream, which is the outbox.

use std::time::Duration;

use aws_lambda_events::dynamodb::{Event as StreamEvent, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::Context;
use serde_json::value::RawValue;
use service_layer::outbox::{Envelope, Record, Stopped, relay};
use service_layer::ports::{Environment, PublishError, Publisher, Timestamp};
use service_layer::{Call, Figures};
use tracing::Instrument;

use crate::calls;
use crate::dynamodb::outbox_envelopes;
use crate::report::chain;
use crate::system::deadline;

/// What a last call of the topic and the answer may take.
const MARGIN: Duration = Duration::from_secs(6);
/// Between the first two tries of a topic that refuses, and most between two tries: where one entry alone is refused,
/// its neighbours go out again with each.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Reads a batch. The runtime would do it, and keep the path to each attribute of each item in mind, in case that one
/// can't be read: a twentieth of what an invocation executes.
///
/// # Errors
/// When it is no batch of a stream. That is logged.
pub fn read_event(payload: &RawValue) -> serde_json::Result<StreamEvent> {
    let event = serde_json::from_str(payload.get());
    event.inspect_err(|error| tracing::error!(reason = chain(error), "the batch can't be read"))
}

/// Publishes what the records of a batch have to tell, and tells the stream where to go on.
///
/// # Errors
/// When the first of several records can't be published. Lambda then halves the batch, down to that record, so that
/// its neighbours don't share its fate; a partial answer would keep them together.
pub async fn publish_events<P: Publisher, E: Environment>(
    topic: &P,
    environment: &E,
    event: StreamEvent,
    context: &Context,
) -> Result<DynamoDbEventResponse, Stopped> {
    let call = calls::of_invocation(context, deadline(environment, context.deadline));
    let span = calls::span(&call, environment);
    // Boxed: the futures inside are nested more deeply than the compiler follows.
    Box::pin(publish(topic, environment, event, &call)).instrument(span).await
}

async fn publish<P: Publisher, E: Environment>(
    topic: &P,
    environment: &E,
    event: StreamEvent,
    call: &Call,
) -> Result<DynamoDbEventResponse, Stopped> {
    let oldest = event.records.iter().map(|record| record.change.approximate_creation_date_time).min();
    let records: Vec<Record> = event.records.into_iter().map(record).collect();
    let (first, count) = (records.first().map(|record| record.sequence_number.clone()), records.len());
    let topic = Persistent { topic, environment, deadline: call.deadline };
    let outcome = relay(&topic, records, || topic.has_time_after(Duration::ZERO)).await;

    let mut response = DynamoDbEventResponse::default();
    if let Err(stopped) = outcome {
        tracing::error!(reason = chain(&stopped), "the stream is to go on from this record");
        if count > 1 && first.as_ref() == Some(&stopped.sequence_number) {
            return Err(stopped);
        }
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(stopped.sequence_number);
        response.batch_item_failures.push(failure);
    }
    if let Some(oldest) = oldest {
        let committed = Timestamp(u64::try_from(oldest.timestamp_millis()).unwrap_or_default());
        environment.record(call, &Figures::Relay(environment.now().since(committed)));
    }
    Ok(response)
}

/// Stays with a topic that refuses until its time is up. So an outage uses up few of the stream's retries, while a
/// record that can't be read uses up all of them soon.
struct Persistent<'a, P, E> {
    topic: &'a P,
    environment: &'a E,
    deadline: Timestamp,
}

impl<P, E: Environment> Persistent<'_, P, E> {
    fn has_time_after(&self, pause: Duration) -> bool {
        self.environment.now().plus(pause).plus(MARGIN) < self.deadline
    }
}

impl<P: Publisher, E: Environment> Publisher for Persistent<'_, P, E> {
    const BATCH: usize = P::BATCH;

    async fn publish(&self, envelopes: &[Envelope]) -> Result<(), PublishError> {
        let (mut published, mut pause) = (0_usize, PAUSE);
        loop {
            let left = envelopes.get(published..).unwrap_or_default();
            let Err(PublishError { first, source }) = self.topic.publish(left).await else { return Ok(()) };
            published = published.saturating_add(first);
            if !self.has_time_after(pause) {
                return Err(PublishError { first: published, source });
            }
            self.environment.sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }
}

/// An item that was removed, or is no product, has nothing to tell.
fn record(record: EventRecord) -> Record {
    Record {
        sequence_number: record.change.sequence_number.unwrap_or_default(),
        envelopes: outbox_envelopes(record.change.new_image).map_err(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;
    use serde_json::{Value, json};

    use super::*;
    use crate::in_memory::{InMemoryEnvironment, InMemoryTopic};

    fn head(version: u32) -> Value {
        let event = json!({"M": {
            "type": {"S": "OutOfStock"}, "orderid": {"S": "o1"}, "sku": {"S": "LAMP"}, "qty": {"N": "3"}, "line": {"S": "3"},
            "waiting": {"BOOL": false}
        }});
        json!({
            "PK": {"S": "SKU#LAMP"}, "SK": {"S": "PRODUCT"}, "version": {"N": version.to_string()},
            "commit": {"S": "00000000000000ff"}, "batches": {"L": []}, "backlog": {"BOOL": false},
            "waiting": {"M": {"lines": {"N": "0"}, "since": {"N": "0"}, "qty": {"N": "0"}}}, "events": {"L": [event]},
            "at": {"S": "2031-01-01T12:00:00.000Z"}
        })
    }

    fn without(mut image: Value, attribute: &str) -> Value {
        image.as_object_mut().unwrap().remove(attribute);
        image
    }

    fn line() -> Value {
        json!({"PK": {"S": "ORDER#o1"}, "SK": {"S": "LINE#LAMP\u{1f}3"}, "qty": {"N": "3"}, "place": {"S": "BATCH#0#b1\u{1f}LAMP"}, "age": {"N": "2"}, "since": {"N": "2"}})
    }

    /// The published ids, and what the stream is answered.
    async fn publish(images: &[Value]) -> (Vec<String>, Result<Value, String>) {
        let record = |(number, image): (usize, &Value)| {
            json!({
                "eventID": "e", "eventName": "MODIFY", "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_300_000_000, "SequenceNumber": number.to_string(),
                    "SizeBytes": 1, "StreamViewType": "NEW_IMAGE", "NewImage": image
                }
            })
        };
        let records: Vec<Value> = images.iter().enumerate().map(record).collect();
        let event = read_event(&to_raw_value(&json!({"Records": records})).unwrap()).unwrap();
        let topic = InMemoryTopic::default();
        let mut context = Context::default();
        context.deadline = 30_000;
        let answer = publish_events(&topic, &InMemoryEnvironment::default(), event, &context).await;
        let ids = topic.published().into_iter().map(|message| message.id).collect();
        (ids, answer.map(|answer| serde_json::to_value(answer).unwrap()).map_err(|stopped| chain(&stopped)))
    }

    #[tokio::test]
    async fn heads_are_published_and_other_items_passed_over() {
        let (ids, answer) = publish(&[head(7), line(), json!({}), head(8)]).await;
        assert_eq!(ids, ["LAMP#7#1", "LAMP#8#1"]);
        assert_eq!(answer, Ok(json!({"batchItemFailures": []})));
    }

    #[tokio::test]
    async fn the_stream_goes_on_at_a_record_that_can_not_be_read() {
        let (ids, answer) = publish(&[head(7), without(head(8), "events"), head(9)]).await;
        assert_eq!(ids, ["LAMP#7#1"]);
        assert_eq!(answer, Ok(json!({"batchItemFailures": [{"itemIdentifier": "1"}]})));
    }

    #[tokio::test]
    async fn a_batch_that_begins_with_such_a_record_is_to_be_halved_down_to_it() {
        let mut poison = head(8);
        poison["events"]["L"][0]["M"]["qty"] = json!({"N": "0"});
        let (ids, answer) = publish(&[poison.clone(), head(9)]).await;
        assert!(ids.is_empty());
        let reason = answer.unwrap_err();
        assert!(reason.contains("record 0") && reason.contains("SKU#LAMP/PRODUCT"), "{reason}");
        assert!(reason.contains("events[0]: qty: must be a whole number from 1"), "{reason}");
        let (_, answer) = publish(&[poison]).await;
        assert_eq!(answer, Ok(json!({"batchItemFailures": [{"itemIdentifier": "0"}]})));
    }

    #[test]
    fn what_is_no_batch_is_an_error() {
        for payload in [json!({}), json!({"Records": [{"eventID": "e"}]}), json!(["Records"])] {
            assert!(read_event(&to_raw_value(&payload).unwrap()).is_err(), "{payload}");
        }
    }
}
