//! `cargo local`: the whole service on this machine.

#![expect(clippy::disallowed_methods, reason = "a demonstration takes real time, and runs in the caller's environment")]

mod demonstration;
mod drill;

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use local::{DeskPage, Functions, Stack, Tools, requests, without_ipv6};

/// As shells say it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

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

    /// Leave out the desk's page, which is built while the service is used already
    #[arg(long)]
    no_page: bool,

    /// The emulator's port [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

#[derive(Subcommand)]
enum Command {
    /// The inner loop: the HTTP functions, rebuilt when their code changes, with a DynamoDB in memory (`cargo local watch
    /// --help`)
    #[command(disable_help_flag = true)]
    Watch {
        /// As `cargo local watch --help` tells them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
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
    /// The desk: look at stock and the past of a running service, on a page of this machine (`cargo local desk --help`)
    #[command(disable_help_flag = true)]
    Desk {
        /// As `cargo local desk --help` tells them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Make the cause of each alarm happen on a local stack, and show what the page and the logs say of it
    ///
    /// Starts a stack of its own. Each cause is mended again; docs/operations.md has a paragraph for each alarm.
    Drill {
        /// The alarms, by their names in template.yaml [default: all]
        #[arg(value_name = "ALARM")]
        alarms: Vec<String>,
    },
    /// Bring in a list, of batches or of order lines (`cargo local import --help`)
    #[command(disable_help_flag = true)]
    Import {
        /// As `cargo local import --help` tells them
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
            Some(Command::Watch { arguments }) => Err(become_package("inner-loop", &[], &[], &arguments)),
            Some(Command::Check { arguments }) => Err(become_package("recount", &["--quiet"], &[], &arguments)),
            Some(Command::Desk { arguments }) => Err(become_package("desk", &["--quiet"], &["desk"], &arguments)),
            Some(Command::Import { arguments }) => Err(become_package("desk", &["--quiet"], &["import"], &arguments)),
            Some(Command::Drill { alarms }) => drill(&alarms).await,
            None => start(arguments).await,
        }
    };
    local::run_until_stopped(Box::pin(work), stopped).await
}

async fn start(Arguments { port, check, no_page, .. }: Arguments) -> Result<&'static str> {
    // Now rather than after minutes of building.
    port.map(local::port::check).transpose()?;
    let (_, mut stack) = start_stack(port).await?;
    if check {
        demonstration::run(&stack).await?;
        return Ok("everything is as it should be");
    }
    if no_page {
        println!("{}", introduction(&stack, "none, as was asked for"));
        return Err(stack.until_it_ends().await);
    }
    let page = DeskPage::start(&stack);
    println!("{}", introduction(&stack, &told(&page)));
    tokio::select! {
        error = stack.until_it_ends() => Err(error),
        never = watch(page) => match never {},
    }
}

async fn drill(alarms: &[String]) -> Result<&'static str> {
    let (functions, stack) = start_stack(None).await?;
    let mut page = DeskPage::start(&stack)?;
    drill::run(&functions, &stack, &mut page, alarms).await?;
    Ok("\neach cause was seen, and mended")
}

async fn start_stack(port: Option<u16>) -> Result<(Functions, Stack)> {
    let tools = Tools::install().await?;
    let functions = Functions::build(&tools).await?;
    let stack = Stack::start(&tools, &functions, port).await?;
    Ok((functions, stack))
}

/// Where the page is; or why there is none, which is no reason to stop the stack.
fn told(page: &Result<DeskPage>) -> String {
    match page {
        Ok(page) => page.told(),
        Err(error) => format!("none: {error:#}"),
    }
}

/// Says when the page can be opened, and when it no longer can.
async fn watch(page: Result<DeskPage>) -> Infallible {
    if let Ok(mut page) = page {
        match page.until_it_is_open().await {
            Ok(()) => {
                println!("\nThe page is open: {}", page.address());
                eprintln!("\nThe page is gone, the service goes on: {:#}", page.until_it_ends().await);
            }
            Err(error) => eprintln!("\nThere is no page, the service goes on: {error:#}"),
        }
    }
    std::future::pending().await
}

/// Becomes another package of this workspace, or a subcommand of it: one that compiles for minutes, which only who needs
/// it has to wait for.
fn become_package(package: &str, how: &[&str], subcommand: &[&str], arguments: &[OsString]) -> anyhow::Error {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut run = std::process::Command::new(cargo);
    run.arg("run")
        .args(how)
        .args(["--bin", package, "--manifest-path"])
        .arg(local::manifest())
        .arg("--")
        .args(subcommand)
        .args(arguments);
    anyhow::Error::new(run.exec()).context(format!("starting cargo run --bin {package}"))
}

fn introduction(stack: &Stack, page: &str) -> String {
    let (endpoint, queue) = (stack.endpoint(), stack.queue_url());
    format!(
        r#"The allocation service is up.

  Page   {page}
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
