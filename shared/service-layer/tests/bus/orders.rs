//! Orders that are cancelled, and the lines that come before and after.

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore};
use domain::{Done, Part, Place, Refusal, Revision};
use service_layer::{AllocateLines, CancelOrder, CancelledOrder, Error, MessageBus, OrderedPart, Remembering};
use testing::{Command, Reply, line};

use crate::common::{
    Handle as _, Meddle, Meddles, Meddling, add, allocate, another_environment, batch_of, call, do_it, on, resize,
};

fn cancel_all(orderid: &str) -> Command {
    Command::CancelOrder(orderid.try_into().unwrap())
}

async fn cancel(store: &Meddling, orderid: &str) -> Result<CancelledOrder, Error> {
    let command = CancelOrder(orderid.try_into().unwrap());
    MessageBus::new(store, another_environment(), ()).handle(&command, &call()).await
}

async fn cancelled(store: &InMemoryStore, orderid: &str) -> CancelledOrder {
    cancel(&Meddles::default().with(store), orderid).await.unwrap()
}

/// The lines that an answer shows: quantity, SKU, and where they are.
fn shown(order: &CancelledOrder) -> Vec<String> {
    let place = |part: &Part| match &part.place {
        Place::Batch(reference) => format!("on {reference}"),
        Place::Shipped(reference) => format!("shipped from {reference}"),
        Place::Waiting => "waits".to_owned(),
        Place::Cancelled => "cancelled".to_owned(),
    };
    order
        .lines
        .iter()
        .flat_map(|line| &line.parts)
        .map(|OrderedPart { part, .. }| format!("{} {} {}", part.line.qty, part.line.sku, place(part)))
        .collect()
}

fn order_cancelled(orderid: &str) -> Reply {
    Reply::OrderCancelled(orderid.try_into().unwrap())
}

fn is_refused(reply: &Result<Reply, Error>) -> bool {
    matches!(reply, Err(Error::Refused(Refusal::OrderCancelled(_))))
}

#[tokio::test]
async fn all_lines_of_an_order_are_cancelled_but_those_that_are_shipped() {
    let store = InMemoryStore::default();
    let shipped = line("o1", "LAMP", 3);
    for command in [
        add("b1", "LAMP", 5),
        add("b2", "DESK", 2),
        Command::Allocate(shipped.clone()),
        Command::Ship(shipped.id()),
        allocate("o1", "LAMP", 2),
        allocate("o1", "DESK", 2),
        allocate("other", "LAMP", 9),
        resize("b2", 0, Revision::Version(1)),
    ] {
        do_it(&store, command).await;
    }
    let first = cancelled(&store, "o1").await;
    assert_eq!(first.done, Done::Now);
    assert_eq!(shown(&first), ["2 DESK cancelled", "2 LAMP cancelled", "3 LAMP shipped from b1"]);
    let again = cancelled(&store, "o1").await;
    assert_eq!((again.done, again.lines), (Done::Before, first.lines));
}

#[tokio::test]
async fn an_order_that_nobody_has_heard_of_is_cancelled_from_then_on() {
    let store = InMemoryStore::default();
    assert_eq!(cancelled(&store, "o1").await, CancelledOrder { done: Done::Now, lines: Vec::new() });
    assert_eq!(cancelled(&store, "o1").await, CancelledOrder { done: Done::Before, lines: Vec::new() });
    let unknown = Meddles::default().with(&store).handle(allocate("o1", "LAMP", 1)).await;
    assert!(is_refused(&unknown), "also of a SKU that there is not: {unknown:?}");
    do_it(&store, add("b1", "LAMP", 5)).await;
    assert_eq!(do_it(&store, allocate("o1", "LAMP", 1)).await, order_cancelled("o1"));
    assert_eq!(do_it(&store, allocate("o2", "LAMP", 1)).await, on("b1"));
    assert_eq!(store.outbox().len(), 2, "nobody is told of what never was");
}

#[tokio::test]
async fn a_shipped_line_of_a_cancelled_order_keeps_its_batch() {
    let store = InMemoryStore::default();
    for command in [add("b1", "LAMP", 5), allocate("o1", "LAMP", 2), Command::Ship(line("o1", "LAMP", 2).id())] {
        do_it(&store, command).await;
    }
    cancelled(&store, "o1").await;
    assert_eq!(do_it(&store, allocate("o1", "LAMP", 2)).await, on("b1"));
}

