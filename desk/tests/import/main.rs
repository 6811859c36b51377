//! An import against a server that plays the API, by the library where a test needs short waits, and by the program where
//! it needs what a person sees.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "servers and clients take real time")]

mod lists;
mod memory;
mod patience;
mod program;
mod server;
mod stops;
