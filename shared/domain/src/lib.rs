//! The rules of stock allocation, after *Architecture Patterns with Python* (Percival and Gregory).
//!
//! A [`Product`] is the aggregate: one SKU, its batches and a version number. Commands come in as values that
//! can only be built valid, decisions go out as the changed product, its [`Event`]s and the lines it moved.
//!
//! Invariants this crate keeps:
//! - nothing here does I/O, reads a clock or draws a random number: equal inputs give equal outputs;
//! - nothing here knows that a database exists; what one commit can hold arrives as a [`Budget`];
//! - `allocated <= purchased` for every batch, after every change;
//! - a change raises the version by exactly one, however many events it records.

mod batch;
mod messages;
mod placement;
mod product;
mod values;

pub use batch::{Batch, NewBatch};
pub use messages::{ChangeBatchQuantity, Command, Event};
pub use placement::{Allocation, Budget, Move, Place, Placed, Position, Progress, TooManyBatches, Waiting};
pub use product::Product;
pub use values::{
    BatchRef, Eta, InvalidName, InvalidQuantity, OrderId, OrderLine, Quantity, Revision, Sku, SkuLines, Version,
    stock_level,
};
