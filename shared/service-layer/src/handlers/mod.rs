//! A file for each use case: its command, and how it reads, lists and decides.
//!
//! The unit of work asks a handler three things, in this order, and over again when somebody else was faster. A handler
//! does no I/O, and changes nothing but the draft it is given.

mod allocate;
mod allocate_alone;
mod allocate_asking;
mod allocate_lines;
mod cancel_order;
mod change_batch;
mod create_batch;
mod deallocate;
mod expire_holds;
mod put_order;
mod send_out_of_stock_mail;
mod ship;

use std::collections::BTreeMap;

use domain::{BatchRef, Budget, LineId, Move, OrderId, OrderLine, Part, Product, Refusal, Sku, Step};

pub use allocate::Allocate;
pub(crate) use allocate_alone::{AllocateAlone, Alone, CROWDED};
pub(crate) use allocate_asking::AllocateAsking;
pub use allocate_lines::AllocateLines;
pub use cancel_order::{CancelOrder, CancelledOrder};
pub use change_batch::{ChangeBatch, NewEta};
pub use create_batch::CreateBatch;
pub use deallocate::Deallocate;
pub use expire_holds::ExpireHolds;
pub use put_order::{PlacedOrder, PutOrder, PutOrderAnswer, ShortLine};
pub(crate) use send_out_of_stock_mail::send_out_of_stock_mail;
pub use ship::Ship;

use crate::CorrelationId;
use crate::store::{Asking, CommitId, Found, Listing, Origins, Put, ReadSet, Stored};
use crate::unit_of_work::BUDGET;

/// A command, and how it is carried out.
pub trait Handler: Sync {
    /// What its caller is told.
    type Answer: Clone + Send;

    /// What to read for it.
    fn reads(&self) -> ReadSet;

    /// What else to list, by what was found.
    fn lists(&self, _found: &Found) -> Option<Listing> {
        None
    }

    /// Changes the draft, and answers. Without a change, the answer was true before (that a line has no place, which was
    /// turned away without an event, is looked up once more); and where there is more to do than one commit holds,
    /// something must have changed.
    ///
    /// # Errors
    /// When the rules refuse the command.
    fn decide(&self, case: &mut Case) -> Result<Step<Self::Answer>, Refusal>;
}

/// What a handler decides on.
#[derive(Debug)]
pub struct Case {
    /// What was read.
    pub found: Found,
    /// What was listed, if the handler asked for a list: complete, and in its order.
    pub listed: Vec<Part>,
    /// The products as the handler changes them.
    pub draft: Draft,
    /// What the commit can hold.
    pub budget: Budget,
    /// Whether the command has made a commit, and goes on.
    pub goes_on: bool,
    /// How many races the command has lost since.
    pub lost_races: u32,
}

impl Case {
    /// What was found and listed, with nothing changed yet.
    #[must_use]
    pub fn of(found: Found, listed: Vec<Part>) -> Self {
        let draft = Draft::of(&found);
        Self { found, listed, draft, budget: BUDGET, goes_on: false, lost_races: 0 }
    }

    /// Has a line ask no more, though it gets no place: its caller will see that, and decide by himself.
    pub(crate) fn dismiss(&mut self, line: &LineId) {
        self.draft.dismissed.extend(self.found.asking(line).cloned());
    }

    /// Whether a batch's counters are among what was found.
    pub(crate) fn knows(&self, sku: &Sku, reference: &BatchRef) -> bool {
        self.found.product(sku).is_some_and(|product| product.batch(reference).is_some())
    }

    /// Adds the full batches of a product that were found beside it, before anything is changed. None: the product is
    /// another one by now.
    pub(crate) fn include(&mut self, sku: &Sku, beside: &Found) -> Option<()> {
        let newer = beside.product(sku)?;
        let stored = self.found.products.iter_mut().find(|stored| stored.product.sku() == sku)?;
        let draft = self.draft.products.get_mut(sku)?;
        if newer.version() != stored.product.version() {
            return None;
        }
        for full in newer.batches().iter().filter(|batch| !batch.is_open()) {
            stored.product.include(full.clone());
            draft.include(full.clone());
        }
        Some(())
    }

