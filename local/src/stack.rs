//! The deployed template, on an emulator of AWS in one process.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::aws;
use crate::functions::Functions;
use crate::port::{Carrier, Listeners};
use crate::process::{Output, Process};
use crate::progress;
use crate::tools::Tools;
use crate::workspace::{self, RunFolder};

/// Where `sam deploy` puts the functions' code: samconfig.toml's `local` environment says the same.
const CODE_BUCKET: &str = "allocation-code";

/// In the stack's folder.
const PROFILE_FILE: &str = "aws-config";

/// In the stack's folder: a file for each function, with all that it logged.
const LOGS: &str = "logs";

/// In the stack's folder, and removed with it: what the functions are made of.
const CODE: &str = "tmp/code";
const EXECUTABLES: &str = "tmp/executables";

const EMULATOR: &str = include_str!("emulator.py");
const BOOTSTRAP: &str = include_str!("bootstrap.sh");
const COMPLETE: &str = include_str!("complete.py");

/// A running emulator (`MiniStack`) with the template deployed by `sam deploy`. It stops on drop, and forgets
/// everything.
pub struct Stack {
    endpoint: String,
    outputs: Outputs,
    http: reqwest::Client,
    emulator: Process,
    _carrier: Carrier,
    folder: RunFolder,
}

struct Outputs {
    api_url: String,
    queue_url: String,
    topic_arn: String,
    table_name: String,
}

/// A mail that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
}

impl Stack {
    /// Starts the emulator on `port` (a free one for `None`) and deploys the template to it.
    ///
    /// # Errors
    /// When the port is taken, or a step fails, with the end of its log.
    pub async fn start(tools: &Tools, functions: &Functions, port: Option<u16>) -> Result<Self> {
        let listeners = Listeners::new(port)?;
        let port = listeners.port;
        let folder = RunFolder::create(port)?;
        workspace::create_folder(&folder.path().join("tmp"))?;
        let http = aws::http_client()?;
        let endpoint = format!("http://localhost:{port}");
        let carrier = listeners.leave_ipv4()?;

        let emulator =
            progress::step("starting the emulator", start_emulator(tools, &http, &endpoint, port, folder.path()));
        let emulator = emulator.await?;
        let deployed =
            progress::step("deploying template.yaml", deploy(tools, functions, &http, &endpoint, folder.path()));
        let outputs = Outputs::from_json(&endpoint, &deployed.await?)?;
        Ok(Self { endpoint, outputs, http, emulator, _carrier: carrier, folder })
    }

    /// The emulator's address, which all AWS services share.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where the HTTP API answers: `{api_url}/allocate`. The emulator's form of the address that needs no lookup of
    /// `*.localhost`, which not every resolver knows.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.outputs.api_url
    }

    /// The queue for changed quantities.
    #[must_use]
    pub fn queue_url(&self) -> &str {
        &self.outputs.queue_url
    }

    /// The topic on which events come out.
    #[must_use]
    pub fn topic_arn(&self) -> &str {
        &self.outputs.topic_arn
    }

    /// The table.
    #[must_use]
    pub fn table_name(&self) -> &str {
        &self.outputs.table_name
    }

    /// A configuration for SDK clients.
    #[must_use]
    pub fn sdk_config(&self) -> aws_types::SdkConfig {
        aws::sdk_config(&self.endpoint)
    }

    /// A configuration file for AWS's own tools (`AWS_CONFIG_FILE`), with the profile [`aws::PROFILE`].
    #[must_use]
    pub fn aws_config_file(&self) -> PathBuf {
        self.folder.path().join(PROFILE_FILE)
    }

    /// Where the emulator's and the deployment's logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a function logs, which is named as its folder under `functions` is. The file is there once it was called.
    #[must_use]
    pub fn log_of(&self, function: &str) -> PathBuf {
        self.logs().join(format!("{function}.log"))
    }

    /// The folder in which each function has its file.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.path().join(LOGS)
    }

    /// Waits until the emulator ends, which it only does if something is wrong with it.
    pub async fn until_it_ends(&mut self) -> anyhow::Error {
        self.emulator.until_it_ends().await
    }

    pub(crate) fn emulator_process(&self) -> i32 {
        self.emulator.id()
    }

    /// All mails sent so far, oldest first.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub async fn mails(&self) -> Result<Vec<Mail>> {
        let url = format!("{}/_ministack/ses/messages", self.endpoint);
        let answer: Value =
            self.http.get(&url).send().await.context("reading mails")?.json().await.context("reading mails")?;
        // Grouped by account, of which there is one, or none before the first mail.
        let accounts =
            answer.get("messages").and_then(Value::as_object).context("the emulator's mails have another form")?;
        Ok(accounts.values().filter_map(Value::as_array).flatten().map(Mail::from_json).collect())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // The logs stay; the functions' code, unpacked, is large and of no more use.
        let _ = workspace::remove_folder(&self.folder.path().join("tmp"));
    }
}

