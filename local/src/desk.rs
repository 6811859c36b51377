//! The desk's page beside the local stack. It is a package of its own, which cargo builds while the stack is used already:
//! nobody waits for it, and if it fails the stack goes on.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::port::Listeners;
use crate::process::{Output, Process};
use crate::stack::Stack;
use crate::{aws, workspace};

/// How long a slow machine may build it.
const PATIENCE: Duration = Duration::from_mins(30);

/// The page, being built or open. It stops on drop.
pub struct DeskPage {
    process: Process,
    address: String,
    log: PathBuf,
}

impl DeskPage {
    /// Starts to build it.
    ///
    /// # Errors
    /// When there is no port for it, or no cargo.
    pub fn start(stack: &Stack) -> Result<Self> {
        let port = Listeners::new(None)?.port;
        let log = stack.folder().join("desk.log");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            // Not by its package, for which cargo would compile the SDK once more, with fewer features than the tests'.
            .args(["run", "--bin", "desk", "--manifest-path"])
            .arg(workspace::manifest())
            .args(["--", "desk", "--write", "--port", &port.to_string()])
            .args(["--api", stack.api_url(), "--topic", stack.topic_arn(), "--emulator", stack.endpoint()])
            .arg("--logs")
            .arg(stack.logs())
            // It is for another service, if it is set.
            .env_remove("API_TOKEN");
        let process = Process::spawn("the page", command, Output::File(log.clone()))?;
        Ok(Self { process, address: format!("http://localhost:{port}"), log })
    }

    /// Where it answers, once it is built.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What to say of it until it is built.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{} (being built: {})", self.address, self.log.display())
    }

    /// Waits until it can be opened.
    ///
    /// # Errors
    /// When it does not build or start, with the end of its log.
    pub async fn until_it_is_open(&mut self) -> Result<()> {
        let http = aws::http_client()?;
        self.process.until_it_answers(&http, &self.address, PATIENCE).await.context("opening the page")
    }

    /// Waits until it ends, which it only does if something is wrong with it.
    pub async fn until_it_ends(&mut self) -> anyhow::Error {
        self.process.until_it_ends().await
    }
}
