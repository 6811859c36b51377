//! How fast the functions are, beside the least programs that make the same AWS calls. docs/performance.md says what is measured and how.

mod aws;
mod functions;
mod http;
mod process;
mod programs;
mod report;
mod runtime_api;

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};

use crate::aws::Aws;
use crate::functions::Effort;

/// Measures this service on this machine.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand)]
enum Measurement {
    /// Cold starts, warm invocations, memory and size of each function, beside its floor
    Functions(Functions),
}

#[derive(Args)]
struct Functions {
    #[command(flatten)]
    effort: Effort,

    /// Only these
    #[arg(long)]
    only: Vec<String>,

    /// The profile to build with
    #[arg(long, default_value = "release")]
    profile: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().measurement {
        Measurement::Functions(arguments) => measure_functions(arguments).await,
    }
}

async fn measure_functions(Functions { effort, only, profile }: Functions) -> Result<()> {
    let mut chosen = Vec::from(programs::functions());
    chosen.retain(|function| only.is_empty() || only.iter().any(|name| name == function.name));
    let executables = programs::build(&chosen, &profile).await?;
    let aws = Aws::start(&folder()?).await?;
    let mut measured = Vec::new();
    for function in &chosen {
        eprintln!("measuring {} ...", function.name);
        measured.push(functions::measure(function, &executables, &aws, effort).await?);
    }
    println!("{}", report::tables(&measured));
    Ok(())
}

/// Where this run keeps its files.
fn folder() -> Result<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}