    /// What there is to find now: with the products as they were drafted, and committed under this id if they were.
    pub(crate) fn into_found(self, commit: Option<CommitId>) -> Found {
        let Self { found, draft, .. } = self;
        let parts = draft.parts_after(&found);
        let stored = |product: Product| {
            let changed_by = commit.filter(|_| !product.events().is_empty());
            let before = found.products.iter().find(|stored| stored.product.sku() == product.sku());
            let commit = changed_by.or(before.map(|before| before.commit))?;
            let crowded_at = before.filter(|_| changed_by.is_none()).and_then(|before| before.crowded_at);
            Some(Stored { product: product.committed(), commit, crowded_at })
        };
        let products = draft.products.into_values().filter_map(stored).collect();
        Found { products, parts, ..found }
    }

    /// The listed parts that the draft leaves where they are.
    pub(crate) fn listed_that_stay(&mut self) -> Vec<Part> {
        let mut listed = std::mem::take(&mut self.listed);
        listed.retain(|part| self.draft.stays(part));
        listed
    }
}

/// That there is no such batch.
pub(crate) fn unknown(reference: &BatchRef, sku: Option<&Sku>) -> Refusal {
    match sku {
        Some(sku) => Refusal::UnknownBatchOfSku(reference.clone(), sku.clone()),
        None => Refusal::UnknownBatch(reference.clone()),
    }
}

/// Products while they are changed, and orders that are cancelled with them.
#[derive(Debug)]
pub struct Draft {
    products: BTreeMap<Sku, Product>,
    cancelled: Vec<OrderId>,
    dismissed: Vec<Asking>,
    put: Option<Put>,
    kept: Vec<Part>,
    rests_on: Option<OrderId>,
    origins: Origins,
}

impl Draft {
    pub(crate) fn of(found: &Found) -> Self {
        let products = found.products.iter().map(|stored| &stored.product);
        let products = products.map(|product| (product.sku().clone(), product.clone())).collect();
        let (cancelled, dismissed, kept) = (Vec::new(), Vec::new(), Vec::new());
        Self { products, cancelled, dismissed, put: None, kept, rests_on: None, origins: Origins::new() }
    }

    /// Says what asked for a line, where that is not what the commit comes of.
    pub(crate) fn comes_of(&mut self, line: LineId, correlation: CorrelationId) {
        self.origins.insert(line, correlation);
    }

    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    pub(crate) fn dismissed(&self) -> &[Asking] {
        &self.dismissed
    }

    /// Notes what is wanted of an order from now on.
    pub(crate) fn note(&mut self, put: Put) {
        self.put = Some(put);
    }

    pub(crate) fn put(&self) -> Option<&Put> {
        self.put.as_ref()
    }

    /// Has the commit find lines where they are, as far as they do not move.
    pub(crate) fn keep(&mut self, parts: Vec<Part>) {
        self.kept = parts;
    }

    pub(crate) fn kept(&self) -> Vec<Part> {
        self.kept.iter().filter(|part| self.stays(part)).cloned().collect()
    }

    /// Says that the answer rests on all lines of an order, which the commit does not hold. They are read once more.
    pub(crate) fn rest_on(&mut self, orderid: OrderId) {
        self.rests_on = Some(orderid);
    }

    pub(crate) fn rests_on(&self) -> Option<&OrderId> {
        self.rests_on.as_ref()
    }

    /// Marks an order as cancelled: it gets no more lines.
    pub fn cancel(&mut self, orderid: OrderId) {
        self.cancelled.push(orderid);
    }

    pub(crate) fn cancelled(&self) -> &[OrderId] {
        &self.cancelled
    }

    /// A product that was found.
    ///
    /// # Errors
    /// When no batch of this SKU was ever added.
    pub fn product(&mut self, sku: &Sku) -> Result<&mut Product, Refusal> {
        self.products.get_mut(sku).ok_or_else(|| Refusal::UnknownSku(sku.clone()))
    }

    /// A product that begins here if it was not found.
    pub fn product_or_new(&mut self, sku: &Sku) -> &mut Product {
        self.products.entry(sku.clone()).or_insert_with(|| Product::new(sku.clone()))
    }

