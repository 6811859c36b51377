//! Lines that lie on several batches.

use std::time::Duration;

use adapters::in_memory::InMemoryStore;
use domain::{IfShort, OrderLine, Part, Place, Refusal, Revision, Terms, WantedOrder};
use service_layer::ports::{Environment as _, Timestamp};
use service_layer::{Error, ExpireHolds, MessageBus, PutOrder};
use testing::{Command, Hooked, holds, line};

use crate::common::{Handle as _, Meddle, Meddles, add, allocate, another_environment, call, do_it};

/// A line of so many lamps, on as many batches as it takes; what fits nowhere waits.
fn split(orderid: &str, qty: u32) -> Command {
    let wanted = vec![OrderLine { name: "left".try_into().unwrap(), ..line(orderid, "LAMP", qty) }];
    let wanted = WantedOrder::of(orderid.try_into().unwrap(), wanted).unwrap();
    let terms = Terms { if_short: IfShort::Wait, may_split: true, hold_until: None };
    Command::PutOrder(PutOrder { wanted, terms, version: None })
}

fn left(orderid: &str) -> domain::LineId {
    OrderLine { name: "left".try_into().unwrap(), ..line(orderid, "LAMP", 1) }.id()
}

/// How many pieces of an order are where, in their order.
fn spread(store: &InMemoryStore, orderid: &str) -> Vec<String> {
    let parts = store.parts();
    let of_order: Vec<&Part> = parts.values().filter(|part| part.line.orderid.as_str() == orderid).collect();
    assert!(Part::are_all(&of_order), "{of_order:?}");
    let told = |part: &&Part| match &part.place {
        Place::Batch(reference) => format!("{} on {reference}", part.line.qty),
        Place::Shipped(reference) => format!("{} from {reference}", part.line.qty),
        Place::Waiting => format!("{} wait", part.line.qty),
        Place::Cancelled => format!("{} cancelled", part.line.qty),
    };
    of_order.iter().map(told).collect()
}

async fn shop() -> InMemoryStore {
    let store = InMemoryStore::default();
    for batch in ["b1", "b2"] {
        do_it(&store, add(batch, "LAMP", 4)).await;
    }
    store
}

#[tokio::test]
async fn a_split_line_is_served_as_stock_comes_and_shipped_when_all_is_there() {
    let store = shop().await;
    do_it(&store, split("o1", 11)).await;
    assert_eq!(spread(&store, "o1"), ["4 on b1", "4 on b2", "3 wait"]);
    let shipped = Meddles::default().with(&store).handle(Command::Ship(left("o1"))).await;
    assert!(matches!(shipped, Err(Error::Refused(Refusal::NotAllocated(_)))), "three pieces wait: {shipped:?}");
    do_it(&store, add("b3", "LAMP", 2)).await;
    assert_eq!(spread(&store, "o1"), ["4 on b1", "4 on b2", "2 on b3", "1 wait"]);
    do_it(&store, add("b4", "LAMP", 2)).await;
    do_it(&store, Command::Ship(left("o1"))).await;
    assert_eq!(spread(&store, "o1"), ["4 from b1", "4 from b2", "2 from b3", "1 from b4"]);
    // By itself, another order's line gets what is left, which is one piece.
    do_it(&store, allocate("o2", "LAMP", 1)).await;
    assert_eq!(spread(&store, "o2"), ["1 on b4"]);
}

#[tokio::test]
async fn a_split_line_that_is_given_back_serves_those_that_wait() {
    let store = shop().await;
    do_it(&store, split("o1", 7)).await;
    do_it(&store, split("o2", 3)).await;
    assert_eq!(spread(&store, "o2"), ["1 on b2", "2 wait"]);
    do_it(&store, Command::Deallocate(left("o1"))).await;
    assert_eq!(spread(&store, "o1"), ["7 cancelled"]);
    assert_eq!(spread(&store, "o2"), ["1 on b2", "2 on b1"]);
}

