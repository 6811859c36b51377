//! Bind a line to a batch.

use domain::{Allocation, OrderLine, Refusal, Step};

use super::{Case, Handler};
use crate::store::ReadSet;

/// Binds a line to one batch. Asked again, the line keeps it.
///
/// Of a cancelled order it is refused, by an answer and not as other lines are: if it has a place still, it loses that in
/// the same commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocate(pub OrderLine);

impl Handler for Allocate {
    type Answer = Result<Allocation, Refusal>;

    fn reads(&self) -> ReadSet {
        ReadSet::of_new_line(&self.0.id())
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Self::Answer>, Refusal> {
        let Self(line) = self;
        let (product, parts) = (case.draft.product(&line.sku), case.found.parts_of(&line.id()));
        if case.found.is_cancelled(&line.orderid) {
            // Whoever asks for a SKU that there is not is told that its order is cancelled, all the same.
            let Ok(product) = product else { return Err(Refusal::OrderCancelled(line.orderid.clone())) };
            let answer = product.allocate_cancelled(line, &parts, &mut case.budget);
            return Ok(answer.map_or(Step::GoOn, Step::Finish));
        }
        Ok(Step::Finish(Ok(product?.allocate(line, &parts)?)))
    }
}
