//! Send a line to its customer.

use domain::{Done, LineId, Refusal, Step};

use super::{Case, Handler};
use crate::store::ReadSet;

/// Notes that a line went to its customer, with pieces of the batches that it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ship(pub LineId);

impl Handler for Ship {
    type Answer = Done;

    fn reads(&self) -> ReadSet {
        ReadSet::of_line(&self.0)
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Done>, Refusal> {
        let parts = case.found.promised(&self.0)?;
        Ok(Step::Finish(case.draft.product(&self.0.sku)?.ship(&parts)?))
    }
}
