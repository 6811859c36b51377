//! `cargo local desk`: the page for people.
//!
//! Invariants:
//! - it answers on this machine only, and only what its own page asks;
//! - it passes on what the service has a route for, and without `--write` nothing that changes something;
//! - the page asks no other address, and no text of the service becomes markup.

mod answers;
mod assets;
mod emulator;
mod guard;
mod live;
mod routes;
mod server;
mod topic;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use local::port::{Listeners, asynchronous};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::api::{Api, Entry};
pub use emulator::Emulator;
pub use live::Live;
pub use server::{Access, Desk, router};
use topic::Topic;

/// A page to look at stock, orders and batches, and at what became of them.
///
/// It answers on this machine only, until Ctrl-C stops it, and looks only, unless `--write` is given. It asks the service
/// with your own rights: for an address of AWS, requests are signed with the credentials that every AWS tool finds.
///
/// With `--topic` it makes a queue of its own, `allocation-desk-..`, subscribes it to the topic, and removes both when it
/// stops. That needs the rights sqs:CreateQueue, sqs:GetQueueAttributes, sqs:ReceiveMessage, sqs:DeleteMessage and
/// sqs:DeleteQueue on queues of that name, sns:Subscribe on the topic, and sns:Unsubscribe.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The service's address: the stack's output `ApiUrl`, or what `cargo local` prints
    #[arg(long, value_name = "URL")]
    pub api: String,

    #[command(flatten)]
    entry: Entry,

    /// The page's port [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// Let the page add and change batches, allocate, ship and cancel
    #[arg(long)]
    pub write: bool,

    /// Show events as they happen: the stack's output `EventsTopicArn`
    #[arg(long, value_name = "ARN")]
    pub topic: Option<String>,

    /// The local stack's emulator, for its mails, dead letters and topic
    #[arg(long, value_name = "URL")]
    pub emulator: Option<String>,

    /// The local stack's folder of logs, which tell why a message became a dead letter
    #[arg(long, value_name = "FOLDER", requires = "emulator")]
    pub logs: Option<PathBuf>,
}

/// Serves the page until somebody stops it.
pub async fn run(arguments: Arguments) -> ExitCode {
    match serve(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> Result<()> {
    let Arguments { api, entry, port, write, topic, emulator, logs } = arguments;
    let emulator = emulator.map(|url| Emulator::new(url, logs)).transpose()?;
    let topic = topic.map(|arn| Topic::parse(&arn, emulator.as_ref())).transpose()?;
    let api = Api::connect(&api, &entry).await?;
    let listeners = Listeners::new(port)?;
    let port = listeners.port;
    let access = if write { Access::Write } else { Access::Look };
    let live = topic.as_ref().map(|_| Live::default());
    let router = router(Arc::new(Desk { api, access, port, live: live.clone(), emulator }));
    let stop = Stop::listen()?;
    println!("The desk is at http://localhost:{port} ({}). Ctrl-C stops it.", access.told());

    let pages = tokio::spawn(serve_both(listeners, router));
    match (topic, live) {
        (Some(topic), Some(live)) => topic.follow(live, stop.asked()).await,
        (Some(_) | None, Some(_) | None) => stop.asked().await,
    }
    // Whoever has the page open would keep it from ending by itself.
    pages.abort();
    match pages.await {
        Ok(served) => served,
        Err(_) => Ok(()),
    }
}

async fn serve_both(listeners: Listeners, router: axum::Router) -> Result<()> {
    let ipv4 = axum::serve(asynchronous(listeners.ipv4)?, router.clone()).into_future();
    let served = match listeners.ipv6.map(asynchronous).transpose()? {
        Some(ipv6) => tokio::select! {
            served = ipv4 => served,
            served = axum::serve(ipv6, router).into_future() => served,
        },
        None => ipv4.await,
    };
    served.context("serving the page")
}

/// Tells when somebody stops the desk: by Ctrl-C, or as the local stack does.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> Result<Self> {
        let interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
        let terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        Ok(Self { interrupt, terminate })
    }

    async fn asked(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
