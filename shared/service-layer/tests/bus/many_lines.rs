//! Many lines of one SKU in one commit.

use std::ops::Range;

use adapters::in_memory::InMemoryStore;
use domain::{Event, OrderLine, Refusal, Revision, SkuLines, Version};
use service_layer::outbox::Envelope;
use service_layer::{AllocateLines, Error, MessageBus};
use testing::line;

use crate::common::{Meddle, Meddles, Meddling, add, allocate, another_environment, call, do_it, resize};

async fn allocate_lines(store: &Meddling, lines: &SkuLines) -> Result<usize, Error> {
    let bus = MessageBus::new(store, another_environment(), ());
    Ok(bus.handle(&AllocateLines(lines.clone()), &call()).await?.lines)
}

fn lines_of(orders: Range<u32>, qty: u32) -> SkuLines {
    SkuLines::of(orders.map(|number| line(&format!("o{number}"), "LAMP", qty))).pop().unwrap()
}

#[tokio::test]
async fn lines_of_one_sku_are_answered_in_one_commit_each_as_by_itself() {
    let store = InMemoryStore::default();
    let handle = async |command| do_it(&store, command).await;
    handle(add("b1", "LAMP", 5)).await;
    handle(allocate("o1", "LAMP", 2)).await;
    // One has its place already, one gets one, and two are turned away.
    let lines = lines_of(1..5, 2);
    assert_eq!(allocate_lines(&Meddles::default().with(&store), &lines).await.unwrap(), 4);
    let told: Vec<_> = store.outbox().into_iter().skip(2).map(|envelope| (envelope.id, envelope.event)).collect();
    let of = |number: usize| lines.lines()[number].clone();
    let placed = Event::Allocated { line: of(1), batchref: "b1".try_into().unwrap(), eta: None };
    let [third, fourth] = [2, 3].map(|number| Event::OutOfStock { line: of(number), waiting: false });
    let expected = [("LAMP#3#1", placed), ("LAMP#3#2", third), ("LAMP#3#3", fourth)];
    assert_eq!(told, expected.map(|(id, event)| (id.to_owned(), event)));
}

#[tokio::test]
async fn lines_that_have_a_place_are_answered_again_without_a_commit() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 50)).await;
    for meddles in [vec![], vec![]] {
        let lines = lines_of(0..50, 1);
        assert_eq!(allocate_lines(&Meddles::at_commits(meddles).with(&store), &lines).await.unwrap(), 50);
    }
    assert_eq!(store.outbox().last().unwrap().version, Version(2));
}

#[tokio::test]
async fn a_line_that_waits_is_answered_beside_one_that_is_turned_away() {
    let store = InMemoryStore::default();
    for command in [add("b1", "LAMP", 2), allocate("o1", "LAMP", 2), resize("b1", 0, Revision::Version(1))] {
        do_it(&store, command).await;
    }
    let told = store.outbox().len();
    assert_eq!(allocate_lines(&Meddles::default().with(&store), &lines_of(1..3, 2)).await.unwrap(), 2);
    let turned_away = Event::OutOfStock { line: lines_of(2..3, 2).lines()[0].clone(), waiting: false };
    let events: Vec<_> = store.outbox().into_iter().skip(told).map(|envelope| envelope.event).collect();
    assert_eq!(events, [turned_away], "and not the one that waits");
}

#[tokio::test]
async fn more_lines_than_a_commit_holds_are_answered_in_part() {
    let store = InMemoryStore::default();
    // The batches that the lines fill are items of the transaction too.
    for number in 0..150 {
        do_it(&store, add(&format!("b{number:03}"), "LAMP", 1)).await;
    }
    let mut left = Some(lines_of(0..151, 1));
    let mut answered = Vec::new();
    while let Some(lines) = left.take() {
        let some = allocate_lines(&Meddles::default().with(&store), &lines).await.unwrap();
        answered.push(some);
        left = lines.after(some);
    }
    assert_eq!(answered, [49, 49, 49, 4], "each a line and a batch, of 98 items; the last one is turned away");
    assert_eq!(store.parts().len(), 150);
}

#[tokio::test]
async fn lines_whose_commit_is_overtaken_or_unheard_are_answered_once() {
    type Make = fn() -> Meddle;
    let meddles: [Make; 4] = [
        || Meddle::After(vec![allocate("o3", "LAMP", 1), allocate("other", "LAMP", 1)]),
        || Meddle::LoseReply,
        || Meddle::Misunderstand,
        || Meddle::Collide,
    ];
    for meddle in meddles {
        let store = InMemoryStore::default();
        do_it(&store, add("b1", "LAMP", 8)).await;
        let lines = lines_of(0..10, 1);
        assert_eq!(allocate_lines(&Meddles::at_commits([meddle()]).with(&store), &lines).await.unwrap(), 10);
        let told = store.outbox();
        let told = |wanted: &OrderLine| {
            let is_of = |envelope: &&Envelope| match &envelope.event {
                Event::Allocated { line, .. } | Event::OutOfStock { line, .. } => line == wanted,
                _ => false,
            };
            told.iter().filter(is_of).count()
        };
        assert!(lines.lines().iter().all(|line| told(line) == 1), "{:?}", store.outbox());
        let [product] = store.products().try_into().unwrap();
        assert_eq!(product.batches()[0].allocated, 8);
    }
}

#[tokio::test]
async fn lines_that_are_turned_away_must_have_no_place_still() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 1)).await;
    do_it(&store, allocate("full", "LAMP", 1)).await;
    let twin = Meddle::After(vec![add("b2", "LAMP", 1), allocate("o1", "LAMP", 1)]);
    assert_eq!(allocate_lines(&Meddles::at_commits([twin]).with(&store), &lines_of(0..3, 1)).await.unwrap(), 3);
    let turned_away = store.outbox().into_iter().filter_map(|envelope| match envelope.event {
        Event::OutOfStock { line, .. } => Some(line.orderid.to_string()),
        _ => None,
    });
    assert_eq!(turned_away.collect::<Vec<_>>(), ["o0", "o2"], "o1 got a place meanwhile");
}

#[tokio::test]
async fn lines_of_an_unknown_sku_are_refused() {
    let store = InMemoryStore::default();
    let error = allocate_lines(&Meddles::default().with(&store), &lines_of(0..3, 1)).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::UnknownSku(_))), "{error:?}");
}
