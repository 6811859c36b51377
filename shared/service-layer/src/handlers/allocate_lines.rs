//! Bind many lines of one SKU to batches, in one commit.

use std::collections::HashMap;

use domain::{Answered, LineName, OrderId, OrderLine, Part, Refusal, SkuLines, Step};

use super::{Case, Handler};
use crate::store::{Origins, ReadSet};
use crate::unit_of_work::BUDGET;

/// Binds lines of one SKU to batches, as many of the first ones as one commit holds: one at least. The answer tells how
/// many these are, and which were refused. It is for each of them as if it had come by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocateLines {
    /// The lines.
    pub lines: SkuLines,
    /// What each of them came of, where that is known. Its event carries this on.
    pub origins: Origins,
}

impl AllocateLines {
    /// Lines of which nobody says what they came of.
    #[must_use]
    pub fn of(lines: SkuLines) -> Self {
        Self { lines, origins: Origins::new() }
    }
}

impl Handler for AllocateLines {
    type Answer = Answered;

    fn reads(&self) -> ReadSet {
        // No more of them can be moved in one commit.
        ReadSet::of_lines(self.lines.sku(), self.lines.lines().iter().take(BUDGET.items))
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Answered>, Refusal> {
        let product = case.draft.product(self.lines.sku())?;
        // They are all of one SKU.
        let lines = Part::by_line(&case.found.parts).into_iter();
        let known: HashMap<_, _> = lines.filter_map(|parts| Some((within_sku(&parts.first()?.line), parts))).collect();
        let parts_of = |line: &OrderLine| known.get(&within_sku(line)).cloned().unwrap_or_default();
        let answered = product.allocate_each(&self.lines, parts_of, &case.found.cancelled, &mut case.budget);
        for (line, correlation) in &self.origins {
            case.draft.comes_of(line.clone(), correlation.clone());
        }
        Ok(Step::Finish(answered))
    }
}

/// What names a line among those of its SKU.
fn within_sku(line: &OrderLine) -> (&OrderId, &LineName) {
    (&line.orderid, &line.name)
}
