//! An index that has not caught up.

use adapters::in_memory::InMemoryStore;
use domain::{Part, Place, Revision, Version};
use testing::{Reply, line, waiting_lines, youngest};

use crate::common::{Handle as _, Meddles, add, allocate, batch_of, do_it, resize};

/// An entry of the index that is no longer true.
fn stale(orderid: &str, qty: u32, place: Place, since: u64) -> Part {
    Part {
        line: line(orderid, "LAMP", qty),
        split: None,
        place,
        age: Version(since),
        since: Version(since),
        held_until: None,
    }
}

#[tokio::test]
async fn a_line_that_the_index_shows_on_a_batch_it_left_does_not_distort_the_counter() {
    let store = InMemoryStore::default();
    let handle = async |command| do_it(&store, command).await;
    handle(add("b1", "LAMP", 5)).await;
    handle(allocate("old", "LAMP", 3)).await;
    handle(allocate("new", "LAMP", 2)).await;
    let b1 = "b1".try_into().unwrap();
    let mut listed = youngest(&store, "LAMP", &b1, 5, 98).await.unwrap();
    listed.insert(1, stale("left", 1, Place::Batch(b1), 2));

    // The one that left would keep its place in what is left of the batch, and be counted.
    let lagging = Meddles::showing_first(listed).with(&store);
    lagging.handle(resize("b1", 1, Revision::Version(1))).await.unwrap();
    let [product] = store.products().try_into().unwrap();
    assert_eq!((product.batches()[0].purchased, product.batches()[0].allocated), (1, 0));
    assert_eq!(product.waiting().count, 2);
}

#[tokio::test]
async fn a_line_that_came_back_to_a_batch_gives_way_once_though_the_index_shows_it_twice() {
    let store = InMemoryStore::default();
    let handle = async |command| do_it(&store, command).await;
    handle(add("b1", "LAMP", 9)).await;
    handle(allocate("large", "LAMP", 7)).await;
    handle(allocate("back", "LAMP", 2)).await;
    handle(resize("b1", 7, Revision::Version(1))).await;
    handle(allocate("refused", "LAMP", 1)).await;
    handle(resize("b1", 9, Revision::Version(2))).await;
    let b1 = "b1".try_into().unwrap();
    let mut listed = youngest(&store, "LAMP", &b1, 1, 98).await.unwrap();
    assert_eq!(listed, [Part { age: Version(3), ..stale("back", 2, Place::Batch(b1.clone()), 6) }]);

    // By an odd version it was there before, and by an even one it came back: two parts of the index.
    listed.push(stale("back", 2, Place::Batch(b1), 3));
    let lagging = Meddles::showing_first(listed).with(&store);
    lagging.handle(resize("b1", 6, Revision::Version(3))).await.unwrap();
    let [product] = store.products().try_into().unwrap();
    assert_eq!((product.batches()[0].purchased, product.batches()[0].allocated), (6, 2));
    assert_eq!(product.waiting().count, 1);
}

#[tokio::test]
async fn stock_is_offered_to_every_waiting_line_whatever_the_index_shows_first() {
    let store = InMemoryStore::default();
    let handle = async |command| do_it(&store, command).await;
    handle(add("b1", "LAMP", 3)).await;
    handle(allocate("small", "LAMP", 1)).await;
    handle(allocate("large", "LAMP", 2)).await;
    handle(resize("b1", 0, Revision::Version(1))).await;
    let mut waiting = waiting_lines(&store, &"LAMP".try_into().unwrap()).await.unwrap();

    // As many lines as wait, but one that left in the place of one that fits.
    waiting.retain(|part| part.line.orderid.as_str() == "large");
    waiting.push(stale("left", 2, Place::Waiting, 1));
    let lagging = Meddles::showing_first(waiting).with(&store);
    lagging.handle(add("b2", "LAMP", 1)).await.unwrap();
    assert_eq!(batch_of(&store, "small").await.as_deref(), Some("b2"));
}

#[tokio::test]
async fn a_list_of_waiting_lines_that_was_refused_is_read_again_though_its_sum_is_right() {
    let store = InMemoryStore::default();
    let handle = async |command| do_it(&store, command).await;
    handle(add("b1", "LAMP", 2)).await;
    handle(allocate("o1", "LAMP", 1)).await;
    handle(allocate("o2", "LAMP", 1)).await;
    handle(resize("b1", 0, Revision::Version(1))).await;
    let both = waiting_lines(&store, &"LAMP".try_into().unwrap()).await.unwrap();
    assert_eq!(both[0].since, both[1].since, "since the same commit");
    handle(add("b2", "LAMP", 1)).await;
    let served = async |orderid: &str| batch_of(&store, orderid).await.is_some();
    let first = if served("o1").await { "o1" } else { "o2" };

    // The index still shows the line that was served, and not yet the other one.
    let stale = both.into_iter().filter(|part| part.line.orderid.as_str() == first).collect();
    let lagging = Meddles::showing_first(stale).with(&store);
    assert_eq!(lagging.handle(add("b3", "LAMP", 1)).await.unwrap(), Reply::Done);
    assert!(served("o1").await && served("o2").await);
}
