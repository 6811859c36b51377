//! A list from its first row to its last: read on a thread of its own, sent many rows at a time, and reported in the
//! list's order.

use std::io::Read;

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;

use super::answer::Outcome;
use super::files::WriteError;
use super::kind::{Failure, Kind, Reading, Wish};
use super::list::{List, ListError, Row};
use super::pace::Settings;
use super::repeats::{Repeat, Repeats};
use super::report::Report;
use super::send::{Halt, Sender};
use crate::api::Api;

/// Rows that are read and not yet reported are so many times those under way: one that waits for its next try keeps as
/// many others from being reported, but not from being sent.
const AHEAD: usize = 10;
/// Rows that are read before anybody asks for them.
const READ_AHEAD: usize = 64;

/// Why an import broke off by itself.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The list can't be read any further. What was read is sent.
    #[error(transparent)]
    List(#[from] ListError),
    /// What became of the rows can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A row, and what it asks for.
type Read1 = Result<(Row, Result<Wish, Failure>), ListError>;

/// Sends the rows of a list, and reports them in its order. Ends with the list, or when `halt` says so: then what is under
/// way is still waited for, and reported.
///
/// # Errors
/// When the list can't be read, or the report not written.
pub async fn bring_in<R: Read + Send + 'static>(
    list: List<R>,
    reading: Reading,
    (kind, api, settings): (Kind, Api, Settings),
    halt: &Halt,
    report: &mut Report,
) -> Result<(), WorkError> {
    let window = settings.at_once.saturating_mul(AHEAD);
    let sender = Sender::new(api, kind, settings, halt);
    let rows = read_on_a_thread(list, reading, Repeats::among(window), kind);
    let rows = stream::unfold(rows, async |mut rows| rows.recv().await.map(|row| (row, rows)));
    // Turns are taken one after the other, so rows go out in the list's order. What waits for its next try holds none.
    let in_turn = rows.then(async |row| match row {
        Ok((row, Ok(wish))) => Ok((row, sender.turn().await.map(|turn| Ok((wish, turn))))),
        Ok((row, Err(failure))) => Ok((row, Some(Err(failure)))),
        Err(error) => Err(error),
    });
    let outcomes = in_turn.take_until(halt.halted()).map(async |row| match row {
        Ok((row, Some(Ok((wish, turn))))) => Ok((sender.send(&wish, turn).await, row)),
        Ok((row, Some(Err(failure)))) => Ok((Some(Outcome::Failed { code: None, failure }), row)),
        Ok((row, None)) => Ok((None, row)),
        Err(error) => Err(error),
    });
    let mut outcomes = std::pin::pin!(outcomes.buffered(window));
    while let Some(outcome) = outcomes.next().await {
        if let (Some(outcome), row) = outcome? {
            report.note(&row, &outcome)?;
        }
    }
    Ok(())
}

/// Reading blocks, and standard input may do so for ever: nobody waits for this thread at the end.
fn read_on_a_thread<R: Read + Send + 'static>(
    mut list: List<R>,
    reading: Reading,
    mut repeats: Repeats,
    kind: Kind,
) -> mpsc::Receiver<Read1> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        while let Some(row) = list.next_row().transpose() {
            let is_over = row.is_err();
            let read = row.map(|row| {
                let wish = reading.wish(&row).and_then(|wish| uncontradicted(wish, &row, &mut repeats, kind));
                (row, wish)
            });
            // Nobody reads any more, or there is nothing more to read.
            if sender.blocking_send(read).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}

/// Two rows that are sent together may arrive in either order; so the first is the one that counts.
fn uncontradicted(wish: Wish, row: &Row, repeats: &mut Repeats, kind: Kind) -> Result<Wish, Failure> {
    let repeat: Repeat = repeats.meet(&wish, row.line);
    repeat.contradiction(kind).map_or(Ok(wish), |reason| Err(Failure::of(reason)))
}
