//! A file for each use case: its command, and how it reads, lists and decides.
//!
//! The unit of work asks a handler three things, in this order, and over again when somebody else was faster. A handler
//! does no I/O, and changes nothing but the draft it is given.

mod allocate;
mod allocate_lines;
mod change_batch_quantity;
mod create_batch;
mod send_out_of_stock_mail;

use std::collections::BTreeMap;

use domain::{Budget, Part, Product, Refusal, Sku, Step};

pub use allocate::Allocate;
pub use allocate_lines::AllocateLines;
pub use create_batch::{CreateBatch, Creation};
pub(crate) use send_out_of_stock_mail::send_out_of_stock_mail;

use crate::store::{CommitId, Found, Listing, ReadSet, Stored};
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

    /// Changes the draft, and answers. Without a change, the answer was true before; and where there is more to do than
    /// one commit holds, something must have changed.
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
}

impl Case {
    /// What was found and listed, with nothing changed yet.
    #[must_use]
    pub fn of(found: Found, listed: Vec<Part>) -> Self {
        let draft = Draft::of(&found);
        Self { found, listed, draft, budget: BUDGET }
    }

    /// What there is to find now: with the products as they were drafted, and committed under this id if they were.
    pub(crate) fn into_found(self, commit: Option<CommitId>) -> Found {
        let Self { found, draft, .. } = self;
        let stored = |product: Product| {
            let changed_by = commit.filter(|_| !product.events().is_empty());
            let before = found.products.iter().find(|stored| stored.product.sku() == product.sku());
            let commit = changed_by.or(before.map(|before| before.commit))?;
            Some(Stored { product: product.committed(), commit })
        };
        let products = draft.0.into_values().filter_map(stored).collect();
        Found { products, ..found }
    }

    /// The listed parts that the draft leaves where they are.
    pub(crate) fn listed_that_stay(&mut self) -> Vec<Part> {
        let mut listed = std::mem::take(&mut self.listed);
        listed.retain(|part| self.draft.stays(part));
        listed
    }
}

/// Products while they are changed.
#[derive(Debug)]
pub struct Draft(BTreeMap<Sku, Product>);

impl Draft {
    pub(crate) fn of(found: &Found) -> Self {
        let products = found.products.iter().map(|stored| &stored.product);
        Self(products.map(|product| (product.sku().clone(), product.clone())).collect())
    }

    /// A product that was found.
    ///
    /// # Errors
    /// When no batch of this SKU was ever added.
    pub fn product(&mut self, sku: &Sku) -> Result<&mut Product, Refusal> {
        self.0.get_mut(sku).ok_or_else(|| Refusal::UnknownSku(sku.clone()))
    }

    /// A product that begins here if it was not found.
    pub fn product_or_new(&mut self, sku: &Sku) -> &mut Product {
        self.0.entry(sku.clone()).or_insert_with(|| Product::new(sku.clone()))
    }

    pub(crate) fn products(&self) -> impl Iterator<Item = &Product> {
        self.0.values()
    }

    pub(crate) fn products_mut(&mut self) -> impl Iterator<Item = &mut Product> {
        self.0.values_mut()
    }

    /// The products that have something to tell.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &Product> {
        self.products().filter(|product| !product.events().is_empty())
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.changed().next().is_some()
    }

    /// Whether a part is where it was.
    pub(crate) fn stays(&self, part: &Part) -> bool {
        self.products().all(|product| product.moves().iter().all(|moved| moved.line != part.line))
    }
}
