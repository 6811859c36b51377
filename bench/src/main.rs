//! How fast the functions are, beside the least programs that make the same AWS calls. docs/performance.md says what is
//! measured and how.

#![expect(clippy::disallowed_methods, reason = "what is measured takes real time, and real rivals draw real chance")]

mod aws;
mod contention;
mod functions;
mod guard;
mod http;
mod process;
mod programs;
mod report;
mod runtime_api;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

use crate::aws::Aws;
use crate::functions::Effort;
use crate::programs::{Executables, Function};

/// Measures this service on this machine: each function beside its floor, unless something else is asked for. Needs
/// Linux and python3, and valgrind for instructions.
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
    /// on dynoxide
    Contention(contention::Arguments),
}

#[derive(Args)]
struct Chosen {
    /// This function alone; may be given several times
    #[arg(long, value_parser = PossibleValuesParser::new(programs::functions().map(|function| function.name)))]
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
    let picture = picture.map(|path| create(&path)).transpose()?;
    let profile = chosen.profile.clone();
    let (functions, executables, aws) = prepare(chosen).await?;
    let mut measured = Vec::new();
    for function in &functions {
        eprintln!("measuring {} ...", function.name);
        measured.push(functions::measure(function.name, executables.of(function)?, &aws, effort).await?);
    }
    let Effort { starts, warm } = effort;
    println!(
        "Profile {profile}, {starts} starts of each program with {warm} warm invocations\n{}",
        report::tables(&measured)
    );
    let Some(mut picture) = picture else { return Ok(()) };
    picture.write_all(report::picture(&measured).as_bytes()).context("writing the picture")
}

async fn prepare(Chosen { only, profile }: Chosen) -> Result<(Vec<Function>, Executables, Aws)> {
    let mut functions = Vec::from(programs::functions());
    functions.retain(|function| only.is_empty() || only.iter().any(|name| name == function.name));
    let executables = programs::build(&functions, &profile).await?;
    Ok((functions, executables, Aws::start(&folder()?).await?))
}

/// A path that can't be written is better known before minutes of measuring than after.
fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("creating {}", path.display()))
}

/// Where this run keeps its files.
fn folder() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}
