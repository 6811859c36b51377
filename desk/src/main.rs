//! `cargo local desk`, `cargo local import`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use desk::{import, page};

/// The desk: look at stock, read the past, bring in a list.
#[derive(Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Desk(page::Arguments),
    Import(import::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Desk(arguments) => page::run(arguments).await,
        Command::Import(arguments) => import::run(arguments).await,
    }
}
