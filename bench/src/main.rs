//! How fast the functions are, beside the least programs that make the same AWS calls. docs/performance.md says what is measured and how.

mod aws;
mod contention;
mod functions;
mod guard;
mod http;
mod process;
mod programs;
mod report;
mod runtime_api;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};

use crate::aws::Aws;
use crate::functions::Effort;
use crate::programs::{Executables, Function};

/// Measures this service on this machine: each function beside its floor, unless something else is asked for.
#[derive(Parser)]
#[command(name = "bench", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    effort: Effort,
    /// Where to draw each cold start, as SVG
    #[arg(long)]
    picture: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Other {
    /// Fails if a function takes more of what its floor takes than it may
    Guard(Chosen),
    /// Many callers of one SKU, in a simulation of DynamoDB and of the queues that could bring their lines together; or
    /// on DynamoDB Local
    Contention(contention::Arguments),
}

#[derive(Args)]
struct Chosen {
    /// This function alone; may be given several times
    #[arg(long)]
    only: Vec<String>,
    /// The profile to build with
    #[arg(long, default_value = "release")]
    profile: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.other {
        None => measure(arguments).await,
        Some(Other::Guard(chosen)) => {
            let (functions, executables, aws) = prepare(chosen).await?;
            guard::guard(&functions, &executables, &aws).await
        }
        Some(Other::Contention(arguments)) => contention::run(&arguments).await,
    }
}

async fn measure(Arguments { chosen, effort, picture, .. }: Arguments) -> Result<()> {
    let (functions, executables, aws) = prepare(chosen).await?;
    let mut measured = Vec::new();
    for function in &functions {
        eprintln!("measuring {} ...", function.name);
        measured.push(functions::measure(function.name, executables.of(function)?, &aws, effort).await?);
    }
    println!("{}", report::tables(&measured));
    let Some(path) = picture else { return Ok(()) };
    std::fs::write(&path, report::picture(&measured)).with_context(|| format!("writing {}", path.display()))
}

async fn prepare(Chosen { only, profile }: Chosen) -> Result<(Vec<Function>, Executables, Aws)> {
    let mut functions = Vec::from(programs::functions());
    functions.retain(|function| only.is_empty() || only.iter().any(|name| name == function.name));
    let executables = programs::build(&functions, &profile).await?;
    Ok((functions, executables, Aws::start(&folder()?).await?))
}

/// Where this run keeps its files.
fn folder() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}
