//! Bind many lines of one SKU to batches, in one commit.

use std::collections::HashMap;

use domain::{Answered, LineName, OrderId, OrderLine, Refusal, SkuLines, Step};

use super::{Case, Handler};
use crate::store::ReadSet;
use crate::unit_of_work::BUDGET;

/// Binds lines of one SKU to batches, as many of the first ones as one commit holds: one at least. The answer tells how
/// many these are, and which were refused. It is for each of them as if it had come by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocateLines(pub SkuLines);

impl Handler for AllocateLines {
    type Answer = Answered;

    fn reads(&self) -> ReadSet {
        // No more of them can be moved in one commit.
        ReadSet::of_lines(self.0.sku(), self.0.lines().iter().take(BUDGET.items))
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Answered>, Refusal> {
        let product = case.draft.product(self.0.sku())?;
        // They are all of one SKU.
        let parts: HashMap<_, _> = case.found.parts.iter().map(|part| (within_sku(&part.line), part)).collect();
        let part_of = |line: &OrderLine| parts.get(&within_sku(line)).copied();
        let answered = product.allocate_each(&self.0, part_of, &case.found.cancelled, &mut case.budget);
        Ok(Step::Finish(answered))
    }
}

/// What names a line among those of its SKU.
fn within_sku(line: &OrderLine) -> (&OrderId, &LineName) {
    (&line.orderid, &line.name)
}
