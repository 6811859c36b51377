//! How fast rows go out, all of them together: so many at a time, so many a second, and slower when the API asks for it.
//!
//! Where the API throttles, all wait, and then go on at half the pace; each answer makes that a little faster again. So
//! the pace swings about the API's own limit, whatever that is.

#![expect(clippy::disallowed_methods, reason = "an import waits in real time; what it waits for is told the time")]

use std::sync::{Mutex, MutexGuard, PoisonError};
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

/// So many rows given up one after the other, each after all patience, and it is not the rows.
const GONE: u32 = 10;

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
    gate: Mutex<Gate>,
}

impl Pace {
    pub(super) fn new(settings: Settings) -> Self {
        let gate = Mutex::new(Gate::new(settings.rate, Instant::now()));
        Self { settings, permits: Semaphore::new(settings.at_once), gate }
    }

    /// Waits until a request may go. None: there will be no more.
    pub(super) async fn turn(&self) -> Option<Turn<'_>> {
        let permit = self.permits.acquire().await.ok()?;
        // What throttles may come while somebody waits, so there is another look before going.
        loop {
            let passed = self.gate().pass(Instant::now());
            match passed {
                Ok(()) => return Some(permit),
                Err(closed_until) => sleep_until(closed_until).await,
            }
        }
    }

    /// The API answered as it does where all is well.
    pub(super) fn answered(&self) {
        self.gate().answered();
    }

    /// The API asked for less. All wait for as long as it said, or for a moment.
    pub(super) fn slow_down(&self, asked: Option<Duration>) {
        self.gate().slow_down(asked.unwrap_or(self.settings.backoff), Instant::now());
    }

    /// Whether the API has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.gate().has_answered
    }

    /// A row was given up. Tells whether so many were, without any answer since, that the API is taken to be gone.
    pub(super) fn given_up(&self) -> bool {
        self.gate().given_up()
    }

    /// Tells, from now on, whether a row has been tried for long enough.
    pub(super) fn stopwatch(&self) -> impl Fn() -> bool + use<> {
        let (began, patience) = (Instant::now(), self.settings.patience);
        move || began.elapsed() >= patience
    }

    /// How long to wait before the next try: what the API asked for, and a random part of a time that doubles.
    pub(super) fn backoff(&self, tries: u32, asked: Option<Duration>) -> Duration {
        let Settings { backoff, longest_backoff, chance, .. } = self.settings;
        let longest = backoff.saturating_mul(2_u32.saturating_pow(tries)).min(longest_backoff);
        let wait = longest.mul_f64(0.5 + chance().clamp(0.0, 1.0) / 2.0);
        asked.unwrap_or_default().saturating_add(wait)
    }

    pub(super) async fn wait(&self, wait: Duration) {
        sleep(wait).await;
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        // Nothing that holds it panics, and it is whole after each of its changes.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to send a request, which is under way for as long as this is held.
pub(super) type Turn<'a> = SemaphorePermit<'a>;

/// Lets requests through one by one. Pure: it is told the time.
#[derive(Debug)]
struct Gate {
    /// Between two requests, at least.
    gap: Duration,
    /// The shortest that the gap may be.
    floor: Duration,
    /// When the next request may go.
    next: Instant,
    slowed: Option<Instant>,
    has_answered: bool,
    /// Rows that were given up since the last answer.
    given_up: u32,
}

impl Gate {
    fn new(rate: Option<f64>, now: Instant) -> Self {
        let gap = |rate: f64| Duration::try_from_secs_f64(rate.recip()).unwrap_or(LONGEST_GAP);
        let floor = rate.map_or(Duration::ZERO, gap);
        Self { gap: floor, floor, next: now, slowed: None, has_answered: false, given_up: 0 }
    }

    /// Lets one through, or says when to ask again. A time in which nobody came is not caught up with.
    fn pass(&mut self, now: Instant) -> Result<(), Instant> {
        if self.next > now {
            return Err(self.next);
        }
        // Whoever slept wakes up a little late, so a gap counts from when it could have ended.
        let from = now.checked_sub(self.gap).unwrap_or(now).max(self.next);
        self.next = from.checked_add(self.gap).unwrap_or(now);
        Ok(())
    }

    fn answered(&mut self) {
        (self.has_answered, self.given_up) = (true, 0);
        let shorter = self.gap.saturating_sub(self.gap.checked_div(RECOVERY).unwrap_or_default());
        self.gap = if shorter < SHORTEST_GAP { self.floor } else { shorter.max(self.floor) };
    }

    fn slow_down(&mut self, wait: Duration, now: Instant) {
        if self.slowed.is_none_or(|slowed| now.duration_since(slowed) >= ONCE_IN) {
            self.slowed = Some(now);
            self.gap = self.gap.saturating_mul(2).clamp(FIRST_GAP, LONGEST_GAP.max(self.floor));
        }
        self.next = self.next.max(now.checked_add(wait).unwrap_or(now));
    }

    fn given_up(&mut self) -> bool {
        self.given_up = self.given_up.saturating_add(1);
        self.given_up >= GONE
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

    /// Lets so many through, and tells how long that takes.
    fn time_for(gate: &mut Gate, requests: u32, now: &mut Instant) -> Duration {
        let began = *now;
        for _ in 0..requests {
            while let Err(closed_until) = gate.pass(*now) {
                *now = closed_until;
            }
        }
        now.duration_since(began)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_rate_is_kept_and_no_pause_is_caught_up_with() {
        let mut now = Instant::now();
        let mut gate = Gate::new(Some(100.0), now);
        assert_eq!(time_for(&mut gate, 100, &mut now), Duration::from_millis(990));
        now = now.checked_add(seconds(60)).unwrap();
        assert_eq!(time_for(&mut gate, 101, &mut now), Duration::from_millis(990));
        for _ in 0..10_000 {
            gate.answered();
        }
        assert_eq!(gate.gap, Duration::from_millis(10), "no answer makes it faster than was said");
        let mut unbounded = Gate::new(None, now);
        assert_eq!(time_for(&mut unbounded, 1_000, &mut now), Duration::ZERO);
    }

    #[test]
    fn when_the_api_throttles_all_wait_and_then_go_slower_until_it_is_well_again() {
        let mut now = Instant::now();
        let mut gate = Gate::new(None, now);
        // A second answer of the same moment is no second reason.
        gate.slow_down(seconds(2), now);
        gate.slow_down(seconds(1), now);
        assert_eq!(time_for(&mut gate, 1, &mut now), seconds(2));
        assert_eq!(time_for(&mut gate, 100, &mut now), Duration::from_millis(500));
        gate.slow_down(Duration::ZERO, now);
        assert_eq!(gate.gap, Duration::from_millis(10));
        for _ in 0..20 {
            now = now.checked_add(seconds(1)).unwrap();
            gate.slow_down(Duration::ZERO, now);
        }
        assert_eq!(gate.gap, LONGEST_GAP);
        for _ in 0..1_600 {
            gate.answered();
        }
        time_for(&mut gate, 1, &mut now);
        assert_eq!(time_for(&mut gate, 100, &mut now), Duration::ZERO, "{gate:?}");
    }

    #[test]
    fn an_api_that_answers_none_of_many_rows_is_gone() {
        let mut gate = Gate::new(None, Instant::now());
        assert!(!gate.has_answered);
        assert!((1..GONE).all(|_| !gate.given_up()));
        gate.answered();
        assert!((1..GONE).all(|_| !gate.given_up()), "each answer is a new beginning");
        assert!(gate.given_up() && gate.has_answered);
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_may_be() {
        let pace = Pace::new(SETTINGS);
        let held = (pace.turn().await, pace.turn().await);
        let mut third = std::pin::pin!(pace.turn());
        assert!(futures_util::poll!(&mut third).is_pending(), "two are under way");
        drop(held);
        assert!(third.await.is_some());
    }

    #[tokio::test]
    async fn waits_grow_to_a_bound_and_are_never_shorter_than_asked() {
        let pace = Pace::new(SETTINGS);
        let millis = |tries, asked| pace.backoff(tries, asked).as_millis();
        assert_eq!([millis(0, None), millis(1, None), millis(2, None)], [750, 1_500, 3_000]);
        assert_eq!([millis(9, None), millis(99, None)], [22_500, 22_500]);
        assert_eq!(millis(0, Some(seconds(7))), 7_750);
    }
}
