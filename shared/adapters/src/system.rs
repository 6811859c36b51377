//! The real clock and real chance.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use service_layer::ports::{Environment, Timestamp};
use service_layer::{Call, Figures};

use crate::metrics;

/// What an invocation may take that does not say until when.
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);

/// When Lambda stops an invocation, as its context says in milliseconds since 1970. The emulator of
/// `cargo lambda watch` says some moment in that year, which is none.
#[must_use]
pub fn deadline<E: Environment>(environment: &E, milliseconds: u64) -> Timestamp {
    let now = environment.now();
    if Timestamp(milliseconds) > now { Timestamp(milliseconds) } else { now.plus(DEFAULT_LIMIT) }
}

/// This process's environment. The default one keeps no figures.
#[derive(Clone, Debug, Default)]
pub struct System {
    stack: Option<String>,
    /// The platform's name for the first invocation, which has paid for the process's start.
    first: Arc<OnceLock<String>>,
}

impl System {
    /// The environment of a function of this stack, under whose name its figures are counted.
    #[must_use]
    pub fn of_stack(name: String) -> Self {
        Self { stack: Some(name), ..Self::default() }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the real clock and real chance")]
impl Environment for System {
    fn now(&self) -> Timestamp {
        Timestamp::default().plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }

    fn is_cold_start(&self, call: &Call) -> bool {
        *self.first.get_or_init(|| call.request.clone()) == call.request
    }

    /// One line of standard output, where Lambda takes logs from. (Text and numbers can always be written as JSON.)
    fn record(&self, call: &Call, figures: &Figures) {
        if let Some(stack) = &self.stack
            && let Ok(line) = metrics::line(stack, self.now(), call, self.is_cold_start(call), figures)
        {
            println!("{line}");
        }
    }
}
