//! Bind a line to a batch.

use domain::{Allocation, OrderLine, Refusal, Step};

use super::{Case, Handler};
use crate::store::ReadSet;

/// Binds a line to one batch. Asked again, the line keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocate(pub OrderLine);

impl Handler for Allocate {
    type Answer = Allocation;

    fn reads(&self) -> ReadSet {
        ReadSet::of_new_line(&self.0.id())
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Allocation>, Refusal> {
        let product = case.draft.product(&self.0.sku)?;
        Ok(Step::Finish(product.allocate(&self.0, case.found.part(&self.0.id()))?))
    }
}
