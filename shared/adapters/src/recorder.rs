//! The subscriber that keeps what happened: from its queue to the history, many events at a time.

use std::collections::VecDeque;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::Context;
use serde::Serialize;
use service_layer::history::{History, Told};
use service_layer::ports::Environment;
use service_layer::store::StoreError;
use service_layer::{CorrelationId, Source};
use tracing::Instrument;

use crate::calls;
use crate::report::chain;
use crate::sqs::{event, return_to_queue};
use crate::system::deadline;

/// Most time between two tries of the same events.
const PAUSE: Duration = Duration::from_secs(1);
/// Least time that a try must have: longer than a call may take.
const LEAST: Duration = Duration::from_secs(6);

/// An event that is to be kept, and the message that brought it.
type Brought = (Told, SqsMessage);

/// Keeps the events of a batch of messages, and reports the messages that SQS is to deliver again. One that can't be read
/// does not touch its neighbours.
pub async fn record_events<H: History, E: Environment>(
    history: &H,
    environment: &E,
    messages: SqsEvent,
    context: &Context,
    max_receives: u32,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let end = deadline(environment, context.deadline);
    let mut fail = |message: &SqsMessage, reason: &str| {
        let call = calls::of_message(message, context, end);
        return_to_queue(environment, &call, message, reason, max_receives);
        response.add_failure(message.message_id.clone().unwrap_or_default());
    };

    let mut brought: Vec<Brought> = Vec::new();
    for message in messages.records {
        match told(&message) {
            Ok(told) => brought.push((told, message)),
            Err(error) => fail(&message, &chain(error.as_ref())),
        }
    }

    let call = calls::of_invocation(context, end);
    let mut left: VecDeque<Vec<Brought>> = brought.chunks(H::BATCH).map(<[Brought]>::to_vec).collect();
    while let Some(some) = left.pop_front() {
        let next = if environment.now().plus(LEAST) < end {
            record_some(history, some).instrument(calls::span(&call, environment)).await
        } else {
            Next::Fail(some, "out of time".to_owned())
        };
        match next {
            Next::Done => {}
            Next::Alone(some) => some.into_iter().rev().for_each(|one| left.push_front(vec![one])),
            Next::Wait(some, _) if environment.now().plus(PAUSE).plus(LEAST) < end => {
                environment.sleep(PAUSE.mul_f64(environment.chance())).await;
                left.push_back(some);
            }
            Next::Wait(some, reason) | Next::Fail(some, reason) => {
                for (_, message) in &some {
                    fail(message, &reason);
                }
            }
        }
    }
    response
}

/// What is to be done with events that were tried.
enum Next {
    /// Nothing: they are kept.
    Done,
    /// To be tried one by one.
    Alone(Vec<Brought>),
    /// To be tried again after a pause, for this reason.
    Wait(Vec<Brought>, String),
    /// Their messages go back to the queue, for this reason.
    Fail(Vec<Brought>, String),
}

async fn record_some<H: History>(history: &H, some: Vec<Brought>) -> Next {
    let error = match history.record(some.iter().map(|(told, _)| told.clone()).collect()).await {
        Ok(unwritten) if unwritten.is_empty() => return Next::Done,
        Ok(unwritten) => {
            let again = some.into_iter().filter(|(told, _)| unwritten.contains(told));
            return Next::Wait(again.collect(), "the history had no room for it in time".to_owned());
        }
        Err(error) => error,
    };
    match error {
        // It may be the fault of one of them.
        StoreError::Fault(_) if some.len() > 1 => Next::Alone(some),
        StoreError::Fault(_) => Next::Fail(some, chain(&error)),
        StoreError::Unavailable(_) | StoreError::Conflict(_) => Next::Wait(some, chain(&error)),
    }
}

/// What a message of the topic, delivered raw, has to tell.
fn told(message: &SqsMessage) -> Result<Told, Source> {
    let envelope = event(message)?;
    let text = with_correlation(message.body.as_deref().unwrap_or_default(), calls::named_by(message));
    Ok(Told::of(&envelope, text)?)
}