#[tokio::test]
async fn what_comes_free_goes_to_lines_that_wait_and_not_to_those_of_the_order() {
    let store = InMemoryStore::default();
    for command in [
        add("b1", "LAMP", 8),
        allocate("o1", "LAMP", 2),
        allocate("o1", "LAMP", 1),
        allocate("o2", "LAMP", 3),
        allocate("o3", "LAMP", 2),
        // All but the oldest wait, one of the order among them.
        resize("b1", 2, Revision::Version(1)),
    ] {
        do_it(&store, command).await;
    }
    let order = cancelled(&store, "o1").await;
    assert_eq!(shown(&order), ["1 LAMP cancelled", "2 LAMP cancelled"]);
    assert_eq!(batch_of(&store, "o2").await, None, "3 pieces don't fit");
    assert_eq!(batch_of(&store, "o3").await.as_deref(), Some("b1"));
}

/// A product may hold so many batches with free stock that one more does not fit. A line can't leave its batch then, if
/// that is full.
#[tokio::test]
async fn a_line_that_can_not_be_cancelled_holds_up_neither_the_others_nor_the_mark() {
    let store = InMemoryStore::default();
    for command in [add("b1", "LAMP", 2), allocate("o1", "LAMP", 2), add("b2", "DESK", 2), allocate("o1", "DESK", 2)] {
        do_it(&store, command).await;
    }
    let mut filling = 0;
    while Meddles::default()
        .with(&store)
        .handle(add(&format!("{filling}{}", "\u{1fa91}".repeat(240)), "DESK", 1))
        .await
        .is_ok()
    {
        filling += 1;
    }
    for _ in 0..2 {
        let refused = cancel(&Meddles::default().with(&store), "o1").await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::TooManyBatches(_)))), "{refused:?}");
        let places: Vec<_> = store.parts().into_values().map(|part| part.place).collect();
        assert_eq!(places, [Place::Batch("b2".try_into().unwrap()), Place::Cancelled]);
    }
    assert_eq!(do_it(&store, allocate("o1", "LAMP", 1)).await, order_cancelled("o1"));
    do_it(&store, allocate("o2", "DESK", 1)).await;
    assert_eq!(shown(&cancelled(&store, "o1").await), ["2 DESK cancelled", "2 LAMP cancelled"]);
}

/// Each of 70 lines has a full batch and a product of its own: three items, so 32 lines a commit. Each frees what three
/// lines wait for, so that more stock is owed than one commit can offer, of more products than it has room for.
#[tokio::test]
async fn a_large_order_is_cancelled_in_several_commits_each_of_which_a_store_can_hold() {
    let store = InMemoryStore::default();
    for number in 0..70 {
        let sku = format!("SKU-{number:02}");
        let [first, second] = [format!("a{number}"), format!("b{number}")];
        do_it(&store, add(&first, &sku, 3)).await;
        do_it(&store, allocate("o1", &sku, 3)).await;
        do_it(&store, add(&second, &sku, 4)).await;
        for waits in ["o2", "o3", "o4"] {
            do_it(&store, allocate(waits, &sku, 1)).await;
        }
        do_it(&store, resize(&second, 0, Revision::Version(1))).await;
    }
    let meddling = Meddles::default().with(&store);
    let order = cancel(&meddling, "o1").await.unwrap();
    assert_eq!((order.done, order.lines.len()), (Done::Now, 70));
    assert!(order.lines.iter().all(|line| line.parts[0].part.place == Place::Cancelled));
    let is_on = |part: &Part| matches!(part.place, Place::Batch(_));
    assert_eq!(store.parts().values().filter(|part| is_on(part)).count(), 210, "who waited has what came free");
}

#[tokio::test]
async fn a_line_that_is_committed_before_the_mark_is_seen_whenever_it_was_read() {
    let store = InMemoryStore::default();
    for command in [add("b1", "LAMP", 9), allocate("o1", "LAMP", 1)] {
        do_it(&store, command).await;
    }
    let meddling = Meddles::at_commits([Meddle::After(vec![add("b2", "DESK", 1), allocate("o1", "DESK", 1)])]);
    let order = cancel(&meddling.with(&store), "o1").await.unwrap();
    assert_eq!(shown(&order), ["1 DESK cancelled", "1 LAMP cancelled"]);
}

#[tokio::test]
async fn an_order_whose_commit_is_overtaken_or_unheard_is_cancelled_all_the_same() {
    type Make = fn() -> Meddle;
    let meddles: [Make; 5] = [
        || Meddle::After(vec![allocate("o2", "LAMP", 1)]),
        || Meddle::LoseReply,
        || Meddle::LoseRequest,
        || Meddle::Misunderstand,
        || Meddle::Collide,
    ];
    for meddle in meddles {
        let store = InMemoryStore::default();
        for command in [add("b1", "LAMP", 9), allocate("o1", "LAMP", 1)] {
            do_it(&store, command).await;
        }
        let order = cancel(&Meddles::at_commits([meddle()]).with(&store), "o1").await.unwrap();
        assert_eq!((order.done, shown(&order)), (Done::Now, vec!["1 LAMP cancelled".to_owned()]));
    }
}