    pub(crate) fn products(&self) -> impl Iterator<Item = &Product> {
        self.products.values()
    }

    pub(crate) fn products_mut(&mut self) -> impl Iterator<Item = &mut Product> {
        self.products.values_mut()
    }

    /// The products that have something to tell.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &Product> {
        self.products().filter(|product| !product.events().is_empty())
    }

    pub(crate) fn is_changed(&self) -> bool {
        let changes_products = self.changed().next().is_some();
        changes_products || !self.cancelled.is_empty() || !self.dismissed.is_empty() || self.put.is_some()
    }

    /// The lines that fit nowhere, and are not kept.
    pub(crate) fn turned_away(&self) -> impl Iterator<Item = &OrderLine> {
        self.products().flat_map(Product::turned_away)
    }

    /// Whether a part is where it was.
    pub(crate) fn stays(&self, part: &Part) -> bool {
        let moves = self.products.get(&part.line.sku).map(Product::moves);
        !moves.unwrap_or_default().iter().any(|moved| moved.is_of(part))
    }

    /// What the change leaves of the parts that were found, with those that it makes of their lines, or of their order.
    pub(crate) fn parts_after(&self, found: &Found) -> Vec<Part> {
        let stay = found.parts.iter().filter(|part| self.stays(part)).cloned();
        let is_wanted = |moved: &&Move| {
            let is_of_order = found.whole_order.as_ref() == Some(&moved.line.orderid);
            is_of_order || found.parts.iter().any(|part| part.line.is_same(&moved.line))
        };
        let parts_of = |product: &Product| {
            let moves = product.moves().iter().filter(is_wanted);
            moves.filter_map(|moved| moved.part_at(product.version())).collect::<Vec<_>>()
        };
        stay.chain(self.products().flat_map(parts_of)).collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::{Batch, Revision};
    use testing::{batch, change, line, new_batch, on_batch, stored_product};

    use super::*;

    /// Lamps and desks, each as of a commit of their own.
    fn case(listed: Vec<Part>) -> Case {
        let lamps = Batch { allocated: 2, ..batch("b1", "LAMP", 5) };
        let products = vec![
            Stored { product: stored_product("LAMP", 7, vec![lamps]), commit: CommitId(1), crowded_at: None },
            Stored {
                product: stored_product("DESK", 7, vec![batch("b2", "DESK", 5)]),
                commit: CommitId(2),
                crowded_at: None,
            },
        ];
        Case::of(Found { products, ..Found::default() }, listed)
    }

    fn commits(found: &Found) -> Vec<(&str, u64)> {
        found.products.iter().map(|stored| (stored.product.sku().as_str(), stored.commit.0)).collect()
    }

    #[test]
    fn after_a_commit_the_products_that_it_changed_carry_its_id() {
        let mut case = case(Vec::new());
        case.draft.product(&"LAMP".try_into().unwrap()).unwrap().allocate(&line("o1", "LAMP", 1), &[]).unwrap();
        case.draft.product_or_new(&"BED".try_into().unwrap()).create_batch(&new_batch("b3", "BED", 1)).unwrap();
        let found = case.into_found(Some(CommitId(3)));
        assert_eq!(commits(&found), [("BED", 3), ("DESK", 2), ("LAMP", 3)]);
        assert!(found.products.iter().all(|stored| stored.product.events().is_empty()), "all is told");
    }

    #[test]
    fn without_a_commit_each_product_carries_the_id_of_its_last_one() {
        assert_eq!(commits(&case(Vec::new()).into_found(None)), [("DESK", 2), ("LAMP", 1)]);
    }

    #[test]
    fn listed_lines_that_gave_way_are_not_kept_for_the_next_commit() {
        let change = change("b1", 1, Revision::Version(1));
        let [stays, gives_way] =
            [3, 4].map(|since| on_batch(line(&format!("o{since}"), "LAMP", 1), &change.reference, since));
        let mut case = case(vec![gives_way, stays.clone()]);
        let product = case.draft.product(&"LAMP".try_into().unwrap()).unwrap();
        product.change_batch_quantity(&change, &case.listed, &mut case.budget).unwrap();
        assert_eq!(case.listed_that_stay(), [stays]);
    }
}
