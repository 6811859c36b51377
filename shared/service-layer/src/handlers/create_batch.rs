//! Add a batch.

use domain::{NewBatch, Refusal, Step};

use super::{Case, Handler};
use crate::store::ReadSet;

/// Adds a batch. The same again is no change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateBatch(pub NewBatch);

/// The answer to a batch that is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It is there now.
    Created,
    /// The same was there before.
    Existed,
}

impl Handler for CreateBatch {
    type Answer = Creation;

    fn reads(&self) -> ReadSet {
        let NewBatch { reference, sku, .. } = &self.0;
        ReadSet { skus: vec![sku.clone()], lines: Vec::new(), batches: vec![reference.clone()] }
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Creation>, Refusal> {
        match case.found.batch(&self.0.reference) {
            None => {
                case.draft.product_or_new(&self.0.sku).create_batch(&self.0)?;
                Ok(Step::Finish(Creation::Created))
            }
            Some(stored) if *stored == self.0 => Ok(Step::Finish(Creation::Existed)),
            Some(_) => Err(Refusal::BatchDiffers(self.0.reference.clone())),
        }
    }
}
