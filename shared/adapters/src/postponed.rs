//! Lines that may be allocated later: from their queue to the bus, many at a time.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{OrderLine, SkuLines};
use futures_util::FutureExt;
use lambda_runtime::Context;
use service_layer::ports::{Environment, Products, Timestamp};
use service_layer::{Call, Error, MessageBus};
use tracing::Instrument;

use crate::calls;
use crate::json::read_object;
use crate::report::chain;
use crate::sqs::{return_to_queue, share};
use crate::system::deadline;

/// Most time between two tries of the same lines, and least time that a try should have.
const PAUSE: Duration = Duration::from_secs(1);

/// Allocates the lines of a batch of messages, those of one SKU together, and reports the messages that SQS is to
/// deliver again. One that can't be read, or whose line can't be allocated, does not touch its neighbours.
pub async fn allocate_lines<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    event: SqsEvent,
    context: &Context,
    max_receives: u32,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let end = deadline(bus.environment(), context.deadline);
    let mut fail = |message: &SqsMessage, reason: &str| {
        let call = calls::of_message(message, context, end);
        return_to_queue(bus.environment(), &call, message, reason, max_receives);
        response.add_failure(message.message_id.clone().unwrap_or_default());
    };

    let mut lines = Vec::new();
    // The same line may have been asked for more than once.
    let mut messages: HashMap<OrderLine, Vec<SqsMessage>> = HashMap::new();
    for message in event.records {
        match read_object::<OrderLine>(message.body.as_deref().unwrap_or_default().as_bytes()) {
            Ok(line) => {
                lines.push(line.clone());
                messages.entry(line).or_default().push(message);
            }
            Err(error) => fail(&message, &chain(&error)),
        }
    }

    let mut left = SkuLines::of(lines);
    left.reverse();
    while let Some(lines) = left.pop() {
        let parts = u32::try_from(left.len()).unwrap_or(u32::MAX).saturating_add(1);
        let call = call_of_many(&lines, &messages, context, share(bus.environment(), end, parts));
        let handled = Box::pin(bus.allocate_lines(&lines, &call)).instrument(calls::span(&call));
        let reason = match AssertUnwindSafe(handled).catch_unwind().await {
            Ok(Ok(answered @ 1..)) => {
                left.extend(lines.after(answered));
                continue;
            }
            Ok(Err(Error::Fault(_))) if lines.lines().len() > 1 => {
                // It may be the fault of a single line's item, so look for it.
                let (first, second) = lines.halved();
                left.extend([second, first].into_iter().flatten());
                continue;
            }
            // A hot product is throttled now and then. Back in the queue, its lines would be hidden for minutes.
            Ok(Err(Error::Contended { .. } | Error::Unavailable(_))) if has_time(bus.environment(), end) => {
                let pause = PAUSE.mul_f64(fraction(bus.environment().random()));
                bus.environment().sleep(pause).await;
                left.insert(0, lines);
                continue;
            }
            Ok(Ok(_)) => "a commit did not hold a single line".to_owned(),
            Ok(Err(error)) => chain(&error),
            Err(_) => "the handler panicked".to_owned(),
        };
        for message in lines.lines().iter().filter_map(|line| messages.get(line)).flatten() {
            fail(message, &reason);
        }
    }
    response
}

/// Whether one more try may come to something.
fn has_time<E: Environment>(environment: &E, end: Timestamp) -> bool {
    environment.now().plus(PAUSE).plus(PAUSE) < end
}

