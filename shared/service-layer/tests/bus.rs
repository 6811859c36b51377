//! The whole bus without a server: commands in, events out through the outbox, mail at the end.

use adapters::in_memory::{InMemoryEnvironment, InMemoryMailer, InMemoryStore, InMemoryTopic};
use domain::{ChangeBatchQuantity, Command, Event, NewBatch, OrderId, OrderLine, Revision, Version};
use service_layer::outbox::{Record, relay};
use service_layer::ports::{AllocationsView, Environment, Inbox, Publisher, Timestamp};
use service_layer::{Error, MessageBus, Reply};

type Bus = MessageBus<InMemoryStore, InMemoryEnvironment, InMemoryMailer>;

fn bus() -> Bus {
    MessageBus::new(InMemoryStore::default(), InMemoryEnvironment::default(), InMemoryMailer::default())
}

const DEADLINE: Timestamp = Timestamp(10_000);

async fn create_batch(bus: &Bus, reference: &str, sku: &str, qty: u32, eta: Option<&str>) -> Result<Reply, Error> {
    let new = NewBatch {
        reference: reference.try_into().unwrap(),
        sku: sku.try_into().unwrap(),
        qty: qty.try_into().unwrap(),
        eta: eta.map(|eta| eta.to_owned().try_into().unwrap()),
    };
    bus.handle_command(Command::CreateBatch(new), DEADLINE).await
}

async fn allocate(bus: &Bus, orderid: &str, sku: &str, qty: u32) -> Result<Reply, Error> {
    let line =
        OrderLine { orderid: orderid.try_into().unwrap(), sku: sku.try_into().unwrap(), qty: qty.try_into().unwrap() };
    bus.handle_command(Command::Allocate(line), DEADLINE).await
}

async fn change_quantity(bus: &Bus, reference: &str, qty: u32, as_of: u64) -> Result<Reply, Error> {
    let reference = reference.try_into().unwrap();
    let change = ChangeBatchQuantity { reference, qty, revision: Revision::AsOf(as_of) };
    bus.handle_command(Command::ChangeBatchQuantity(change), DEADLINE).await
}

async fn batch_of(bus: &Bus, orderid: &str) -> Option<String> {
    let allocations = bus.store().allocations(&OrderId::try_from(orderid).unwrap()).await.unwrap();
    allocations.first().map(|(_, batchref)| batchref.to_string())
}

fn version(bus: &Bus) -> Version {
    bus.store().outbox().last().map_or(Version(0), |message| message.version)
}

fn on(batchref: &str) -> Reply {
    Reply::Allocated(batchref.try_into().unwrap())
}

#[tokio::test]
async fn a_batch_is_added_once() {
    let bus = bus();
    assert_eq!(create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 100, None).await.unwrap(), Reply::Done);
    assert_eq!(create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 100, None).await.unwrap(), Reply::Done);
    assert_eq!(version(&bus), Version(1));
    let other = create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 99, None).await;
    assert!(matches!(other, Err(Error::BatchExists(_))), "{other:?}");
    let other = create_batch(&bus, "b1", "OTHER-CHAIR", 100, None).await;
    assert!(matches!(other, Err(Error::BatchExists(_))), "{other:?}");
}

#[tokio::test]
async fn a_batch_is_the_same_whatever_its_quantity_became() {
    let bus = bus();
    create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 100, None).await.unwrap();
    change_quantity(&bus, "b1", 50, 1).await.unwrap();
    assert_eq!(create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 100, None).await.unwrap(), Reply::Done);
    assert_eq!(version(&bus), Version(2));
}

#[tokio::test]
async fn a_line_is_allocated_once() {
    let bus = bus();
    create_batch(&bus, "batch1", "COMPLICATED-LAMP", 100, None).await.unwrap();
    assert_eq!(allocate(&bus, "o1", "COMPLICATED-LAMP", 10).await.unwrap(), on("batch1"));
    assert_eq!(allocate(&bus, "o1", "COMPLICATED-LAMP", 10).await.unwrap(), on("batch1"));
    assert_eq!(version(&bus), Version(2));
    assert_eq!(batch_of(&bus, "o1").await.as_deref(), Some("batch1"));
}

