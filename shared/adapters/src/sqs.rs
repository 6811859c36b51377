//! Messages from SQS: each is read by itself and answered by itself.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{BatchRef, ChangeBatchQuantity, ChangeOutcome, Revision, Version};
use futures_util::FutureExt;
use lambda_runtime::Context;
use serde::Deserialize;
use serde::de::IgnoredAny;
use service_layer::outbox::Envelope;
use service_layer::ports::{Environment, Inbox, Mailer, Timestamp};
use service_layer::store::Products;
use service_layer::{Call, Figures, MessageBus, Source};
use tracing::Instrument;

use crate::calls;
use crate::json::read_object;
use crate::report::chain;
use crate::system::deadline;

/// Carries out the changes of quantity in a batch of messages, and reports those that SQS is to deliver again.
pub async fn change_quantities<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    event: SqsEvent,
    context: &Context,
    max_receives: u32,
) -> SqsBatchResponse {
    answer_each(event, bus.environment(), context, max_receives, async |message, call| {
        let change = change_batch_quantity(message)?;
        let (batchref, revision) = (change.reference.as_str(), change.revision);
        match bus.handle(&change, call).await? {
            ChangeOutcome::Applied => {}
            ChangeOutcome::Outdated => tracing::info!(batchref, ?revision, "change of quantity is not newer"),
            ChangeOutcome::Unnumbered => {
                let reason = "the batch has seen a version, and this change has none";
                tracing::warn!(batchref, ?revision, reason, "change of quantity is ignored");
                bus.environment().record(call, &Figures::UnnumberedChange);
            }
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

/// The warehouse's message. A field that is not known is refused: it would be a misspelt one, and what it says lost.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    #[serde(alias = "batchid")]
    batchref: BatchRef,
    #[serde(deserialize_with = "domain::read_stock_level")]
    qty: u32,
    version: Option<Count>,
    as_of: Option<AsOf>,
}

#[derive(Deserialize)]
struct Count(#[serde(deserialize_with = "domain::read_count")] u64);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected milliseconds since 1970 or a time such as 2011-01-31T12:00:00Z")]
enum AsOf {
    Milliseconds(Count),
    Time(jiff::Timestamp),
}

impl AsOf {
    /// The first time that is taken: 2001 began. What is less was counted in seconds.
    const FIRST: u64 = 978_307_200_000;
    /// By how much a sender's clock may be ahead. What is more was counted in microseconds, and would outrank every
    /// change to come.
    const AHEAD: Duration = Duration::from_hours(24);

    /// Milliseconds since 1970, if that makes sense in a message of this time.
    fn checked(&self, sent: Timestamp) -> Result<u64, &'static str> {
        let milliseconds = match self {
            Self::Milliseconds(Count(milliseconds)) => *milliseconds,
            Self::Time(time) => Timestamp::try_from(*time).unwrap_or_default().0,
        };
        if milliseconds < Self::FIRST {
            return Err("as_of: is before 2001; expected milliseconds since 1970, not seconds");
        }
        if Timestamp(milliseconds) > sent.plus(Self::AHEAD) {
            return Err("as_of: is more than a day after the message was sent; expected milliseconds since 1970, not \
                microseconds");
        }
        Ok(milliseconds)
    }
}

/// Reads `{"batchref": "b1", "qty": 25}`. How new the change is, says the body's `version` or `as_of`, or else
/// the time of sending.
fn change_batch_quantity(message: &SqsMessage) -> Result<ChangeBatchQuantity, Source> {
    let text = message.body.as_deref().unwrap_or_default().as_bytes();
    let body: ChangeBody = read_object(text).map_err(|error| match wrapper(text) {
        Some(reason) => Source::from(reason),
        None => error.into(),
    })?;
    let sent = || {
        let sent = message.attributes.get("SentTimestamp").and_then(|sent| sent.parse().ok());
        sent.map(Timestamp).ok_or("the message has no SentTimestamp, which SQS gives to each")
    };
    let as_of = match (&body.version, &body.as_of) {
        (_, Some(as_of)) => Some(as_of.checked(sent()?)?),
        (Some(_), None) => None,
        (None, None) => Some(sent()?.0),
    };
    let revision = match (body.version, as_of) {
        (Some(Count(version)), _) => Revision::Version(version),
        (None, as_of) => Revision::AsOf(as_of.unwrap_or_default()),
    };
    Ok(ChangeBatchQuantity { reference: body.batchref, qty: body.qty, revision })
}

/// What a message is, if it is another message's wrapper.
fn wrapper(text: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Wrapper {
        #[serde(rename = "TopicArn")]
        topic: Option<IgnoredAny>,
        #[serde(rename = "detail-type")]
        detail_type: Option<IgnoredAny>,
    }

    let Wrapper { topic, detail_type } = read_object(text).ok()?;
    if topic.is_some() {
        return Some(
            "the message is an SNS notification around another: turn on the subscription's raw message delivery",
        );
    }
    detail_type.map(|_| {
        "the message is an EventBridge event around another: let the rule's target send its detail alone (InputPath $.detail)"
    })
}

/// Reads an event that the topic delivered raw. In two parts: of a flattened value, serde can't say which field is
/// wrong.
fn event(message: &SqsMessage) -> Result<Envelope, Source> {
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

    fn read(body: &str) -> Result<(String, u32, Revision), String> {
        let change = change_batch_quantity(&message("m1", body)).map_err(|error| error.to_string())?;
        Ok((change.reference.to_string(), change.qty, change.revision))
    }

    #[test]
    fn both_spellings_of_the_reference_are_read() {
        let expected = Ok(("b1".to_owned(), 25, Revision::AsOf(1_700_000_000_000)));
        assert_eq!(read(r#"{"batchref": "b1", "qty": 25}"#), expected);
        assert_eq!(read(r#"{"batchid": "b1", "qty": "25"}"#), expected);
        assert_eq!(
            read(r#"{"batchid": "b1", "batchref": "b1", "qty": 25}"#),
            Err("duplicate field `batchref`".to_owned())
        );
    }

    #[test]
    fn the_body_may_say_how_new_it_is() {
        let revision =
            |field: &str| read(&format!(r#"{{"batchref":"b1","qty":0,{field}}}"#)).map(|(_, _, revision)| revision);
        for version in ["7", "7.0", "\"7\""] {
            assert_eq!(revision(&format!("\"version\":{version}")), Ok(Revision::Version(7)));
        }
        assert_eq!(
            revision(r#""version":7.5"#).unwrap_err(),
            "version: invalid type: floating point `7.5`, expected a whole number from 0 to 18446744073709551615"
        );
        for as_of in ["1600000000000", "\"1600000000000\"", "\"2020-09-13T12:26:40Z\"", "\"2020-09-13T14:26:40+02:00\""]
        {
            assert_eq!(revision(&format!("\"as_of\":{as_of}")), Ok(Revision::AsOf(1_600_000_000_000)));
        }
        assert_eq!(revision(r#""as_of":null,"version":null"#), Ok(Revision::AsOf(1_700_000_000_000)));
        assert_eq!(
            revision(r#""as_of":"yesterday""#).unwrap_err(),
            "as_of: expected milliseconds since 1970 or a time such as 2011-01-31T12:00:00Z"
        );
        let both = r#""as_of":1600000000000,"version":7"#;
        assert_eq!(revision(both), Ok(Revision::Version(7)), "the one that outranks the other");
    }

    #[test]
    fn a_time_that_makes_no_sense_is_refused() {
        let revision = |as_of: &str| {
            read(&format!(r#"{{"batchref":"b1","qty":0,"as_of":{as_of}}}"#)).map(|(_, _, revision)| revision)
        };
        // The message was sent at 1700000000000.
        assert_eq!(revision("978307200000"), Ok(Revision::AsOf(978_307_200_000)));
        assert_eq!(revision("1700086400000"), Ok(Revision::AsOf(1_700_086_400_000)), "a day ahead");
        let early = "as_of: is before 2001; expected milliseconds since 1970, not seconds";
        for seconds in [
            "978307199999",
            "1700000000",
            "0",
            "\"1700000000\"",
            "\"1999-12-31T00:00:00Z\"",
            "\"1969-12-31T23:59:59Z\"",
        ] {
            assert_eq!(revision(seconds).unwrap_err(), early, "{seconds}");
        }
        let late =
            "as_of: is more than a day after the message was sent; expected milliseconds since 1970, not microseconds";
        for microseconds in ["1700086400001", "1700000000000000", "18446744073709551615", "\"2999-01-01T00:00:00Z\""] {
            assert_eq!(revision(microseconds).unwrap_err(), late, "{microseconds}");
        }
        assert_eq!(read(r#"{"batchref":"b1","qty":0,"as_of":1,"version":1}"#).unwrap_err(), early, "beside a version");
    }

    #[test]
    fn a_field_that_is_not_known_fails_the_message() {
        for misspelt in ["asOf", "Qty", "quantity", "Version"] {
            let reason = read(&format!(r#"{{"batchref":"b1","qty":0,"{misspelt}":5}}"#)).unwrap_err();
            assert!(reason.contains(&format!("unknown field `{misspelt}`")), "{reason}");
        }
    }

    #[test]
    fn a_message_around_another_is_told_as_what_it_is() {
        let notification = r#"{"Type":"Notification","TopicArn":"arn","Message":"{\"batchref\":\"b1\",\"qty\":5}"}"#;
        assert!(read(notification).unwrap_err().contains("raw message delivery"));
        let event = r#"{"version":"0","id":"1","detail-type":"Count","source":"s","detail":{"batchref":"b1","qty":5}}"#;
        assert!(read(event).unwrap_err().contains("InputPath $.detail"));
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
            let response = change_quantities(&bus, event, &context, 5).await;
            assert!(response.batch_item_failures.is_empty(), "it is no failure");
            let unnumbered = bus.environment().recorded();
            let unnumbered = unnumbered.iter().filter(|figures| **figures == Figures::UnnumberedChange);
            assert_eq!(unnumbered.count(), counted, "{body}");
        }
    }
}
