//! `cargo local`: the whole service on this machine.

#![expect(clippy::disallowed_methods, reason = "a demonstration takes real time, and runs in the caller's environment")]

mod demonstration;

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use local::{CargoLambdaWatch, Database, Functions, Stack, Template, Tools, WatchLog};
use tokio::signal::unix::{SignalKind, signal};

/// As shells say it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// The table of the inner loop.
const WATCH_TABLE: &str = "allocation";

/// Runs the whole allocation service on this machine, from its real parts: template.yaml, deployed by `sam deploy` to
/// an emulator of AWS.
///
/// Needs Rust, Python 3.10 to 3.14, and Linux. The first start brings everything else into target/ and builds the
/// functions; later starts take seconds. Nothing is kept between starts. Ctrl-C stops all of it.
#[derive(Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Show the service at work, step by step, then stop; fail if anything is not as it should be. (To recount an
    /// existing table: `cargo local check`)
    #[arg(long)]
    check: bool,

    /// The emulator's port [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

#[derive(Subcommand)]
enum Command {
    /// The inner loop: the HTTP functions under `cargo lambda watch`, rebuilt when their code changes, with a DynamoDB
    /// in memory.
    ///
    /// No queues, topic or mail: `cargo local` has those.
    Watch {
        /// The port of the HTTP API [default: a free one]
        #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,

        /// Use the DynamoDB that runs at this address, such as `http://localhost:8000`, and keep its table from one
        /// start to the next [default: one in memory]
        #[arg(long, value_name = "URL")]
        dynamodb: Option<String>,
    },
    /// An operator's check: recount an existing table's rows against its counters (`cargo local check --help`)
    ///
    /// Reads only. It has nothing to do with the local stack, unless `--endpoint-url` says so.
    #[command(disable_help_flag = true)]
    Check {
        /// As `cargo local check --help` tells them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Whoever stops the service has what they wanted; whoever stops a check does not know its outcome.
    let stopped = if arguments.check { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS };
    let work = async {
        match arguments.command {
            Some(Command::Watch { port, dynamodb }) => watch(port, dynamodb.as_deref()).await,
            Some(Command::Check { arguments }) => Err(check(&arguments)),
            None => start(arguments.port, arguments.check).await,
        }
    };
    // Whichever ends first, the other is dropped, and with it all that was started.
    let outcome = tokio::select! {
        outcome = work => outcome.map(|farewell| (farewell, ExitCode::SUCCESS)),
        farewell = asked_to_stop() => farewell.map(|farewell| (farewell, stopped)),
    };
    match outcome {
        Ok((farewell, code)) => {
            eprintln!("{farewell}");
            code
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns with what to say once all is stopped.
async fn asked_to_stop() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("\nstopping");
    Ok("stopped: nothing is left running")
}

async fn start(port: Option<u16>, check: bool) -> Result<&'static str> {
    // Now rather than after minutes of building.
    port.map(local::port::check).transpose()?;
    let tools = Tools::install().await?;
    let functions = Functions::build(&tools).await?;
    let mut stack = Stack::start(&tools, &functions, port).await?;
    if check {
        demonstration::run(&stack).await?;
        return Ok("everything is as it should be");
    }
    println!("{}", introduction(&stack));
    Err(stack.until_it_ends().await)
}

async fn watch(port: Option<u16>, dynamodb: Option<&str>) -> Result<&'static str> {
    let tools = Tools::install().await?;
    let template = Template::read(&tools).await?;
    let database = dynamodb.map_or_else(Database::start, |url| Ok(Database::at(url)))?;
    database.ensure_table(&template, WATCH_TABLE).await?;
    let mut watch =
        CargoLambdaWatch::start(&tools, database.endpoint(), WATCH_TABLE, port, WatchLog::Inherited).await?;
    println!(
        "The functions are rebuilt whenever their code changes; each is first built when it is first called.\n\n  \
         API       {}\n  Database  {}, table {WATCH_TABLE}\n{}\n{}\n\nCtrl-C stops it.",
        watch.api_url(),
        database.endpoint(),
        without_ipv6(),
        requests(watch.api_url()),
    );
    Err(watch.until_it_ends().await)
}

/// Becomes the package `recount`, which needs the SDK: only who checks a table has to wait until that is compiled.
fn check(arguments: &[OsString]) -> anyhow::Error {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut recount = std::process::Command::new(cargo);
    recount
        .args(["run", "--quiet", "--package", "recount", "--manifest-path"])
        .arg(local::manifest())
        .arg("--")
        .args(arguments);
    anyhow::Error::new(recount.exec()).context("starting cargo run --package recount")
}

fn introduction(stack: &Stack) -> String {
    let (endpoint, queue) = (stack.endpoint(), stack.queue_url());
    format!(
        r#"The allocation service is up.

  API    {api}
  Queue  {queue}
  Topic  {topic}
  Table  {table}
  AWS    {endpoint}; for its tools: export AWS_CONFIG_FILE={config} AWS_PROFILE={profile}
         The AWS CLI needs `--endpoint-url {endpoint}` with each command; boto3 and the SDKs don't.
  Mail   {endpoint}/_ministack/ses/messages
  Logs   {logs}: tail -f logs/allocate.log, one for each function; emulator.log
{without_ipv6}
{requests}

Shrink the batch through the queue. The order's line loses its place then: it is not found until stock arrives, and a mail tells so:
  curl {endpoint} -H 'x-amz-target: AmazonSQS.SendMessage' -H 'content-type: application/x-amz-json-1.0' -d '{{"QueueUrl":"{queue}","MessageBody":"{{\"batchref\":\"batch-001\",\"qty\":5}}"}}'

Ctrl-C stops it."#,
        api = stack.api_url(),
        topic = stack.topic_arn(),
        table = stack.table_name(),
        config = stack.aws_config_file().display(),
        profile = local::aws::PROFILE,
        logs = stack.folder().display(),
        without_ipv6 = without_ipv6(),
        requests = requests(stack.api_url()),
    )
}

/// A line of its own where there is something to tell, else nothing.
fn without_ipv6() -> String {
    local::port::without_ipv6().map(|note| format!("\n{note}\n")).unwrap_or_default()
}

/// Three requests to try.
fn requests(api: &str) -> String {
    let json = "-H 'content-type: application/json'";
    format!(
        r#"Try:
  curl -i {api}/batches {json} -d '{{"ref":"batch-001","sku":"RETRO-CLOCK","qty":100,"eta":null}}'
  curl -i {api}/allocate {json} -d '{{"orderid":"order-001","sku":"RETRO-CLOCK","qty":10}}'
  curl -i {api}/allocations/order-001"#
    )
}
