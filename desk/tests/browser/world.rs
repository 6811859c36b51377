//! A desk, the service behind it, and a browser before it: one of each for each test.

use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use desk::api::{Api, Entry};
use desk::page::{Access, Desk, Emulator, Live, router};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::driver::{Browser, Driver};
use crate::played::Played;

/// Everything that one test has.
pub(crate) struct World {
    pub(crate) browser: Browser,
    /// The service, unless the test brings another one.
    pub(crate) service: Played,
    pub(crate) live: Live,
    /// The address of the desk.
    pub(crate) url: String,
    port: u16,
    service_port: u16,
    running: Option<Runtime>,
    service_running: Option<Runtime>,
    emulator: Option<Emulator>,
}

/// What a desk is started with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    Nothing,
    Write,
    Topic,
}

impl World {
    pub(crate) async fn new(driver: &Driver) -> Self {
        let service = Played::default();
        let (service_port, service_running) = serve(0, service.router());
        Self {
            browser: Browser::open(driver).await,
            service,
            live: Live::default(),
            url: String::new(),
            port: 0,
            service_port,
            running: None,
            service_running: Some(service_running),
            emulator: None,
        }
    }

    /// Starts a desk before the service that is played, and opens a view of it.
    pub(crate) async fn open(&mut self, with: With, hash: &str) {
        self.start(with).await;
        self.go(hash).await;
    }

    /// Starts a desk; again on the same port, if there was one.
    pub(crate) async fn start(&mut self, with: With) {
        let listener = bind(self.port);
        self.port = listener.local_addr().unwrap().port();
        self.url = format!("http://localhost:{}/", self.port);
        let api = format!("http://127.0.0.1:{}", self.service_port);
        let api = Api::connect(&api, &Entry::default()).await.unwrap();
        let access = if with == With::Write { Access::Write } else { Access::Look };
        let live = (with == With::Topic).then(|| self.live.clone());
        let desk = Desk { api, access, port: self.port, live, emulator: self.emulator.clone() };
        self.running = Some(serve_on(listener, router(Arc::new(desk))));
    }

    /// Stops the desk, and what was connected to it.
    pub(crate) fn stop(&mut self) {
        self.running.take().into_iter().for_each(Runtime::shutdown_background);
    }

    /// Stops the service, too.
    pub(crate) fn stop_all(&mut self) {
        self.stop();
        self.service_running.take().into_iter().for_each(Runtime::shutdown_background);
    }

    /// Takes the service away, or puts another one in its place.
    pub(crate) fn replace_service(&mut self, by: Option<Router>) {
        self.service_running.take().into_iter().for_each(Runtime::shutdown_background);
        self.service_running = by.map(|by| serve(self.service_port, by).1);
    }

    /// Lets what is played be an emulator, too.
    pub(crate) fn with_emulator(&mut self, logs: Option<std::path::PathBuf>) {
        self.emulator = Some(Emulator::new(format!("http://localhost:{}", self.service_port), logs).unwrap());
    }

    /// Opens a view, and waits until all of it is there.
    pub(crate) async fn go(&self, hash: &str) {
        self.browser.go(&format!("{}{hash}", self.url)).await;
        self.is_there().await;
    }

    /// Waits until the view that the address names is shown.
    pub(crate) async fn is_there(&self) {
        self.browser.until("document.getElementById('main').dataset.shown === location.hash").await;
    }

    /// What must be so after each test: nothing was asked of another address, and the browser had nothing to complain of but
    /// answers that are errors.
    pub(crate) async fn is_clean(&self) {
        let asked =
            self.browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)").await;
        let asked = asked.as_array().unwrap();
        assert!(asked.len() > 10, "{asked:?}");
        let others: Vec<&Value> = asked.iter().filter(|name| !name.as_str().unwrap().starts_with(&self.url)).collect();
        assert!(others.is_empty(), "asked elsewhere: {others:?}");
        let log = self.browser.log().await;
        let wrong: Vec<_> = log.iter().filter(|(source, _)| source != "network").collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(self.browser.run("return window.wasRun ?? null").await, json!(null), "a name was run");
    }
}

fn serve(port: u16, router: Router) -> (u16, Runtime) {
    let listener = bind(port);
    (listener.local_addr().unwrap().port(), serve_on(listener, router))
}

/// A port that was in use a moment ago is free as soon as its server has ended.
fn bind(port: u16) -> TcpListener {
    for _ in 0..200 {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return listener,
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    }
    panic!("port {port} stays taken")
}

/// On a runtime of its own, so that its connections end with it.
fn serve_on(listener: TcpListener, router: Router) -> Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    listener.set_nonblocking(true).unwrap();
    runtime.spawn(async move {
        axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
    });
    runtime
}