#[tokio::test]
async fn errors_for_invalid_sku() {
    let bus = bus();
    create_batch(&bus, "b1", "AREALSKU", 100, None).await.unwrap();
    let error = allocate(&bus, "o1", "NONEXISTENTSKU", 10).await.unwrap_err();
    assert_eq!(error.to_string(), "Invalid sku NONEXISTENTSKU");
}

#[tokio::test]
async fn errors_for_unknown_batch() {
    let error = change_quantity(&bus(), "nowhere", 10, 1).await.unwrap_err();
    assert_eq!(error.to_string(), "unknown batch nowhere");
}

#[tokio::test]
async fn a_line_that_was_never_promised_is_not_kept_and_may_ask_again() {
    let bus = bus();
    create_batch(&bus, "b1", "POPULAR-CURTAINS", 9, None).await.unwrap();
    let out_of_stock = Reply::OutOfStock("POPULAR-CURTAINS".try_into().unwrap());
    assert_eq!(allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap(), out_of_stock);
    create_batch(&bus, "b2", "POPULAR-CURTAINS", 10, None).await.unwrap();
    assert_eq!(batch_of(&bus, "o1").await, None);
    assert_eq!(allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap(), on("b2"));
}

#[tokio::test]
async fn a_shrunk_batch_hands_its_newest_lines_on() {
    let bus = bus();
    create_batch(&bus, "batch1", "INDIFFERENT-TABLE", 50, None).await.unwrap();
    create_batch(&bus, "batch2", "INDIFFERENT-TABLE", 50, Some("2011-01-01")).await.unwrap();
    allocate(&bus, "order1", "INDIFFERENT-TABLE", 20).await.unwrap();
    allocate(&bus, "order2", "INDIFFERENT-TABLE", 20).await.unwrap();
    change_quantity(&bus, "batch1", 25, 1).await.unwrap();
    assert_eq!(batch_of(&bus, "order1").await.as_deref(), Some("batch1"));
    assert_eq!(batch_of(&bus, "order2").await.as_deref(), Some("batch2"));
    assert_eq!(version(&bus), Version(5), "one version for each command");
}

#[tokio::test]
async fn a_shrink_of_many_lines_goes_in_chunks_and_ends_as_asked() {
    let bus = bus();
    create_batch(&bus, "small", "SPOON", 500, None).await.unwrap();
    for number in 0..250 {
        allocate(&bus, &format!("o{number:03}"), "SPOON", 2).await.unwrap();
    }
    create_batch(&bus, "next", "SPOON", 300, None).await.unwrap();
    let before = version(&bus).0;
    change_quantity(&bus, "small", 0, 1).await.unwrap();
    assert_eq!(version(&bus).0 - before, 3, "250 lines at 98 a commit");
    let moved = (0..250).rev().take(150);
    for number in moved {
        assert_eq!(batch_of(&bus, &format!("o{number:03}")).await.as_deref(), Some("next"));
    }
    assert_eq!(batch_of(&bus, "o000").await, None, "the oldest were last to give way, and wait");

    create_batch(&bus, "late", "SPOON", 1_000, None).await.unwrap();
    for number in 0..100 {
        assert_eq!(batch_of(&bus, &format!("o{number:03}")).await.as_deref(), Some("late"));
    }
}

#[tokio::test]
async fn a_line_that_lost_its_place_gets_the_first_stock_that_arrives() {
    let bus = bus();
    create_batch(&bus, "b1", "VASE", 5, None).await.unwrap();
    allocate(&bus, "promised", "VASE", 5).await.unwrap();
    change_quantity(&bus, "b1", 0, 1).await.unwrap();
    assert_eq!(batch_of(&bus, "promised").await, None);
    change_quantity(&bus, "b1", 6, 2).await.unwrap();
    assert_eq!(batch_of(&bus, "promised").await.as_deref(), Some("b1"));
    let out_of_stock = Reply::OutOfStock("VASE".try_into().unwrap());
    assert_eq!(allocate(&bus, "newcomer", "VASE", 5).await.unwrap(), out_of_stock);
}

