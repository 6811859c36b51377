//! Give a batch its real quantity.

use domain::{ChangeBatchQuantity, ChangeOutcome, Refusal, Step};

use super::{Case, Handler};
use crate::store::{Found, Listing, ReadSet};

/// Most lines listed to find the ones that give way. All of them are, so that the oldest promise among them is placed
/// first; so many fit in a function's memory, and are more than it can move before its time is up.
const LINES: usize = 100_000;

impl Handler for ChangeBatchQuantity {
    type Answer = ChangeOutcome;

    fn reads(&self) -> ReadSet {
        ReadSet { batches: vec![self.reference.clone()], ..ReadSet::default() }
    }

    /// The lines that may give way, if any must.
    fn lists(&self, found: &Found) -> Option<Listing> {
        let product = found.product(&found.batch(&self.reference)?.sku)?;
        let allocated = product.batch(&self.reference)?.allocated;
        match product.shortfall(self) {
            0 => None,
            pieces => Some(Listing::Youngest { batch: self.reference.clone(), pieces, at_most: LINES, allocated }),
        }
    }

    fn decide(&self, case: &mut Case) -> Result<Step<ChangeOutcome>, Refusal> {
        let stored = case.found.batch(&self.reference);
        let stored = stored.ok_or_else(|| Refusal::UnknownBatch(self.reference.clone()))?;
        case.draft.product(&stored.sku)?.change_batch_quantity(self, &case.listed, &mut case.budget)
    }
}
