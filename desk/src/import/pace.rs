//! How fast rows go out, all of them together: so many at a time, so many a second, and slower when the API asks for it.
//!
//! Where the API throttles, all wait, and then go on at half the pace; each answer makes that a little faster again. So
//! the pace swings about the API's own limit, whatever that is.

#![expect(clippy::disallowed_methods, reason = "an import waits in real time; tests pause tokio's clock")]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, sleep_until};

/// Between two requests when the API has throttled for the first time: 200 a second.
const FIRST_GAP: Duration = Duration::from_millis(5);
/// The slowest: one a second.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// A gap this short is none.
const SHORTEST_GAP: Duration = Duration::from_micros(500);
/// Answers that were under way together when the API began to throttle say so once.
const ONCE_IN: Duration = Duration::from_millis(500);
/// Each answer makes the gap shorter by this part of it.
const RECOVERY: u32 = 200;

/// How fast, how patiently, and by what chance.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Requests at a time.
    pub at_once: usize,
    /// Requests a second, at most.
    pub rate: Option<f64>,
    /// How long a row is tried for.
    pub patience: Duration,
    /// The longest first wait before a row is tried again; each next one is twice as long.
    pub backoff: Duration,
    /// The longest wait.
    pub longest_backoff: Duration,
    /// A number from 0 to 1, to spread those who wait.
    pub chance: fn() -> f64,
}

/// What all rows share.
#[derive(Debug)]
pub(super) struct Pace {
    settings: Settings,
    permits: Semaphore,
    floor: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    gap: Duration,
    /// When the next request may go.
    next: Instant,
    slowed: Option<Instant>,
    answered: Option<Instant>,
    began: Instant,
}

impl Pace {
    pub(super) fn new(settings: Settings) -> Self {
        let floor =
            settings.rate.map_or(Duration::ZERO, |rate| Duration::try_from_secs_f64(1.0 / rate).unwrap_or(LONGEST_GAP));
        let now = Instant::now();
        let state = State { gap: floor, next: now, slowed: None, answered: None, began: now };
        Self { settings, permits: Semaphore::new(settings.at_once), floor, state: Mutex::new(state) }
    }

