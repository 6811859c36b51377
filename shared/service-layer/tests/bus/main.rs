//! The whole bus without a server: commands in, events out through the outbox, mail at the end.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod commands;
mod common;
mod crowd;
mod events;
mod holds;
mod lagging_index;
mod many_lines;
mod orders;
mod put_order;
mod races;
mod split;
mod verbs;
