//! Messages from SQS: each is read by itself and answered by itself.

use std::panic::AssertUnwindSafe;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::Version;
use futures_util::FutureExt;
use lambda_runtime::Context;
use serde::Deserialize;
use service_layer::outbox::Envelope;
use service_layer::ports::{Environment, Inbox, Mailer, Timestamp};
use service_layer::store::Products;
use service_layer::{Call, Figures, MessageBus, Ship, Source};
use tracing::Instrument;

use crate::calls;
use crate::json::read_object;
use crate::report::chain;
use crate::system::deadline;
use crate::warehouse::{self, Word};

/// Carries out what the warehouse says in a batch of messages, and reports those that SQS is to deliver again.
pub async fn hear_warehouse<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    event: SqsEvent,
    context: &Context,
    max_receives: u32,
) -> SqsBatchResponse {
    answer_each(event, bus.environment(), context, max_receives, async |message, call| {
        match warehouse::read(message)? {
            Word::Change(change) => {
                let outcome = bus.handle(&change, call).await?;
                warehouse::note(bus.environment(), call, &change, outcome);
            }
            Word::Shipped(id) => drop(bus.handle(&Ship(id), call).await?),
        }
        Ok(())
    })
    .await
}

/// Reacts to the events in a batch of messages, and reports those that SQS is to deliver again.
pub async fn handle_events<S: Inbox, E: Environment, M: Mailer>(
    bus: &MessageBus<S, E, M>,
    event: SqsEvent,
    context: &Context,
    max_receives: u32,
) -> SqsBatchResponse {
    answer_each(event, bus.environment(), context, max_receives, async |message, call| {
        Ok(bus.handle_event(&self::event(message)?, call).await?)
    })
    .await
}

/// Handles each message of a batch by itself: one that fails, or even panics, does not touch its neighbours. Its
/// deadline is an equal share of the time that is left, so that a slow one does not use up theirs.
async fn answer_each<E: Environment>(
    event: SqsEvent,
    environment: &E,
    context: &Context,
    max_receives: u32,
    mut handle: impl AsyncFnMut(&SqsMessage, &Call) -> Result<(), Source>,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let end = deadline(environment, context.deadline);
    let count = u32::try_from(event.records.len()).unwrap_or(u32::MAX);
    for (left, message) in (1..=count).rev().zip(event.records) {
        let call = calls::of_message(&message, context, share(environment, end, left));
        let handled = Box::pin(handle(&message, &call)).instrument(calls::span(&call, environment));
        let reason = match AssertUnwindSafe(handled).catch_unwind().await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => chain(error.as_ref()),
            Err(_) => "the handler panicked".to_owned(),
        };
        return_to_queue(environment, &call, &message, &reason, max_receives);
        response.add_failure(message.message_id.unwrap_or_default());
    }
    response
}

/// The end of an equal part of the time that is left, for the next of so many.
pub(crate) fn share<E: Environment>(environment: &E, end: Timestamp, parts: u32) -> Timestamp {
    let now = environment.now();
    now.plus(end.since(now).checked_div(parts).unwrap_or_default())
}

/// Tells the log why a message failed, and whether SQS delivers it again.
pub(crate) fn return_to_queue<E: Environment>(
    environment: &E,
    call: &Call,
    message: &SqsMessage,
    reason: &str,
    max_receives: u32,
) {
    let receives = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse::<u32>().ok());
    let id = message.message_id.as_deref().unwrap_or_default();
    let _entered = calls::span(call, environment).entered();
    if receives.is_some_and(|receives| receives >= max_receives) {
        tracing::error!(message_id = id, reason, "message goes to the dead letters");
        environment.record(call, &Figures::DeadLetter);
    } else {
        tracing::error!(message_id = id, reason, "message goes back to the queue");
    }
}

/// Reads an event that the topic delivered raw. In two parts: of a flattened value, serde can't say which field is
/// wrong.
pub(crate) fn event(message: &SqsMessage) -> Result<Envelope, Source> {
    #[derive(Deserialize)]
    struct Origin {
        lines: Option<u32>,
        id: String,
        version: Version,
        of: u32,
        at: Timestamp,
    }

    let body = message.body.as_deref().unwrap_or_default().as_bytes();
    let Origin { lines, id, version, of, at } = read_object(body)?;
    Ok(Envelope { event: read_object(body)?, lines, id, version, of, at, correlation: None })
}

#[cfg(test)]
mod tests {
    use service_layer::CreateBatch;
    use testing::{new_batch, sqs_event, sqs_message};

    use super::*;
    use crate::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};

    fn message(id: &str, body: &str) -> SqsMessage {
        let mut message = sqs_message(id, body);
        message.attributes.insert("SentTimestamp".to_owned(), "1700000000000".to_owned());
        message
    }

    #[tokio::test]
    async fn a_message_that_fails_or_panics_does_not_touch_its_neighbours() {
        let messages = [(5, "good"), (4, "bad"), (5, "ugly"), (5, "fine")].map(|(receives, id)| {
            let mut message = message(id, "{}");
            message.attributes.insert("ApproximateReceiveCount".to_owned(), receives.to_string());
            message
        });
        let mut done = Vec::new();
        let (environment, context) = (InMemoryEnvironment::default(), Context::default());
        let response = answer_each(sqs_event(messages), &environment, &context, 5, async |message, call| {
            let id = message.message_id.clone().unwrap();
            assert_eq!(call.correlation.as_str(), id);
            done.push(id.clone());
            match id.as_str() {
                "bad" => Err("no".into()),
                "ugly" => panic!("ugly"),
                _ => Ok(()),
            }
        })
        .await;
        let failed: Vec<_> = response.batch_item_failures.iter().map(|failure| &failure.item_identifier).collect();
        assert_eq!(failed, ["bad", "ugly"]);
        assert_eq!(done, ["good", "bad", "ugly", "fine"]);
        assert_eq!(environment.recorded(), [Figures::DeadLetter], "of the ugly one, which SQS delivers no more");
    }

    #[tokio::test]
    async fn a_change_that_forgot_its_version_is_counted() {
        let bus = MessageBus::new(InMemoryStore::default(), InMemoryEnvironment::default(), ());
        let call = call_until(Timestamp(100_000));
        bus.handle(&CreateBatch(new_batch("b1", "LAMP", 10)), &call).await.unwrap();
        let (numbered, forgot) = (r#"{"batchref":"b1","qty":7,"version":1}"#, r#"{"batchref":"b1","qty":5}"#);
        for (body, counted) in [(numbered, 0), (numbered, 0), (forgot, 1), (forgot, 2)] {
            let event = sqs_event([message("m1", body)]);
            let mut context = Context::default();
            context.deadline = 100_000;
            let response = hear_warehouse(&bus, event, &context, 5).await;
            assert!(response.batch_item_failures.is_empty(), "it is no failure");
            let unnumbered = bus.environment().recorded();
            let unnumbered = unnumbered.iter().filter(|figures| **figures == Figures::UnnumberedChange);
            assert_eq!(unnumbered.count(), counted, "{body}");
        }
    }
}
