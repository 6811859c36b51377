//! Cancel an order.

use domain::{Done, LastPut, OrderId, Part, Place, Refusal, Step};

use super::{Case, Handler};
use crate::OrderedLine;
use crate::store::{Put, ReadSet};

/// Cancels an order: the lines that it has, and whatever lines would come. Those that were shipped stay so.
///
/// The order is marked first, and its lines are read once more when the mark is there: so all are seen that were
/// committed before it. Of a line that is committed after it, docs/decisions/0023 tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelOrder(pub OrderId);

/// An order that is cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledOrder {
    /// Whether it is so by this command.
    pub done: Done,
    /// All its lines, by SKU and name.
    pub lines: Vec<OrderedLine>,
}

impl Handler for CancelOrder {
    type Answer = CancelledOrder;

    fn reads(&self) -> ReadSet {
        ReadSet::of_order(&self.0)
    }

    fn decide(&self, case: &mut Case) -> Result<Step<CancelledOrder>, Refusal> {
        let is_marked = case.found.is_cancelled(&self.0);
        if !is_marked {
            case.draft.cancel(self.0.clone());
            // Whoever puts the order at this moment finds another item than he has read, and then the mark.
            let last = case.found.last_put.clone();
            let before = last.as_ref().map(|last| last.commit);
            let never = || LastPut { version: None, content: "cancelled".to_owned() };
            let now = last.map_or_else(never, |last| last.put);
            case.draft.note(Put { orderid: self.0.clone(), before, now });
        }
        if cancel_lines(case)? == Step::GoOn || !is_marked {
            return Ok(Step::GoOn);
        }
        let found = &case.found;
        let cancels = found.parts.iter().any(|part| part.place.is_standing());
        let done = if case.goes_on || cancels { Done::Now } else { Done::Before };
        let lines = OrderedLine::all(&found.parts, found);
        let lines = lines.into_iter().map(OrderedLine::ended).collect();
        Ok(Step::Finish(CancelledOrder { done, lines }))
    }
}

/// Cancels the lines of an order that stand, as many as a commit holds. One that can't be cancelled does not hold up the
/// others.
///
/// # Errors
/// When there is nothing to commit, and a line is left that can't be cancelled.
pub(super) fn cancel_lines(case: &mut Case) -> Result<Step<()>, Refusal> {
    let Case { found, draft, budget, .. } = case;
    let mut standing = Part::by_line(found.parts.iter().filter(|part| part.place.is_standing()));
    // Those that wait come first, so that they are not given what the others give back.
    standing.sort_by_cached_key(|parts| {
        let waits = parts.iter().any(|part| part.place == Place::Waiting);
        (!waits, parts.first().map(|part| part.line.id()))
    });
    let mut stuck = None;
    for parts in standing {
        let Some(first) = parts.first() else { continue };
        match draft.product(&first.line.sku)?.cancel(&parts, budget) {
            Some(Ok(_)) => {}
            Some(Err(refusal)) => stuck = Some(refusal),
            None => return Ok(Step::GoOn),
        }
    }
    match stuck {
        Some(_) if draft.is_changed() => Ok(Step::GoOn),
        Some(refusal) => Err(refusal),
        None => Ok(Step::Finish(())),
    }
}
