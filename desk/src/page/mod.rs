//! The page.

use std::process::ExitCode;

use crate::api::{Api, Entry};

/// Shows stock and the past, as a page on this machine.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The API's address: the stack's output `ApiUrl`, or what `cargo local` prints
    #[arg(long, value_name = "URL")]
    api: String,

    #[command(flatten)]
    entry: Entry,
}

/// Serves the page until it is stopped.
pub async fn run(arguments: Arguments) -> ExitCode {
    match Api::connect(&arguments.api, &arguments.entry).await {
        Ok(api) => println!("{}", api.url()),
        Err(error) => eprintln!("error: {error}"),
    }
    ExitCode::from(2)
}
