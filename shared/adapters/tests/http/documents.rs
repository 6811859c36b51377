//! The examples in the documents are taken from there and run, in the order in which they stand: whoever copies one gets
//! what the document says.

use adapters::http::{Code, Route};
use adapters::in_memory::InMemoryLineQueue;
use adapters::queued::allocate_lines;
use adapters::sqs::hear_warehouse;
use lambda_http::Context;
use percent_encoding::percent_decode_str;
use regex_lite::Regex;
use serde_json::Value;
use service_layer::ports::Environment as _;
use service_layer::store::StoreError;
use std::time::Duration;
use testing::{answer_knowing, api_event, api_request, hear, sqs_event, sqs_message};

use super::{Api, show, told_of};

const README: &str = include_str!("../../../../README.md");
const INTEGRATING: &str = include_str!("../../../../docs/integrating.md");
const WAREHOUSE: &str = include_str!("../../../../docs/warehouse.md");
const DEPLOYING: &str = include_str!("../../../../docs/deploying.md");
const OPERATIONS: &str = include_str!("../../../../docs/operations.md");
/// Programs that a document shows, by language. `.ci/clients/run` runs them.
const PROGRAMS: [(&str, &str); 2] = [
    ("python", include_str!("../../../../.ci/clients/python/checkout.py")),
    ("typescript", include_str!("../../../../.ci/clients/typescript/checkout.ts")),
];

/// 2031-01-02T03:04:05.678Z, which is the time in all examples.
const NOW: Duration = Duration::from_millis(1_925_089_445_678);

/// A fenced block of a document.
struct Block {
    language: String,
    /// The paragraph above it.
    above: String,
    text: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let (mut blocks, mut above, mut lines) = (Vec::new(), String::new(), document.lines());
    while let Some(line) = lines.next() {
        let indented = line.len() - line.trim_start().len();
        let Some(language) = line.trim_start().strip_prefix("```") else {
            // Blank lines end a paragraph once the next one begins.
            match line.trim() {
                "" => above.push('\n'),
                text if above.ends_with('\n') => above = text.to_owned(),
                text => above = format!("{above} {text}"),
            }
            continue;
        };
        let inside = lines.by_ref().take_while(|line| line.trim() != "```");
        let text: Vec<&str> = inside.map(|line| line.get(indented..).unwrap_or_default()).collect();
        // Of several blocks in a row, the paragraph is above each.
        above = format!("{}\n", above.trim_end());
        let (language, text) = (language.to_owned(), text.join("\n").trim().to_owned());
        blocks.push(Block { language, above: above.clone(), text });
    }
    blocks
}

/// JSON in one line, as it is answered. Documents break it, to be read.
fn in_one_line(json: &str) -> String {
    let (mut line, mut is_quoted, mut is_escaped) = (String::new(), false, false);
    for character in json.chars() {
        if is_quoted || !character.is_whitespace() {
            line.push(character);
        }
        is_quoted ^= character == '"' && !is_escaped;
        is_escaped = is_quoted && character == '\\' && !is_escaped;
    }
    line
}

/// A request, and the answer that a document promises.
struct Example {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    answer: String,
}

/// Reads an answer: the status, headers, and a body that may be broken into lines.
fn answer_of(text: &str) -> String {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let body = if body.starts_with(['{', '[']) { in_one_line(body) } else { body.to_owned() };
    format!("{head}\n\n{body}")
}

impl Example {
    fn read(text: &str) -> Self {
        let (request, answer) = text.split_once("\n\n").unwrap_or_else(|| panic!("no answer in: {text}"));
        let (line, rest) = request.split_once('\n').unwrap_or((request, ""));
        let (method, target) = line.split_once(' ').unwrap_or_else(|| panic!("no request in: {text}"));
        let (headers, body) = match rest.find('{') {
            Some(start) => rest.split_at(start),
            None => (rest, ""),
        };
        let headers = headers.lines().map(|header| header.split_once(": ").unwrap());
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: body.to_owned(),
            answer: answer_of(answer),
        }
    }
}

/// The service in memory, for all examples of a document.
struct Shop {
    api: Api,
    queue: InMemoryLineQueue,
    /// Lines of the queue that were handled, and messages that the warehouse sent.
    handled: usize,
    sent: u32,
}

impl Shop {
    async fn new() -> Self {
        let api = Api::new();
        api.0.environment().sleep(NOW).await;
        Self { api, queue: InMemoryLineQueue::default(), handled: 0, sent: 0 }
    }

    fn context(&self) -> Context {
        let mut context = Context::default();
        context.deadline = self.api.0.environment().now().plus(Duration::from_secs(10)).0;
        context
    }