/// The mark comes between the reading of a line and its commit: whoever asks next ends it.
#[tokio::test]
async fn a_line_that_was_on_its_way_is_cancelled_by_whoever_asks_next() {
    for asks_again in [cancel_all("o1"), allocate("o1", "LAMP", 1)] {
        let store = InMemoryStore::default();
        do_it(&store, add("b1", "LAMP", 1)).await;
        let meddling = Meddles::at_commits([Meddle::After(vec![cancel_all("o1")])]).with(&store);
        assert_eq!(meddling.handle(allocate("o1", "LAMP", 1)).await.unwrap(), on("b1"));
        let reply = do_it(&store, asks_again.clone()).await;
        assert_ne!(reply, on("b1"));
        let [part] = store.parts().into_values().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(part.place, Place::Cancelled, "{asks_again}");
        assert_eq!(do_it(&store, allocate("o2", "LAMP", 1)).await, on("b1"), "its piece is free");
        assert_eq!(do_it(&store, allocate("o1", "LAMP", 1)).await, order_cancelled("o1"));
    }
}

#[tokio::test]
async fn a_queued_line_of_a_cancelled_order_is_refused_and_ended_if_it_stands() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 9)).await;
    let meddling = Meddles::at_commits([Meddle::After(vec![cancel_all("o1")])]).with(&store);
    meddling.handle(allocate("o1", "LAMP", 1)).await.unwrap();
    let lines = [line("o1", "LAMP", 1), line("o1", "LAMP", 2), line("o2", "LAMP", 1)];
    let lines = AllocateLines::of(domain::SkuLines::of(lines).pop().unwrap());
    let answered = MessageBus::new(&store, another_environment(), ()).handle(&lines, &call()).await.unwrap();
    assert_eq!((answered.lines, answered.refusals.len()), (3, 2));
    assert!(answered.refusals.iter().all(|refusal| matches!(refusal, Refusal::OrderCancelled(_))));
    let places: Vec<_> = store.parts().into_values().map(|part| part.place).collect();
    assert_eq!(places, [Place::Cancelled, Place::Batch("b1".try_into().unwrap())]);
}

/// A process that remembers the product, and reads nothing before it commits.
async fn from_memory(
    store: &InMemoryStore,
    fails: Vec<Meddle>,
) -> MessageBus<Remembering<Meddling>, InMemoryEnvironment> {
    let remembering = Remembering::new(Meddles::at_commits(fails).with(store), 0);
    let bus = MessageBus::new(remembering, another_environment(), ());
    bus.handle(&add("b1", "LAMP", 3), &call()).await.unwrap();
    bus
}

#[tokio::test]
async fn a_product_from_memory_does_not_hide_that_an_order_is_cancelled() {
    for qty in [1, 10] {
        let store = InMemoryStore::default();
        let bus = from_memory(&store, Vec::new()).await;
        do_it(&store, cancel_all("o1")).await;
        assert_eq!(bus.handle(&allocate("o1", "LAMP", qty), &call()).await.unwrap(), order_cancelled("o1"), "{qty}");
        assert!(store.parts().values().all(|part| part.place == Place::Cancelled), "{qty}");
        assert_eq!(bus.handle(&allocate("o2", "LAMP", 1), &call()).await.unwrap(), on("b1"));
    }
}

#[tokio::test]
async fn not_even_if_its_commit_was_overtaken() {
    let store = InMemoryStore::default();
    // The first commit adds the batch.
    let commits = [Meddle::After(Vec::new()), Meddle::After(vec![allocate("o2", "LAMP", 1), cancel_all("o1")])];
    let bus = from_memory(&store, commits.into()).await;
    assert_eq!(bus.handle(&allocate("o1", "LAMP", 1), &call()).await.unwrap(), order_cancelled("o1"));
}

#[tokio::test]
async fn lines_are_known_from_memory_only_where_they_may_be_new() {
    let store = InMemoryStore::default();
    let bus = from_memory(&store, Vec::new()).await;
    bus.handle(&allocate("o1", "LAMP", 1), &call()).await.unwrap();
    for end in [Command::Ship, Command::Deallocate] {
        let ended = bus.handle(&end(line("o1", "LAMP", 1).id()), &call()).await;
        assert!(!matches!(ended, Err(Error::Refused(Refusal::UnknownLine(_)))), "{ended:?}");
    }
}
