//! Give a line back.

use domain::{Done, LineId, Refusal, Step};

use super::{Case, Handler};
use crate::store::ReadSet;

/// Cancels a line, whether it has a batch or waits. Its pieces go to waiting lines first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deallocate(pub LineId);

impl Handler for Deallocate {
    type Answer = Done;

    fn reads(&self) -> ReadSet {
        ReadSet::of_line(&self.0)
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Done>, Refusal> {
        let parts = case.found.promised(&self.0)?;
        match case.draft.product(&self.0.sku)?.cancel(&parts, &mut case.budget) {
            Some(done) => Ok(Step::Finish(done?)),
            None => Ok(Step::GoOn),
        }
    }
}
