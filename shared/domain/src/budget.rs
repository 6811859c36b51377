//! What one commit can hold. Rules stop before it is spent, and go on in the next commit.

use crate::Event;

/// What is left of a commit.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Stored items beside the product and the batch that the command names.
    pub items: usize,
    /// Bytes of events.
    pub event_bytes: usize,
}

impl Budget {
    /// Takes the cost of one step, or nothing at all when it is too much.
    #[must_use]
    pub fn spend<'a>(&mut self, items: usize, events: impl IntoIterator<Item = &'a Event>) -> bool {
        let bytes = events.into_iter().fold(0_usize, |sum, event| sum.saturating_add(event.size()));
        let (Some(items), Some(event_bytes)) = (self.items.checked_sub(items), self.event_bytes.checked_sub(bytes))
        else {
            return false;
        };
        *self = Self { items, event_bytes };
        true
    }
}

/// Whether a command is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<A = ()> {
    /// It is, with this answer.
    Finish(A),
    /// It needs more than one commit holds. The same command, applied again, goes on.
    GoOn,
}
