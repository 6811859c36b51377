//! The rules of stock allocation, after *Architecture Patterns with Python* (Percival and Gregory).
//!
//! A [`Product`] is the aggregate: one SKU, its batches and a version number. Commands come in as values that
//! can only be built valid, decisions go out as the changed product, its [`Event`]s and the lines it moved.
//!
//! Invariants this crate keeps:
//! - nothing here does I/O, reads a clock or draws a random number: equal inputs give equal outputs;
//! - nothing here knows that a database exists; what one commit can hold arrives as a [`Budget`];
//! - `allocated + shipped <= purchased` for every batch, after every change;
//! - a change raises the version by exactly one, however many events it records.

mod batch;
mod budget;
mod eta;
mod event;
#[cfg(test)]
mod examples;
mod line;
mod names;
mod order;
mod part;
mod product;
mod quantity;
mod refusal;
mod revision;
mod timestamp;

pub use batch::{Batch, NewBatch};
pub use budget::{Budget, Step};
pub use eta::{Eta, InvalidEta};
pub use event::{CancellationReason, DeallocationReason, Event, EventType};
pub use line::{LineId, OrderLine, SkuLines};
pub use names::{BatchRef, InvalidName, LineName, OrderId, Sku};
pub use order::{IfShort, LastPut, OrderVersion, Terms, WantedOrder, WrongOrder};
pub use part::{Move, Part, PartId, Place, Split, Tally};
pub use product::*;
pub use quantity::{InvalidQuantity, Quantity, read_count, read_stock_level};
pub use refusal::Refusal;
pub use revision::{Revision, Version};
pub use timestamp::{Timestamp, TooEarly};
