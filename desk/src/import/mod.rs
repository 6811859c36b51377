//! Brings in a list: a CSV of batches or of order lines, each row by a request of its own.
//!
//! Invariants:
//! - a row has its effect once, however often its list is brought in: the API knows repeats, and nothing is kept here;
//! - memory does not grow with the list;
//! - every row that was read is counted, and one that is not in is told, with the reason.

mod answer;
mod check;
mod files;
mod kind;
mod list;
mod pace;
mod progress;
mod repeats;
mod report;
mod run;
mod send;
mod work;

pub use answer::{Outcome, Placed};
pub use check::{Checked, check};
pub use files::{Draft, Ending, Purpose, WriteError};
pub use kind::{Failure, Kind, Reading, Wish};
pub use list::{Header, List, ListError, Row};
pub use pace::Settings;
pub use progress::Progress;
pub use report::{Report, Reported, Tally};
pub use run::{Arguments, run};
pub use send::{Halt, Stop};
pub use work::{WorkError, bring_in};
