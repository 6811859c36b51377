//! DynamoDB Local: AWS's own emulator of DynamoDB, in memory.

use crate::process::{Output, Process};
use crate::template::Template;
use crate::tools::Tools;
use crate::workspace::RunFolder;
use crate::{aws, port};
use anyhow::Result;
use std::time::Duration;
use tokio::process::Command;

/// A running DynamoDB Local with nothing in it. It stops on drop, and forgets everything.
pub struct DynamoDbLocal {
    endpoint: String,
    _process: Process,
    _folder: RunFolder,
}

impl DynamoDbLocal {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub async fn start(tools: &Tools) -> Result<Self> {
        let port = port::free()?;
        let folder = RunFolder::create(port)?;
        let jars = tools.dynamodb_jars.display();
        let mut command = Command::new(&tools.java);
        command
            .arg(format!("-Djava.library.path={jars}/jars"))
            .args(["-cp", &format!("{jars}/jars/*:{jars}/modules/*")])
            .args([
                "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
                "-inMemory",
                "-sharedDb",
                "-disableTelemetry",
            ])
            .args(["-port", &port.to_string()])
            .current_dir(folder.path());
        let mut process = Process::spawn("DynamoDB Local", command, Output::File(folder.path().join("dynamodb.log")))?;
        let endpoint = format!("http://127.0.0.1:{port}");
        process.until_it_answers(&aws::http_client()?, &endpoint, Duration::from_mins(1)).await?;
        Ok(Self { endpoint, _process: process, _folder: folder })
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
