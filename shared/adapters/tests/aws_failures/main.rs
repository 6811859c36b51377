//! Failures of AWS that no emulator shows, and what becomes of each: a table of failures and their named outcomes for
//! each service. They are put on the wire, under the SDK, so that its retries, time-outs and parsing are the real ones.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod clock;
mod failures;
mod history;
mod lines;
mod mail;
mod pauses;
mod store;
mod table;
mod throttling;
mod topic;
mod wire;