/// Takes what the outbox holds to the topic, and from there to the bus, as often as `times` says.
async fn deliver(bus: &Bus, times: usize) {
    let topic = InMemoryTopic::default();
    let records = bus
        .store()
        .outbox()
        .into_iter()
        .map(|message| Record { sequence_number: message.id.clone(), messages: Ok(vec![message]) });
    relay(&topic, records.collect()).await.unwrap();
    for _ in 0..times {
        for message in topic.published() {
            bus.handle_event(&message).await.unwrap();
        }
    }
}

#[tokio::test]
async fn sends_mail_on_out_of_stock_once_for_each_event() {
    let bus = bus();
    create_batch(&bus, "b1", "POPULAR-CURTAINS", 9, None).await.unwrap();
    allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap();
    deliver(&bus, 2).await;
    let mails = bus.mailer().sent();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].subject, "Out of stock for POPULAR-CURTAINS");
    assert_eq!(mails[0].text, "Out of stock for POPULAR-CURTAINS: no batch has 10 left for order o1.\n");

    allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap();
    deliver(&bus, 1).await;
    assert_eq!(bus.mailer().sent().len(), 2, "asking again is another event");
}

#[tokio::test]
async fn an_event_under_a_lease_is_left_alone_until_it_ends() {
    let bus = bus();
    create_batch(&bus, "b1", "LAMP", 1, None).await.unwrap();
    allocate(&bus, "o1", "LAMP", 2).await.unwrap();
    let message = bus.store().outbox().pop().unwrap();
    let lease = std::time::Duration::from_secs(40);
    bus.store().claim(&message.id, Timestamp(0), lease).await.unwrap();
    let held = bus.handle_event(&message).await;
    assert!(matches!(held, Err(Error::InProgress(_))), "{held:?}");
    bus.environment().sleep(lease * 2).await;
    bus.handle_event(&message).await.unwrap();
    assert_eq!(bus.mailer().sent().len(), 1);
}

#[tokio::test]
async fn a_relay_stops_at_the_first_record_it_can_not_publish() {
    struct Failing {
        topic: InMemoryTopic,
        poison: &'static str,
    }
    impl Publisher for Failing {
        const BATCH: usize = 2;
        async fn publish(
            &self,
            messages: &[service_layer::outbox::Message],
        ) -> Result<(), service_layer::ports::PublishError> {
            match messages.iter().position(|message| message.id == self.poison) {
                Some(first) => Err(service_layer::ports::PublishError { first, source: "refused".into() }),
                None => self.topic.publish(messages).await,
            }
        }
    }
    let bus = bus();
    for number in 1..=5 {
        create_batch(&bus, &format!("b{number}"), "LAMP", 1, None).await.unwrap();
    }
    let records = || -> Vec<Record> {
        let record = |message: service_layer::outbox::Message| Record {
            sequence_number: format!("at {}", message.version),
            messages: Ok(vec![message]),
        };
        bus.store().outbox().into_iter().map(record).collect()
    };
    let failing = Failing { topic: InMemoryTopic::default(), poison: "LAMP#4#1" };
    let stopped = relay(&failing, records()).await.unwrap_err();
    assert_eq!(stopped.sequence_number, "at 4");
    assert_eq!(failing.topic.published().len(), 2, "whole batches before it are out");

    let mut unreadable = records();
    unreadable[2].messages = Err("broken".into());
    let topic = InMemoryTopic::default();
    let stopped = relay(&topic, unreadable).await.unwrap_err();
    assert_eq!(stopped.sequence_number, "at 3");
    assert_eq!(topic.published().len(), 2, "what can be read before it is out");
}

#[tokio::test]
async fn the_events_of_one_commit_are_numbered() {
    let bus = bus();
    create_batch(&bus, "b1", "DESK", 2, None).await.unwrap();
    allocate(&bus, "o1", "DESK", 2).await.unwrap();
    change_quantity(&bus, "b1", 1, 1).await.unwrap();
    let ids: Vec<_> = bus.store().outbox().into_iter().map(|message| message.id).collect();
    assert_eq!(ids, ["DESK#1#1", "DESK#2#1", "DESK#3#1", "DESK#3#2", "DESK#3#3"]);
    assert!(matches!(bus.store().outbox().pop().unwrap().event, Event::BatchQuantityChanged { qty: 1, .. }));
}
