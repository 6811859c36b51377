//! Lines that lie on several batches.

use adapters::in_memory::InMemoryStore;
use domain::{IfShort, OrderLine, Part, Place, Refusal, Revision, Terms, WantedOrder};
use service_layer::{Error, PutOrder};
use testing::{Command, holds, line};

use crate::common::{Handle as _, Meddle, Meddles, add, allocate, do_it};

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
