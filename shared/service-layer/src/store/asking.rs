//! Lines whose callers share commits: each asks, and one of them commits for many. docs/decisions/0027 says how, and why
//! nothing here is a lock.

use std::collections::HashMap;

use domain::{LineId, OrderLine, Part, Sku};

use super::{Products, StoreError};
use crate::CorrelationId;
use crate::ports::Timestamp;

/// What asked for single lines of a commit.
pub type Origins = HashMap<LineId, CorrelationId>;

/// Names one request's asking, so that nobody takes it for another one of the same line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskingId(pub u64);

/// A line whose caller waits for whoever commits next. It is no promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// What is asked for.
    pub line: OrderLine,
    /// Which request's asking it is.
    pub id: AskingId,
    /// Since when. The oldest ones come first.
    pub since: Timestamp,
    /// Until when its caller waits. Nobody gives it a place after that.
    pub until: Timestamp,
    /// What the request belongs to. Its event carries this on.
    pub correlation: CorrelationId,
}

/// What came of putting a line among those that ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It asks.
    Asks,
    /// It was promised before.
    Known,
}

/// Who may commit for all who ask. It is advice and no lock: the version of the product decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody else does, for as long as was asked for.
    Ours,
    /// Somebody may be about to, until then.
    TakenUntil(Timestamp),
}

/// What there is of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is not there, or was not yet.
    Nothing,
    /// It asks.
    Asks,
    /// It was promised.
    Promised(Box<Part>),
}

/// A line and a turn as they are, or were a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The line.
    pub line: Seen,
    /// Until when somebody has the turn. None: nobody has.
    pub taken_until: Option<Timestamp>,
}

/// Lines that ask, beside the products.
pub trait Asks: Products {
    /// Puts a line among those that ask, also if another request asks for it already.
    fn ask(&self, asking: &Asking) -> impl Future<Output = Result<Asked, StoreError>> + Send;

    /// Looks at a line and the turn of its SKU. What is seen may be a moment old.
    fn look(&self, line: &LineId) -> impl Future<Output = Result<Look, StoreError>> + Send;

    /// Takes the turn to commit for all who ask for this SKU, unless somebody has it.
    fn take_turn(
        &self,
        sku: &Sku,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<Turn, StoreError>> + Send;

    /// Ends the turn that was to last until then, unless somebody else has it by now.
    fn end_turn(&self, sku: &Sku, until: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Lists lines of a SKU that ask, the oldest first. From an index, which may lag behind the last commits.
    fn asking(&self, sku: &Sku, at_most: usize) -> impl Future<Output = Result<Vec<LineId>, StoreError>> + Send;
}

impl<S: Asks> Asks for &S {
    async fn ask(&self, asking: &Asking) -> Result<Asked, StoreError> {
        (**self).ask(asking).await
    }

    async fn look(&self, line: &LineId) -> Result<Look, StoreError> {
        (**self).look(line).await
    }

    async fn take_turn(&self, sku: &Sku, now: Timestamp, until: Timestamp) -> Result<Turn, StoreError> {
        (**self).take_turn(sku, now, until).await
    }

    async fn end_turn(&self, sku: &Sku, until: Timestamp) -> Result<(), StoreError> {
        (**self).end_turn(sku, until).await
    }

    async fn asking(&self, sku: &Sku, at_most: usize) -> Result<Vec<LineId>, StoreError> {
        (**self).asking(sku, at_most).await
    }
}