    /// Hands a request to its route's function, as API Gateway does.
    async fn ask(&self, Example { method, target, headers, body, .. }: &Example) -> (Route, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let name_in = |route: &Route| match route.gateway_path().split_once('{') {
            Some((before, name)) => Some((Some(name.strip_suffix("+}")?), path.strip_prefix(before)?)),
            None => (route.gateway_path() == path).then_some((None, "")),
        };
        let routes = Route::ALL.iter().filter(|route| route.method() == method);
        let found = routes.filter_map(|route| Some((*route, name_in(route)?)));
        // Lists end in a word of their own.
        let is_meant = |route: &Route| path.ends_with(route.path().rsplit('}').next().unwrap());
        let found = found.filter(|(route, _)| is_meant(route)).max_by_key(|(route, _)| route.path().len());
        let (route, (name, rest)) = found.unwrap_or_else(|| panic!("no route for {method} {target}"));
        let mut event = api_event(route, body);
        if let Some(name) = name {
            event["pathParameters"][name] = rest.into();
        }
        for (name, value) in query.split('&').filter_map(|parameter| parameter.split_once('=')) {
            event["queryStringParameters"][name] = percent_decode_str(value).decode_utf8().unwrap().into();
        }
        for (name, value) in headers {
            event["headers"][name.to_lowercase()] = value.as_str().into();
        }
        let Api(bus, history) = &self.api;
        // The subscriber that keeps what happened has heard all of it.
        hear(history, &bus.store().outbox()).await;
        let request = api_request(&event, self.context());
        let response = answer_knowing(history, route, bus, Some(&self.queue), request).await;
        let mut shown = show(&response);
        if headers.iter().any(|(name, _)| name == "x-correlation-id") {
            let id = response.headers()["x-correlation-id"].to_str().unwrap();
            shown = shown.replacen("\n\n", &format!("\nx-correlation-id: {id}\n\n"), 1);
        }
        (route, shown)
    }

    /// What is on the queue of lines is allocated soon after.
    async fn work_off_queue(&mut self) {
        let lines = self.queue.lines();
        let messages = lines.iter().skip(self.handled).map(|line| {
            let body = serde_json::to_string(line).unwrap();
            sqs_message("queued", &body)
        });
        let failed = allocate_lines(&self.api.0, sqs_event(messages), &self.context(), 5).await;
        assert!(failed.batch_item_failures.is_empty(), "{lines:?}");
        self.handled = lines.len();
    }

    /// Whether a message of the warehouse is taken. Each is sent a second after the one before it.
    async fn hears(&mut self, body: &str) -> bool {
        self.sent += 1;
        let sent = NOW + Duration::from_secs(self.sent.into());
        let mut message = sqs_message("m1", body);
        message.attributes.insert("SentTimestamp".to_owned(), sent.as_millis().to_string());
        let answer = hear_warehouse(&self.api.0, sqs_event([message]), &self.context(), 5).await;
        answer.batch_item_failures.is_empty()
    }

    /// Whether one of the events so far is this one, as subscribers read it.
    fn has_told(&self, event: &str) -> bool {
        self.api.0.store().outbox().iter().any(|told| serde_json::to_string(told).unwrap() == event)
    }

