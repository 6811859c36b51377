//! Contention on one hot SKU: the real unit of work, over a simulated DynamoDB and in simulated time.

#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a measurement that is wrong fails by panicking"
)]

mod clock;
mod database;
mod picture;
mod plain;
mod queued;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use picture::Curve;
use queued::{Candidate, Load};

/// Callers at a time, as docs/performance.md tells them.
const CALLERS: [u32; 5] = [1, 2, 8, 32, 128];

const ONE_SECOND: Duration = Duration::from_secs(1);

/// As template.yaml has it.
const CHOSEN: Candidate = Candidate::Standard { concurrency: 2, batch: 1_000, window: ONE_SECOND };

const CANDIDATES: [Candidate; 8] = [
    Candidate::Fifo { groups: 1 },
    Candidate::Fifo { groups: 4 },
    Candidate::Fifo { groups: 16 },
    Candidate::Standard { concurrency: 2, batch: 10, window: Duration::ZERO },
    Candidate::Standard { concurrency: 2, batch: 100, window: ONE_SECOND },
    Candidate::Standard { concurrency: 2, batch: 300, window: ONE_SECOND },
    CHOSEN,
    Candidate::Standard { concurrency: 5, batch: 1_000, window: ONE_SECOND },
];

#[derive(Args)]
pub(crate) struct Arguments {
    /// Equal seeds give equal figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to draw the lines a second, as SVG
    #[arg(long)]
    picture: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("### One line a request\n");
    println!("{}", plain::Figures::HEADER);
    let mut one_a_request = Vec::new();
    for callers in CALLERS {
        let figures = plain::measure(arguments.seed, callers);
        one_a_request.push((callers, figures.lines_each_second()));
        println!("{figures}");
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
    let Some(path) = &arguments.picture else { return Ok(()) };
    let queued = CALLERS
        .map(|callers| (callers, queued::measure(arguments.seed, CHOSEN, Load::Callers(callers)).lines_each_second()));
    let curves = [
        Curve { name: "one line a request", points: one_a_request },
        Curve { name: "Prefer: respond-async", points: queued.to_vec() },
    ];
    std::fs::write(path, picture::draw(&curves)).with_context(|| format!("writing {}", path.display()))
}
