//! Short ways to say values.

use adapters::in_memory::call_until;
use adapters::system::System;
use domain::{
    Batch, BatchRef, ChangeBatchQuantity, Counted, Held, NewBatch, OrderId, OrderLine, Part, Place, Product,
    ProductState, Revision, Sku, Tally, Terms, Version, WantedOrder,
};
use service_layer::ports::{Lists, Timestamp};
use service_layer::store::{Listing, Products, ReadSet, StoreError};
use service_layer::{ChangeBatch, Error, NewEta, PutOrder, Views};

/// An order's line.
#[must_use]
pub fn line(orderid: &str, sku: &str, qty: u32) -> OrderLine {
    OrderLine::unnamed(orderid.try_into().unwrap(), sku.try_into().unwrap(), qty.try_into().unwrap())
}

/// What an order is to be, whole or not at all.
#[must_use]
pub fn whole(orderid: &str, lines: Vec<OrderLine>) -> PutOrder {
    let wanted = WantedOrder::of(orderid.try_into().unwrap(), lines).unwrap();
    PutOrder { wanted, terms: Terms::default(), version: None }
}

/// A batch in the warehouse, to be added.
#[must_use]
pub fn new_batch(reference: &str, sku: &str, qty: u32) -> NewBatch {
    NewBatch {
        reference: reference.try_into().unwrap(),
        sku: sku.try_into().unwrap(),
        qty: qty.try_into().unwrap(),
        eta: None,
    }
}

/// A batch in the warehouse of which nothing is allocated.
#[must_use]
pub fn batch(reference: &str, sku: &str, qty: u32) -> Batch {
    new_batch(reference, sku, qty).into()
}

/// A change of a batch's quantity.
#[must_use]
pub fn change(reference: &str, qty: u32, revision: Revision) -> ChangeBatchQuantity {
    ChangeBatchQuantity { reference: reference.try_into().unwrap(), counted: Counted::Purchased(qty), revision }
}

/// The same, as a command.
#[must_use]
pub fn holds(reference: &str, qty: u32, revision: Revision) -> ChangeBatch {
    let (reference, counted) = (reference.try_into().unwrap(), Some(Counted::Purchased(qty)));
    ChangeBatch { reference, sku: None, counted, eta: None, revision }
}

/// A batch comes on another day or, if there is none, has arrived.
#[must_use]
pub fn comes(reference: &str, day: Option<&str>, revision: Revision) -> ChangeBatch {
    let eta = day.map(|day| day.to_owned().try_into().unwrap());
    ChangeBatch { eta: Some(NewEta(eta)), counted: None, ..holds(reference, 0, revision) }
}

/// A line where it stands on a batch since it was promised.
#[must_use]
pub fn on_batch(line: OrderLine, reference: &BatchRef, since: u64) -> Part {
    Part {
        line,
        split: None,
        place: Place::Batch(reference.clone()),
        age: Version(since),
        since: Version(since),
        held_until: None,
    }
}

/// A line that waits since it was promised.
#[must_use]
pub fn waiting(line: OrderLine, since: u64) -> Part {
    Part { line, split: None, place: Place::Waiting, age: Version(since), since: Version(since), held_until: None }
}

/// A product as a store might have kept it, for which no line waits.
#[must_use]
pub fn stored_product(sku: &str, version: u64, batches: Vec<Batch>) -> Product {
    let (sku, version) = (sku.try_into().unwrap(), Version(version));
    Product::restore(ProductState {
        sku,
        version,
        batches,
        waiting: Tally::default(),
        held: Held::default(),
        backlog: false,
        refused: None,
    })
}

/// The lines that wait for a SKU.
///
/// # Errors
/// When the store can't list them.
pub async fn waiting_lines<S: Products>(store: &S, sku: &Sku) -> Result<Vec<Part>, StoreError> {
    store.list(&Listing::Waiting { sku: sku.clone(), tally: Tally::default() }).await
}

/// A batch's youngest lines that hold so many pieces, and no more than `at_most`.
///
/// # Errors
/// When the store can't list them.
pub async fn youngest<S: Products>(
    store: &S,
    sku: &str,
    batch: &BatchRef,
    pieces: u32,
    at_most: usize,
) -> Result<Vec<Part>, StoreError> {
    let (sku, batch) = (sku.try_into().unwrap(), batch.clone());
    store.list(&Listing::Youngest { sku, batch, pieces, at_most, allocated: u32::MAX }).await
}

/// A product as it is found by its SKU alone.
///
/// # Errors
/// When the store can't read it.
pub async fn found_product<S: Products>(store: &S, sku: &str) -> Result<Option<Product>, StoreError> {
    let sku: Sku = sku.try_into().unwrap();
    let found = store.find(&ReadSet { skus: vec![sku.clone()], ..ReadSet::default() }).await?;
    Ok(found.product(&sku).cloned())
}

/// The lines of an order that have a batch, as the view tells them.
///
/// # Errors
/// When the store can't list them.
pub async fn allocations<S: Products + Lists>(store: &S, orderid: &OrderId) -> Result<Vec<(Sku, BatchRef)>, Error> {
    let views = Views { store, environment: &System::default() };
    let call = call_until(Timestamp(u64::MAX));
    Ok(views.allocations(orderid, (0, usize::MAX), &call).await?.unwrap_or_default())
}
