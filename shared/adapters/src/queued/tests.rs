//! Queued lines that succeed, fail, wait, and take nobody along.

use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lambda_events::sqs::SqsMessageAttribute;
use lambda_runtime::tracing::subscriber;
use service_layer::store::{Commit, Found, ReadSet, StoreError};
use service_layer::{CreateBatch, Figures};
use testing::{Hooked, Hooks, allocations, new_batch, sqs_event, sqs_message};

use super::*;
use crate::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};

/// A store in which one line's item can't be read, or another one's makes the reader panic, or that refuses so many
/// commits, or that does not answer some reads.
#[derive(Default)]
struct Ailing {
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

impl Hooks<InMemoryStore> for Ailing {
    async fn find(&self, store: &InMemoryStore, wanted: &ReadSet) -> Result<Found, StoreError> {
        let is_among = |orderid| wanted.lines.iter().any(|line| Some(line.orderid.as_str()) == orderid);
        assert!(!is_among(self.maddening), "an item that nobody thought of");
        if is_among(self.unreadable) {
            return Err(StoreError::Fault("an item that can't be read".into()));
        }
        let is_asked = |silent: &str| wanted.skus.iter().any(|sku| sku.as_str() == silent);
        if self.silences.iter().any(|(silent, left)| is_asked(silent) && one_of(left)) {
            std::future::pending::<()>().await;
        }
        store.find(wanted).await
    }

