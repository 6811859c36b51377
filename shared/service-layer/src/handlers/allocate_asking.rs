//! Bind the lines of many callers to batches, in one commit.

use domain::{Allocation, BatchRef, LineId, OrderLine, Place, Refusal, SkuLines, Step};

use super::{Case, Handler};
use crate::ports::Timestamp;
use crate::store::ReadSet;

/// Binds lines that ask to batches, as many of the first ones as one commit holds. The first one is the caller's own.
/// Each is told as if it had come by itself: one that got a place by its item, and one that gets none by having no item
/// any more.
#[derive(Clone, Debug)]
pub(crate) struct AllocateAsking {
    /// The caller's own line.
    pub(crate) own: OrderLine,
    /// Lines of the same SKU that asked a moment ago, the oldest first. The own one may be among them.
    pub(crate) others: Vec<LineId>,
    /// Whoever has waited longer is not given a place.
    pub(crate) now: Timestamp,
}

impl Handler for AllocateAsking {
    /// To the own line. None: it asks no more, since somebody else has answered it.
    type Answer = Option<Result<Allocation, Refusal>>;

    fn reads(&self) -> ReadSet {
        // Whoever asks beside a line that can't be read is not to suffer for that.
        ReadSet { may_skip: true, ..ReadSet::of_ids(&self.own.sku, self.own_first()) }
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Self::Answer>, Refusal> {
        let own = self.own.id();
        let asking = self.asking(case);
        // Nor is a line of the same name its, which asks for another quantity.
        if !asking.contains(&self.own) {
            return Ok(Step::Finish(None));
        }
        let (cancelled, open): (Vec<_>, Vec<_>) =
            asking.into_iter().partition(|line| case.found.is_cancelled(&line.orderid));
        if let Some(lines) = SkuLines::of(open).pop() {
            self.place(&lines, case)?;
        }
        for line in &cancelled {
            if case.budget.spend(1, &[]) {
                case.dismiss(&line.id());
            }
        }
        let answer = if case.found.is_cancelled(&own.orderid) {
            Err(Refusal::OrderCancelled(own.orderid))
        } else {
            Ok(place_of(&own, case).map_or(Allocation::OutOfStock, Allocation::Allocated))
        };
        Ok(Step::Finish(Some(answer)))
    }
}

impl AllocateAsking {
    /// Each line once.
    fn own_first(&self) -> impl Iterator<Item = LineId> {
        let others = self.others.iter().filter(|line| !line.names(&self.own)).cloned();
        std::iter::once(self.own.id()).chain(others)
    }

    /// The lines that ask still, and whose callers wait, the own one first.
    fn asking(&self, case: &Case) -> Vec<OrderLine> {
        let asking = self.own_first().filter_map(|line| case.found.asking(&line));
        asking.filter(|asking| asking.until > self.now).map(|asking| asking.line.clone()).collect()
    }

    fn place(&self, lines: &SkuLines, case: &mut Case) -> Result<(), Refusal> {
        let product = case.draft.product(&self.own.sku)?;
        product.allocate_each(lines, |_| None, &[], &mut case.budget);
        let turned_away: Vec<LineId> = product.turned_away().map(OrderLine::id).collect();
        for line in &turned_away {
            case.dismiss(line);
        }
        for line in lines.lines() {
            let correlation = case.found.asking(&line.id()).map(|asking| asking.correlation.clone());
            if let Some(correlation) = correlation {
                case.draft.comes_of(line.id(), correlation);
            }
        }
        Ok(())
    }
}

/// The batch that this commit puts a line on.
fn place_of(line: &LineId, case: &Case) -> Option<BatchRef> {
    let moved = case.draft.products().flat_map(domain::Product::moves).find(|moved| moved.line.id() == *line)?;
    match &moved.to {
        Some(Place::Batch(reference)) => Some(reference.clone()),
        _ => None,
    }
}
