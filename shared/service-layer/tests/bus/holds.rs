//! Lines that are promised for a while: whoever comes by gives back what is due, and a sweep does where nobody comes.

use std::time::Duration;

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};
use domain::{IfShort, Part, PartId, Sku, Tally, Terms, WantedOrder};
use service_layer::ports::{Environment, Timestamp};
use service_layer::store::{Listing, Products, StoreError};
use service_layer::{MessageBus, PutOrder, PutOrderAnswer, Swept, sweep};
use testing::{Command, Hooked, Hooks, Reply, line};

use crate::common::{Meddles, add, allocate, another_environment, call, do_it, on};

/// Until when lines are held.
const UNTIL: Timestamp = Timestamp(1_000);

/// Five lamps, on which an order holds lines.
async fn shop(held: &[u32]) -> InMemoryStore {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 5)).await;
    put(&store, "cart", "LAMP", held, Some(UNTIL)).await;
    store
}

/// Puts an order of these quantities of a SKU.
async fn put(store: &InMemoryStore, orderid: &str, sku: &str, quantities: &[u32], hold_until: Option<Timestamp>) {
    let lines = quantities.iter().map(|qty| line(orderid, sku, *qty)).collect();
    let order = PutOrder {
        wanted: WantedOrder::of(orderid.try_into().unwrap(), lines).unwrap(),
        terms: Terms { if_short: IfShort::Wait, hold_until, may_split: false },
        version: None,
    };
    let answer = MessageBus::new(store, another_environment(), ()).handle(&order, &call()).await.unwrap();
    assert!(matches!(answer, PutOrderAnswer::Placed(_)), "{answer:?}");
}

async fn at(now: Timestamp) -> InMemoryEnvironment {
    let environment = another_environment();
    environment.sleep(Duration::from_millis(now.0)).await;
    environment
}

async fn do_at<S: Products>(store: S, now: Timestamp, command: Command) -> Reply {
    MessageBus::new(store, at(now).await, ()).handle(&command, &call()).await.unwrap()
}

fn held(store: &InMemoryStore) -> Vec<Part> {
    store.parts().into_values().filter(|part| part.held_until.is_some()).collect()
}

/// What was told after this version.
fn told_after(store: &InMemoryStore, version: u64) -> Vec<String> {
    let later = store.outbox().into_iter().filter(|told| told.version.0 > version);
    later.map(|told| told.event.to_string()).collect()
}

#[tokio::test]
async fn whoever_decides_on_a_sku_gives_back_what_is_due_before_anything_else() {
    let store = shop(&[1, 2]).await;
    let version = store.products()[0].version().0;
    assert_eq!(do_at(&store, Timestamp(999), allocate("o2", "LAMP", 3)).await, Reply::OutOfStock);
    assert_eq!(do_at(&store, UNTIL, allocate("o2", "LAMP", 3)).await, on("b1"));
    assert_eq!(
        told_after(&store, version),
        ["3 of o2 out of stock", "1 of cart cancelled, off b1", "2 of cart cancelled, off b1", "3 of o2 on b1"]
    );
    assert_eq!((store.products()[0].version().0, store.products()[0].held().due), (version + 3, None));
}

#[tokio::test]
async fn what_comes_free_goes_to_those_that_wait_and_not_to_who_comes_by() {
    let store = shop(&[5]).await;
    put(&store, "waits", "LAMP", &[5], None).await;
    assert_eq!(do_at(&store, UNTIL, allocate("o2", "LAMP", 1)).await, Reply::OutOfStock);
    assert_eq!(
        store.parts()[&PartId::first_of(line("waits", "LAMP", 5).id())].place.batch(),
        Some(&"b1".try_into().unwrap())
    );
}

#[tokio::test]
async fn what_the_index_has_not_listed_is_nobodys_until_it_does() {
    // It has one of two that are due: there are more, so they are waited for.
    let store = shop(&[1, 2]).await;
    let one = held(&store).into_iter().filter(|part| part.line.qty.get() == 1).collect();
    let meddling = Meddles::showing_first(one).with(&store);
    assert_eq!(do_at(meddling, UNTIL, allocate("o2", "LAMP", 5)).await, on("b1"));
    // It has none, which may be true: the command goes on, and the next one looks again.
    let store = shop(&[1, 2]).await;
    let meddling = Meddles::showing_first(Vec::new()).with(&store);
    assert_eq!(do_at(meddling, UNTIL, allocate("o2", "LAMP", 5)).await, Reply::OutOfStock);
    assert_eq!(Tally::of(&held(&store)), store.products()[0].held().tally);
    assert_eq!(do_at(&store, UNTIL.plus(Duration::from_mins(1)), allocate("o2", "LAMP", 5)).await, on("b1"));
}

/// What is held of one SKU can't be listed.
struct Unlisted(Sku);

impl Hooks<InMemoryStore> for Unlisted {
    async fn list(&self, store: &InMemoryStore, listing: &Listing) -> Result<Vec<Part>, StoreError> {
        match listing {
            Listing::Held { sku, .. } if *sku == self.0 => Err(StoreError::Fault("unreadable".into())),
            _ => store.list(listing).await,
        }
    }
}

#[tokio::test]
async fn a_sweep_settles_each_product_that_it_can_and_names_the_others() {
    let store = shop(&[1, 2]).await;
    do_it(&store, add("b2", "DESK", 5)).await;
    put(&store, "another", "DESK", &[1], Some(UNTIL)).await;
    let lamp: Sku = "LAMP".try_into().unwrap();
    let bus = MessageBus::new(Hooked { store: store.clone(), hooks: Unlisted(lamp.clone()) }, at(UNTIL).await, ());
    let Swept { products, failed, left } = sweep(&bus, &call_until(Timestamp(60_000))).await.unwrap();
    let named: Vec<_> = failed.iter().map(|(sku, _)| sku).collect();
    assert_eq!((products, named, left), (1, vec![&lamp], 0));
    assert!(held(&store).iter().all(|part| part.line.sku == lamp) && held(&store).len() == 2);
    // Nobody fails any more, and then there is nothing left to look up.
    for expected in [1, 0] {
        let bus = MessageBus::new(store.clone(), at(UNTIL).await, ());
        let swept = sweep(&bus, &call_until(Timestamp(60_000))).await.unwrap();
        assert_eq!((swept.products, swept.failed.len(), swept.left), (expected, 0, 0));
    }
    assert!(held(&store).is_empty());
}

#[tokio::test]
async fn a_sweep_leaves_to_the_next_one_what_it_has_no_time_for() {
    let store = shop(&[1]).await;
    let bus = MessageBus::new(store.clone(), at(UNTIL).await, ());
    let swept = sweep(&bus, &call_until(UNTIL.plus(Duration::from_secs(1)))).await.unwrap();
    assert_eq!((swept.products, swept.failed.len(), swept.left), (0, 0, 1));
    assert_eq!(held(&store).len(), 1);
}
