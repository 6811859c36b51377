//! What came of a run, simulated or real.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::database::Toll;

/// How long callers keep asking.
pub(crate) const RUN: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(crate) struct Figures {
    /// Lines that got a place.
    pub(crate) lines: u32,
    pub(crate) commits: u32,
    /// Commits that were refused because others were faster.
    pub(crate) lost: u32,
    /// Requests that were answered with 503, to be asked again; of a queue, messages that were given back.
    pub(crate) turned_away: u32,
    /// Of each request, from its first try to its answer; of a queue, to its commit.
    pub(crate) latencies: Vec<Duration>,
}

impl Figures {
    pub(crate) fn of_store(toll: &Toll) -> Self {
        let lost = toll.collisions.saturating_add(toll.overtaken);
        Self { lines: toll.placed, commits: toll.commits, lost, ..Self::default() }
    }

    pub(crate) fn lines_each_second(&self) -> f64 {
        f64::from(self.lines) / RUN.as_secs_f64()
    }

    pub(crate) fn lines_each_commit(&self) -> f64 {
        f64::from(self.lines) / f64::from(self.commits)
    }

    pub(crate) fn lost_each_commit(&self) -> f64 {
        f64::from(self.lost) / f64::from(self.commits)
    }

    /// In milliseconds.
    pub(crate) fn percentiles<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a position"
        )]
        let position = |share: f64| (sorted.len().saturating_sub(1) as f64 * share) as usize;
        shares.map(|share| sorted.get(position(share)).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0))
    }
}

/// The table of the plain path, with columns of its own for whoever has more to tell.
pub(crate) fn header(more: &[&str]) -> String {
    let columns = ["callers", "lines/s", "p50 ms", "p99 ms", "p99.9 ms", "lost races a line", "503"];
    let columns = [&columns, more].concat();
    format!("| {} |\n|{}", columns.join(" | "), " ---: |".repeat(columns.len()))
}

/// A row of that table.
pub(crate) fn row(callers: u32, figures: &Figures, more: &[String]) -> String {
    let [p50, p99, p999] = figures.percentiles([0.5, 0.99, 0.999]).map(|latency| format!("{latency:.0}"));
    let lines = format!("{:.0}", figures.lines_each_second());
    let lost = format!("{:.2}", f64::from(figures.lost) / f64::from(figures.lines));
    let cells = [callers.to_string(), lines, p50, p99, p999, lost, figures.turned_away.to_string()];
    self::cells(&[&cells, more].concat())
}

/// A row of any table.
pub(crate) fn cells(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// Counts something, beside others who do.
pub(crate) fn note(figures: &Mutex<Figures>, what: impl FnOnce(&mut Figures)) {
    what(&mut figures.lock().unwrap_or_else(PoisonError::into_inner));
}

/// What was counted so far. Counting begins anew.
pub(crate) fn take(figures: &Mutex<Figures>) -> Figures {
    std::mem::take(&mut figures.lock().unwrap_or_else(PoisonError::into_inner))
}
