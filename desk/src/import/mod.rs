//! Brings in a list.

use std::process::ExitCode;

use crate::api::{Api, Entry};

/// Brings in a list: batches, or order lines.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The API's address: the stack's output `ApiUrl`, or what `cargo local` prints
    #[arg(long, value_name = "URL")]
    api: Option<String>,

    #[command(flatten)]
    entry: Entry,
}

/// Brings the list in.
pub async fn run(arguments: Arguments) -> ExitCode {
    match Api::connect(arguments.api.as_deref().unwrap_or_default(), &arguments.entry).await {
        Ok(api) => println!("{}", api.url()),
        Err(error) => eprintln!("error: {error}"),
    }
    ExitCode::from(2)
}
