//! Simulated time: tasks run one at a time, and the clock jumps to the next moment at which one of them goes on.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use service_layer::ports::{Environment, Timestamp};
use service_layer::{Call, Figures};

/// Something that goes on in simulated time.
pub(crate) type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Time and chance of one run. Equal seeds give equal runs.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Mutex<State>>);

struct State {
    now: Duration,
    /// When sleepers wake, in this order; equal times in the order in which they were asked for.
    alarms: BinaryHeap<Reverse<(Duration, u64)>>,
    sleepers: HashMap<u64, Waker>,
    asked: u64,
    random: fastrand::Rng,
}

impl Clock {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            // Far from zero, so that a deadline lies in the future of every start.
            now: Duration::from_secs(1_000),
            alarms: BinaryHeap::new(),
            sleepers: HashMap::new(),
            asked: 0,
            random: fastrand::Rng::with_seed(seed),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn time(&self) -> Duration {
        self.state().now
    }

    /// A number from zero up to one.
    pub(crate) fn chance(&self) -> f64 {
        self.state().random.f64()
    }

    /// One of so many positions.
    pub(crate) fn index(&self, of: usize) -> usize {
        self.state().random.usize(..of)
    }

    pub(crate) fn wait(&self, duration: Duration) -> Wait {
        Wait { clock: self.clone(), until: self.time().saturating_add(duration), id: None }
    }

    /// Runs tasks until all are done, or it is this late.
    pub(crate) fn run<'a>(&self, tasks: impl IntoIterator<Item = Task<'a>>, end: Duration) {
        let mut tasks: FuturesUnordered<_> = tasks.into_iter().collect();
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            match tasks.poll_next_unpin(&mut Context::from_waker(&waker)) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => return,
                Poll::Pending if woken.0.swap(false, Ordering::Relaxed) => {}
                Poll::Pending if self.time() >= end => return,
                Poll::Pending => assert!(self.advance(), "all wait, and nobody for a time"),
            }
        }
    }

    /// Wakes the next sleeper. False: nobody sleeps.
    fn advance(&self) -> bool {
        let mut state = self.state();
        while let Some(Reverse((time, id))) = state.alarms.pop() {
            // One that is not there any more was given up.
            if let Some(sleeper) = state.sleepers.remove(&id) {
                state.now = state.now.max(time);
                drop(state);
                sleeper.wake();
                return true;
            }
        }
        false
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ends when its time has come.
pub(crate) struct Wait {
    clock: Clock,
    until: Duration,
    id: Option<u64>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.state();
        if state.now >= self.until {
            return Poll::Ready(());
        }
        let id = *self.id.get_or_insert_with(|| {
            state.asked = state.asked.wrapping_add(1);
            state.asked
        });
        if state.sleepers.insert(id, context.waker().clone()).is_none() {
            state.alarms.push(Reverse((self.until, id)));
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.clock.state().sleepers.remove(&id);
        }
    }
}

impl Environment for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::default().plus(self.time())
    }

    async fn sleep(&self, duration: Duration) {
        self.wait(duration).await;
    }

    fn random(&self) -> u64 {
        self.state().random.u64(..)
    }

    fn record(&self, _: &Call, _: &Figures) {}
}