    async fn commit(&self, store: &InMemoryStore, commit: Commit<'_>) -> Result<(), StoreError> {
        if let Some(refusal) = self.refusal
            && one_of(&self.refusals)
        {
            return Err(refusal());
        }
        store.commit(commit).await
    }
}

type Bus = MessageBus<Hooked<InMemoryStore, Ailing>, InMemoryEnvironment>;

async fn shop(hooks: Ailing) -> Bus {
    let store = InMemoryStore::default();
    for sku in ["LAMP", "DESK"] {
        add_batch(&store, &format!("b-{sku}"), sku, 1_000).await;
    }
    MessageBus::new(Hooked { store, hooks }, InMemoryEnvironment::default(), ())
}

async fn add_batch(store: &InMemoryStore, reference: &str, sku: &str, qty: u32) {
    // Each process draws its own commit ids.
    let others = MessageBus::new(store, InMemoryEnvironment::starting_at(7), ());
    let new = CreateBatch(new_batch(reference, sku, qty));
    others.handle(&new, &call_until(Timestamp(1_000_000))).await.unwrap();
}

fn asks(id: &str, sku: &str) -> SqsMessage {
    sqs_message(id, &format!(r#"{{"orderid":"{id}","sku":"{sku}","qty":1}}"#))
}

/// Comes for the last time.
fn last(mut message: SqsMessage) -> SqsMessage {
    message.attributes.insert("ApproximateReceiveCount".to_owned(), "5".to_owned());
    message
}

fn throttled() -> StoreError {
    StoreError::Unavailable("throttled".into())
}

async fn failures(bus: &Bus, records: Vec<SqsMessage>) -> Vec<String> {
    let mut context = Context::default();
    context.request_id = "invocation".to_owned();
    context.deadline = 30_000;
    let response = allocate_lines(bus, sqs_event(records), &context, 5).await;
    let mut failed: Vec<_> = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    failed.sort();
    failed
}

fn version(bus: &Bus, sku: &str) -> u64 {
    let products = bus.store().store.products();
    products.iter().find(|product| product.sku().as_str() == sku).map_or(0, |product| product.version().0)
}

fn dead_letters(bus: &Bus) -> usize {
    bus.environment().recorded().iter().filter(|figures| **figures == Figures::DeadLetter).count()
}

#[tokio::test]
async fn lines_of_a_sku_share_commits_and_a_bad_message_fails_alone() {
    let bus = shop(Ailing::default()).await;
    let mut records: Vec<_> = (0..150).map(|number| asks(&format!("o{number}"), "LAMP")).collect();
    records.insert(70, last(sqs_message("bad", r#"{"orderid":"o","sku":"LAMP","qty":0}"#)));
    records.insert(20, asks("unknown", "NOTHING"));
    records.insert(10, asks("desk", "DESK"));
    records.push(sqs_message("again", r#"{"orderid":"o7","sku":"LAMP","qty":"1"}"#));
    assert_eq!(failures(&bus, records.clone()).await, ["bad", "unknown"]);
    assert_eq!(bus.store().store.parts().len(), 151);
    assert_eq!((version(&bus, "LAMP"), version(&bus, "DESK")), (3, 2), "98 and 52 lines");
    assert_eq!(dead_letters(&bus), 1, "of the bad one");

    assert_eq!(failures(&bus, records).await, ["bad", "unknown"], "delivered again");
    assert_eq!((version(&bus, "LAMP"), version(&bus, "DESK")), (3, 2), "and nothing changed");
}

#[tokio::test]
async fn a_line_that_fails_does_not_take_its_neighbours_along() {
    let bus = shop(Ailing { unreadable: Some("o7"), ..Ailing::default() }).await;
    let mut records: Vec<_> = (0..100).map(|number| asks(&format!("o{number}"), "LAMP")).collect();
    records.push(sqs_message("twice", r#"{"orderid":"o7","sku":"LAMP","qty":1}"#));
    assert_eq!(failures(&bus, records).await, ["o7", "twice"], "both that ask for the line");
    assert_eq!(bus.store().store.parts().len(), 99);
    assert_eq!(allocations(&bus.store().store, &"o7".try_into().unwrap()).await.unwrap(), []);
}

#[tokio::test]
async fn lines_that_one_commit_does_not_hold_go_into_the_next() {
    let bus = shop(Ailing::default()).await;
    // Each line fills a batch, which is an item of the transaction too.
    for number in 0..60 {
        add_batch(&bus.store().store, &format!("b{number}"), "BED", 1).await;
    }
    let records = (0..60).map(|number| asks(&format!("o{number}"), "BED"));
    assert_eq!(failures(&bus, records.collect()).await, [""; 0]);
    assert_eq!((bus.store().store.parts().len(), version(&bus, "BED")), (60, 62), "49 and 11 lines");
}

#[tokio::test]
async fn each_line_keeps_its_correlation_id_whoever_shares_its_commit() {
    let bus = shop(Ailing::default()).await;
    let records = [("o1", "LAMP"), ("o2", "DESK"), ("o3", "DESK")].map(|(id, sku)| {
        let (mut message, mut named) = (asks(id, sku), SqsMessageAttribute::default());
        named.string_value = Some(format!("basket-of-{id}"));
        message.message_attributes.insert(calls::CORRELATION_ATTRIBUTE.to_owned(), named);
        message
    });
    assert_eq!(failures(&bus, records.into()).await, [""; 0]);
    let told = bus.store().store.outbox().into_iter().skip(2).map(|told| told.correlation.unwrap().to_string());
    assert_eq!(told.collect::<Vec<_>>(), ["basket-of-o1", "basket-of-o2", "basket-of-o3"]);
}

#[tokio::test]
async fn a_panic_does_not_touch_other_products() {
    let bus = shop(Ailing { maddening: Some("o2"), ..Ailing::default() }).await;
    let records = [("o1", "LAMP"), ("o2", "LAMP"), ("o3", "DESK")].map(|(id, sku)| asks(id, sku));
    assert_eq!(failures(&bus, records.into()).await, ["o1", "o2"]);
    assert_eq!(bus.store().store.parts().len(), 1);
}

#[tokio::test]
async fn a_product_that_is_throttled_or_contended_is_waited_for() {
    // A unit of work gives up after three silences, or after a hundred lost races.
    let refusals: [(u32, fn() -> StoreError); 2] = [(20, throttled), (120, || StoreError::Conflict(Vec::new()))];
    for (times, refusal) in refusals {
        let bus = shop(Ailing { refusals: times.into(), refusal: Some(refusal), ..Ailing::default() }).await;
        let records = (0..100).map(|number| asks(&format!("o{number}"), if number < 50 { "LAMP" } else { "DESK" }));
        assert_eq!(failures(&bus, records.collect()).await, [""; 0]);
        assert_eq!(bus.store().store.parts().len(), 100);
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
    let bad = last(sqs_message("bad", r#"{"orderid":"o1","sku":"LAMP","qty":"a@b.c"}"#));
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
