//! `cargo local check`: do the counters still agree with the rows?

#![expect(clippy::disallowed_methods, reason = "an operator waits in real time")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use adapters::dynamodb::DynamoDb;
use anyhow::{Context as _, Result};
use aws_config::{BehaviorVersion, Region};
use clap::Parser;
use domain::Sku;
use recount::{Pace, Report};
use serde_json::json;

/// Recounts a table's rows against its counters, and reports what does not agree.
///
/// Reads only, in pages, and is safe on a table in use. Credentials and region are found as every AWS tool finds them,
/// except for profiles of IAM Identity Center. Ends with 0 if all agrees, 1 if something drifts, 2 if that could not be
/// found out.
///
/// (`cargo local --check` is something else: it shows a new local stack at work.)
#[derive(Parser)]
#[command(name = "cargo local check", bin_name = "cargo local check", version)]
struct Arguments {
    /// The table: the stack's output `TableName`
    #[arg(long)]
    table: String,

    /// Recount this product only, without reading the whole table: its batches with free stock, and its waiting lines
    #[arg(long, value_parser = |text: &str| Sku::try_from(text))]
    sku: Option<Sku>,

    /// Read capacity units to use in a second, at most
    #[arg(long, default_value_t = 100.0, value_parser = rate)]
    rate: f64,

    /// The AWS region
    #[arg(long)]
    region: Option<String>,

    /// Where DynamoDB answers, if it is an emulator
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,

    /// Report as one JSON object
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 => Ok(rate),
        _ => Err("expected a number above zero".to_owned()),
    }
}

/// Items in one page.
const PAGE: i32 = 1_000;
/// Between two lines that tell how far it is.
const TELL: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(report) => {
            print(&report, arguments.json);
            outcome(&report)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Report> {
    let mut config = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = &arguments.region {
        config = config.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &arguments.endpoint_url {
        config = config.endpoint_url(endpoint);
    }
    let store = DynamoDb::new(aws_sdk_dynamodb::Client::new(&config.load().await), arguments.table.clone());
    if let Some(sku) = &arguments.sku {
        return Ok(recount::one_product(&store, sku.clone()).await);
    }
    let mut told = Instant::now();
    let progress = |report: &Report| {
        if told.elapsed() > TELL {
            told = Instant::now();
            eprintln!("{} items of {} products ...", report.items, report.products);
        }
    };
    let pace = Pace { items: PAGE, units: arguments.rate };
    recount::whole_table(&store, &pace, progress).await.with_context(|| format!("reading table {}", arguments.table))
}

fn print(report: &Report, as_json: bool) {
    let Report { items, products, looked_again, drift, unreadable, undecided } = report;
    if as_json {
        let drift: Vec<_> = drift.iter().map(|(sku, drift)| json!({"sku": sku, "drift": drift.to_string()})).collect();
        let undecided: Vec<_> = undecided.iter().map(|(sku, why)| json!({"sku": sku, "why": why})).collect();
        let report = json!({
            "items": items, "products": products, "looked_again": looked_again, "drift": drift, "unreadable": unreadable,
            "undecided": undecided
        });
        println!("{report}");
        return;
    }
    for (sku, drift) in drift {
        println!("drift: {sku}: {drift}");
    }
    for item in unreadable {
        println!("unreadable: {item}");
    }
    for (sku, why) in undecided {
        println!("not checked: {sku}: {why}");
    }
    println!(
        "{products} products ({looked_again} looked at again), {items} items: {} drift, {} unreadable, {} not checked",
        drift.len(),
        unreadable.len(),
        undecided.len()
    );
}

fn outcome(report: &Report) -> ExitCode {
    match report {
        Report { drift, unreadable, .. } if !drift.is_empty() || !unreadable.is_empty() => ExitCode::from(1),
        Report { undecided, .. } if !undecided.is_empty() => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    }
}
