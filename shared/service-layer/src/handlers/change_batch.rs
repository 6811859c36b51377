//! Give a batch its real quantity, or another ETA.

use domain::{
    BatchRef, ChangeBatchQuantity, ChangeEta, ChangeOutcome, Counted, Eta, Product, Refusal, Revision, Sku, Step,
};

use super::{Case, Handler, unknown};
use crate::store::{Found, Listing, ReadSet};

/// Most lines listed to find the ones that give way. All of them are, so that the oldest promise among them is placed
/// first; so many fit in a function's memory, and are more than it can move before its time is up.
const LINES: usize = 100_000;

/// The warehouse's word on a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeBatch {
    /// Which batch.
    pub reference: BatchRef,
    /// Which of its SKUs, if several share the reference. A quantity is of one of them; an ETA, if none is named here,
    /// of all.
    pub sku: Option<Sku>,
    /// How many pieces it has, if that is told.
    pub counted: Option<Counted>,
    /// When it comes, if that is told.
    pub eta: Option<NewEta>,
    /// How new both are. The batch keeps it for each by itself.
    pub revision: Revision,
}

/// When a batch comes: on a day, or it is in the warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEta(pub Option<Eta>);

/// One of the changes that a command asks for, of one product.
enum Change {
    Quantity(ChangeBatchQuantity),
    Eta(ChangeEta),
}

impl Change {
    fn outcome_on(&self, product: &Product) -> Result<Option<ChangeOutcome>, Refusal> {
        match self {
            Self::Quantity(change) => product.without_change_of_quantity(change),
            Self::Eta(change) => product.without_change_of_eta(change),
        }
    }
}

/// What is left of a command.
struct Left<'a> {
    /// What is to be done, with the product that it changes.
    changes: Vec<(&'a Sku, Change)>,
    /// What came of the others.
    outcome: Option<ChangeOutcome>,
}

impl ChangeBatch {
    fn changes(&self) -> impl Iterator<Item = Change> {
        let (reference, revision) = (&self.reference, self.revision);
        let quantity = |counted| ChangeBatchQuantity { reference: reference.clone(), counted, revision };
        let eta = |NewEta(eta)| ChangeEta { reference: reference.clone(), eta, revision };
        let quantity = self.counted.map(quantity).map(Change::Quantity);
        quantity.into_iter().chain(self.eta.map(eta).map(Change::Eta))
    }

    fn left<'a>(&self, found: &'a Found) -> Result<Left<'a>, Refusal> {
        let named = |sku: &Sku| self.sku.as_ref().is_none_or(|named| named == sku);
        let of_reference = found.batches.iter().filter(|batch| batch.reference == self.reference);
        let mut skus: Vec<&Sku> = of_reference.map(|batch| &batch.sku).filter(|sku| named(sku)).collect();
        skus.sort_unstable();
        match skus[..] {
            [] => return Err(unknown(&self.reference, self.sku.as_ref())),
            [_, _, ..] if self.counted.is_some() => return Err(Refusal::AmbiguousBatch(self.reference.clone())),
            _ => {}
        }
        let mut left = Left { changes: Vec::new(), outcome: None };
        for sku in skus {
            let Some(product) = found.product(sku) else { return Err(Refusal::UnknownSku(sku.clone())) };
            for change in self.changes() {
                match change.outcome_on(product)? {
                    None => left.changes.push((sku, change)),
                    outcome => left.outcome = best(left.outcome, outcome),
                }
            }
        }
        Ok(left)
    }
}

/// What to tell of several changes: that one was applied, if any was.
fn best(one: Option<ChangeOutcome>, other: Option<ChangeOutcome>) -> Option<ChangeOutcome> {
    let rank = |outcome: &ChangeOutcome| match outcome {
        ChangeOutcome::Outdated => 0,
        ChangeOutcome::Unnumbered => 1,
        ChangeOutcome::Known => 2,
        ChangeOutcome::Applied => 3,
    };
    one.into_iter().chain(other).max_by_key(rank)
}

impl Handler for ChangeBatch {
    type Answer = ChangeOutcome;

    fn reads(&self) -> ReadSet {
        match &self.sku {
            Some(sku) => {
                let (skus, batches) = (vec![sku.clone()], vec![(sku.clone(), self.reference.clone())]);
                ReadSet { skus, batches, ..ReadSet::default() }
            }
            None => ReadSet { references: vec![self.reference.clone()], ..ReadSet::default() },
        }
    }

    /// The lines that the next change may move.
    fn lists(&self, found: &Found) -> Option<Listing> {
        let left = self.left(found).ok()?;
        let (sku, change) = left.changes.first()?;
        let product = found.product(sku)?;
        let (sku, batch) = ((*sku).clone(), self.reference.clone());
        let allocated = product.batch(&batch)?.allocated;
        match change {
            Change::Quantity(change) => match product.shortfall(change) {
                0 => None,
                pieces => Some(Listing::Youngest { sku, batch, pieces, at_most: LINES, allocated }),
            },
            Change::Eta(change) => product.may_move_lines(change).then_some(Listing::OnBatch { sku, batch, allocated }),
        }
    }

    /// One change in each commit, the quantity first.
    fn decide(&self, case: &mut Case) -> Result<Step<ChangeOutcome>, Refusal> {
        let Left { changes, outcome } = self.left(&case.found)?;
        let Some((sku, change)) = changes.first() else {
            // What an earlier commit of this command did, nobody did before it; and it stays done, if a newer change came.
            let applied = Some(ChangeOutcome::Applied).filter(|_| case.goes_on);
            return Ok(Step::Finish(best(applied, outcome).unwrap_or(ChangeOutcome::Known)));
        };
        let product = case.draft.product(sku)?;
        let step = match change {
            Change::Quantity(change) => product.change_batch_quantity(change, &case.listed, &mut case.budget)?,
            Change::Eta(change) => product.change_eta(change, &case.listed, &mut case.budget)?,
        };
        Ok(if changes.len() == 1 { step } else { Step::GoOn })
    }
}
