//! Products that this process read or committed last, so that a line for one of them needs no reading: where nobody
//! else changed the product meanwhile, an allocation is one round trip. docs/decisions/0018 says when that pays.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{LineId, Part, Sku};
use futures_util::future::join;

use crate::ports::Timestamp;
use crate::store::{Asked, Asking, Asks, Commit, Found, Listing, Look, Products, ReadSet, StoreError, Stored, Turn};

/// Reads of a product that tell nothing new, one after another, before it is taken from memory.
pub const VAIN_READS: u32 = 8;
/// Most products to remember.
const PRODUCTS: usize = 1_000;
/// Larger ones are not remembered, so that all together take a few megabytes.
const BATCHES: usize = 20;

/// A store that shows a line's product as it was last seen here, once reading it has told nothing new so many times in
/// a row.
///
/// What is remembered is never an answer by itself: a line that is taken to be new gets one by a commit only, whose
/// conditions hold or refuse both the product and the line. Whatever is refused is forgotten, and read next time. Whether
/// the line's order is cancelled is read beside the commit, which takes no more time, and is told by none of its
/// conditions.
#[derive(Clone, Debug)]
pub struct Remembering<S> {
    store: S,
    /// How often in a row reading must have told nothing new.
    vain_reads: u32,
    products: Arc<Mutex<HashMap<Sku, Remembered>>>,
}

#[derive(Debug)]
struct Remembered {
    stored: Stored,
    vain_reads: u32,
}

impl<S> Remembering<S> {
    /// A store that remembers, after [`VAIN_READS`] or another number of them.
    pub fn new(store: S, vain_reads: u32) -> Self {
        Self { store, vain_reads, products: Arc::default() }
    }

    fn products(&self) -> MutexGuard<'_, HashMap<Sku, Remembered>> {
        self.products.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recall(&self, sku: &Sku) -> Option<Stored> {
        let products = self.products();
        let remembered = products.get(sku).filter(|remembered| remembered.vain_reads >= self.vain_reads)?;
        Some(remembered.stored.clone())
    }

    /// Notes what reading a line and its product told.
    fn learn(&self, sku: &Sku, found: &Found) {
        let Some(stored) = found.products.first() else { return };
        let before = self.forget(sku);
        let told_nothing = |before: &Remembered| {
            before.stored.commit == stored.commit && found.parts.is_empty() && found.asking.is_empty()
        };
        let vain_reads = before.filter(told_nothing).map_or(0, |before| before.vain_reads.saturating_add(1));
        self.remember(stored.clone(), vain_reads);
    }

    fn remember(&self, stored: Stored, vain_reads: u32) {
        let product = &stored.product;
        // A backlog and what is due are settled by what an index says, which must not be older than the product. What was
        // refused before is refused without a commit, which would rest on memory alone.
        let is_unsettled = product.has_backlog() || product.held().due.is_some();
        if is_unsettled || product.refused().is_some() || product.batches().len() > BATCHES {
            return;
        }
        let mut products = self.products();
        if products.len() >= PRODUCTS {
            products.clear();
        }
        products.insert(product.sku().clone(), Remembered { stored, vain_reads });
    }

    fn forget(&self, sku: &Sku) -> Option<Remembered> {
        self.products().remove(sku)
    }
}

impl<S: Products> Products for Remembering<S> {
    async fn find(&self, wanted: &ReadSet) -> Result<Found, StoreError> {
        let Some(line) = wanted.new_line() else { return self.store.find(wanted).await };
        if let Some(stored) = self.recall(&line.sku) {
            return Ok(Found { products: vec![stored], unread: wanted.orders.clone(), ..Found::default() });
        }
        let found = self.store.find(wanted).await?;
        self.learn(&line.sku, &found);
        Ok(found)
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Part>, StoreError> {
        self.store.list(listing).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        // Forgotten first: what becomes of a commit that is given up meanwhile, nobody knows.
        let before: Vec<_> = commit.products.iter().map(|changed| self.forget(changed.after.sku())).collect();
        let orders = ReadSet { orders: commit.unread.to_vec(), ..ReadSet::default() };
        let unread =
            async { if orders.orders.is_empty() { Ok(Found::default()) } else { self.store.find(&orders).await } };
        // Boxed, so that the futures of callers stay flat.
        let (orders, committed) = join(Box::pin(unread), Box::pin(self.store.commit(commit))).await;
        match (committed, orders) {
            (Ok(()), Ok(orders)) if orders.cancelled.is_empty() => {}
            // The commit stands, but what was decided is wrong. It is as if its reply were lost: whoever made it reads
            // everything, finds it, and decides again.
            (Ok(()), Ok(_)) => return Err(StoreError::Unavailable("the order is cancelled".into())),
            // On a product alone nobody may go on who does not know of its order.
            (Err(StoreError::Conflict(newer)), orders) => {
                let is_open = orders.is_ok_and(|orders| orders.cancelled.is_empty());
                return Err(StoreError::Conflict(if is_open { newer } else { Vec::new() }));
            }
            // What was committed stands, whatever is wrong with the order's mark.
            (Ok(()), Err(error)) => return Err(StoreError::Unavailable(error.into())),
            (Err(error), _) => return Err(error),
        }
        for (changed, before) in commit.products.iter().zip(before) {
            let stored = Stored::after(changed.after, commit.id, commit.at);
            self.remember(stored, before.map_or(0, |before| before.vain_reads));
        }
        Ok(())
    }
}

/// None of this is remembered.
impl<S: Asks> Asks for Remembering<S> {
    async fn ask(&self, asking: &Asking) -> Result<Asked, StoreError> {
        self.store.ask(asking).await
    }

    async fn look(&self, line: &LineId) -> Result<Look, StoreError> {
        self.store.look(line).await
    }

    async fn take_turn(&self, sku: &Sku, now: Timestamp, until: Timestamp) -> Result<Turn, StoreError> {
        self.store.take_turn(sku, now, until).await
    }

    async fn end_turn(&self, sku: &Sku, until: Timestamp) -> Result<(), StoreError> {
        self.store.end_turn(sku, until).await
    }

    async fn asking(&self, sku: &Sku, at_most: usize) -> Result<Vec<LineId>, StoreError> {
        self.store.asking(sku, at_most).await
    }
}
