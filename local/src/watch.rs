//! The inner loop: functions that are rebuilt when their code changes, without a deployment.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::aws;
use crate::port::{Carrier, Listeners};
use crate::process::{Output, Process};
use crate::template::history_table;
use crate::tools::Tools;
use crate::workspace::{self, RunFolder};

/// What cargo-lambda takes for cargo.
const CARGO: &str = include_str!("cargo.py");

/// What is logged unless `RUST_LOG` says otherwise. Two of cargo-lambda's parts talk so much that a reason would be
/// hard to find; their errors that matter, it tells itself.
const LOG: &str = "info,watchexec=off,tokio_graceful_shutdown=off";

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
    /// compiled when it is first called, which may take minutes. If it does not compile, or its process ends, calls are
    /// answered with status 500 and where to look.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub async fn start(tools: &Tools, database: &str, table: &str, port: Option<u16>, log: WatchLog) -> Result<Self> {
        Self::start_in(&workspace::root(), tools, (database, table), port, log).await
    }

    async fn start_in(
        root: &Path,
        tools: &Tools,
        (database, table): (&str, &str),
        port: Option<u16>,
        log: WatchLog,
    ) -> Result<Self> {
        let listeners = Listeners::new(port)?;
        let port = listeners.port;
        let folder = RunFolder::create(port)?;
        let (output, named) = match log {
            WatchLog::Inherited => (Output::Inherited, "the terminal of `cargo local watch`".to_owned()),
            WatchLog::File => {
                let file = folder.path().join("watch.log");
                let named = file.display().to_string();
                (Output::File(file), named)
            }
        };
        let cargo = install_cargo(&folder.path().join("tmp"))?;
        let mut command = Command::new(tools.cargo_lambda());
        aws::point_at(&mut command, database);
        command
            .args(["lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()])
            .current_dir(root)
            .env("PATH", tools.path())
            .env("CARGO", cargo)
            .env("WATCH_LOG", named)
            .env("TABLE_NAME", table)
            .env("HISTORY_TABLE_NAME", history_table(table))
            .env("HISTORY_DAYS", "90")
            .env("STACK_NAME", "local")
            .env("MAX_RECEIVES", "5")
            .env("ENDED_LINES_DAYS", "90")
            .env("RUST_LOG", std::env::var_os("RUST_LOG").unwrap_or_else(|| LOG.into()));
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

fn install_cargo(folder: &Path) -> Result<PathBuf> {
    workspace::create_folder(folder)?;
    let cargo = folder.join("cargo");
    let installing = || format!("writing {}", cargo.display());
    std::fs::write(&cargo, CARGO).with_context(installing)?;
    std::fs::set_permissions(&cargo, Permissions::from_mode(0o755)).with_context(installing)?;
    Ok(cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"function\"\nedition = \"2024\"\n[workspace]\n";

    /// Takes a call and ends, without a word about it.
    const ENDS: &str = r#"
        use std::io::{Read, Write};

        fn main() {
            let api = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
            let (host, path) = api.strip_prefix("http://").unwrap().split_once('/').unwrap();
            let mut stream = std::net::TcpStream::connect(host).unwrap();
            write!(stream, "GET /{path}/2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            std::process::exit(3);
        }
    "#;

    #[tokio::test]
    async fn a_call_is_answered_when_its_function_does_not_compile_or_ends_meanwhile() {
        let root = std::env::temp_dir().join(format!("local-watch-{}", std::process::id()));
        workspace::create_folder(&root.join("src")).unwrap();
        std::fs::write(root.join("Cargo.toml"), MANIFEST).unwrap();
        std::fs::write(root.join("src/main.rs"), "fn main() {").unwrap();
        // Else its own build would be a change.
        std::fs::write(root.join(".ignore"), "target").unwrap();
        let tools = Tools::install().await.unwrap();
        let nowhere = ("http://localhost:9", "none");
        let watch = CargoLambdaWatch::start_in(&root, &tools, nowhere, None, WatchLog::File).await.unwrap();

        let broken = call(&watch).await;
        assert!(broken.contains("exit status 101"), "{broken}");
        let error: serde_json::Value = serde_json::from_str(&broken).unwrap();
        let (_, log) = error["errorMessage"].as_str().unwrap().split_once("The reason is in ").unwrap();
        let log = log.trim_end_matches('.');
        let reason = std::fs::read_to_string(log).unwrap();
        assert!(reason.contains("this file contains an unclosed delimiter"), "{reason}");

        std::fs::write(root.join("src/main.rs"), ENDS).unwrap();
        // Until the change is noticed, the answer is the old one; while it is, that the call was in the middle.
        let started = std::time::Instant::now();
        let mut ended = broken;
        while !ended.contains("exit status 3") && started.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(50)).await;
            ended = call(&watch).await;
        }
        assert!(ended.contains("exit status 3"), "{ended}");
        // It was started again, and takes the next call.
        let again = call(&watch).await;
        assert!(again.contains("exit status 3"), "{again}");
        let log = std::fs::read_to_string(log).unwrap();
        assert_eq!(log.matches("ended with exit status 3").count(), 2, "{log}");
        drop(watch);
        workspace::remove_folder(&root).unwrap();
    }

    const PATIENCE: Duration = Duration::from_mins(2);

    /// What a call is answered, which is an error each time.
    async fn call(watch: &CargoLambdaWatch) -> String {
        let http = aws::http_client().unwrap();
        let answer = http.post(watch.invoke_url("function")).timeout(PATIENCE).body("{}").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 500);
        answer.text().await.unwrap()
    }
}
