//! How far an import is: a bar on a terminal, and else a line every few seconds.

#![expect(clippy::disallowed_methods, reason = "whoever watches an import does so in real time")]

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::counted;

/// Between two lines, where there is no terminal.
const TELL: Duration = Duration::from_secs(5);
/// Between two changes of the bar's text.
const CHANGE: Duration = Duration::from_millis(200);

/// Tells how far it is.
pub struct Progress {
    shown: Shown,
    bytes: Option<u64>,
    began: Instant,
    told: Instant,
}

enum Shown {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// On standard error, for a list of so many bytes, if that is known.
    #[must_use]
    pub fn on_stderr(bytes: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::with(Shown::Lines, bytes);
        }
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        let template = if bytes.is_some() { "{bar:30} {msg}" } else { "{spinner} {msg}" };
        // The template is a constant; the library's own would do as well.
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::with(Shown::Bar(bar), bytes)
    }

    /// Nowhere.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::with(Shown::Nothing, None)
    }

    fn with(shown: Shown, bytes: Option<u64>) -> Self {
        let now = Instant::now();
        Self { shown, bytes, began: now, told: now }
    }

    /// So many rows are done, and so many bytes of the list read.
    pub(super) fn tell(&mut self, rows: u64, read: u64) {
        let pause = match self.shown {
            Shown::Bar(_) => CHANGE,
            Shown::Lines => TELL,
            Shown::Nothing => return,
        };
        if self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let text = how_far(rows, read, self.bytes, self.began.elapsed());
        match &self.shown {
            Shown::Bar(bar) => {
                bar.set_message(text);
                bar.set_position(read);
            }
            Shown::Lines => eprintln!("{text}"),
            Shown::Nothing => {}
        }
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| eprintln!("{line}")),
            Shown::Lines => eprintln!("{line}"),
            Shown::Nothing => {}
        }
    }

    /// Takes the bar away, and tells how long it took.
    pub(super) fn end(&self) -> Duration {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
        self.began.elapsed()
    }
}

/// Time left is by bytes: rows that are still to come are not counted.
fn how_far(rows: u64, read: u64, bytes: Option<u64>, elapsed: Duration) -> String {
    let rate = per_second(rows, elapsed);
    let Some(bytes) = bytes.filter(|bytes| *bytes > 0 && read > 0) else {
        return format!("{}, {rate} a second", counted(rows));
    };
    let percent = read.saturating_mul(100).checked_div(bytes).unwrap_or_default();
    let millis = elapsed.as_millis().saturating_mul(bytes.saturating_sub(read).into()).checked_div(read.into());
    let left = Duration::from_millis(millis.and_then(|millis| millis.try_into().ok()).unwrap_or_default());
    format!("{}, {rate} a second, {percent} % read, {} left", counted(rows), spoken(left))
}

/// Whole rows a second.
pub(super) fn per_second(rows: u64, elapsed: Duration) -> u128 {
    u128::from(rows).saturating_mul(1_000).checked_div(elapsed.as_millis().max(1)).unwrap_or_default()
}

fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is_is_told_by_rows_and_by_bytes() {
        let ten = Duration::from_secs(10);
        assert_eq!(how_far(2_500, 250, Some(1_000), ten), "2500 rows, 250 a second, 25 % read, 30 s left");
        assert_eq!(how_far(10, 1, Some(100), ten), "10 rows, 1 a second, 1 % read, 16 min 30 s left");
        assert_eq!(how_far(10, 1, Some(1_000), ten), "10 rows, 1 a second, 0 % read, 2 h 46 min left");
        assert_eq!(how_far(1, 1, Some(10), Duration::from_millis(500)), "1 row, 2 a second, 10 % read, 4 s left");
        assert_eq!(how_far(7, 100, None, Duration::ZERO), "7 rows, 7000 a second");
        assert_eq!(how_far(0, 0, Some(0), ten), "0 rows, 0 a second");
    }
}
