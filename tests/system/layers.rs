//! Tests by layer, and how long each layer takes.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

use crate::servers::Servers;

/// What a test comes to. An error fails it, and so does a panic.
pub(crate) type Outcome = anyhow::Result<()>;

/// Collects the tests of all layers.
pub(crate) struct Layers {
    servers: Arc<Servers>,
    trials: Vec<Trial>,
    times: Times,
}

/// When each layer's tests ran.
#[derive(Clone, Default)]
pub(crate) struct Times(Arc<Mutex<BTreeMap<&'static str, Layer>>>);

struct Layer {
    tests: u32,
    started: Instant,
    ended: Instant,
    in_tests: Duration,
}

impl Layers {
    pub(crate) fn new(servers: &Arc<Servers>) -> Self {
        Self { servers: Arc::clone(servers), trials: Vec::new(), times: Times::default() }
    }

    /// Adds an async test that may ask for servers.
    pub(crate) fn add<T>(
        &mut self,
        layer: &'static str,
        name: &str,
        test: impl FnOnce(Arc<Servers>) -> T + Send + 'static,
    ) where
        T: Future<Output = Outcome>,
    {
        let servers = Arc::clone(&self.servers);
        let times = self.times.clone();
        self.trials.push(Trial::test(format!("{layer}::{name}"), move || {
            let started = Instant::now();
            let handle = servers.runtime().clone();
            let outcome = catch_unwind(AssertUnwindSafe(|| handle.block_on(test(servers))));
            times.add(layer, started);
            outcome.unwrap_or_else(|panic| resume_unwind(panic)).map_err(|error| Failed::from(format!("{error:#}")))
        }));
    }

    pub(crate) fn finish(self) -> (Vec<Trial>, Times) {
        (self.trials, self.times)
    }
}

impl Times {
    fn add(&self, layer: &'static str, started: Instant) {
        let ended = Instant::now();
        let mut layers = self.0.lock().unwrap();
        let layer = layers.entry(layer).or_insert(Layer { tests: 0, started, ended, in_tests: Duration::ZERO });
        layer.tests += 1;
        layer.started = layer.started.min(started);
        layer.ended = layer.ended.max(ended);
        layer.in_tests += ended - started;
    }

    /// Layers overlap: each one's time is from its first start to its last end, waiting for servers included.
    pub(crate) fn print(&self) {
        println!("\nlayer         tests   wall s   in tests s");
        for (name, layer) in self.0.lock().unwrap().iter() {
            let wall = (layer.ended - layer.started).as_secs_f32();
            println!("{name:<12} {:>6} {wall:>8.1} {:>12.1}", layer.tests, layer.in_tests.as_secs_f32());
        }
    }
}

/// Adds functions as tests of a layer, under their own names.
macro_rules! add_tests {
    ($layers:expr, $layer:literal, [$($test:ident),+ $(,)?]) => {
        $($layers.add($layer, stringify!($test), $test);)+
    };
}
pub(crate) use add_tests;