/// The text of a JSON object with one more field. The rest stays as it is, whoever wrote it.
fn with_correlation(text: &str, correlation_id: Option<CorrelationId>) -> String {
    #[derive(Serialize)]
    struct Beside {
        correlation_id: Option<CorrelationId>,
    }

    let object = text.trim();
    let object = object.strip_suffix('}').unwrap_or(object).trim_end();
    // An id always serializes.
    let beside = serde_json::to_string(&Beside { correlation_id }).unwrap_or_default();
    format!("{object},{}", beside.strip_prefix('{').unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::sqs::SqsMessageAttribute;
    use domain::Version;
    use service_layer::Figures;
    use testing::{sqs_event, sqs_message};

    use super::*;
    use crate::in_memory::{InMemoryEnvironment, InMemoryHistory};

    const EVENT: &str = r#"{"type":"Shipped","orderid":"o1","sku":"LAMP","qty":2,"line":"2","batchref":"b1","id":"LAMP#7#1","version":7,"of":1,"at":"2031-01-02T03:04:05.678Z"}"#;

    fn message(id: &str, body: &str) -> SqsMessage {
        let mut message = sqs_message(id, body);
        let mut named = SqsMessageAttribute::default();
        named.string_value = Some("order-7".to_owned());
        message.message_attributes.insert("correlation_id".to_owned(), named);
        message.attributes.insert("ApproximateReceiveCount".to_owned(), "5".to_owned());
        message
    }

    async fn record(history: &InMemoryHistory, messages: &[SqsMessage]) -> (Vec<String>, Vec<Figures>) {
        let (environment, mut context) = (InMemoryEnvironment::default(), Context::default());
        context.deadline = 100_000;
        let event = sqs_event(messages.iter().cloned());
        let response = record_events(history, &environment, event, &context, 5).await;
        let failed = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        (failed, environment.recorded())
    }

    async fn texts(history: &InMemoryHistory) -> Vec<String> {
        let (sku, all) = ("LAMP".try_into().unwrap(), Version(0)..=Version(u64::MAX));
        history.of_product(&sku, all, 100).await.unwrap().into_iter().map(|event| event.text).collect()
    }

    #[tokio::test]
    async fn an_event_is_kept_as_it_was_published_with_its_correlation_id() {
        let history = InMemoryHistory::default();
        let newer = EVENT.replace("\"qty\"", "\"since\":\"a newer release\",\"qty\"");
        let (failed, _) = record(&history, &[message("m1", &format!("{newer} \n"))]).await;
        let expected = newer.replace("678Z\"}", "678Z\",\"correlation_id\":\"order-7\"}");
        assert_eq!((failed, texts(&history).await), (vec![], vec![expected]));

        let history = InMemoryHistory::default();
        record(&history, &[sqs_message("m1", EVENT)]).await;
        let expected = EVENT.replace("678Z\"}", "678Z\",\"correlation_id\":null}");
        assert_eq!(texts(&history).await, [expected], "the message's own id says nothing of where it came from");
    }

    #[tokio::test]
    async fn what_is_no_event_fails_alone() {
        let history = InMemoryHistory::default();
        let strange = EVENT.replace("LAMP#7#1", "LAMP");
        let messages = [message("m1", "{}"), message("m2", EVENT), message("m3", &strange), message("m4", "no")];
        let (failed, figures) = record(&history, &messages).await;
        assert_eq!((failed.join(" "), texts(&history).await.len()), ("m1 m3 m4".to_owned(), 1));
        assert_eq!(figures, [Figures::DeadLetter, Figures::DeadLetter, Figures::DeadLetter]);
    }

    #[tokio::test]
    async fn repeats_and_disorder_do_no_harm() {
        let history = InMemoryHistory::default();
        let older = EVENT.replace("LAMP#7#1", "LAMP#6#1").replace("\"version\":7", "\"version\":6");
        let messages = [message("m1", EVENT), message("m2", &older), message("m3", EVENT)];
        for _ in 0..2 {
            assert_eq!(record(&history, &messages).await.0.len(), 0);
        }
        let told: Vec<bool> = texts(&history).await.iter().map(|text| text.contains("LAMP#7#1")).collect();
        assert_eq!(told, [false, true]);
    }

    #[tokio::test]
    async fn what_there_is_no_room_for_is_tried_again_until_time_is_up_and_then_goes_back() {
        let messages: Vec<SqsMessage> = (1..=30)
            .map(|version| {
                let body = EVENT.replace("LAMP#7#1", &format!("LAMP#{version}#1"));
                let body = body.replace("\"version\":7", &format!("\"version\":{version}"));
                message(&format!("m{version}"), &body)
            })
            .collect();
        let history = InMemoryHistory::with_room_for(1);
        assert_eq!(record(&history, &messages).await.0.len(), 0);
        assert_eq!(texts(&history).await.len(), 30, "one more with each try");
        let none = InMemoryHistory::with_room_for(0);
        assert_eq!(record(&none, &messages).await.0.len(), 30);
    }
}
