//! A store whose calls a test can watch, delay, change or fail.

use std::future::{pending, ready};

use domain::{BatchRef, LineId, OrderId, Part, Sku};
use service_layer::ports::{Holds, Lists, OrderLines, Rank, StoredBatch, Timestamp};
use service_layer::store::{Asked, Asking, Asks, Commit, Found, Listing, Look, Products, ReadSet, StoreError, Turn};

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

    /// Instead of [`Asks::ask`].
    fn ask(&self, store: &S, asking: &Asking) -> impl Future<Output = Result<Asked, StoreError>> + Send
    where
        S: Asks,
    {
        store.ask(asking)
    }

    /// Instead of [`Asks::look`].
    fn look(&self, store: &S, line: &LineId) -> impl Future<Output = Result<Look, StoreError>> + Send
    where
        S: Asks,
    {
        store.look(line)
    }

    /// Instead of [`Asks::take_turn`].
    fn take_turn(
        &self,
        store: &S,
        sku: &Sku,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<Turn, StoreError>> + Send
    where
        S: Asks,
    {
        store.take_turn(sku, now, until)
    }

    /// Instead of [`Asks::end_turn`].
    fn end_turn(&self, store: &S, sku: &Sku, until: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send
    where
        S: Asks,
    {
        store.end_turn(sku, until)
    }

    /// Instead of [`Asks::asking`].
    fn asking(
        &self,
        store: &S,
        sku: &Sku,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<LineId>, StoreError>> + Send
    where
        S: Asks,
    {
        store.asking(sku, at_most)
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

impl<S: Asks, H: Hooks<S>> Asks for Hooked<S, H> {
    async fn ask(&self, asking: &Asking) -> Result<Asked, StoreError> {
        self.hooks.before_any().await?;
        self.hooks.ask(&self.store, asking).await
    }

    async fn look(&self, line: &LineId) -> Result<Look, StoreError> {
        self.hooks.before_any().await?;
        self.hooks.look(&self.store, line).await
    }

    async fn take_turn(&self, sku: &Sku, now: Timestamp, until: Timestamp) -> Result<Turn, StoreError> {
        self.hooks.before_any().await?;
        self.hooks.take_turn(&self.store, sku, now, until).await
    }

    async fn end_turn(&self, sku: &Sku, until: Timestamp) -> Result<(), StoreError> {
        self.hooks.before_any().await?;
        self.hooks.end_turn(&self.store, sku, until).await
    }

    async fn asking(&self, sku: &Sku, at_most: usize) -> Result<Vec<LineId>, StoreError> {
        self.hooks.before_any().await?;
        self.hooks.asking(&self.store, sku, at_most).await
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

impl<S: Holds, H: Hooks<S>> Holds for Hooked<S, H> {
    async fn due(&self, now: Timestamp, at_most: usize) -> Result<Vec<Sku>, StoreError> {
        self.hooks.before_any().await?;
        self.store.due(now, at_most).await
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
