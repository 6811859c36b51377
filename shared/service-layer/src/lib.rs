//! What the service does with commands and events, apart from any technology.
//!
//! A command goes through the [`MessageBus`] to its handler, which runs a unit of work: find the product, change
//! it, commit product, lines and events together or not at all. Events leave through the outbox: the store keeps
//! those of a commit with it, [`relay`] publishes them, and whoever subscribes may bring them back to a bus.
//!
//! Invariants this crate keeps:
//! - it names no AWS type; everything outside is a port (a trait in [`ports`]) and is passed in;
//! - nothing is announced before it is committed, and nothing committed stays unannounced;
//! - a command that is repeated, because an answer was lost, has no second effect.

mod call;
mod error;
mod message_bus;
pub mod outbox;
pub mod ports;
mod remembered;
mod unit_of_work;

pub use call::{Call, CorrelationId, Figures, InvalidCorrelationId, Work};
pub use error::{Error, Source};
pub use message_bus::{MessageBus, Reply};
pub use remembered::{Remembering, VAIN_READS};
pub use unit_of_work::BUDGET;
pub use unit_of_work::in_time;
