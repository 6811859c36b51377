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

use domain::{Event, OrderLine, Version};
use service_layer::outbox::{Message, Record, messages, relay};
use service_layer::ports::{PublishError, Publisher};

/// A topic whose calls take a while, some of them less than others.
#[derive(Default)]
struct Topic {
    refused: &'static [&'static str],
    published: Mutex<Vec<Vec<String>>>,
    under_way: Mutex<[usize; 2]>,
}

impl Publisher for Topic {
    const BATCH: usize = 10;

    async fn publish(&self, messages: &[Message]) -> Result<(), PublishError> {
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
        let first = messages.iter().position(|message| self.refused.contains(&message.id.as_str()));
        let taken = &messages[..first.unwrap_or(messages.len())];
        self.published.lock().unwrap().push(taken.iter().map(|message| message.id.clone()).collect());
        first.map_or(Ok(()), |first| Err(PublishError { first, source: "refused".into() }))
    }
}

/// What one commit has to tell.
fn record(sku: &str, version: u64, count: u32) -> Record {
    let event = |number: u32| Event::OutOfStock {
        line: OrderLine {
            orderid: format!("o{number}").try_into().unwrap(),
            sku: sku.try_into().unwrap(),
            qty: 1.try_into().unwrap(),
        },
    };
    let events = (0..count).map(event).collect();
    let messages = Ok(messages(&sku.try_into().unwrap(), Version(version), events, None));
    Record { sequence_number: format!("{sku} {version}"), messages }
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
    let poison = || Record { sequence_number: "poison".to_owned(), messages: Err("poison".into()) };
    let with_poison = || records().into_iter().chain([poison(), record("E", 1, 1)]).collect();
    let (calls, _, stopped) = relayed(&[], with_poison()).await;
    assert_eq!(stopped.as_deref(), Some("poison"));
    assert!(of_product(&calls, "E").is_empty());
    assert_eq!(relayed(&["C#4#2"], with_poison()).await.2.as_deref(), Some("C 4"));
}
