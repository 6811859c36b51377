//! Contention on one hot SKU: the real unit of work, over a simulated DynamoDB and in simulated time.

#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a measurement that is wrong fails by panicking"
)]

mod clock;
mod database;
mod plain;
mod queued;

use std::time::Duration;

use clap::Args;
use queued::{Candidate, Load};

/// Callers at a time, as docs/performance.md tells them.
const CALLERS: [u32; 5] = [1, 2, 8, 32, 128];

const ONE_SECOND: Duration = Duration::from_secs(1);

const CANDIDATES: [Candidate; 8] = [
    Candidate::Fifo { groups: 1 },
    Candidate::Fifo { groups: 4 },
    Candidate::Fifo { groups: 16 },
    Candidate::Standard { concurrency: 2, batch: 10, window: Duration::ZERO },
    Candidate::Standard { concurrency: 2, batch: 100, window: ONE_SECOND },
    Candidate::Standard { concurrency: 2, batch: 300, window: ONE_SECOND },
    Candidate::Standard { concurrency: 2, batch: 1_000, window: ONE_SECOND },
    Candidate::Standard { concurrency: 5, batch: 1_000, window: ONE_SECOND },
];

#[derive(Args)]
pub(crate) struct Arguments {
    /// Equal seeds give equal figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) {
    println!("### One line a request\n");
    println!("{}", plain::Figures::HEADER);
    for callers in CALLERS {
        println!("{}", plain::measure(arguments.seed, callers));
    }
    println!("\n### Many lines a commit, 128 callers\n");
    println!(
        "| queue | lines/s | lines a commit | lost races a commit | throttled | WCU a line | RCU a line | given back |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for candidate in CANDIDATES {
        let figures = queued::measure(arguments.seed, candidate, Load::Callers(128));
        let placed = f64::from(figures.toll.placed);
        println!(
            "| {candidate} | {:.0} | {:.1} | {:.2} | {} | {:.2} | {:.2} | {} |",
            figures.lines_each_second(),
            figures.lines_each_commit(),
            figures.lost_each_commit(),
            figures.toll.throttled,
            figures.toll.write_units / placed,
            figures.toll.read_units / placed,
            figures.returned,
        );
    }
    println!("\n### From the request to the commit, ms\n");
    println!("| queue | lines asked a second | lines/s | p50 | p99 | WCU a line |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for candidate in CANDIDATES {
        for rate in [10, 300, 900] {
            let figures = queued::measure(arguments.seed, candidate, Load::Rate(rate));
            println!(
                "| {candidate} | {rate} | {:.0} | {:.0} | {:.0} | {:.2} |",
                figures.lines_each_second(),
                figures.latency(0.5),
                figures.latency(0.99),
                figures.toll.write_units / f64::from(figures.toll.placed),
            );
        }
    }
}
