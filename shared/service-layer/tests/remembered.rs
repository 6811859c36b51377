//! What a remembering store shows from memory, and what it reads.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use adapters::in_memory::InMemoryStore;
use domain::{Held, OrderLine, Product, ProductState, Tally, Version};
use service_layer::ports::Timestamp;
use service_layer::store::{Changed, Commit, CommitId, Origins, Products, ReadSet, StoreError};
use service_layer::{CorrelationId, Remembering};
use testing::{batch, on_batch, stored_product, youngest};

fn line() -> OrderLine {
    testing::line("o1", "LAMP", 1)
}

fn product(version: u64, batches: u32, backlog: bool) -> Product {
    let batches = (0..batches).map(|number| batch(&format!("b{number}"), "LAMP", 10)).collect();
    let waiting = Tally { count: u32::from(backlog), version_sum: 0, pieces: u64::from(backlog) };
    Product::restore(ProductState {
        sku: line().sku,
        version: Version(version),
        batches,
        waiting,
        held: Held::default(),
        backlog,
        refused: None,
    })
}

async fn commit<S: Products>(store: &S, before: Option<&Product>, after: &Product) -> Result<(), StoreError> {
    let products = &[Changed { before, after }];
    store
        .commit(Commit {
            products,
            ..Commit::new(CommitId(after.version().0), &CorrelationId::unknown(), &Origins::new(), Timestamp(1))
        })
        .await
}

async fn version<S: Products>(store: &S) -> Version {
    let found = store.find(&ReadSet::of_new_line(&line().id())).await.unwrap();
    found.product(&line().sku).unwrap().version()
}

/// Commits a product, lets somebody else commit the next version, and tells which one is shown then.
async fn shown(committed: &Product) -> (Version, Remembering<&'static InMemoryStore>) {
    let store: &InMemoryStore = Box::leak(Box::default());
    let remembering = Remembering::new(store, 0);
    commit(&remembering, None, committed).await.unwrap();
    commit(store, Some(committed), &product(2, 1, false)).await.unwrap();
    (version(&remembering).await, remembering)
}

#[tokio::test]
async fn a_product_is_shown_from_memory_until_it_is_refused() {
    let committed = product(1, 1, false);
    let (shown, remembering) = shown(&committed).await;
    assert_eq!(shown, Version(1));
    commit(&remembering, Some(&committed), &product(2, 1, false)).await.unwrap_err();
    assert_eq!(version(&remembering).await, Version(2));
}

#[tokio::test]
async fn a_product_that_owes_stock_or_is_large_is_read() {
    assert_eq!(shown(&product(1, 1, true)).await.0, Version(2));
    assert_eq!(shown(&product(1, 20, false)).await.0, Version(1));
    assert_eq!(shown(&product(1, 21, false)).await.0, Version(2));
}

#[tokio::test]
async fn a_product_that_refused_a_line_is_read_since_the_next_refusal_has_no_commit_to_confirm_it() {
    let refused = |qty: Option<u32>| {
        let before = product(1, 1, false);
        let refused = qty.map(|pieces| pieces.try_into().unwrap());
        let state = ProductState {
            sku: line().sku,
            version: Version(1),
            batches: before.batches().to_vec(),
            waiting: Tally::default(),
            held: Held::default(),
            backlog: false,
            refused,
        };
        Product::restore(state)
    };
    assert_eq!(shown(&refused(Some(11))).await.0, Version(2));
    assert_eq!(shown(&refused(None)).await.0, Version(1));
}

#[tokio::test]
async fn memory_is_trusted_after_so_many_reads_that_told_nothing_new() {
    let store = InMemoryStore::default();
    let remembering = Remembering::new(&store, 2);
    let mut last = product(1, 1, false);
    commit(&store, None, &last).await.unwrap();
    // The first read tells something new, and so does the one that ends each round.
    for (reads, trusted) in [(1, false), (1, false), (2, true)] {
        for _ in 0..reads {
            version(&remembering).await;
        }
        let next = product(last.version().0 + 1, 1, false);
        commit(&store, Some(&last), &next).await.unwrap();
        assert_eq!(version(&remembering).await == last.version(), trusted, "after {reads} reads");
        last = next;
    }
}

#[tokio::test]
async fn a_read_that_finds_the_line_was_not_in_vain() {
    let store = InMemoryStore::default();
    let remembering = Remembering::new(&store, 2);
    let empty = product(1, 1, false);
    commit(&store, None, &empty).await.unwrap();
    let mut allocated = empty.clone();
    allocated.allocate(&line(), &[]).unwrap();
    commit(&store, Some(&empty), &allocated).await.unwrap();
    for _ in 0..5 {
        version(&remembering).await;
    }
    commit(&store, Some(&allocated), &product(3, 1, false)).await.unwrap();
    assert_eq!(version(&remembering).await, Version(3));
}

#[tokio::test]
async fn a_thousand_products_are_remembered() {
    for (others, shown) in [(999, Version(1)), (1_000, Version(2))] {
        let store = InMemoryStore::default();
        let remembering = Remembering::new(&store, 0);
        let lamp = product(1, 1, false);
        commit(&remembering, None, &lamp).await.unwrap();
        for number in 0..others {
            let other = stored_product(&format!("OTHER-{number}"), 1, Vec::new());
            commit(&remembering, None, &other).await.unwrap();
        }
        commit(&store, Some(&lamp), &product(2, 1, false)).await.unwrap();
        assert_eq!(version(&remembering).await, shown, "after {others} others");
    }
}

#[tokio::test]
async fn lists_are_never_remembered() {
    let store = InMemoryStore::default();
    let remembering = Remembering::new(&store, 0);
    let before = product(1, 1, false);
    commit(&remembering, None, &before).await.unwrap();
    let mut after = before.clone();
    after.allocate(&line(), &[]).unwrap();
    commit(&store, Some(&before), &after).await.unwrap();
    let b0 = "b0".try_into().unwrap();
    assert_eq!(youngest(&remembering, line().sku.as_str(), &b0, 1, 1).await.unwrap(), [on_batch(line(), &b0, 2)]);
}