impl Outputs {
    fn from_json(endpoint: &str, outputs: &Value) -> Result<Self> {
        let output = |name: &str| {
            let value = outputs.get(name).and_then(Value::as_str).map(str::to_owned);
            value.with_context(|| format!("the stack has no output {name}: {outputs}"))
        };
        let api_url = output("ApiUrl")?;
        let host = api_url.split("://").last().unwrap_or_default();
        let api_id = host.split('.').next().unwrap_or_default();
        Ok(Self {
            api_url: format!("{endpoint}/_aws/execute-api/{api_id}"),
            queue_url: output("ChangeBatchQuantityQueueUrl")?,
            topic_arn: output("EventsTopicArn")?,
            table_name: output("TableName")?,
        })
    }
}

impl Mail {
    fn from_json(message: &Value) -> Self {
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let to = message.get("To").and_then(Value::as_array).into_iter().flatten();
        Self {
            from: text("Source"),
            to: to.filter_map(Value::as_str).map(str::to_owned).collect(),
            subject: text("Subject"),
            text: text("BodyText"),
        }
    }
}

async fn start_emulator(
    tools: &Tools,
    http: &reqwest::Client,
    endpoint: &str,
    port: u16,
    folder: &Path,
) -> Result<Process> {
    let mut command = tools.python();
    aws::point_at(&mut command, endpoint);
    command
        .args(["-c", EMULATOR])
        .current_dir(folder)
        .env("GATEWAY_PORT", port.to_string())
        .env("BIND_HOST", "127.0.0.1")
        // It unpacks code into a folder named after the port only.
        .env("TMPDIR", folder.join("tmp"));
    let mut emulator = Process::spawn("MiniStack", command, Output::File(folder.join("emulator.log")))?;
    let health = format!("{endpoint}/_ministack/health");
    emulator.until_it_answers(http, &health, Duration::from_mins(1)).await?;
    Ok(emulator)
}

fn write_bootstrap(path: &Path) -> Result<()> {
    std::fs::write(path, BOOTSTRAP)
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(0o755)))
        .with_context(|| format!("writing {}", path.display()))
}

/// Deploys the template and tells its outputs.
async fn deploy(
    tools: &Tools,
    functions: &Functions,
    http: &reqwest::Client,
    endpoint: &str,
    folder: &Path,
) -> Result<Value> {
    let (template, logs) = (folder.join("template.json"), folder.join(LOGS));
    let (code, executables) = (folder.join(CODE), folder.join(EXECUTABLES));
    workspace::create_folder(&logs)?;
    workspace::create_folder(&code)?;
    write_bootstrap(&code.join("bootstrap"))?;
    functions.copy_to(&executables).await?;
    functions.template.write_with_code(&code, &executables, &logs, &template)?;
    let bucket =
        http.put(format!("{endpoint}/{CODE_BUCKET}")).send().await.context("creating a bucket for the code")?;
    bucket.error_for_status().context("creating a bucket for the code")?;

    let profile = folder.join(PROFILE_FILE);
    aws::write_profile(endpoint, &profile)?;
    let mut deploy = Command::new(tools.sam());
    aws::point_at(&mut deploy, endpoint);
    deploy
        .env("AWS_CONFIG_FILE", &profile)
        .args(["deploy", "--config-env", "local", "--config-file"])
        .arg(workspace::root().join("samconfig.toml"))
        .arg("--template-file")
        .arg(&template)
        .current_dir(folder)
        .env("SAM_CLI_TELEMETRY", "0")
        // Else it keeps notes in the home folder.
        .env("__SAM_CLI_APP_DIR", folder)
        // Seconds between two looks at what it waits for; 5 unless told.
        .env("SAM_CLI_POLL_DELAY", "0.2");
    Process::run("sam deploy", deploy, &folder.join("deploy.log")).await?;

    let mut complete = tools.python();
    aws::point_at(&mut complete, endpoint);
    let output = complete.args(["-c", COMPLETE, "allocation"]).output().await.context("starting Python")?;
    if !output.status.success() {
        bail!("reading the deployed stack: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("reading the stack's outputs")
}
