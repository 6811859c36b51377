//! What tests of several crates share. Nothing that is deployed depends on it.

#![allow(clippy::missing_panics_doc, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod command;
mod events;
mod hooks;
mod values;

pub use command::{Command, Reply, Subject, change_body, order_body};
pub use events::{answer, answer_knowing, api_event, api_request, hear, sqs_event, sqs_message, told};
pub use hooks::{Failing, Hanging, Hooked, Hooks};
pub use values::{
    allocations, batch, change, comes, found_product, holds, line, new_batch, on_batch, stored_product, waiting,
    waiting_lines, whole, youngest,
};
