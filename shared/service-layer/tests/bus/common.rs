//! What the tests of the bus share: commands, and a store that others meddle with.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};
use domain::{Batch, OrderId, Part, Product, Revision};
use service_layer::ports::Timestamp;
use service_layer::store::{Changed, Commit, Found, Listing, Products, ReadSet, StoreError};
use service_layer::{Call, Error, MessageBus};
use testing::{Command, Hooked, Hooks, Reply, allocations, holds, line, new_batch};

/// Most keys to find for a command: two calls of DynamoDB's, at once.
const MOST_KEYS: usize = 200;
/// Most that DynamoDB commits at once.
const MOST_ITEMS: usize = 100;

pub(crate) fn call() -> Call {
    call_until(Timestamp(10_000))
}

/// Each process draws its own commit ids.
pub(crate) fn another_environment() -> InMemoryEnvironment {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    InMemoryEnvironment::starting_at(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Adds a batch in the warehouse.
pub(crate) fn add(reference: &str, sku: &str, qty: u32) -> Command {
    Command::CreateBatch(new_batch(reference, sku, qty))
}

pub(crate) fn allocate(orderid: &str, sku: &str, qty: u32) -> Command {
    Command::Allocate(line(orderid, sku, qty))
}

pub(crate) fn resize(reference: &str, qty: u32, revision: Revision) -> Command {
    Command::ChangeBatch(holds(reference, qty, revision))
}

pub(crate) fn on(batchref: &str) -> Reply {
    Reply::Allocated(batchref.try_into().unwrap())
}

/// The batch of an order's only line.
pub(crate) async fn batch_of(store: &InMemoryStore, orderid: &str) -> Option<String> {
    let allocations = allocations(store, &OrderId::try_from(orderid).unwrap()).await.unwrap();
    allocations.first().map(|(_, batchref)| batchref.to_string())
}

/// Something else happens before, or instead of, what the store is asked to do.
pub(crate) type Meddling = Hooked<InMemoryStore, Meddles>;

#[derive(Default)]
pub(crate) struct Meddles {
    /// What happens at each commit, in turn; after that, nothing special does.
    at_commits: Mutex<VecDeque<Meddle>>,
    /// What the index shows first, before it catches up.
    stale: Mutex<Option<Vec<Part>>>,
    /// Commands that come first when somebody reads, the first ones at the first time.
    before_finds: Mutex<VecDeque<Vec<Command>>>,
    finds: AtomicU32,
}

pub(crate) enum Meddle {
    /// Other commands come first.
    After(Vec<Command>),
    /// The commit takes effect, but nobody hears of it.
    LoseReply,
    /// The commit takes effect, and the store takes its own retry for a lost race.
    Misunderstand,
    /// Nothing happens, and nobody hears of that either.
    LoseRequest,
    /// Another commit is under way.
    Collide,
}

impl Meddles {
    pub(crate) fn at_commits(at_commits: impl IntoIterator<Item = Meddle>) -> Self {
        Self { at_commits: Mutex::new(at_commits.into_iter().collect()), ..Self::default() }
    }

    pub(crate) fn showing_first(stale: Vec<Part>) -> Self {
        Self { stale: Mutex::new(Some(stale)), ..Self::default() }
    }

    pub(crate) fn overtaken_at_finds(self, by: impl IntoIterator<Item = Vec<Command>>) -> Self {
        Self { before_finds: Mutex::new(by.into_iter().collect()), ..self }
    }

    pub(crate) fn with(self, store: &InMemoryStore) -> Meddling {
        Hooked { store: store.clone(), hooks: self }
    }

    /// How often somebody read.
    pub(crate) fn finds(&self) -> u32 {
        self.finds.load(Ordering::Relaxed)
    }
}

/// A store that a process of its own works on.
pub(crate) trait Handle {
    /// Carries out a command in that process.
    async fn handle(&self, command: Command) -> Result<Reply, Error>;
}

impl Handle for Meddling {
    async fn handle(&self, command: Command) -> Result<Reply, Error> {
        MessageBus::new(self, another_environment(), ()).handle(&command, &call()).await
    }
}

/// Nobody meddles, and it works.
pub(crate) async fn do_it(store: &InMemoryStore, command: Command) -> Reply {
    Meddles::default().with(store).handle(command).await.unwrap()
}

async fn come_first(store: &InMemoryStore, command: Command) {
    let bus = MessageBus::new(store, another_environment(), ());
    Box::pin(bus.handle(&command, &call())).await.unwrap();
}

impl Hooks<InMemoryStore> for Meddles {
    async fn find(&self, store: &InMemoryStore, wanted: &ReadSet) -> Result<Found, StoreError> {
        self.finds.fetch_add(1, Ordering::Relaxed);
        let items = wanted.skus.len() + wanted.lines.len() + wanted.batches.len();
        assert!(items <= MOST_KEYS, "{items} items");
        let rivals = self.before_finds.lock().unwrap().pop_front();
        for command in rivals.into_iter().flatten() {
            come_first(store, command).await;
        }
        store.find(wanted).await
    }

    async fn list(&self, store: &InMemoryStore, listing: &Listing) -> Result<Vec<Part>, StoreError> {
        let stale = self.stale.lock().unwrap().take();
        match stale {
            Some(stale) => Ok(stale),
            None => store.list(listing).await,
        }
    }

    async fn commit(&self, store: &InMemoryStore, commit: Commit<'_>) -> Result<(), StoreError> {
        let of_orders = commit.cancelled.len() + commit.kept.len() + usize::from(commit.put.is_some());
        let items = commit.products.iter().map(items).sum::<usize>() + of_orders;
        assert!(items <= MOST_ITEMS, "{items} items");
        let moves: Vec<_> = commit.products.iter().flat_map(|changed| changed.after.moves()).collect();
        let parts: HashSet<_> = moves.iter().map(|moved| moved.id()).collect();
        assert_eq!(parts.len(), moves.len(), "DynamoDB takes no two writes of one item: {moves:?}");
        let meddle = self.at_commits.lock().unwrap().pop_front();
        match meddle {
            Some(Meddle::After(commands)) => {
                for command in commands {
                    come_first(store, command).await;
                }
                store.commit(commit).await
            }
            Some(Meddle::LoseReply) => {
                store.commit(commit).await?;
                Err(StoreError::Unavailable("no reply".into()))
            }
            Some(Meddle::Misunderstand) => {
                store.commit(commit).await?;
                store.commit(commit).await
            }
            Some(Meddle::LoseRequest) => Err(StoreError::Unavailable("no reply".into())),
            Some(Meddle::Collide) => Err(StoreError::Conflict(Vec::new())),
            None => store.commit(commit).await,
        }
    }
}

/// The items of a product's part in a commit: the head, lines, and batches that are new, or full before or after it.
fn items(Changed { before, after }: &Changed<'_>) -> usize {
    let full = |product: Option<&Product>, batch: &Batch| {
        product.and_then(|product| product.batch(&batch.reference)).filter(|batch| !batch.is_open()).cloned()
    };
    let is_added = |batch: &Batch| after.added().iter().any(|new| new.reference == batch.reference);
    let is_item = |batch: &&Batch| is_added(batch) || full(*before, batch) != full(Some(after), batch);
    1 + after.moves().len() + after.batches().iter().filter(is_item).count()
}
