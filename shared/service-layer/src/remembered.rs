//! Products that this process read or committed last, so that a line for one of them needs no reading: where nobody else
//! changed the product meanwhile, an allocation is one round trip. docs/decisions/0018 says when that pays.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{BatchRef, Placed, Product, Sku};

use crate::ports::{Commit, Head, Products, Snapshot, StoreError, Wanted};

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
/// conditions hold or refuse both the product and the line. Whatever is refused is forgotten, and read next time.
#[derive(Clone, Debug)]
pub struct Remembering<S> {
    store: S,
    /// How often in a row reading must have told nothing new.
    vain_reads: u32,
    products: Arc<Mutex<HashMap<Sku, Remembered>>>,
}

#[derive(Debug)]
struct Remembered {
    head: Head,
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

    fn recall(&self, sku: &Sku) -> Option<Head> {
        let products = self.products();
        let remembered = products.get(sku).filter(|remembered| remembered.vain_reads >= self.vain_reads)?;
        Some(remembered.head.clone())
    }

    /// Notes what reading a line and its product told.
    fn learn(&self, sku: &Sku, snapshot: &Snapshot) {
        let Some(head) = &snapshot.head else { return };
        let before = self.forget(sku);
        let told_nothing = |before: &Remembered| before.head.commit == head.commit && snapshot.lines.is_empty();
        let vain_reads = before.filter(told_nothing).map_or(0, |before| before.vain_reads.saturating_add(1));
        self.remember(head, vain_reads);
    }

    fn remember(&self, head: &Head, vain_reads: u32) {
        // A debt to waiting lines is settled by what an index says, which must not be older than the product.
        if head.product.has_backlog() || head.product.batches().len() > BATCHES {
            return;
        }
        let mut products = self.products();
        if products.len() >= PRODUCTS {
            products.clear();
        }
        products.insert(head.product.sku().clone(), Remembered { head: head.clone(), vain_reads });
    }

    fn forget(&self, sku: &Sku) -> Option<Remembered> {
        self.products().remove(sku)
    }
}

impl<S: Products> Products for Remembering<S> {
    async fn find(&self, wanted: Wanted<'_>) -> Result<Snapshot, StoreError> {
        let Wanted::Line(line) = wanted else { return self.store.find(wanted).await };
        if let Some(head) = self.recall(&line.sku) {
            return Ok(Snapshot { head: Some(head), ..Snapshot::default() });
        }
        let snapshot = self.store.find(wanted).await?;
        self.learn(&line.sku, &snapshot);
        Ok(snapshot)
    }

    async fn waiting_lines(&self, sku: &Sku) -> Result<Vec<Placed>, StoreError> {
        self.store.waiting_lines(sku).await
    }

    async fn newest_lines(&self, batch: &BatchRef, pieces: u32, at_most: usize) -> Result<Vec<Placed>, StoreError> {
        self.store.newest_lines(batch, pieces, at_most).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        // Forgotten first: what becomes of a commit that is given up meanwhile, nobody knows.
        let before = self.forget(commit.after.sku());
        self.store.commit(commit).await?;
        let vain_reads = before.map_or(0, |before| before.vain_reads);
        self.remember(&Head { product: as_stored(commit.after), commit: commit.id }, vain_reads);
        Ok(())
    }
}

/// A product as whoever reads it next is shown it: without full batches.
fn as_stored(product: &Product) -> Product {
    let open = product.batches().iter().filter(|batch| batch.free() > 0).cloned().collect();
    let (sku, version) = (product.sku().clone(), product.version());
    Product::restore(sku, version, open, product.waiting(), product.has_backlog())
}
