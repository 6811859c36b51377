//! The inner loop: functions that are rebuilt when their code changes, without a deployment.

use std::time::Duration;

use anyhow::Result;
use tokio::process::Command;

use crate::aws;
use crate::port::{Carrier, Listeners};
use crate::process::{Output, Process};
use crate::tools::Tools;
use crate::workspace::{self, RunFolder};

/// A running `cargo lambda watch` with the routes of the workspace's Cargo.toml. It stops on drop.
pub struct CargoLambdaWatch {
    endpoint: String,
    process: Process,
    _carrier: Carrier,
    _folder: RunFolder,
}

/// Where `cargo lambda watch` and the functions write what they have to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchLog {
    /// This process's own output.
    Inherited,
    /// `target/local/run/PORT/watch.log`.
    File,
}

impl CargoLambdaWatch {
    /// Starts it on `port` (a free one for `None`), for functions that use `table` at `database`. A function is
    /// compiled when it is first called.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub async fn start(tools: &Tools, database: &str, table: &str, port: Option<u16>, log: WatchLog) -> Result<Self> {
        let listeners = Listeners::new(port)?;
        let port = listeners.port;
        let folder = RunFolder::create(port)?;
        let output = match log {
            WatchLog::Inherited => Output::Inherited,
            WatchLog::File => Output::File(folder.path().join("watch.log")),
        };
        let mut command = Command::new(tools.cargo_lambda());
        aws::point_at(&mut command, database);
        command
            .args(["lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()])
            .current_dir(workspace::root())
            .env("PATH", tools.path())
            .env("TABLE_NAME", table)
            .env("STACK_NAME", "local")
            .env("MAX_RECEIVES", "5")
            .env("RUST_LOG", std::env::var_os("RUST_LOG").unwrap_or_else(|| "info".into()));
        let carrier = listeners.leave_ipv4()?;
        let mut process = Process::spawn("cargo lambda watch", command, output)?;
        let endpoint = format!("http://localhost:{port}");
        // Answered, if only with "method not allowed"; most other addresses would call a function.
        let probe = format!("{endpoint}/2015-03-31/functions/probe/invocations");
        process.until_it_answers(&aws::http_client()?, &probe, Duration::from_mins(1)).await?;
        Ok(Self { endpoint, process, _carrier: carrier, _folder: folder })
    }

    /// Where the HTTP API answers: `{api_url}/allocate`.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.endpoint
    }

    /// Where a function that has no route takes an event, as `POST`.
    #[must_use]
    pub fn invoke_url(&self, function: &str) -> String {
        format!("{}/2015-03-31/functions/{function}/invocations", self.endpoint)
    }

    /// Waits until it ends, which it only does if something is wrong.
    pub async fn until_it_ends(&mut self) -> anyhow::Error {
        self.process.until_it_ends().await
    }
}
