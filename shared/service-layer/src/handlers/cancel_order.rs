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
        let Case { found, draft, budget, goes_on, .. } = case;
        let is_marked = found.is_cancelled(&self.0);
        if !is_marked {
            draft.cancel(self.0.clone());
        }
        let mut standing: Vec<&Part> = found.parts.iter().filter(|part| part.place.is_standing()).collect();
        // Those that wait come first, so that they are not given what the others give back.
        standing.sort_by_cached_key(|part| (part.place != Place::Waiting, part.line.id()));
        let mut stuck = None;
        for part in &standing {
            match draft.product(&part.line.sku)?.cancel(part, budget) {
                Some(Ok(_)) => {}
                Some(Err(refusal)) => stuck = Some(refusal),
                None => return Ok(Step::GoOn),
            }
        }
        if draft.is_changed() && (stuck.is_some() || !is_marked) {
            return Ok(Step::GoOn);
        }
        // All that can be cancelled is.
        if let Some(refusal) = stuck {
            return Err(refusal);
        }
        let done = if *goes_on || !standing.is_empty() { Done::Now } else { Done::Before };
        let mut lines = OrderedLine::all(found.parts.clone(), found);
        lines.sort_by_cached_key(|line| line.part.line.id());
        for line in lines.iter_mut().filter(|line| line.part.place.is_standing()) {
            *line = OrderedLine { part: Part { place: Place::Cancelled, ..line.part.clone() }, eta: None };
        }
        Ok(Step::Finish(CancelledOrder { done, lines }))
    }
}
