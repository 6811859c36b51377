//! Contention on one hot SKU: the real unit of work, over a simulated DynamoDB and in simulated time, or on dynoxide.

#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a measurement that is wrong fails by panicking"
)]

mod bystander;
mod clock;
mod database;
mod figures;
mod orders;
mod picture;
mod plain;
mod queued;
mod real;
mod sold_out;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use database::Toll;
use figures::Figures;
use picture::{Curve, Panel};
use plain::Path;
use queued::{Candidate, Load};

use crate::create;

/// Callers at a time, as docs/performance.md tells them.
const CALLERS: [u32; 6] = [1, 2, 8, 32, 128, 512];

const ONE_SECOND: Duration = Duration::from_secs(1);

/// The queue as template.yaml has it: invocations at a time, and how many messages each gets, gathered for how long.
const CONCURRENCY: u32 = 2;
const BATCH: usize = 1_000;
const WINDOW: Duration = ONE_SECOND;
const CHOSEN: Candidate = Candidate::Standard { concurrency: CONCURRENCY, batch: BATCH, window: WINDOW };

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
    /// Measures on dynoxide, in real time, instead of in the simulation; takes some four minutes
    #[arg(long, conflicts_with_all = ["seed", "picture"])]
    dynamodb: bool,
    /// Equal seeds give equal figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leaves out the tables of queues.
    #[arg(long)]
    only_callers: bool,
    /// Where to draw the lines a second, as SVG
    #[arg(long)]
    picture: Option<PathBuf>,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    if arguments.dynamodb { real::run().await } else { simulate(arguments) }
}

fn simulate(arguments: &Arguments) -> Result<()> {
    let picture = arguments.picture.as_deref().map(create).transpose()?;
    let plain = answered_callers(arguments.seed, Path::Plain, "One line a commit");
    let shared = answered_callers(arguments.seed, Path::Shared, "Commits that callers share");
    refusals(arguments.seed);
    bystander::print_callers(arguments.seed);
    orders::print(arguments.seed);
    if !arguments.only_callers {
        queues(arguments.seed);
    }
    match picture {
        Some(mut picture) => {
            let drawn = drawn(arguments.seed, &plain, &shared);
            picture.write_all(drawn.as_bytes()).context("writing the picture")
        }
        None => Ok(()),
    }
}

/// What the queue commits, and how long lines wait for it.
fn queues(seed: u64) {
    println!("\n### Many lines a commit, 128 callers\n");
    println!(
        "| queue | lines/s | lines a commit | lost races a commit | throttled | WCU a line | RCU a line | given back |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for candidate in CANDIDATES {
        let (figures, toll) = queued::measure(seed, candidate, Load::Callers(128));
        let [wcu, rcu] = units_each_line(&toll);
        println!(
            "| {candidate} | {:.0} | {:.1} | {:.2} | {} | {wcu:.2} | {rcu:.2} | {} |",
            figures.lines_each_second(),
            figures.lines_each_commit(),
            figures.lost_each_commit(),
            toll.throttled,
            figures.turned_away,
        );
    }
    println!("\n### From the request to the commit, ms\n");
    println!("| queue | lines asked a second | lines/s | p50 | p99 | WCU a line |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for candidate in CANDIDATES {
        for rate in [10, 300, 900] {
            let (figures, toll) = queued::measure(seed, candidate, Load::Rate(rate));
            let ([p50, p99], [wcu, _]) = (figures.percentiles([0.5, 0.99]), units_each_line(&toll));
            let lines = figures.lines_each_second();
            println!("| {candidate} | {rate} | {lines:.0} | {p50:.0} | {p99:.0} | {wcu:.2} |");
        }
    }
    bystander::print(seed);
}

/// The curves of those who wait for an answer, and of those who do not.
fn drawn(seed: u64, plain: &[Point], shared: &[Point]) -> String {
    let queued: Vec<Point> = CALLERS
        .into_iter()
        .map(|callers| Point::of(callers, &queued::measure(seed, CHOSEN, Load::Callers(callers)).0))
        .collect();
    let all = [("one line a commit", plain), ("shared", shared), ("Prefer: respond-async", &queued[..])];
    let curves = |value: fn(&Point) -> f64| {
        let curve = |(name, points): (&'static str, &[Point])| Curve {
            name,
            points: points.iter().map(|point| (point.callers, value(point))).collect(),
        };
        all.map(curve).into()
    };
    let panels = [
        Panel {
            title: "Committed lines of one SKU a second, over concurrent callers (simulated)",
            range: (16.0, 4_096.0),
            curves: curves(|point| point.lines_each_second),
        },
        Panel {
            title: "The slowest answer of a hundred, in ms; by respond-async, the slowest commit",
            range: (16.0, 65_536.0),
            curves: curves(|point| point.p99),
        },
    ];
    picture::draw(&panels)
}

/// Callers for whom nothing is left.
fn refusals(seed: u64) {
    println!("### Refusals, of which nothing is left; then one piece comes\n");
    println!("| callers | path | refusals/s | p50 ms | p99 ms | p99.9 ms | 503 | WCU each | RCU each | placed after |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |");
    for callers in [1, 128] {
        for path in [Path::Plain, Path::Shared] {
            println!("{}", sold_out::row(callers, path, &sold_out::measure(seed, callers, path)));
        }
    }
    println!();
}

/// What is drawn of a measurement.
struct Point {
    callers: u32,
    lines_each_second: f64,
    p99: f64,
}

impl Point {
    fn of(callers: u32, figures: &Figures) -> Self {
        let [p99] = figures.percentiles([0.99]);
        Self { callers, lines_each_second: figures.lines_each_second(), p99 }
    }
}

/// Callers who wait for their answers: a table, and what is drawn of it.
fn answered_callers(seed: u64, path: Path, title: &str) -> Vec<Point> {
    println!("### {title}\n");
    println!("{}", figures::header(&["throttled", "lines a commit", "WCU a line", "RCU a line"]));
    let mut points = Vec::new();
    for callers in CALLERS {
        let (figures, toll) = plain::measure(seed, callers, path);
        points.push(Point::of(callers, &figures));
        let [wcu, rcu] = units_each_line(&toll).map(|units| format!("{units:.1}"));
        let lines = format!("{:.1}", figures.lines_each_commit());
        println!("{}", figures::row(callers, &figures, &[toll.throttled.to_string(), lines, wcu, rcu]));
    }
    println!();
    points
}

/// Write units and read units.
fn units_each_line(toll: &Toll) -> [f64; 2] {
    [toll.write_units, toll.read_units].map(|units| units / f64::from(toll.placed))
}
