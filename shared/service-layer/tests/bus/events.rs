//! Events, and mail at the end.

use std::time::Duration;

use adapters::in_memory::InMemoryTopic;
use domain::Event;
use service_layer::outbox::{Record, relay};
use service_layer::ports::{Environment as _, Inbox as _, Timestamp};
use service_layer::{Call, Error};
use testing::{Command, line};

use crate::common::call;
use crate::verbs::{Bus, allocate, bus, change_quantity, create_batch};

/// Takes what the outbox holds to the topic, and from there to the bus, as often as `times` says.
async fn deliver(bus: &Bus, times: usize) {
    let topic = InMemoryTopic::default();
    let records = bus
        .store()
        .outbox()
        .into_iter()
        .map(|envelope| Record { sequence_number: envelope.id.clone(), envelopes: Ok(vec![envelope]) });
    relay(&topic, records.collect(), || true).await.unwrap();
    for _ in 0..times {
        for envelope in topic.published() {
            bus.handle_event(&envelope, &call()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_request_belongs_to_goes_with_its_events_and_mails() {
    let bus = bus();
    create_batch(&bus, "b1", "LAMP", 1, None).await.unwrap();
    let order = Call { correlation: "order-7".try_into().unwrap(), ..call() };
    bus.handle(&Command::Allocate(line("o1", "LAMP", 2)), &order).await.unwrap();
    let envelope = bus.store().outbox().pop().unwrap();
    assert_eq!(envelope.correlation.as_ref(), Some(&order.correlation));
    bus.handle_event(&envelope, &order).await.unwrap();
    let mail = &bus.mailer().sent()[0];
    assert!(mail.text.ends_with("\nCorrelation id: order-7\n"), "{mail:?}");
}

#[tokio::test]
async fn sends_mail_on_out_of_stock_once_for_each_commit() {
    let bus = bus();
    create_batch(&bus, "b1", "POPULAR-CURTAINS", 9, None).await.unwrap();
    allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap();
    deliver(&bus, 2).await;
    let mails = bus.mailer().sent();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].subject, "Out of stock for POPULAR-CURTAINS");
    assert_eq!(
        mails[0].text,
        "Out of stock for POPULAR-CURTAINS: no batch has 10 left for order o1.\n\nCorrelation id: unknown\n"
    );

    allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap();
    deliver(&bus, 1).await;
    assert_eq!(bus.mailer().sent().len(), 1, "asking again is nothing new");
    create_batch(&bus, "b2", "POPULAR-CURTAINS", 9, None).await.unwrap();
    allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap();
    deliver(&bus, 1).await;
    assert_eq!(bus.mailer().sent().len(), 2, "it is, of a new stock");
}

#[tokio::test]
async fn lines_that_one_commit_found_no_stock_for_are_one_mail() {
    let bus = bus();
    create_batch(&bus, "b1", "VASE", 3, None).await.unwrap();
    for orderid in ["o1", "o2", "o3"] {
        allocate(&bus, orderid, "VASE", 1).await.unwrap();
    }
    change_quantity(&bus, "b1", 0, 1).await.unwrap();
    deliver(&bus, 2).await;
    let mails = bus.mailer().sent();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(
        mails[0].text,
        "Out of stock for VASE: no batch has 1 left for order o1. It is one of 3 lines that found no stock at that \
         moment.\n\nCorrelation id: unknown\n"
    );
    // The next commit has a mail of its own.
    allocate(&bus, "o4", "VASE", 1).await.unwrap();
    deliver(&bus, 1).await;
    assert_eq!(bus.mailer().sent().len(), 2);
}

#[tokio::test]
async fn an_event_under_a_lease_is_left_alone_until_it_ends() {
    let bus = bus();
    create_batch(&bus, "b1", "LAMP", 1, None).await.unwrap();
    allocate(&bus, "o1", "LAMP", 2).await.unwrap();
    let envelope = bus.store().outbox().pop().unwrap();
    let lease = Duration::from_secs(40);
    bus.store().claim("LAMP#2", 7, Timestamp(0), lease).await.unwrap();
    let held = bus.handle_event(&envelope, &call()).await;
    assert!(matches!(held, Err(Error::Unavailable(_))), "{held:?}");
    assert!(bus.mailer().sent().is_empty());
    bus.environment().sleep(lease * 2).await;
    bus.handle_event(&envelope, &call()).await.unwrap();
    assert_eq!(bus.mailer().sent().len(), 1);
}

#[tokio::test]
async fn the_events_of_one_commit_are_numbered() {
    let bus = bus();
    create_batch(&bus, "b1", "DESK", 2, None).await.unwrap();
    allocate(&bus, "o1", "DESK", 2).await.unwrap();
    change_quantity(&bus, "b1", 1, 1).await.unwrap();
    let ids: Vec<_> = bus.store().outbox().into_iter().map(|envelope| envelope.id).collect();
    assert_eq!(ids, ["DESK#1#1", "DESK#2#1", "DESK#3#1", "DESK#3#2", "DESK#3#3"]);
    assert!(matches!(bus.store().outbox().pop().unwrap().event, Event::BatchQuantityChanged { qty: 1, .. }));
}
