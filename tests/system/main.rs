//! Everything that needs a server: the store's contract, concurrency, functions under the Lambda emulator, and
//! the whole stack as template.yaml deploys it.
//!
//! `cargo test -p tests` runs all layers at once; `cargo test -p tests -- contract` (or `concurrency`, `cost`,
//! `functions`, `history`, `load`, `recount`, `simulation`, `stack`, `template`) one of them. Servers start when a test
//! first needs them, and stop at the end.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "servers take real time, and whoever runs the tests says which and how long"
)]

mod addresses;
mod concurrency;
mod contract;
mod cost;
mod functions;
mod history;
mod layers;
mod lists;
mod load;
mod names;
mod reads;
mod recount;
mod servers;
mod shop;
mod simulation;
mod stack;
mod template;
mod whole_orders;

use std::process::ExitCode;
use std::sync::Arc;

use layers::Layers;
use libtest_mimic::Arguments;
use servers::Servers;

/// Tests wait for servers more than they compute.
const THREADS: usize = 8;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let servers = Arc::new(Servers::new());
    let mut layers = Layers::new(&servers);
    // The slowest to start comes first, so that the others run while it does.
    load::add_to(&mut layers);
    stack::add_to(&mut layers);
    whole_orders::add_to(&mut layers);
    lists::add_to(&mut layers);
    reads::add_to(&mut layers);
    functions::add_to(&mut layers);
    cost::add_to(&mut layers);
    concurrency::add_to(&mut layers);
    contract::add_to(&mut layers);
    recount::add_to(&mut layers);
    history::wrong::add_to(&mut layers);
    simulation::add_to(&mut layers);
    template::add_to(&mut layers);
    let (trials, times) = layers.finish();
    let conclusion = libtest_mimic::run(&arguments, trials);
    times.print();
    // Tests are done, so this is the last holder: servers stop here.
    drop(servers);
    conclusion.exit_code()
}
