//! What a remembering store shows from memory, and what it reads.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use adapters::in_memory::InMemoryStore;
use domain::{Batch, OrderLine, Product, Version, Waiting};
use service_layer::ports::{Commit, CommitId, Products, Snapshot, StoreError, Wanted};
use service_layer::{CorrelationId, Remembering};

fn line() -> OrderLine {
    OrderLine { orderid: "o1".try_into().unwrap(), sku: "LAMP".try_into().unwrap(), qty: 1.try_into().unwrap() }
}

fn product(version: u64, batches: u32, backlog: bool) -> Product {
    let batch = |number: u32| Batch {
        reference: format!("b{number}").as_str().try_into().unwrap(),
        sku: line().sku,
        eta: None,
        purchased: 10,
        allocated: 0,
        revision: None,
    };
    let waiting = Waiting { lines: u32::from(backlog), since: 0 };
    Product::restore(line().sku, Version(version), (0..batches).map(batch).collect(), waiting, backlog)
}

async fn commit<S: Products>(store: &S, before: Option<&Product>, after: &Product) -> Result<(), StoreError> {
    let id = CommitId(after.version().0);
    store
        .commit(Commit { id, before, after, announced: None, absent: &[], correlation: &CorrelationId::unknown() })
        .await
}

async fn version<S: Products>(store: &S) -> Version {
    let Snapshot { head, .. } = store.find(Wanted::Line(&line())).await.unwrap();
    head.unwrap().product.version()
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
    allocated.allocate(&line(), None);
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
            let sku = format!("OTHER-{number}").try_into().unwrap();
            let other = Product::restore(sku, Version(1), Vec::new(), Waiting::default(), false);
            commit(&remembering, None, &other).await.unwrap();
        }
        commit(&store, Some(&lamp), &product(2, 1, false)).await.unwrap();
        assert_eq!(version(&remembering).await, shown, "after {others} others");
    }
}
