//! The real clock and real chance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use service_layer::ports::{Environment, Timestamp};

/// What an invocation may take that does not say until when.
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);

/// When Lambda stops an invocation, as its context says in milliseconds since 1970. The emulator of
/// `cargo lambda watch` says some moment in that year, which is none.
#[must_use]
pub fn deadline<E: Environment>(environment: &E, milliseconds: u64) -> Timestamp {
    let now = environment.now();
    if Timestamp(milliseconds) > now { Timestamp(milliseconds) } else { now.plus(DEFAULT_LIMIT) }
}

/// This process's environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

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
}
