//! Add a batch.

use domain::{Done, NewBatch, Refusal, Step};

use super::{Case, Handler};
use crate::store::ReadSet;

/// Adds a batch. The same again is no change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateBatch(pub NewBatch);

impl Handler for CreateBatch {
    type Answer = Done;

    fn reads(&self) -> ReadSet {
        let NewBatch { reference, sku, .. } = &self.0;
        ReadSet { skus: vec![sku.clone()], batches: vec![(sku.clone(), reference.clone())], ..ReadSet::default() }
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Done>, Refusal> {
        match case.found.batch(&self.0.sku, &self.0.reference) {
            None => {
                case.draft.product_or_new(&self.0.sku).create_batch(&self.0)?;
                Ok(Step::Finish(Done::Now))
            }
            Some(stored) if *stored == self.0 => Ok(Step::Finish(Done::Before)),
            Some(stored) => Err(Refusal::BatchDiffers(stored.clone())),
        }
    }
}