/// From zero to one.
fn fraction(random: u64) -> f64 {
    f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

/// What is committed for many has no single origin: it belongs to the invocation. A line by itself keeps its own.
fn call_of_many(
    lines: &SkuLines,
    messages: &HashMap<OrderLine, Vec<SqsMessage>>,
    context: &Context,
    deadline: Timestamp,
) -> Call {
    let mut of_lines = lines.lines().iter().filter_map(|line| messages.get(line)).flatten();
    match (of_lines.next(), of_lines.next()) {
        (Some(message), None) => calls::of_message(message, context, deadline),
        _ => calls::of_invocation(context, deadline),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_lambda_events::sqs::SqsMessageAttribute;
    use domain::{BatchRef, Command, NewBatch, Placed, Sku};
    use lambda_runtime::tracing::subscriber;
    use service_layer::Figures;
    use service_layer::ports::{AllocationsView, Commit, Snapshot, StoreError, Wanted};

    use super::*;
    use crate::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};

    /// A store in which one line's item can't be read, or another one's makes the reader panic, or that refuses so many
    /// commits, or that does not answer some reads.
    #[derive(Default)]
    struct Ailing {
        store: InMemoryStore,
        unreadable: Option<&'static str>,
        maddening: Option<&'static str>,
        refusals: AtomicU32,
        refusal: Option<fn() -> StoreError>,
        /// How many reads of a SKU get no answer.
        silences: Vec<(&'static str, AtomicU32)>,
    }

    fn one_of(left: &AtomicU32) -> bool {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    impl Products for Ailing {
        async fn find(&self, wanted: Wanted<'_>) -> Result<Snapshot, StoreError> {
            if let Wanted::Lines(sku, lines) = wanted {
                let is_among = |orderid| lines.iter().any(|line| Some(line.orderid.as_str()) == orderid);
                assert!(!is_among(self.maddening), "an item that nobody thought of");
                if is_among(self.unreadable) {
                    return Err(StoreError::Fault("an item that can't be read".into()));
                }
                if self.silences.iter().any(|(silent, left)| *silent == sku.as_str() && one_of(left)) {
                    std::future::pending::<()>().await;
                }
            }
            self.store.find(wanted).await
        }

        async fn waiting_lines(&self, sku: &Sku) -> Result<Vec<Placed>, StoreError> {
            self.store.waiting_lines(sku).await
        }

        async fn newest_lines(&self, batch: &BatchRef, pieces: u32, at_most: usize) -> Result<Vec<Placed>, StoreError> {
            self.store.newest_lines(batch, pieces, at_most).await
        }

        async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
            if let Some(refusal) = self.refusal
                && one_of(&self.refusals)
            {
                return Err(refusal());
            }
            self.store.commit(commit).await
        }
    }

    async fn shop(store: Ailing) -> MessageBus<Ailing, InMemoryEnvironment> {
        for sku in ["LAMP", "DESK"] {
            create_batch(&store.store, &format!("b-{sku}"), sku, 1_000).await;
        }
        MessageBus::new(store, InMemoryEnvironment::default(), ())
    }

    async fn create_batch(store: &InMemoryStore, reference: &str, sku: &str, qty: u32) {
        let new = NewBatch {
            reference: reference.try_into().unwrap(),
            sku: sku.try_into().unwrap(),
            qty: qty.try_into().unwrap(),
            eta: None,
        };
        // Each process draws its own commit ids.
        let others = MessageBus::new(store, InMemoryEnvironment::starting_at(7), ());
        others.handle_command(Command::CreateBatch(new), &call_until(Timestamp(1_000_000))).await.unwrap();
    }

    fn message(id: &str, body: &str) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_owned());
        message.body = Some(body.to_owned());
        message
    }

    fn asks(id: &str, sku: &str) -> SqsMessage {
        message(id, &format!(r#"{{"orderid":"{id}","sku":"{sku}","qty":1}}"#))
    }

    /// Comes for the last time.
    fn last(mut message: SqsMessage) -> SqsMessage {
        message.attributes.insert("ApproximateReceiveCount".to_owned(), "5".to_owned());
        message
    }

    fn throttled() -> StoreError {
        StoreError::Unavailable("throttled".into())
    }

    async fn failures(bus: &MessageBus<Ailing, InMemoryEnvironment>, records: Vec<SqsMessage>) -> Vec<String> {
        let mut event = SqsEvent::default();
        event.records = records;
        let mut context = Context::default();
        context.request_id = "invocation".to_owned();
        context.deadline = 30_000;
        let response = allocate_lines(bus, event, &context, 5).await;
        let mut failed: Vec<_> =
            response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        failed.sort();
        failed
    }

    fn version(bus: &MessageBus<Ailing, InMemoryEnvironment>, sku: &str) -> u64 {
        let products = bus.store().store.products();
        products.iter().find(|product| product.sku().as_str() == sku).map_or(0, |product| product.version().0)
    }

    fn dead_letters(bus: &MessageBus<Ailing, InMemoryEnvironment>) -> usize {
        bus.environment().recorded().iter().filter(|figures| **figures == Figures::DeadLetter).count()
    }

    #[tokio::test]
    async fn lines_of_a_sku_share_commits_and_a_bad_message_fails_alone() {
        let bus = shop(Ailing::default()).await;
        let mut records: Vec<_> = (0..150).map(|number| asks(&format!("o{number}"), "LAMP")).collect();
        records.insert(70, last(message("bad", r#"{"orderid":"o","sku":"LAMP","qty":0}"#)));
        records.insert(20, asks("unknown", "NOTHING"));
        records.insert(10, asks("desk", "DESK"));
        records.push(message("again", r#"{"orderid":"o7","sku":"LAMP","qty":"1"}"#));
        assert_eq!(failures(&bus, records.clone()).await, ["bad", "unknown"]);
        assert_eq!(bus.store().store.lines().len(), 151);
        assert_eq!((version(&bus, "LAMP"), version(&bus, "DESK")), (3, 2), "98 and 52 lines");
        assert_eq!(dead_letters(&bus), 1, "of the bad one");

        assert_eq!(failures(&bus, records).await, ["bad", "unknown"], "delivered again");
        assert_eq!((version(&bus, "LAMP"), version(&bus, "DESK")), (3, 2), "and nothing changed");
    }

    #[tokio::test]
    async fn a_line_that_fails_does_not_take_its_neighbours_along() {
        let bus = shop(Ailing { unreadable: Some("o7"), ..Ailing::default() }).await;
        let mut records: Vec<_> = (0..100).map(|number| asks(&format!("o{number}"), "LAMP")).collect();
        records.push(message("twice", r#"{"orderid":"o7","sku":"LAMP","qty":1}"#));
        assert_eq!(failures(&bus, records).await, ["o7", "twice"], "both that ask for the line");
        assert_eq!(bus.store().store.lines().len(), 99);
        assert_eq!(bus.store().store.allocations(&"o7".try_into().unwrap()).await.unwrap(), []);
    }

    #[tokio::test]
    async fn lines_that_one_commit_does_not_hold_go_into_the_next() {
        let bus = shop(Ailing::default()).await;
        // Each line fills a batch, which is an item of the transaction too.
        for number in 0..60 {
            create_batch(&bus.store().store, &format!("b{number}"), "BED", 1).await;
        }
        let records = (0..60).map(|number| asks(&format!("o{number}"), "BED"));
        assert_eq!(failures(&bus, records.collect()).await, [""; 0]);
        assert_eq!((bus.store().store.lines().len(), version(&bus, "BED")), (60, 62), "49 and 11 lines");
    }

    #[tokio::test]
    async fn a_line_that_nobody_shares_a_commit_with_keeps_its_correlation_id() {
        let bus = shop(Ailing::default()).await;
        let records = [("o1", "LAMP"), ("o2", "DESK"), ("o3", "DESK")].map(|(id, sku)| {
            let (mut message, mut named) = (asks(id, sku), SqsMessageAttribute::default());
            named.string_value = Some(format!("basket-of-{id}"));
            message.message_attributes.insert(calls::CORRELATION_ATTRIBUTE.to_owned(), named);
            message
        });
        assert_eq!(failures(&bus, records.into()).await, [""; 0]);
        let told = bus.store().store.outbox().into_iter().skip(2).map(|told| told.correlation.unwrap().to_string());
        assert_eq!(told.collect::<Vec<_>>(), ["basket-of-o1", "invocation", "invocation"]);
    }

    #[tokio::test]
    async fn a_panic_does_not_touch_other_products() {
        let bus = shop(Ailing { maddening: Some("o2"), ..Ailing::default() }).await;
        let records = [("o1", "LAMP"), ("o2", "LAMP"), ("o3", "DESK")].map(|(id, sku)| asks(id, sku));
        assert_eq!(failures(&bus, records.into()).await, ["o1", "o2"]);
        assert_eq!(bus.store().store.lines().len(), 1);
    }

    #[tokio::test]
    async fn a_product_that_is_throttled_or_contended_is_waited_for() {
        // A unit of work gives up after three silences, or after a hundred lost races.
        let refusals: [(u32, fn() -> StoreError); 2] = [(20, throttled), (120, || StoreError::Conflict(None))];
        for (times, refusal) in refusals {
            let bus = shop(Ailing { refusals: times.into(), refusal: Some(refusal), ..Ailing::default() }).await;
            let records = (0..100).map(|number| asks(&format!("o{number}"), if number < 50 { "LAMP" } else { "DESK" }));
            assert_eq!(failures(&bus, records.collect()).await, [""; 0]);
            assert_eq!(bus.store().store.lines().len(), 100);
        }
    }

    #[tokio::test]
    async fn a_product_that_takes_long_leaves_others_their_time() {
        let silences = vec![("LAMP", u32::MAX.into()), ("DESK", 1.into())];
        let bus = shop(Ailing { silences, ..Ailing::default() }).await;
        assert_eq!(failures(&bus, vec![asks("lamp", "LAMP"), asks("desk", "DESK")]).await, ["lamp"]);
    }

    #[tokio::test]
    async fn messages_go_back_when_time_is_up() {
        let bus = shop(Ailing { refusals: u32::MAX.into(), refusal: Some(throttled), ..Ailing::default() }).await;
        assert_eq!(failures(&bus, vec![last(asks("o1", "LAMP")), asks("o2", "LAMP")]).await, ["o1", "o2"]);
        assert!(bus.environment().now() < Timestamp(30_000), "{:?}", bus.environment().now());
        assert_eq!(dead_letters(&bus), 1);
    }

    #[tokio::test]
    async fn the_log_says_which_messages_failed_and_why_but_not_what_they_said() {
        let bus = shop(Ailing::default()).await;
        let (mut log, writer) = std::io::pipe().unwrap();
        let lines = subscriber::fmt().with_ansi(false).with_writer(move || writer.try_clone().unwrap()).finish();
        let logged = tracing::subscriber::set_default(lines);
        let bad = last(message("bad", r#"{"orderid":"o1","sku":"LAMP","qty":"a@b.c"}"#));
        assert_eq!(failures(&bus, vec![bad, asks("unknown", "NOTHING")]).await, ["bad", "unknown"]);
        drop(logged);
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        let [bad, unknown] = &text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert!(bad.contains("correlation_id=bad ") && unknown.contains("correlation_id=unknown "), "{text}");
        let reason = r#"message_id="bad" reason="qty: invalid value, expected a whole number from 1 to 4294967295""#;
        assert!(bad.ends_with(&format!("message goes to the dead letters {reason}")), "{bad}");
        let reason = r#"message_id="unknown" reason="Invalid sku NOTHING""#;
        assert!(unknown.ends_with(&format!("message goes back to the queue {reason}")), "{unknown}");
    }
}
