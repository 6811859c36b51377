//! What the service does with commands and events, apart from any technology.
//!
//! Questions are answered by the [`Views`]. A command goes through the [`MessageBus`] to its handler, which runs in a
//! unit of work: find products, change them, commit products, lines and events together or not at all. Events leave
//! through the outbox: the store keeps those of a commit with it, [`outbox::relay`] publishes them, and whoever
//! subscribes may bring them back to a bus.
//!
//! Invariants this crate keeps:
//! - it names no AWS type; everything outside is a port (a trait in [`store`] or [`ports`]) and is passed in;
//! - nothing is published before it is committed, and nothing committed stays unpublished;
//! - a command that is repeated, because an answer was lost, has no second effect.

mod call;
mod error;
mod handlers;
pub mod history;
mod message_bus;
pub mod outbox;
pub mod ports;
mod remembered;
mod sharing;
pub mod store;
mod sweep;
mod unit_of_work;
mod views;

pub use call::{Call, CommandFigures, CorrelationId, Figures, InvalidCorrelationId};
pub use error::{Error, Source, Throttled};
pub use handlers::*;
pub use message_bus::MessageBus;
pub use remembered::{Remembering, VAIN_READS};
pub use sharing::{LONGEST_TURN, is_turn};
pub use sweep::{Swept, sweep};
pub use unit_of_work::BUDGET;
pub use views::{BATCHES, BatchRank, OrderedLine, OrderedPart, Page, Views, Wanted};
