//! Bind the lines of many callers to batches, in one commit.

use domain::{Allocation, LineId, OrderLine, Place, Product, Refusal, Sku, SkuLines, Step};

use super::{Case, Handler};
use crate::ports::Timestamp;
use crate::store::{A_CROWD, ReadSet};
use crate::unit_of_work::BUDGET;

/// Binds lines of a SKU that ask to batches, as many of the first ones as one commit holds. Each is told as if it had come
/// by itself: one that got a place by its item, and one that gets none by having no item any more.
#[derive(Clone, Debug)]
pub(crate) struct AllocateAsking {
    /// What they want.
    pub(crate) sku: Sku,
    /// The caller's own line, which comes first. None: it has its answer.
    pub(crate) own: Option<OrderLine>,
    /// Lines that asked a moment ago, the oldest first. The own one may be among them.
    pub(crate) others: Vec<LineId>,
    /// Whoever has waited longer is not given a place.
    pub(crate) now: Timestamp,
}

impl Handler for AllocateAsking {
    /// To the own line. None: there is none that asks, as somebody else may have answered it.
    type Answer = Option<Result<Allocation, Refusal>>;

    fn reads(&self) -> ReadSet {
        // Whoever asks beside a line that can't be read is not to suffer for that.
        ReadSet { may_skip: true, ..ReadSet::of_ids(&self.sku, self.own_first()) }
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Self::Answer>, Refusal> {
        case.budget.items = most_items(case.lost_races);
        let asking = self.asking(case);
        // Nor is a line of the same name its, which asks for another quantity.
        if self.own.as_ref().is_some_and(|own| !asking.contains(own)) {
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
        Ok(Step::Finish(self.own.as_ref().map(|own| answer_to(own, case))))
    }
}

impl AllocateAsking {
    /// Each line once.
    fn own_first(&self) -> impl Iterator<Item = LineId> {
        let own = self.own.as_ref();
        let others = self.others.iter().filter(move |line| !own.is_some_and(|own| line.names(own)));
        own.map(OrderLine::id).into_iter().chain(others.cloned())
    }

    /// The lines that ask still, and whose callers wait, the own one first.
    fn asking(&self, case: &Case) -> Vec<OrderLine> {
        let asking = self.own_first().filter_map(|line| case.found.asking(&line));
        asking.filter(|asking| asking.until > self.now).map(|asking| asking.line.clone()).collect()
    }

    fn place(&self, lines: &SkuLines, case: &mut Case) -> Result<(), Refusal> {
        let product = case.draft.product(&self.sku)?;
        product.allocate_each(lines, |_| Vec::new(), &[], &mut case.budget);
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

/// A commit of many lines takes long, and whoever commits one at a time beside it is always faster. After a lost race it
/// holds half, and after another so few that it is as fast. Whoever reads the product then sees that others ask.
fn most_items(lost_races: u32) -> usize {
    match lost_races {
        0 => BUDGET.items,
        1 => BUDGET.items / 2,
        _ => A_CROWD.saturating_mul(2),
    }
}

/// What this commit tells a line.
fn answer_to(line: &OrderLine, case: &Case) -> Result<Allocation, Refusal> {
    if case.found.is_cancelled(&line.orderid) {
        return Err(Refusal::OrderCancelled(line.orderid.clone()));
    }
    let moved = case.draft.products().flat_map(Product::moves).find(|moved| moved.line == *line);
    Ok(match moved.and_then(|moved| moved.to.as_ref()) {
        Some(Place::Batch(reference)) => Allocation::Allocated(reference.clone()),
        _ => Allocation::OutOfStock,
    })
}
