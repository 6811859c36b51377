//! DynamoDB Local: AWS's own emulator of DynamoDB, in memory.

use crate::process::Process;
use crate::template::Template;
use crate::tools::Tools;
use crate::{aws, workspace};
use anyhow::{Context as _, Result};
use std::time::Duration;
use tokio::process::Command;

/// A running DynamoDB Local with nothing in it. It stops on drop, and forgets everything.
pub struct DynamoDbLocal {
    endpoint: String,
    _process: Process,
}

impl DynamoDbLocal {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub async fn start(tools: &Tools) -> Result<Self> {
        let port = free_port()?;
        let folder = workspace::run_folder();
        workspace::create_folder(&folder)?;
        let jars = tools.dynamodb_jars.display();
        let mut command = Command::new(&tools.java);
        command
            .arg(format!("-Djava.library.path={jars}/jars"))
            .args(["-cp", &format!("{jars}/jars/*:{jars}/modules/*")])
            .args(["com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-inMemory", "-sharedDb", "-disableTelemetry"])
            .args(["-port", &port.to_string()])
            .current_dir(&folder);
        let mut process = Process::spawn("DynamoDB Local", command, &folder.join(format!("dynamodb-{port}.log")))?;
        let endpoint = format!("http://127.0.0.1:{port}");
        process.until_it_answers(&aws::http_client()?, &endpoint, Duration::from_secs(60)).await?;
        Ok(Self { endpoint, _process: process })
    }

    /// Where it answers.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A configuration for SDK clients.
    #[must_use]
    pub fn sdk_config(&self) -> aws_types::SdkConfig {
        aws::sdk_config(&self.endpoint)
    }

    /// Creates a table as template.yaml describes it.
    ///
    /// # Errors
    /// When there is a table of that name.
    pub async fn create_table(&self, template: &Template, name: &str) -> Result<()> {
        template.create_table(&self.endpoint, name).await
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}
