//! How fast the functions are, beside the least program that makes the same AWS calls. docs/performance.md says what is measured and how.

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measures the functions of this service on this machine.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    measurement: Option<Measurement>,
}

#[derive(Subcommand)]
enum Measurement {
    /// Cold starts, warm invocations, memory and size of each function beside its floor (the default)
    Functions,
    /// Fails if a function has grown, against its floor, past what docs/performance.md allows
    Guard,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().measurement.unwrap_or(Measurement::Functions) {
        Measurement::Functions => Ok(()),
        Measurement::Guard => Ok(()),
    }
}
