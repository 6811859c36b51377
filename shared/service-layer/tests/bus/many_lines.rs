//! Many lines of one SKU in one commit.

use std::collections::HashSet;
use std::ops::Range;

use adapters::in_memory::InMemoryStore;
use domain::{Event, OrderLine, Place, Refusal, Revision, SkuLines, Version};
use service_layer::outbox::Envelope;
use service_layer::{AllocateLines, Error, MessageBus};
use testing::{Command, line};

use crate::common::{Meddle, Meddles, Meddling, add, allocate, another_environment, call, do_it, resize};

async fn allocate_lines(store: &Meddling, lines: &SkuLines) -> Result<usize, Error> {
    let bus = MessageBus::new(store, another_environment(), ());
    Ok(bus.handle(&AllocateLines::of(lines.clone()), &call()).await?.lines)
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
    // One has its place already, one gets one, and three are turned away, of which one tells.
    let lines = lines_of(1..6, 2);
    assert_eq!(allocate_lines(&Meddles::default().with(&store), &lines).await.unwrap(), 5);
    let told: Vec<_> = store.outbox().into_iter().skip(2).map(|envelope| (envelope.id, envelope.event)).collect();
    let of = |number: usize| lines.lines()[number].clone();
    let placed = Event::Allocated {
        line: of(1),
        batchref: "b1".try_into().unwrap(),
        eta: None,
        held_until: None,
        line_qty: None,
    };
    let refused = Event::OutOfStock { line: of(2), waiting: false, line_qty: None };
    let expected = [("LAMP#3#1", placed), ("LAMP#3#2", refused)];
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
async fn a_large_line_that_is_cancelled_frees_stock_for_more_lines_than_one_commit_holds() {
    let store = InMemoryStore::default();
    for command in [add("b1", "LAMP", 150), add("b2", "LAMP", 150), allocate("large", "LAMP", 150)] {
        do_it(&store, command).await;
    }
    for half in [0..75, 75..150] {
        allocate_lines(&Meddles::default().with(&store), &lines_of(half, 1)).await.unwrap();
    }
    do_it(&store, resize("b2", 0, Revision::Version(1))).await;
    do_it(&store, Command::Deallocate(line("large", "LAMP", 150).id())).await;
    let places: HashSet<_> = store.parts().into_values().map(|part| part.place).collect();
    assert_eq!(places, HashSet::from([Place::Batch("b1".try_into().unwrap()), Place::Cancelled]));
}

#[tokio::test]
async fn a_line_that_waits_is_answered_beside_one_that_is_turned_away() {
    let store = InMemoryStore::default();
    for command in [add("b1", "LAMP", 2), allocate("o1", "LAMP", 2), resize("b1", 0, Revision::Version(1))] {
        do_it(&store, command).await;
    }
    let told = store.outbox().len();
    assert_eq!(allocate_lines(&Meddles::default().with(&store), &lines_of(1..3, 2)).await.unwrap(), 2);
    let turned_away = Event::OutOfStock { line: lines_of(2..3, 2).lines()[0].clone(), waiting: false, line_qty: None };
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
        let lines = lines_of(0..9, 1);
        assert_eq!(allocate_lines(&Meddles::at_commits([meddle()]).with(&store), &lines).await.unwrap(), 9);
        let told = store.outbox();
        let told = |wanted: &OrderLine| {
            let is_of = |envelope: &&Envelope| match &envelope.event {
                Event::Allocated { line, .. } | Event::OutOfStock { line, .. } => line == wanted,
                _ => false,
            };
            told.iter().filter(is_of).count()
        };
        let times: Vec<usize> = lines.lines().iter().map(told).collect();
        // With one more that was faster, two of them are turned away, and that is told of the first one.
        let (last, others) = times.split_last().unwrap();
        let refused = store
            .outbox()
            .iter()
            .any(|envelope| envelope.event.line().is_some_and(|line| line.orderid.as_str() == "other"));
        assert!(others.iter().all(|times| *times == 1) && *last == usize::from(!refused), "{:?}", store.outbox());
        let [product] = store.products().try_into().unwrap();
        assert_eq!(product.batches()[0].allocated, 8);
    }
}

#[tokio::test]
async fn lines_that_are_turned_away_must_have_no_place_still() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 1)).await;
    do_it(&store, allocate("full", "LAMP", 1)).await;
    // One whose refusal would be told, and one whose refusal is told already by then.
    for twin in ["o0", "o1"] {
        let store = store.copied();
        let told = store.outbox().len();
        let got_it = Meddle::After(vec![add("b2", "LAMP", 1), allocate(twin, "LAMP", 1)]);
        let meddling = Meddles::at_commits([got_it]).with(&store);
        assert_eq!(allocate_lines(&meddling, &lines_of(0..3, 1)).await.unwrap(), 3);
        let turned_away = store.outbox().into_iter().skip(told).filter_map(|envelope| match envelope.event {
            Event::OutOfStock { line, .. } => Some(line.orderid.to_string()),
            _ => None,
        });
        let first = if twin == "o0" { "o1" } else { "o0" };
        assert_eq!(
            turned_away.collect::<Vec<_>>(),
            [first],
            "{twin} got a place meanwhile, and the others share a stock"
        );
        assert_eq!(store.parts().len(), 2);
    }
}

#[tokio::test]
async fn lines_of_a_stock_that_was_refused_before_make_no_commit_and_are_found_to_have_no_place_still() {
    let store = InMemoryStore::default();
    for command in [add("b1", "LAMP", 1), allocate("o1000", "LAMP", 2)] {
        do_it(&store, command).await;
    }
    let told = store.outbox().len();
    let watched = Meddles::default().with(&store);
    let mut left = Some(lines_of(0..100, 2));
    let mut answered = Vec::new();
    while let Some(lines) = left.take() {
        let some = allocate_lines(&watched, &lines).await.unwrap();
        answered.push(some);
        left = lines.after(some);
    }
    assert_eq!((answered, watched.hooks.finds()), (vec![98, 2], 4), "each is read, and then each line once more");
    assert_eq!((store.outbox().len(), store.parts().len()), (told, 0));

    // Between the two reads stock arrives, and one of many lines gets it, by the same request sent twice.
    let twin = [add("b2", "LAMP", 2), allocate("o1", "LAMP", 2)];
    let meddling = Meddles::default().overtaken_at_finds([vec![], twin.into()]).with(&store);
    assert_eq!(allocate_lines(&meddling, &lines_of(0..3, 2)).await.unwrap(), 3);
    assert_eq!(meddling.hooks.finds(), 3, "all is read again, and o0 and o2 are refused by the new stock");
    let placed: Vec<_> = store.parts().into_keys().map(|id| id.line.orderid.to_string()).collect();
    assert_eq!((placed, store.outbox().len()), (vec!["o1".to_owned()], told + 3));
}

#[tokio::test]
async fn lines_of_an_unknown_sku_are_refused() {
    let store = InMemoryStore::default();
    let error = allocate_lines(&Meddles::default().with(&store), &lines_of(0..3, 1)).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::UnknownSku(_))), "{error:?}");
}
