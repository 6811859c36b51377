//! What the local stack keeps for people: the mails that were sent, and the messages that nobody could handle.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use reqwest::Url;
use serde_json::{Value, json};

/// In the names of queues that hold what failed for the last time.
const DEAD: &str = "DeadLetters";

/// The emulator of the local stack.
#[derive(Clone, Debug)]
pub struct Emulator {
    endpoint: String,
    logs: Option<PathBuf>,
    http: reqwest::Client,
}

impl Emulator {
    /// The emulator at `url`, whose functions log into the folder `logs`.
    ///
    /// # Errors
    /// When it is no address of this machine: what is asked there is asked with made-up credentials.
    pub fn new(url: impl Into<String>, logs: Option<PathBuf>) -> Result<Self> {
        let url = url.into();
        let host = Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        if !matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]") {
            bail!("{url:?} is no emulator on this machine: expected an address such as http://localhost:8600");
        }
        let endpoint = url.trim_end_matches('/').to_owned();
        Ok(Self { endpoint, logs, http: local::aws::http_client()? })
    }

    /// Its address.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All mails, the newest first.
    pub(super) async fn mails(&self) -> Result<Value> {
        let answer = self.ask("ses/messages").await.context("reading the mails")?;
        let accounts =
            answer.get("messages").and_then(Value::as_object).into_iter().flat_map(|accounts| accounts.values());
        let mut mails: Vec<Value> = accounts.filter_map(Value::as_array).flatten().map(mail).collect();
        mails.reverse();
        Ok(json!({"mails": mails}))
    }

    /// All dead letters, by queue.
    pub(super) async fn letters(&self) -> Result<Value> {
        let answer = self.ask("sqs/messages").await.context("reading the dead letters")?;
        let log = self.logs.as_deref().map(read_logs).unwrap_or_default();
        let letters: Vec<Value> = queues(&answer)
            .filter(|(queue, _)| queue.contains(DEAD))
            .flat_map(|(queue, messages)| messages.iter().map(move |message| (queue, message)))
            .map(|(queue, message)| letter(queue, message, &log))
            .collect();
        Ok(json!({"letters": letters}))
    }

    async fn ask(&self, what: &str) -> Result<Value> {
        let url = format!("{}/_ministack/{what}", self.endpoint);
        let answer = self.http.get(url).send().await.map_err(reqwest::Error::without_url);
        let answer = answer.with_context(|| format!("asking the emulator at {}", self.endpoint))?;
        answer.error_for_status()?.json().await.context("the emulator's answer is not what was expected")
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Seconds since 1970, whole or not, as the page reads moments.
#[expect(clippy::cast_possible_truncation, reason = "a time that is no time is told by nothing, and the rest fits")]
fn moment(seconds: Option<&Value>) -> Option<String> {
    let milliseconds = seconds?.as_f64()? * 1000.0;
    jiff::Timestamp::from_millisecond(milliseconds as i64).ok().map(|at| at.to_string())
}

fn mail(message: &Value) -> Value {
    json!({
        "from": text(message, "Source"),
        "to": message.get("To").filter(|to| to.is_array()).cloned().unwrap_or_else(|| json!([])),
        "subject": text(message, "Subject"),
        "text": text(message, "BodyText"),
        "at": moment(message.get("Timestamp")),
    })
}

/// Queues by name, of all accounts and regions.
fn queues(answer: &Value) -> impl Iterator<Item = (&str, &Vec<Value>)> {
    let regions = answer.get("messages").and_then(Value::as_object).into_iter().flat_map(|accounts| accounts.values());
    let queues = regions.filter_map(Value::as_object).flat_map(|regions| regions.values());
    let queues = queues.filter_map(Value::as_object).flatten();
    queues.filter_map(|(url, messages)| Some((url.rsplit('/').next()?, messages.as_array()?)))
}

fn letter(queue: &str, message: &Value, log: &[String]) -> Value {
    let id = text(message, "MessageId");
    json!({
        "queue": queue,
        "id": id,
        "body": text(message, "Body"),
        "sent": moment(message.get("SentTimestamp")),
        "reason": reason(&id, log),
    })
}

/// What the function that failed wrote of the message.
fn reason(id: &str, log: &[String]) -> Option<String> {
    let lines = log.iter().rev().filter(|line| !id.is_empty() && line.contains(id));
    lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|line| {
        let fields = line.get("fields").unwrap_or(&line);
        fields.get("reason").and_then(Value::as_str).map(str::to_owned)
    })
}

/// All lines of all functions. A folder that is gone tells nothing, which the page says.
fn read_logs(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| std::fs::read(file.path()).ok());
    texts.flat_map(|text| String::from_utf8_lossy(&text).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_is_on_this_machine() {
        assert!(Emulator::new("http://localhost:8600", None).is_ok());
        for url in ["https://sqs.eu-west-1.amazonaws.com", "http://localhost.evil.example", "8600", ""] {
            assert!(Emulator::new(url, None).unwrap_err().to_string().contains("no emulator on this machine"), "{url}");
        }
    }

    #[test]
    fn a_dead_letter_is_told_with_its_reason() {
        let answer = json!({"messages": {"0": {"us-east-1": {
            "http://localhost:1/0/allocation-EventsQueue-1": [{"MessageId": "m0"}],
            "http://localhost:1/0/allocation-EventsDeadLetters-1": [{"MessageId": "m1", "Body": "<b>", "SentTimestamp": 1_000}],
        }}}});
        let dead: Vec<_> = queues(&answer).filter(|(queue, _)| queue.contains(DEAD)).collect();
        assert_eq!(dead.len(), 1);
        let log = [
            "START m1".to_owned(),
            json!({"fields": {"message_id": "m1", "reason": "qty: must be a number"}}).to_string(),
        ];
        let told = letter(dead[0].0, &dead[0].1[0], &log);
        assert_eq!(told["reason"], "qty: must be a number");
        assert_eq!((&told["body"], &told["sent"]), (&json!("<b>"), &json!("1970-01-01T00:16:40Z")));
        assert_eq!(letter("q", &json!({"MessageId": "m2"}), &log)["reason"], Value::Null);
    }
}
