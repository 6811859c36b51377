//! Short ways to say values in this crate's tests, with the book's names.

use crate::{
    Batch, Budget, ChangeBatchQuantity, Counted, Event, Held, IfShort, NewBatch, OrderLine, Part, Place, Product,
    ProductState, Revision, Sku, SkuLines, Tally, Terms, Timestamp, Version,
};

pub(crate) fn sku() -> Sku {
    "RETRO-CLOCK".try_into().unwrap()
}

pub(crate) fn line(orderid: &str, qty: u32) -> OrderLine {
    OrderLine::unnamed(orderid.try_into().unwrap(), sku(), qty.try_into().unwrap())
}

pub(crate) fn lines(of: impl IntoIterator<Item = OrderLine>) -> SkuLines {
    SkuLines::of(of).pop().unwrap()
}

pub(crate) fn batch(reference: &str, qty: u32, eta: Option<&str>) -> NewBatch {
    NewBatch {
        reference: reference.try_into().unwrap(),
        sku: sku(),
        qty: qty.try_into().unwrap(),
        eta: eta.map(|eta| eta.to_owned().try_into().unwrap()),
    }
}

/// Batches that take a thousandth each of what one product has room for.
pub(crate) fn filling_batches(count: usize) -> Vec<NewBatch> {
    (0..count).map(|number| batch(&format!("{number:070}"), 1, None)).collect()
}

/// At version 7.
pub(crate) fn product(batches: &[NewBatch]) -> Product {
    product_with_waiting(batches, Tally::default())
}

pub(crate) fn product_with_waiting(batches: &[NewBatch], waiting: Tally) -> Product {
    let batches = batches.iter().cloned().map(Batch::from).collect();
    Product::restore(ProductState {
        sku: sku(),
        version: Version(7),
        batches,
        waiting,
        held: Held::default(),
        backlog: false,
        refused: None,
    })
}

pub(crate) fn change(reference: &str, qty: u32, as_of: u64) -> ChangeBatchQuantity {
    let (reference, counted) = (reference.try_into().unwrap(), Counted::Purchased(qty));
    ChangeBatchQuantity { reference, counted, revision: Revision::AsOf(as_of) }
}

pub(crate) fn ample() -> Budget {
    Budget { items: 98, event_bytes: 100_000 }
}

pub(crate) fn on(reference: &str, since: u64, line: OrderLine) -> Part {
    part(line, Place::Batch(reference.try_into().unwrap()), since)
}

pub(crate) fn waiting(since: u64, line: OrderLine) -> Part {
    part(line, Place::Waiting, since)
}

/// A line that never moved.
fn part(line: OrderLine, place: Place, since: u64) -> Part {
    Part { line, split: None, place, age: Version(since), since: Version(since), held_until: None }
}

pub(crate) fn terms(if_short: IfShort, hold_until: Option<Timestamp>) -> Terms {
    Terms { if_short, hold_until, may_split: false }
}

/// Events as a short story: how many pieces of which order went where.
pub(crate) fn story(product: &Product) -> Vec<String> {
    product.events().iter().map(Event::to_string).collect()
}

pub(crate) fn free(product: &Product, reference: &str) -> u32 {
    product.batch(&reference.try_into().unwrap()).unwrap().free()
}
