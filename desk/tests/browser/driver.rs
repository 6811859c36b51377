//! `WebDriver`, as far as the tests need it: <https://www.w3.org/TR/webdriver2>. The crates that speak it come with licences or
//! second versions that this project does not take.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// How long anything on the page may take to appear. A test that waits longer fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(25);

/// Chromedriver, for all tests.
pub(crate) struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    /// Starts it on a free port.
    pub(crate) fn start() -> Self {
        let mut command = Command::new("chromedriver");
        let command = command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child =
            command.spawn().expect("chromedriver is on PATH (Debian: apt install chromium chromium-driver)");
        let said = BufReader::new(child.stdout.take().unwrap());
        let lines = said.lines().map_while(Result::ok);
        let mut ports = lines.filter_map(|line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = ports.next().expect("chromedriver says its port");
        Self { child, url: format!("http://localhost:{port}") }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One browser, with one page.
pub(crate) struct Browser {
    http: reqwest::Client,
    url: String,
}

impl Browser {
    /// Opens a browser that nothing else has used.
    pub(crate) async fn open(driver: &Driver) -> Self {
        // Without its sandbox: as root, and in a container, Chromium has none. The pages are the tests' own.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--force-color-profile=srgb",
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments},
        }}});
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.post(format!("{}/session", driver.url)).json(&capabilities).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {answer}"));
        Self { http, url: format!("{}/session/{id}", driver.url) }
    }

    async fn ask(&self, what: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}/{what}", self.url)).json(&body).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        assert!(answer["value"].get("error").is_none(), "{what} {body}: {answer}");
        answer["value"].take()
    }

    /// Opens an address.
    pub(crate) async fn go(&self, url: &str) {
        self.ask("url", json!({"url": url})).await;
    }

    /// What a function's body returns, run in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.ask("execute/sync", json!({"script": script, "args": []})).await
    }

    /// Waits until an expression is true of the page.
    pub(crate) async fn until(&self, condition: &str) {
        let started = Instant::now();
        while self.run(&format!("return Boolean({condition})")).await != json!(true) {
            let in_time = started.elapsed() < PATIENCE;
            assert!(in_time, "never was: {condition}\nthe page:\n{}", self.text("body").await);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the page, or a part of it, shows a text.
    pub(crate) async fn shows(&self, text: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(text))).await;
    }

    /// What a part of the page shows.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let text = self.run(&format!("return document.querySelector({}).innerText", json!(selector))).await;
        text.as_str().unwrap().to_owned()
    }

    /// How many there are.
    pub(crate) async fn count(&self, selector: &str) -> u64 {
        self.run(&format!("return document.querySelectorAll({}).length", json!(selector))).await.as_u64().unwrap()
    }

    /// Clicks what a person would: it must be visible and not covered.
    pub(crate) async fn click(&self, xpath: &str) {
        let found = self.ask("element", json!({"using": "xpath", "value": xpath})).await;
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.ask(&format!("element/{id}/click"), json!({})).await;
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})))
            .collect();
        self.ask("actions", json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})).await;
    }

    /// Types into the field with a label.
    pub(crate) async fn fill(&self, label: &str, text: &str) {
        let field = format!(
            "[...document.querySelectorAll('main label')].find((label) => label.checkVisibility() && label.textContent === {})",
            json!(label)
        );
        self.run(&format!("const field = document.getElementById({field}.htmlFor); field.focus(); field.value = '';"))
            .await;
        self.press(text).await;
    }

    /// Asks Chromium itself, for what `WebDriver` has no request for.
    pub(crate) async fn chromium(&self, command: &str, parameters: Value) -> Value {
        self.ask("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    /// Makes the window as large as a device's.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.chromium("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Says what colours the reader's system prefers.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let feature = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.chromium("Emulation.setEmulatedMedia", feature).await;
    }

    /// A picture of the window, as PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let answer = self.chromium("Page.captureScreenshot", json!({"format": "png", "optimizeForSpeed": false})).await;
        STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    /// What Chromium logged since it was asked last, as `(source, message)`.
    pub(crate) async fn log(&self) -> Vec<(String, String)> {
        let entries = self.ask("se/log", json!({"type": "browser"})).await;
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        entries.as_array().unwrap().iter().map(|entry| (text(entry, "source"), text(entry, "message"))).collect()
    }

    /// Closes it.
    pub(crate) async fn close(&self) {
        let _ = self.http.delete(&self.url).send().await;
    }
}
