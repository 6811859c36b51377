//! Who asks, until when, and what came of it: what an on-call engineer wants to find in logs and figures.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{Event, Product};
use serde::{Deserialize, Serialize};

use crate::ports::Timestamp;
use crate::{Source, Throttled};

/// Ties together whatever comes of one request: its command, the commit, the events, a mail.
///
/// 1 to 128 visible ASCII characters, so that it can stand in any header and any log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct CorrelationId(Arc<str>);

/// A text is no correlation id.
#[derive(Debug, thiserror::Error)]
#[error("a correlation id has 1 to {} visible ASCII characters", CorrelationId::LONGEST)]
pub struct InvalidCorrelationId;

impl CorrelationId {
    /// Most characters.
    pub const LONGEST: usize = 128;

    /// For a call without any id that is a correlation id.
    #[must_use]
    pub fn unknown() -> Self {
        Self("unknown".into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for CorrelationId {
    type Error = InvalidCorrelationId;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let is_valid = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_valid { Ok(Self(text.into())) } else { Err(InvalidCorrelationId) }
    }
}

impl TryFrom<String> for CorrelationId {
    type Error = InvalidCorrelationId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.as_str().try_into()
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One request or message at an entry point.
#[derive(Clone, Debug)]
pub struct Call {
    /// The platform's name for the invocation that handles it.
    pub request: String,
    /// What it belongs to.
    pub correlation: CorrelationId,
    /// When it must be answered.
    pub deadline: Timestamp,
}

/// What came of a call, to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figures {
    /// A command was carried out, refused or given up.
    Command(CommandFigures),
    /// A batch of the store's stream was published; its oldest commit is this old.
    Relay(Duration),
    /// A change of a quantity or an ETA was ignored, because it had no version and its batch has seen one.
    UnnumberedChange,
    /// A message failed when it was delivered for the last time.
    DeadLetter,
}

/// What one command took, and what it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandFigures {
    /// Lines that got a place on a batch.
    pub allocations: u32,
    /// Lines that no batch had enough for, whether that was told by an event or not.
    pub out_of_stock: u32,
    /// Tries in which others were faster.
    pub conflicts: u32,
    /// Tries that the store throttled.
    pub throttled: u32,
    /// What throttled the last of them, see [`Throttled::by`].
    pub throttled_by: Option<String>,
    /// Tries after a first one.
    pub retries: u32,
    /// One, if its line asked, to be committed together with others.
    pub asked: u32,
    /// One, if it was given up for lack of tries or time.
    pub retries_exhausted: u32,
    /// Lines of its products that wait since this command's last commit. None, if it made none.
    pub waiting_lines: Option<u32>,
}

impl CommandFigures {
    /// What a commit of these products adds. Those that are not changed may refuse lines all the same.
    pub(crate) fn of_commit<'a>(products: impl IntoIterator<Item = &'a Product>) -> Self {
        let mut figures = Self::default();
        for product in products {
            if !product.events().is_empty() {
                let waiting = figures.waiting_lines.unwrap_or_default();
                figures.waiting_lines = Some(waiting.saturating_add(product.waiting().count));
            }
            let count = |is_counted: fn(&&Event) -> bool| {
                let counted = product.events().iter().filter(is_counted).count();
                u32::try_from(counted).unwrap_or(u32::MAX)
            };
            let allocations = count(|event| matches!(event, Event::Allocated { .. }));
            let lost_their_place = count(|event| matches!(event, Event::OutOfStock { waiting: true, .. }));
            let turned_away = u32::try_from(product.turned_away().count()).unwrap_or(u32::MAX);
            figures.allocations = figures.allocations.saturating_add(allocations);
            figures.add_refusals(lost_their_place.saturating_add(turned_away));
        }
        figures
    }

    pub(crate) fn add_refusals(&mut self, lines: u32) {
        self.out_of_stock = self.out_of_stock.saturating_add(lines);
    }

    /// Counts a try that was not answered, if it was throttled.
    pub(crate) fn add_silence(&mut self, why: &Source) {
        if let Some(Throttled { by, .. }) = Throttled::behind(why) {
            self.throttled = self.throttled.saturating_add(1);
            self.throttled_by = Some(by.clone());
        }
    }

    pub(crate) fn add_commit(&mut self, commit: &Self) {
        self.allocations = self.allocations.saturating_add(commit.allocations);
        self.add_refusals(commit.out_of_stock);
        self.waiting_lines = commit.waiting_lines.or(self.waiting_lines);
    }

    /// What another part of the same command took and changed.
    pub(crate) fn add(&mut self, part: &Self) {
        self.add_commit(part);
        self.conflicts = self.conflicts.saturating_add(part.conflicts);
        self.throttled = self.throttled.saturating_add(part.throttled);
        self.throttled_by = part.throttled_by.clone().or(self.throttled_by.take());
        self.retries = self.retries.saturating_add(part.retries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn a_try_is_counted_as_throttled_if_any_cause_of_its_failure_says_so() {
        let throttled = |by: &str| -> Source { Throttled { by: by.to_owned(), source: "slow down".into() }.into() };
        let mut figures = CommandFigures::default();
        figures.add_silence(&"no reply".into());
        assert_eq!(figures, CommandFigures::default());
        figures.add_silence(&throttled("writes to table"));
        figures.add_silence(&StoreError::Unavailable(throttled("reads of index")).into());
        assert_eq!((figures.throttled, figures.throttled_by.as_deref()), (2, Some("reads of index")));
    }

    #[test]
    fn correlation_ids_fit_headers_and_logs() {
        let accepted = |text: &str| CorrelationId::try_from(text).is_ok();
        assert!(accepted("1-58406520-a006649127e371903a2de979") && accepted(&"x".repeat(128)));
        assert!(!accepted("") && !accepted(&"x".repeat(129)));
        assert_eq!(CorrelationId::try_from("order-7").unwrap().as_str(), "order-7");
        assert!(!accepted("two words") && !accepted("line\r\nBcc: x@y.z") && !accepted("\u{fc}"));
    }
}
