//! Bytes and nearly valid input for every decoder. Bad input is told so in a few words, changes nothing and leaves its
//! neighbours alone; whatever is taken is kept as it was sent.
//!
//! `PROPTEST_CASES=100000 cargo test -p adapters --test fuzz` looks longer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod http;
mod object;
mod queues;
mod stream;

use std::cell::Cell;
use std::sync::Once;

use adapters::in_memory::InMemoryStore;
use proptest::test_runner::Config;

/// `PROPTEST_CASES` says how many cases; without it, as many as take a few seconds.
fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

/// Most characters of an answer or a log line about bad input.
const REASON_CHARACTERS: usize = 400;

/// All that a store holds.
fn contents(store: &InMemoryStore) -> String {
    format!("{:?} {:?} {:?}", store.products(), store.parts(), store.outbox())
}

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Runs what never has to wait, and must not panic, not even where somebody catches it.
fn now<T>(future: impl Future<Output = T>) -> T {
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            tell(panic);
        }));
    });
    let before = PANICS.get();
    let output = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
    assert_eq!(PANICS.get(), before, "something panicked");
    output
}