    /// Runs a document's requests, messages and events. Tells which routes were asked.
    async fn run(&mut self, document: &str) -> Vec<Route> {
        let (mut asked, mut wrong) = (Vec::new(), Vec::new());
        for Block { language, above, text } in blocks(document) {
            match language.as_str() {
                "http" if text.starts_with(|first: char| first.is_ascii_digit()) => {
                    let told = failures().await;
                    if !told.contains(&answer_of(&text)) {
                        wrong.push(format!("nobody is told\n{text}\n\nbut: {told:#?}"));
                    }
                }
                "http" => {
                    let example = Example::read(&text);
                    let (route, answer) = self.ask(&example).await;
                    if answer != example.answer {
                        wrong.push(format!("{text}\n\nis answered\n{answer}"));
                    }
                    asked.push(route);
                    self.work_off_queue().await;
                }
                "json" if text.contains("\"type\":") => {
                    let event = in_one_line(&text);
                    if !self.has_told(&event) {
                        wrong.push(format!("{event}\nis not told, but {:#?}", self.api.0.store().outbox()));
                    }
                }
                "json" => {
                    let is_refused = above.contains("refused");
                    if self.hears(&text).await == is_refused {
                        wrong.push(format!("{text}\nis refused: {}", !is_refused));
                    }
                }
                _ => {}
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n--------\n\n"));
        asked
    }
}

/// What is answered where the service can't do its work.
async fn failures() -> [String; 3] {
    [
        told_of(|| StoreError::Conflict(Vec::new())).await,
        told_of(|| StoreError::Unavailable("secret".into())).await,
        told_of(|| StoreError::Fault("secret".into())).await,
    ]
}

#[tokio::test]
async fn each_request_is_answered_as_the_document_says() {
    let mut asked = Shop::new().await.run(INTEGRATING).await;
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked, Route::ALL, "each route has an example");
}

#[tokio::test]
async fn each_message_of_the_warehouse_is_taken_or_refused_as_the_document_says() {
    Shop::new().await.run(WAREHOUSE).await;
    let messages = blocks(WAREHOUSE).into_iter().filter(|block| block.language == "json");
    let (refused, taken): (Vec<_>, Vec<_>) = messages.partition(|message| message.above.contains("refused"));
    assert!(!refused.is_empty() && !taken.is_empty());
}

#[test]
fn whoever_may_call_all_routes_is_said_to() {
    for route in Route::ALL {
        let path = route.gateway_path().split('{').collect::<Vec<_>>();
        let path = if path.len() > 1 { format!("{}*", path[0]) } else { path[0].to_owned() };
        let resource = format!("API-ID/$default/{}{path}\"", route.method());
        assert!(DEPLOYING.contains(&resource), "docs/deploying.md does not name {resource}");
    }
}

#[test]
fn each_code_of_an_error_is_explained() {
    for code in Code::ALL {
        let code = serde_json::to_value(code).unwrap();
        let named = format!("| `{}` |", code.as_str().unwrap());
        let is_named = |line: &str| line.starts_with("| ") && line.contains(&named);
        assert!(INTEGRATING.lines().any(is_named), "docs/integrating.md has no row for {named}");
    }
}

#[test]
fn each_program_is_the_one_that_is_run() {
    for (language, program) in PROGRAMS {
        let shown = blocks(INTEGRATING).into_iter().filter(|block| block.language == language);
        let shown: Vec<String> = shown.map(|block| block.text + "\n").collect();
        assert_eq!(shown, [program], "docs/integrating.md does not show .ci/clients/{language}/checkout as it is");
    }
}

/// The commands of a document's shell blocks, each in one line.
fn commands(document: &str) -> Vec<String> {
    let shell = blocks(document).into_iter().filter(|block| block.language == "sh");
    shell.flat_map(|block| block.text.replace("\\\n", "").lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn group<'a>(pattern: &str, command: &'a str) -> Option<&'a str> {
    Some(Regex::new(pattern).unwrap().captures(command)?.get(1)?.as_str())
}

/// Runs what is to be typed: requests by `curl`, and messages by `aws sqs send-message`. Tells how many there were.
async fn run_commands(shop: &mut Shop, document: &str) -> usize {
    let mut count = 0;
    for command in commands(document) {
        if let Some(path) = group(r#"^curl .*\$API(/[^\s"']*)"#, &command) {
            let body = group("-d '([^']*)'", &command).unwrap_or_default();
            let by_body = if body.is_empty() { "GET" } else { "POST" };
            let method = group("-X ([A-Z]+)", &command).unwrap_or(by_body).to_owned();
            let (target, headers) = (path.to_owned(), Vec::new());
            let request = Example { method, target, headers, body: body.to_owned(), answer: String::new() };
            let (_, answer) = shop.ask(&request).await;
            assert!(answer.starts_with('2'), "{command}\nis answered {answer}");
            count += 1;
        }
        if let Some(body) = group("--message-body '([^']*)'", &command) {
            assert!(serde_json::from_str::<Value>(body).is_ok(), "{command}");
            assert!(shop.hears(body).await, "{command}\nis refused");
            count += 1;
        }
    }
    count
}

#[tokio::test]
async fn each_command_to_copy_does_something() {
    let mut shop = Shop::new().await;
    let tried = run_commands(&mut shop, README).await;
    assert!(tried >= 6, "README.md has {tried} commands to try");
    assert!(run_commands(&mut shop, DEPLOYING).await >= 1, "docs/deploying.md shows how to ask");
    let mut shop = Shop::new().await;
    shop.api.post_batch(super::BATCH).await;
    shop.api.post_allocate(super::LINE, None).await;
    assert!(run_commands(&mut shop, WAREHOUSE).await >= 1, "docs/warehouse.md shows how to send");
    assert!(run_commands(&mut shop, OPERATIONS).await >= 1, "docs/operations.md shows how to replay");
}
