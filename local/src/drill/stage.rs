//! What a drill does to the local stack, and where it looks.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use local::{Stack, aws};
use reqwest::Method;
use serde_json::{Value, json};

/// How long something may take to be seen.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(200);

/// The local stack with its page.
pub(crate) struct Stage<'a> {
    pub(crate) stack: &'a Stack,
    page: &'a str,
    http: reqwest::Client,
}

/// A queue that hands out messages again at once, until this is undone.
pub(crate) struct Impatient {
    url: String,
    before: String,
}

/// A function's environment, until this is undone.
pub(crate) struct Misled {
    function: String,
    before: Value,
}

/// Tells one thing that was done or seen.
pub(crate) fn say(what: &str, text: &str) {
    println!("  {what:<8} {text}");
}

impl<'a> Stage<'a> {
    pub(crate) fn new(stack: &'a Stack, page: &'a str) -> Result<Self> {
        Ok(Self { stack, page, http: aws::http_client()? })
    }

    /// Asks the service by its API: the status and text of the answer.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, String)> {
        let mut request = self.http.request(method, format!("{}/{path}", self.stack.api_url()));
        request = request.header("accept", "application/json").header("prefer", "return=representation");
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("asking for {path}"))?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// The same, which must be done.
    pub(crate) async fn done(&self, method: Method, path: &str, body: &Value) -> Result<()> {
        let (status, text) = self.ask(method, path, Some(body)).await?;
        ensure!((200..300).contains(&status), "{path} {body}: {status} {text}");
        Ok(())
    }

    /// A line that its client does not wait for.
    pub(crate) async fn allocate_later(&self, line: &Value) -> Result<()> {
        let request = self.http.post(format!("{}/allocate", self.stack.api_url()));
        let response = request.header("prefer", "respond-async").json(line).send().await?;
        ensure!(response.status().as_u16() == 202, "{line}: {}", response.status());
        Ok(())
    }

    pub(crate) async fn sqs(&self, action: &str, body: &Value) -> Result<Value> {
        aws::call(&self.http, self.stack.endpoint(), &format!("AmazonSQS.{action}"), body).await
    }

    /// Calls what has no JSON protocol: SNS and SES.
    pub(crate) async fn form(&self, service: &str, fields: &[(&str, &str)]) -> Result<String> {
        aws::call_by_form(&self.http, self.stack.endpoint(), service, fields).await
    }

    /// Publishes a text as an event of this type.
    pub(crate) async fn publish(&self, event_type: &str, text: &str) -> Result<()> {
        let entry = "MessageAttributes.entry.1";
        let fields = [
            ("Action", "Publish"),
            ("Version", "2010-03-31"),
            ("TopicArn", self.stack.topic_arn()),
            ("Message", text),
            (&format!("{entry}.Name"), "type"),
            (&format!("{entry}.Value.DataType"), "String"),
            (&format!("{entry}.Value.StringValue"), event_type),
        ];
        self.form("sns", &fields).await.map(drop)
    }

    /// The address of a queue, by its name in the template.
    pub(crate) async fn queue(&self, name: &str) -> Result<String> {
        let queues = self.sqs("ListQueues", &json!({})).await?;
        let urls = queues.get("QueueUrls").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let found = urls.into_iter().find(|url| url.contains(&format!("-{name}-")));
        found.map(str::to_owned).with_context(|| format!("the stack has no queue {name}: {queues}"))
    }

    /// Messages in a queue that nobody is at work on, and those that somebody is.
    pub(crate) async fn depth(&self, name: &str) -> Result<[u64; 2]> {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let request = json!({ "QueueUrl": self.queue(name).await?, "AttributeNames": names });
        let answer = self.sqs("GetQueueAttributes", &request).await?;
        let count = |name: &str| {
            let count = answer.get("Attributes")?.get(name)?.as_str()?;
            count.parse().ok()
        };
        let [visible, taken] = names.map(count);
        visible.zip(taken).map(|(visible, taken)| [visible, taken]).context("a queue without counts")
    }

    /// Makes a queue hand out at once what failed, for five failures that take no quarter of an hour.
    pub(crate) async fn hurry(&self, name: &str) -> Result<Impatient> {
        let url = self.queue(name).await?;
        let wanted = "VisibilityTimeout";
        let answer = self.sqs("GetQueueAttributes", &json!({ "QueueUrl": url, "AttributeNames": [wanted] })).await?;
        let before = answer.pointer("/Attributes/VisibilityTimeout").and_then(Value::as_str).context("no time-out")?;
        self.sqs("SetQueueAttributes", &json!({ "QueueUrl": url, "Attributes": { wanted: "1" } })).await?;
        Ok(Impatient { url, before: before.to_owned() })
    }

    pub(crate) async fn calm(&self, Impatient { url, before }: Impatient) -> Result<()> {
        let attributes = json!({ "VisibilityTimeout": before });
        self.sqs("SetQueueAttributes", &json!({ "QueueUrl": url, "Attributes": attributes })).await.map(drop)
    }

    /// Takes what is in a queue of dead letters away, as an operator does who has seen to it.
    pub(crate) async fn empty(&self, name: &str) -> Result<()> {
        self.sqs("PurgeQueue", &json!({ "QueueUrl": self.queue(name).await? })).await.map(drop)
    }

    /// Gives a function another value of an environment variable.
    pub(crate) async fn mislead(&self, resource: &str, variable: &str, value: &str) -> Result<Misled> {
        let functions = self.lambda(Method::GET, "2015-03-31/functions", None).await?;
        let all = functions.get("Functions").and_then(Value::as_array).into_iter().flatten();
        let is_meant =
            |function: &&Value| name_of(function).is_some_and(|name| name.contains(&format!("-{resource}-")));
        let function = all.into_iter().find(is_meant).with_context(|| format!("no function {resource}"))?;
        let before = function.pointer("/Environment/Variables").cloned().context("a function without environment")?;
        let mut now = before.clone();
        if let Some(variables) = now.as_object_mut() {
            variables.insert(variable.to_owned(), json!(value));
        }
        let misled = Misled { function: name_of(function).unwrap_or_default().to_owned(), before };
        self.configure(&misled.function, &now).await?;
        Ok(misled)
    }

    pub(crate) async fn correct(&self, Misled { function, before }: Misled) -> Result<()> {
        self.configure(&function, &before).await
    }

    async fn configure(&self, function: &str, variables: &Value) -> Result<()> {
        let path = format!("2015-03-31/functions/{function}/configuration");
        let body = json!({ "Environment": { "Variables": variables } });
        self.lambda(Method::PUT, &path, Some(&body)).await.map(drop)
    }

    /// Stops the function that a queue's messages go to, or lets it go on.
    pub(crate) async fn let_through(&self, queue: &str, enabled: bool) -> Result<()> {
        let mappings = self.lambda(Method::GET, "2015-03-31/event-source-mappings/", None).await?;
        let all = mappings.get("EventSourceMappings").and_then(Value::as_array).into_iter().flatten();
        let source =
            |mapping: &&Value| mapping.get("EventSourceArn").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mapping = all.into_iter().find(|mapping| source(mapping).contains(&format!("-{queue}-")));
        let uuid = mapping.and_then(|mapping| mapping.get("UUID")?.as_str()).context("a queue without a function")?;
        let path = format!("2015-03-31/event-source-mappings/{uuid}");
        self.lambda(Method::PUT, &path, Some(&json!({ "Enabled": enabled }))).await.map(drop)
    }

    async fn lambda(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let request = self.http.request(method, format!("{}/{path}", self.stack.endpoint()));
        let mut request = request.header("authorization", aws::authorization("lambda"));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("asking Lambda for {path}"))?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "Lambda answered {status} {text} to {path}");
        serde_json::from_str(&text).with_context(|| format!("reading Lambda's answer {text}"))
    }

    /// What the page shows: one of its own parts, such as `letters`, or an answer of the service.
    pub(crate) async fn page(&self, path: &str) -> Result<Value> {
        let response = self.http.get(format!("{}/{path}", self.page)).send().await.context("asking the page")?;
        response.json().await.context("reading the page's answer")
    }

    /// Waits for a dead letter of a queue that has this text, as the page shows it with its reason.
    pub(crate) async fn dead_letter(&self, queue: &str, text: &str) -> Result<()> {
        let what = format!("a dead letter of {queue} with {text}");
        let letter = self.until(&what, async || {
            let shown = self.page("desk/letters").await?;
            let letters = shown.get("letters").and_then(Value::as_array).cloned().unwrap_or_default();
            let has = |letter: &Value, name: &str, text: &str| {
                letter.get(name).and_then(Value::as_str).is_some_and(|value| value.contains(text))
            };
            Ok(letters.into_iter().find(|letter| has(letter, "queue", queue) && has(letter, "body", text)))
        });
        let letter = letter.await?;
        let field = |name: &str| letter.get(name).and_then(Value::as_str).unwrap_or("not known").to_owned();
        say("page", &format!("dead letters, {queue}: {}; why: {}", shortened(&field("body")), field("reason")));
        Ok(())
    }

    /// How much a function has logged so far.
    pub(crate) fn logged(&self, function: &str) -> usize {
        std::fs::read_to_string(self.stack.log_of(function)).unwrap_or_default().len()
    }

    /// Waits for a line of a function's log, after so much of it, that has these texts.
    pub(crate) async fn log(&self, function: &str, after: usize, texts: &[&str]) -> Result<()> {
        let what = format!("a line with {} in {}", texts.join(" and "), self.stack.log_of(function).display());
        let line = self.until(&what, async || {
            let log = std::fs::read_to_string(self.stack.log_of(function)).unwrap_or_default();
            let new = log.get(after..).unwrap_or_default();
            Ok(new.lines().find(|line| texts.iter().all(|text| line.contains(text))).map(str::to_owned))
        });
        say("log", &format!("{function}.log: {}", shortened(&told(&line.await?))));
        Ok(())
    }

    /// Asks again until there is an answer.
    pub(crate) async fn until<T>(&self, what: &str, ask: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(found) = ask().await? {
                return Ok(found);
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("after {} s there is not {what}", PATIENCE.as_secs());
    }
}

fn name_of(function: &Value) -> Option<&str> {
    function.get("FunctionName").and_then(Value::as_str)
}

/// Of a line that is JSON, what it says.
fn told(line: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    let Some(fields) = value.get("fields").and_then(Value::as_object) else { return line.to_owned() };
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    match (text("message"), text("reason")) {
        (Some(message), Some(reason)) => format!("{message}: {reason}"),
        (Some(message), None) => message.to_owned(),
        _ => line.to_owned(),
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 240;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).collect::<String>() + " .." }
}
