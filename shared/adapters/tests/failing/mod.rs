//! A store for tests of what a client is told when the real one fails.

use domain::{BatchRef, OrderId, Placed, Sku};
use service_layer::ports::{AllocationsView, Commit, Products, Snapshot, StoreError, Wanted};

/// A store that always says the same.
pub(crate) struct Failing(pub(crate) fn() -> StoreError);

impl Products for Failing {
    async fn find(&self, _: Wanted<'_>) -> Result<Snapshot, StoreError> {
        Err((self.0)())
    }
    async fn waiting_lines(&self, _: &Sku) -> Result<Vec<Placed>, StoreError> {
        Err((self.0)())
    }
    async fn newest_lines(&self, _: &BatchRef, _: u32, _: usize) -> Result<Vec<Placed>, StoreError> {
        Err((self.0)())
    }
    async fn commit(&self, _: Commit<'_>) -> Result<(), StoreError> {
        Err((self.0)())
    }
}

impl AllocationsView for Failing {
    async fn allocations(&self, _: &OrderId) -> Result<Vec<(Sku, BatchRef)>, StoreError> {
        Err((self.0)())
    }
}
