//! A store whose calls a test can watch, delay, change or fail.

use std::future::{pending, ready};

use domain::{BatchRef, LineId, OrderId, Part, Sku};
use service_layer::ports::{Lists, OrderLines, Rank, StoredBatch};
use service_layer::store::{Commit, Found, Listing, Products, ReadSet, StoreError};

/// What happens instead of a store's call. By default, the call does.
pub trait Hooks<S: Sync>: Send + Sync {
    /// Before any call. An error is what the call comes to.
    fn before_any(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        ready(Ok(()))
    }

    /// Instead of [`Products::find`].
    fn find(&self, store: &S, wanted: &ReadSet) -> impl Future<Output = Result<Found, StoreError>> + Send
    where
        S: Products,
    {
        store.find(wanted)
    }

    /// Instead of [`Products::list`].
    fn list(&self, store: &S, listing: &Listing) -> impl Future<Output = Result<Vec<Part>, StoreError>> + Send
    where
        S: Products,
    {
        store.list(listing)
    }

    /// Instead of [`Products::commit`].
    fn commit(&self, store: &S, commit: Commit<'_>) -> impl Future<Output = Result<(), StoreError>> + Send
    where
        S: Products,
    {
        store.commit(commit)
    }
}

/// A store with hooks.
#[derive(Clone, Debug, Default)]
pub struct Hooked<S, H> {
    /// What is behind them.
    pub store: S,
    /// What comes first.
    pub hooks: H,
}

impl<S: Products, H: Hooks<S>> Products for Hooked<S, H> {
    async fn find(&self, wanted: &ReadSet) -> Result<Found, StoreError> {
        self.hooks.before_any().await?;
        self.hooks.find(&self.store, wanted).await
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Part>, StoreError> {
        self.hooks.before_any().await?;
        self.hooks.list(&self.store, listing).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        self.hooks.before_any().await?;
        self.hooks.commit(&self.store, commit).await
    }
}

impl<S: Lists, H: Hooks<S>> Lists for Hooked<S, H> {
    async fn of_order(
        &self,
        orderid: &OrderId,
        after: Option<&LineId>,
        at_most: usize,
    ) -> Result<OrderLines, StoreError> {
        self.hooks.before_any().await?;
        self.store.of_order(orderid, after, at_most).await
    }

    async fn waiting(&self, sku: &Sku, after: Option<&Rank>, at_most: usize) -> Result<Vec<Part>, StoreError> {
        self.hooks.before_any().await?;
        self.store.waiting(sku, after, at_most).await
    }

    async fn on_batch(
        &self,
        sku: &Sku,
        reference: &BatchRef,
        after: Option<&Rank>,
        at_most: usize,
    ) -> Result<Vec<Part>, StoreError> {
        self.hooks.before_any().await?;
        self.store.on_batch(sku, reference, after, at_most).await
    }

    async fn batches_of(
        &self,
        reference: &BatchRef,
        from: Option<&Sku>,
        at_most: usize,
    ) -> Result<Vec<StoredBatch>, StoreError> {
        self.hooks.before_any().await?;
        self.store.batches_of(reference, from, at_most).await
    }
}

/// Each call fails, and always in the same way.
#[derive(Clone, Copy, Debug)]
pub struct Failing(pub fn() -> StoreError);

impl<S: Sync> Hooks<S> for Failing {
    async fn before_any(&self) -> Result<(), StoreError> {
        Err((self.0)())
    }
}

/// No call is ever answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hanging;

impl<S: Sync> Hooks<S> for Hanging {
    async fn before_any(&self) -> Result<(), StoreError> {
        pending().await
    }
}
