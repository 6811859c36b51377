//! `cargo local watch`: the functions on this machine, rebuilt when their code changes.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use inner_loop::Database;
use local::{CargoLambdaWatch, Template, Tools, WatchLog, without_ipv6};

/// The table of the inner loop.
const TABLE: &str = "allocation";

/// The inner loop: the HTTP functions under `cargo lambda watch`, rebuilt when their code changes, with a DynamoDB in
/// memory.
///
/// No queues, topic or mail: `cargo local` has those.
#[derive(Parser)]
#[command(name = "cargo local watch", bin_name = "cargo local watch", version)]
struct Arguments {
    /// The port of the HTTP API [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Use the DynamoDB that runs at this address, such as `http://localhost:8000`, and keep its table from one start to
    /// the next [default: one in memory]
    #[arg(long, value_name = "URL")]
    dynamodb: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Arguments { port, dynamodb } = Arguments::parse();
    local::run_until_stopped(Box::pin(watch(port, dynamodb.as_deref())), ExitCode::SUCCESS).await
}

async fn watch(port: Option<u16>, dynamodb: Option<&str>) -> Result<&'static str> {
    let tools = Tools::install().await?;
    let template = Template::read(&tools).await?;
    let database = dynamodb.map_or_else(Database::start, |url| Ok(Database::at(url)))?;
    database.ensure_tables(&template, TABLE).await?;
    let mut watch = CargoLambdaWatch::start(&tools, database.endpoint(), TABLE, port, WatchLog::Inherited).await?;
    println!(
        "The functions are rebuilt whenever their code changes; each is first built when it is first called.\n\n  \
         API       {}\n  Database  {}, table {TABLE}\n{}\n{}\n\nCtrl-C stops it.",
        watch.api_url(),
        database.endpoint(),
        without_ipv6(),
        local::requests(watch.api_url()),
    );
    Err(watch.until_it_ends().await)
}