#[tokio::test]
async fn whoever_decided_on_parts_that_moved_meanwhile_decides_again() {
    for command in [Command::Deallocate(left("o1")), Command::CancelOrder("o1".try_into().unwrap())] {
        let store = shop().await;
        do_it(&store, split("o1", 9)).await;
        let others = [Meddle::After(vec![add("b3", "LAMP", 5)]), Meddle::LoseReply];
        Meddles::at_commits(others).with(&store).handle(command).await.unwrap();
        assert_eq!(spread(&store, "o1"), ["9 cancelled"]);
    }
    // A shipment crosses with a shrink, by which a piece of the line waits.
    let store = shop().await;
    do_it(&store, split("o1", 8)).await;
    let shrunk = Command::ChangeBatch(holds("b2", 3, Revision::AsOf(1)));
    let shipped =
        Meddles::at_commits([Meddle::After(vec![shrunk])]).with(&store).handle(Command::Ship(left("o1"))).await;
    assert!(matches!(shipped, Err(Error::Refused(Refusal::NotAllocated(_)))), "{shipped:?}");
    assert_eq!(spread(&store, "o1"), ["4 on b1", "3 on b2", "1 wait"]);
}

#[tokio::test]
async fn a_split_line_whose_order_is_put_twice_by_a_lost_reply_is_split_once() {
    let store = shop().await;
    Meddles::at_commits([Meddle::LoseReply]).with(&store).handle(split("o1", 7)).await.unwrap();
    assert_eq!((spread(&store, "o1"), store.parts().len()), (vec!["4 on b1".to_owned(), "3 on b2".to_owned()], 2));
}

/// A large batch with a split line of 32 and sixty lines of so many that are younger, which then turns out to be empty; and
/// sixteen small ones.
async fn after_a_large_shrink(each: u32) -> InMemoryStore {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 32 + 60 * each)).await;
    do_it(&store, split("old", 32)).await;
    for number in 0..60 {
        do_it(&store, allocate(&format!("young{number}"), "LAMP", each)).await;
    }
    for number in 0..16 {
        do_it(&store, add(&format!("c{number:02}"), "LAMP", 2)).await;
    }
    do_it(&store, Command::ChangeBatch(holds("b1", 0, Revision::Version(1)))).await;
    store
}

#[tokio::test]
async fn the_oldest_promise_has_all_its_parts_first_however_many_give_way() {
    for each in [2, 3] {
        let store = after_a_large_shrink(each).await;
        let expected: Vec<String> = (0..16).map(|number| format!("2 on c{number:02}")).collect();
        assert_eq!(spread(&store, "old"), expected, "beside lines of {each}");
    }
}

#[tokio::test]
async fn what_lines_hold_of_one_full_batch_is_given_back_together() {
    let store = InMemoryStore::default();
    for batch in ["b1", "b2"] {
        do_it(&store, add(batch, "LAMP", 5)).await;
    }
    let until = Some(Timestamp(1));
    for (orderid, qty) in [("o1", 2), ("o2", 6), ("o3", 2)] {
        let wanted = WantedOrder::of(orderid.try_into().unwrap(), vec![line(orderid, "LAMP", qty)]).unwrap();
        let terms = Terms { if_short: IfShort::Refuse, may_split: true, hold_until: until };
        do_it(&store, Command::PutOrder(PutOrder { wanted, terms, version: None })).await;
    }
    let later = another_environment();
    later.sleep(Duration::from_secs(1)).await;
    let bus = MessageBus::new(&store, later, ());
    bus.handle(&ExpireHolds("LAMP".try_into().unwrap()), &call()).await.unwrap();
    for (orderid, qty) in [("o1", 2), ("o2", 6), ("o3", 2)] {
        assert_eq!(spread(&store, orderid), [format!("{qty} cancelled")]);
    }
}

/// The list of what is held ends within a line.
#[tokio::test]
async fn a_held_line_of_which_not_all_parts_are_listed_is_given_back_as_a_whole() {
    let store = shop().await;
    let wanted = WantedOrder::of("o1".try_into().unwrap(), vec![line("o1", "LAMP", 7)]).unwrap();
    let terms = Terms { if_short: IfShort::Refuse, may_split: true, hold_until: Some(Timestamp(1)) };
    do_it(&store, Command::PutOrder(PutOrder { wanted, terms, version: None })).await;
    let listed: Vec<Part> = store.parts().into_values().take(1).collect();
    let cut = Hooked { store: store.clone(), hooks: Meddles::showing_first(listed) };
    let later = another_environment();
    later.sleep(Duration::from_secs(1)).await;
    let bus = MessageBus::new(&cut, later, ());
    bus.handle(&ExpireHolds("LAMP".try_into().unwrap()), &call()).await.unwrap();
    assert_eq!(spread(&store, "o1"), ["7 cancelled"]);
}
