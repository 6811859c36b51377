//! How to speak to the emulators: made-up credentials, and no way to a real account.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::Value;
use tokio::process::Command;

/// The region everything local pretends to be in.
pub const REGION: &str = "us-east-1";

/// The profile that samconfig.toml's `local` environment names.
pub const PROFILE: &str = "allocation-local";

/// Both halves of the made-up credentials. Some emulators take letters and digits only.
const KEY: &str = "local";

/// A configuration for SDK clients that speak to `endpoint`.
#[must_use]
pub fn sdk_config(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .endpoint_url(endpoint)
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys(KEY, KEY, None)))
        .build()
}

/// Gives a child process that configuration, and takes from it every other AWS setting of this shell, such as a
/// profile.
pub(crate) fn point_at(command: &mut Command, endpoint: &str) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command
        // The emulator is on this machine, and no proxy knows the way to it.
        .env("NO_PROXY", "localhost,127.0.0.1")
        .env("no_proxy", "localhost,127.0.0.1")
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", KEY)
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true");
}

/// Writes a configuration file that holds the same as a profile, for AWS's own tools.
pub(crate) fn write_profile(endpoint: &str, path: &Path) -> Result<()> {
    let profile = format!(
        "[profile {PROFILE}]\nregion = {REGION}\nendpoint_url = {endpoint}\naws_access_key_id = {KEY}\naws_secret_access_key = {KEY}\n"
    );
    std::fs::write(path, profile).with_context(|| format!("writing {}", path.display()))
}

/// An HTTP client for this machine: never through a proxy.
///
/// # Errors
/// When it can't be built.
pub fn http_client() -> Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().build().context("making an HTTP client")
}

/// What an emulator looks account, region and service up in. None of them checks the signature.
#[must_use]
pub fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

/// Calls an AWS service by its JSON protocol, for the few calls that are not worth an SDK client here.
///
/// # Errors
/// When there is no answer, or the service refuses.
pub async fn call(http: &reqwest::Client, endpoint: &str, target: &str, body: &Value) -> Result<Value> {
    let service = target.split(['_', '.']).next().unwrap_or_default().to_lowercase();
    let service = service.strip_prefix("amazon").unwrap_or(&service);
    let response = http
        .post(endpoint)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", target)
        // Some want to know the signature's date.
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", authorization(service))
        .body(body.to_string())
        .send()
        .await
        .with_context(|| format!("calling {target} at {endpoint}"))?;
    let (status, text) =
        (response.status(), response.text().await.with_context(|| format!("reading {target}'s answer"))?);
    if !status.is_success() {
        bail!("{target} answered {status}: {text}");
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).with_context(|| format!("reading {target}'s answer {text}"))
}

/// Calls one that has no JSON protocol: SNS or SES. Tells its answer, which is XML.
///
/// # Errors
/// When there is no answer, or the service refuses.
pub async fn call_by_form(
    http: &reqwest::Client,
    endpoint: &str,
    service: &str,
    fields: &[(&str, &str)],
) -> Result<String> {
    let request = http.post(endpoint).header("authorization", authorization(service)).form(fields);
    let response = request.send().await.with_context(|| format!("calling {service} at {endpoint}"))?;
    let (status, text) =
        (response.status(), response.text().await.with_context(|| format!("reading {service}'s answer"))?);
    if !status.is_success() {
        bail!("{service} answered {status}: {text}");
    }
    Ok(text)
}
