//! The relay: what is published in which order, how many calls that takes, and where it says that it stopped.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::future::poll_fn;
use std::sync::Mutex;
use std::task::Poll;

use adapters::in_memory::InMemoryTopic;
use domain::{Event, Version};
use service_layer::outbox::{Envelope, Record, envelopes, relay};
use service_layer::ports::{PublishError, Publisher, Timestamp};
use testing::line;

/// A topic whose calls take a while, some of them less than others.
#[derive(Default)]
struct Topic {
    refused: &'static [&'static str],
    published: Mutex<Vec<Vec<String>>>,
    under_way: Mutex<[usize; 2]>,
}

impl Publisher for Topic {
    const BATCH: usize = 10;

    async fn publish(&self, envelopes: &[Envelope]) -> Result<(), PublishError> {
        {
            let [now, most] = &mut *self.under_way.lock().unwrap();
            *now += 1;
            *most = (*most).max(*now);
        }
        let mut turns = 1 + self.published.lock().unwrap().len() % 3;
        poll_fn(|context| {
            context.waker().wake_by_ref();
            turns -= 1;
            if turns == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.under_way.lock().unwrap()[0] -= 1;
        let first = envelopes.iter().position(|envelope| self.refused.contains(&envelope.id.as_str()));
        let taken = &envelopes[..first.unwrap_or(envelopes.len())];
        self.published.lock().unwrap().push(taken.iter().map(|envelope| envelope.id.clone()).collect());
        first.map_or(Ok(()), |first| Err(PublishError { first, source: "refused".into() }))
    }
}

/// What one commit has to tell.
fn record(sku: &str, version: u64, count: u32) -> Record {
    let event =
        |number: u32| Event::OutOfStock { line: line(&format!("o{number}"), sku, 1), waiting: false, line_qty: None };
    let events = (0..count).map(|number| (event(number), None)).collect();
    let envelopes = Ok(envelopes(&sku.try_into().unwrap(), Version(version), Timestamp(0), events));
    Record { sequence_number: format!("{sku} {version}"), envelopes }
}

/// The calls, most of them at a time, and where it stopped.
async fn relayed(refused: &'static [&'static str], records: Vec<Record>) -> (Vec<Vec<String>>, usize, Option<String>) {
    let topic = Topic { refused, ..Topic::default() };
    let stopped = relay(&topic, records, || true).await.err().map(|stopped| stopped.sequence_number);
    let most = topic.under_way.lock().unwrap()[1];
    (topic.published.into_inner().unwrap(), most, stopped)
}

fn of_product<'a>(calls: &'a [Vec<String>], sku: &'a str) -> Vec<&'a str> {
    calls.iter().flatten().filter(|id| id.starts_with(sku)).map(String::as_str).collect()
}

#[tokio::test]
async fn what_fits_into_one_call_takes_one() {
    let records = ["A", "B", "C", "A", "D"].into_iter().zip(1..).map(|(sku, version)| record(sku, version, 2));
    let (calls, _, stopped) = relayed(&[], records.collect()).await;
    assert_eq!((calls.len(), calls[0].len(), stopped), (1, 10, None));
}

#[tokio::test]
async fn products_go_side_by_side_and_each_in_order() {
    let skus = ["A", "B", "C", "D", "E"];
    let records = (1..=10).flat_map(|version| skus.map(|sku| record(sku, version, 3))).collect();
    let (calls, most, stopped) = relayed(&[], records).await;
    assert_eq!(stopped, None);
    assert_eq!(most, 4, "calls at a time");
    assert!(calls.len() <= 17, "150 messages took {} calls", calls.len());
    for sku in skus {
        let wanted: Vec<_> =
            (1..=10).flat_map(|version| (1..=3).map(move |n| format!("{sku}#{version}#{n}"))).collect();
        assert_eq!(of_product(&calls, sku), wanted);
    }
}

#[tokio::test]
async fn one_product_is_never_published_out_of_order() {
    let (calls, most, _) = relayed(&[], (1..=9).map(|version| record("A", version, 7)).collect()).await;
    assert_eq!((calls.len(), most), (7, 1));
}

#[tokio::test]
async fn the_first_record_that_is_not_wholly_published_is_named() {
    let skus = ["A", "B", "C", "D"];
    let records = || (1..=10).flat_map(|version| skus.map(|sku| record(sku, version, 2))).collect::<Vec<_>>();
    let (calls, _, stopped) = relayed(&["B#9#1", "C#4#2", "D#9#1"], records()).await;
    assert_eq!(stopped.as_deref(), Some("C 4"));
    assert_eq!(of_product(&calls, "C").last(), Some(&"C#4#1"), "nothing after what was refused");
    for sku in ["A", "B", "D"] {
        assert!(of_product(&calls, sku).len() >= 8, "{sku}: everything before it is out");
    }

    // An unreadable record is named if all before it is out.
    let poison = || Record { sequence_number: "poison".to_owned(), envelopes: Err("poison".into()) };
    let with_poison = || records().into_iter().chain([poison(), record("E", 1, 1)]).collect();
    let (calls, _, stopped) = relayed(&[], with_poison()).await;
    assert_eq!(stopped.as_deref(), Some("poison"));
    assert!(of_product(&calls, "E").is_empty());
    assert_eq!(relayed(&["C#4#2"], with_poison()).await.2.as_deref(), Some("C 4"));
}

/// A topic of small calls, each of which is refused as a whole if it has this message.
struct Refusing {
    topic: InMemoryTopic,
    poison: &'static str,
}

impl Publisher for Refusing {
    const BATCH: usize = 2;

    async fn publish(&self, envelopes: &[Envelope]) -> Result<(), PublishError> {
        match envelopes.iter().position(|envelope| envelope.id == self.poison) {
            Some(first) => Err(PublishError { first, source: "refused".into() }),
            None => self.topic.publish(envelopes).await,
        }
    }
}

#[tokio::test]
async fn a_relay_stops_at_the_first_record_it_can_not_publish() {
    let records = || (1..=5).map(|version| record("LAMP", version, 1)).collect::<Vec<_>>();
    let refusing = Refusing { topic: InMemoryTopic::default(), poison: "LAMP#4#1" };
    let stopped = relay(&refusing, records(), || true).await.unwrap_err();
    assert_eq!(stopped.sequence_number, "LAMP 4");
    assert_eq!(refusing.topic.published().len(), 2, "whole batches before it are out");

    let mut unreadable = records();
    unreadable[2].envelopes = Err("broken".into());
    let topic = InMemoryTopic::default();
    let stopped = relay(&topic, unreadable, || true).await.unwrap_err();
    assert_eq!(stopped.sequence_number, "LAMP 3");
    assert_eq!(topic.published().len(), 2, "what can be read before it is out");
}

#[tokio::test]
async fn a_relay_stops_in_time_and_tells_where() {
    let records = (1..=25).map(|version| record("LAMP", version, 1)).collect();
    let topic = InMemoryTopic::default();
    let stopped = relay(&topic, records, || topic.published().len() < 20).await.unwrap_err();
    assert_eq!(stopped.sequence_number, "LAMP 21");
    assert_eq!(topic.published().len(), 20);
}
