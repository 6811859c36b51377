//! Cancel an order.

use domain::{Done, OrderId, Part, Place, Refusal, Step};

use super::{Case, Handler};
use crate::OrderedLine;
use crate::store::ReadSet;

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
        }
        if cancel_lines(case)? == Step::GoOn || !is_marked {
            return Ok(Step::GoOn);
        }
        let found = &case.found;
        let cancels = found.parts.iter().any(|part| part.place.is_standing());
        let done = if case.goes_on || cancels { Done::Now } else { Done::Before };
        let mut lines = OrderedLine::all(found.parts.clone(), found);
        lines.sort_by_cached_key(|line| line.part.line.id());
        for line in lines.iter_mut().filter(|line| line.part.place.is_standing()) {
            *line = OrderedLine {
                part: Part { place: Place::Cancelled, held_until: None, ..line.part.clone() },
                eta: None,
            };
        }
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
    let mut standing: Vec<&Part> = found.parts.iter().filter(|part| part.place.is_standing()).collect();
    // Those that wait come first, so that they are not given what the others give back.
    standing.sort_by_cached_key(|part| (part.place != Place::Waiting, part.line.id()));
    let mut stuck = None;
    for part in standing {
        match draft.product(&part.line.sku)?.cancel(part, budget) {
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