    /// Waits until a request may go. It is under way for as long as the permit is held. None: there will be no more.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let permit = self.permits.acquire().await.ok()?;
        loop {
            // What throttles may come while somebody waits, so there is another look before going.
            let at = self.with(|state| state.next);
            if at > Instant::now() {
                sleep_until(at).await;
                continue;
            }
            let is_mine = self.with(|state| {
                let now = Instant::now();
                let is_mine = state.next <= now;
                if is_mine {
                    // A pause that was not used is not caught up with.
                    state.next = state.next.max(now.checked_sub(state.gap).unwrap_or(now));
                    state.next = state.next.checked_add(state.gap).unwrap_or(now);
                }
                is_mine
            });
            if is_mine {
                return Some(permit);
            }
        }
    }

    /// The API answered as it does where all is well.
    pub(super) fn answered(&self) {
        self.with(|state| {
            state.answered = Some(Instant::now());
            let shorter = state.gap.saturating_sub(state.gap.checked_div(RECOVERY).unwrap_or_default());
            state.gap = if shorter < SHORTEST_GAP { self.floor } else { shorter.max(self.floor) };
        });
    }

    /// The API asked for less. All wait for as long as it said, or for a moment.
    pub(super) fn slow_down(&self, asked: Option<Duration>) {
        let wait = asked.unwrap_or(self.settings.backoff);
        self.with(|state| {
            let now = Instant::now();
            if state.slowed.is_none_or(|slowed| now.duration_since(slowed) >= ONCE_IN) {
                state.slowed = Some(now);
                state.gap = state.gap.saturating_mul(2).clamp(FIRST_GAP, LONGEST_GAP);
            }
            state.next = state.next.max(now.checked_add(wait).unwrap_or(now));
        });
    }

    /// Whether the API has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.with(|state| state.answered.is_some())
    }

    /// Whether it is so long since the API answered anything that it is taken to be gone.
    pub(super) fn is_gone(&self) -> bool {
        let last = self.with(|state| state.answered.unwrap_or(state.began));
        last.elapsed() >= self.settings.patience
    }

    /// When a row begins, and how long it has been tried.
    pub(super) fn stopwatch(&self) -> impl Fn() -> bool + use<> {
        let (began, patience) = (Instant::now(), self.settings.patience);
        move || began.elapsed() >= patience
    }

    /// How long to wait before the next try: a random part of a time that doubles, and what the API asked for.
    pub(super) fn backoff(&self, tries: u32, asked: Option<Duration>) -> Duration {
        let Settings { backoff, longest_backoff, chance, .. } = self.settings;
        let longest = backoff.saturating_mul(2_u32.saturating_pow(tries)).min(longest_backoff);
        let wait = longest.mul_f64(0.5 + chance().clamp(0.0, 1.0) / 2.0);
        asked.unwrap_or_default().saturating_add(wait)
    }

    pub(super) async fn wait(&self, wait: Duration) {
        sleep(wait).await;
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // Nothing here panics, and a time is a time.
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        at_once: 2,
        rate: None,
        patience: Duration::from_mins(3),
        backoff: Duration::from_secs(1),
        longest_backoff: Duration::from_secs(30),
        chance: || 0.5,
    };

    /// How long so many requests take that are answered at once.
    async fn time_for(pace: &Pace, requests: u32) -> Duration {
        let began = Instant::now();
        for _ in 0..requests {
            drop(pace.turn().await.unwrap());
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_at_a_time_and_a_second() {
        let pace = Pace::new(Settings { rate: Some(100.0), ..SETTINGS });
        let time = time_for(&pace, 101).await;
        assert!((Duration::from_secs(1)..Duration::from_millis(1_150)).contains(&time), "{time:?}");
        let held = (pace.turn().await, pace.turn().await);
        let third = tokio::time::timeout(Duration::from_secs(9), pace.turn()).await;
        assert!(third.is_err(), "two are under way");
        drop(held);
        assert!(pace.turn().await.is_some());
        assert_eq!(time_for(&Pace::new(SETTINGS), 1_000).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_api_throttles_all_wait_and_then_go_slower_until_it_is_well_again() {
        let pace = Pace::new(SETTINGS);
        // A second answer of the same moment is no second reason.
        pace.slow_down(Some(Duration::from_secs(2)));
        pace.slow_down(None);
        assert_eq!(time_for(&pace, 1).await, Duration::from_secs(2));
        let slow = time_for(&pace, 100).await;
        assert!((Duration::from_millis(490)..Duration::from_millis(700)).contains(&slow), "{slow:?}");
        pace.slow_down(Some(Duration::ZERO));
        let slower = time_for(&pace, 100).await;
        assert!(slower > slow.mul_f64(1.7), "{slower:?}");
        for _ in 0..1_000 {
            pace.answered();
        }
        time_for(&pace, 1).await;
        assert_eq!(time_for(&pace, 100).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_that_answers_nothing_for_as_long_as_a_row_is_tried_is_gone() {
        let pace = Pace::new(SETTINGS);
        let is_over = pace.stopwatch();
        assert!(!pace.has_answered());
        pace.wait(Duration::from_secs(179)).await;
        assert!(!pace.is_gone() && !is_over());
        pace.answered();
        pace.wait(Duration::from_secs(1)).await;
        assert!(!pace.is_gone() && is_over() && pace.has_answered());
        pace.wait(Duration::from_secs(179)).await;
        assert!(pace.is_gone());
    }

    #[test]
    fn waits_grow_to_a_bound_and_are_never_shorter_than_asked() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let pace = runtime.block_on(async { Pace::new(SETTINGS) });
        let millis = |tries, asked| pace.backoff(tries, asked).as_millis();
        assert_eq!([millis(0, None), millis(1, None), millis(2, None)], [750, 1_500, 3_000]);
        assert_eq!([millis(9, None), millis(99, None)], [22_500, 22_500]);
        assert_eq!(millis(0, Some(Duration::from_secs(7))), 7_750);
    }
}
