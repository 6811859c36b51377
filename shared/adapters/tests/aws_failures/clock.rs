//! Time that passes only when nothing else can happen, for the SDK and the service alike: what would take minutes takes
//! none, and each time-out comes in its order.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use aws_sdk_dynamodb::config::{AsyncSleep, Sleep};
use service_layer::ports::{Environment, Timestamp};
use service_layer::{Call, Figures};

/// Polls in a row with nothing done, after which the earliest sleeper is woken. Tokio makes a busy task yield once.
const IDLE_POLLS: u32 = 3;

#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    now: u64,
    sleepers: BTreeSet<(u64, u64)>,
    drawn: u64,
    recorded: Vec<Figures>,
}

/// Leaves the list of sleepers when it is dropped.
struct Sleeper(Clock, (u64, u64));

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().sleepers.remove(&self.1);
    }
}

impl Clock {
    pub(crate) fn passes(&self, duration: Duration) {
        self.0.lock().unwrap().now += u64::try_from(duration.as_millis()).unwrap();
    }

    /// What came of each call so far.
    pub(crate) fn recorded(&self) -> Vec<Figures> {
        self.0.lock().unwrap().recorded.clone()
    }

    fn until_over(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let sleeper = {
            let mut state = self.0.lock().unwrap();
            state.drawn += 1;
            let until = state.now + u64::try_from(duration.as_millis()).unwrap();
            let entry = (until, state.drawn);
            state.sleepers.insert(entry);
            Sleeper(self.clone(), entry)
        };
        let mut idle = 0;
        poll_fn(move |context| {
            let Sleeper(clock, entry) = &sleeper;
            let mut state = clock.0.lock().unwrap();
            if state.now < entry.0 {
                idle += u32::from(state.sleepers.first() == Some(entry));
                if idle < IDLE_POLLS {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                state.now = entry.0;
            }
            Poll::Ready(())
        })
    }
}

impl AsyncSleep for Clock {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(self.until_over(duration))
    }
}

impl Environment for Clock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.lock().unwrap().now)
    }

    async fn sleep(&self, duration: Duration) {
        self.until_over(duration).await;
    }

    fn random(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        state.drawn += 1;
        state.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn record(&self, _: &Call, figures: &Figures) {
        self.0.lock().unwrap().recorded.push(figures.clone());
    }
}
