//! What became of the rows: counted, shown, and written to lists.

use std::time::Duration;

use super::answer::Outcome;
use super::files::{Draft, Ending, WriteError};
use super::kind::{Failure, Kind};
use super::list::Row;
use super::progress::{Progress, per_second};

/// Failed rows that are shown one by one.
const SHOWN: u64 = 20;

/// How many rows came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that have an outcome.
    pub rows: u64,
    /// Batches that were added, and lines that got a batch.
    pub added: u64,
    /// The same, before this import.
    pub there_already: u64,
    /// Lines that were promised before and wait for stock.
    pub waiting: u64,
    /// Lines that no batch has enough for. They are not kept.
    pub out_of_stock: u64,
    /// Rows that are not in.
    pub failed: u64,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Added(_) => &mut self.added,
            Outcome::ThereAlready(_) => &mut self.there_already,
            Outcome::Waiting => &mut self.waiting,
            Outcome::OutOfStock => &mut self.out_of_stock,
            Outcome::Failed { .. } => &mut self.failed,
        };
        *counter = counter.saturating_add(1);
        self.rows = self.rows.saturating_add(1);
    }

    /// In one line.
    #[must_use]
    pub fn told(&self, kind: Kind, took: Duration) -> String {
        let Self { rows, added, there_already, waiting, out_of_stock, failed } = self;
        let parts = match kind {
            Kind::Batches => format!("{added} added, {there_already} there already, {failed} failed"),
            Kind::Lines => format!(
                "{added} allocated, {there_already} there already, {waiting} waiting, {out_of_stock} out of stock, \
                 {failed} failed"
            ),
        };
        format!("{} in {:.1} s, {} a second: {parts}", counted(*rows), took.as_secs_f64(), per_second(*rows, took))
    }
}

/// So many rows.
pub(super) fn counted(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// Where outcomes go.
pub struct Report {
    failed: Option<Draft>,
    answers: Option<Draft>,
    progress: Progress,
    tally: Tally,
}

/// What is left of a report.
#[derive(Debug)]
pub struct Reported {
    /// The rows, counted.
    pub tally: Tally,
    /// The list of those that failed, if any did.
    pub failed: Option<std::path::PathBuf>,
    /// The list of answers.
    pub answers: Option<std::path::PathBuf>,
    /// From the beginning.
    pub took: Duration,
}

impl Report {
    /// Begins one.
    #[must_use]
    pub fn new(failed: Option<Draft>, answers: Option<Draft>, progress: Progress) -> Self {
        Self { failed, answers, progress, tally: Tally::default() }
    }

    /// Notes a row's outcome.
    ///
    /// # Errors
    /// When it can't be written down.
    pub fn note(&mut self, row: &Row, outcome: &Outcome) -> Result<(), WriteError> {
        self.tally.count(outcome);
        if let Some(answers) = &mut self.answers {
            let (result, batch, message) = in_words(outcome);
            answers.add(row, &[result, batch, message])?;
        }
        if let Outcome::Failed { failure, .. } = outcome {
            self.show(row, failure);
            if let Some(failed) = &mut self.failed {
                failed.add(row, &[failure.field.as_deref().unwrap_or_default(), &failure.reason])?;
            }
        }
        self.progress.tell(self.tally.rows, row.read);
        Ok(())
    }

    fn show(&self, row: &Row, failure: &Failure) {
        if self.tally.failed > SHOWN {
            return;
        }
        let field = failure.field.as_ref().map_or(String::new(), |field| format!(", {field}"));
        self.progress.say(&format!("line {}{field}: {}", row.line, failure.reason));
    }

    /// Puts the lists in their places.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn finish(self, ending: Ending) -> Result<Reported, WriteError> {
        let more = self.tally.failed.saturating_sub(SHOWN);
        if more > 0 {
            self.progress.say(&format!("and {more} more"));
        }
        let took = self.progress.end();
        let put = |draft: Option<Draft>| Ok(draft.map(|draft| draft.finish(ending)).transpose()?.flatten());
        let answers = put(self.answers)?;
        Ok(Reported { tally: self.tally, failed: put(self.failed)?, answers, took })
    }
}

/// Result, batch and message of a line.
fn in_words(outcome: &Outcome) -> (&str, &str, &str) {
    match outcome {
        Outcome::Added(batch) => ("allocated", batch.as_deref().unwrap_or_default(), ""),
        Outcome::ThereAlready(batch) => ("allocated", batch.as_deref().unwrap_or_default(), "was allocated before"),
        Outcome::Waiting => ("waiting", "", "was promised before, and gets the next stock"),
        Outcome::OutOfStock => ("out_of_stock", "", "not kept: ask again when there is stock"),
        Outcome::Failed { code, failure } => (code.as_deref().unwrap_or("failed"), "", &failure.reason),
    }
}
