//! Lists of parts that an index keeps.

use std::cmp::Reverse;

use domain::{BatchRef, Part, Place, Sku, Tally};

/// A list of parts that an index keeps, and what shows that the index left nothing out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// All lines of a SKU that wait, the oldest promise first.
    Waiting {
        /// The product.
        sku: Sku,
        /// What the product says that they come to.
        tally: Tally,
    },
    /// All lines of a SKU that are promised for a while only, those first that are due first.
    Held {
        /// The product.
        sku: Sku,
        /// What the product says that they come to.
        tally: Tally,
    },
    /// All lines on a batch, the oldest promise first.
    OnBatch {
        /// What it holds.
        sku: Sku,
        /// The batch.
        batch: BatchRef,
        /// All the pieces that they hold together.
        allocated: u32,
    },
    /// A batch's lines, the youngest promise first: as many as hold these pieces.
    Youngest {
        /// What it holds.
        sku: Sku,
        /// The batch.
        batch: BatchRef,
        /// Pieces that are wanted.
        pieces: u32,
        /// Most lines.
        at_most: usize,
        /// All the pieces that the batch's lines hold together.
        allocated: u32,
    },
}

impl Listing {
    /// Which of these parts are listed, in the right order.
    #[must_use]
    pub fn select(&self, mut parts: Vec<Part>) -> Vec<Part> {
        match self {
            Self::Waiting { sku, .. } => {
                parts.retain(|part| part.line.sku == *sku && part.place == Place::Waiting);
                parts.sort_by_key(|part| part.age);
            }
            Self::Held { sku, .. } => {
                parts.retain(|part| part.line.sku == *sku && part.held_until.is_some());
                parts.sort_by_key(|part| part.held_until);
            }
            Self::OnBatch { sku, batch, .. } => {
                parts.retain(|part| is_on(part, sku, batch));
                parts.sort_by_key(|part| part.age);
            }
            Self::Youngest { sku, batch, pieces, at_most, .. } => {
                parts.retain(|part| is_on(part, sku, batch));
                parts.sort_by_key(|part| Reverse(part.age));
                let mut needed = Needed { pieces: *pieces, lines: *at_most };
                parts.retain(|part| needed.take(part));
            }
        }
        parts
    }

    /// Whether a list is what was asked for: neither does something lack, nor is something in it that has left.
    #[must_use]
    pub fn is_complete(&self, parts: &[Part]) -> bool {
        match self {
            Self::Waiting { tally, .. } | Self::Held { tally, .. } => Tally::of(parts) == *tally,
            Self::OnBatch { sku, batch, allocated } => are_on(parts, sku, batch) && held_by(parts) == *allocated,
            Self::Youngest { sku, batch, pieces, allocated, at_most } => {
                let held = held_by(parts);
                let is_enough = held >= *pieces || parts.len() >= *at_most;
                are_on(parts, sku, batch) && held <= *allocated && is_enough
            }
        }
    }
}

fn is_on(part: &Part, sku: &Sku, batch: &BatchRef) -> bool {
    part.line.sku == *sku && matches!(&part.place, Place::Batch(reference) if reference == batch)
}

/// What is left of another batch's list may hold as many pieces.
fn are_on(parts: &[Part], sku: &Sku, batch: &BatchRef) -> bool {
    parts.iter().all(|part| is_on(part, sku, batch))
}

fn held_by(parts: &[Part]) -> u32 {
    parts.iter().fold(0, |sum, part| sum.saturating_add(part.line.qty.get()))
}

/// What is still to be found of a batch's youngest lines.
#[derive(Clone, Copy, Debug)]
pub struct Needed {
    /// Pieces.
    pub pieces: u32,
    /// Most lines.
    pub lines: usize,
}

impl Needed {
    /// Counts a part, and tells whether it was still needed.
    pub fn take(&mut self, part: &Part) -> bool {
        let needed = !self.is_met();
        self.pieces = self.pieces.saturating_sub(part.line.qty.get());
        self.lines = self.lines.saturating_sub(1);
        needed
    }

    /// Whether nothing more is needed.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.pieces == 0 || self.lines == 0
    }
}

#[cfg(test)]
mod tests {
    use testing::{line, on_batch, waiting};

    use super::*;

    #[test]
    fn a_list_of_waiting_lines_is_complete_if_it_comes_to_what_the_product_counted() {
        let [old, young, stale, both] = [3, 5, 4, 8].map(|since| waiting(line(&format!("o{since}"), "LAMP", 1), since));
        let tally = Tally { count: 2, version_sum: 8, pieces: 2 };
        let is_complete = |parts: &[&Part]| {
            let parts: Vec<Part> = parts.iter().map(|part| (*part).clone()).collect();
            Listing::Waiting { sku: "LAMP".try_into().unwrap(), tally }.is_complete(&parts)
        };
        assert!(is_complete(&[&old, &young]) && is_complete(&[&young, &old]));
        assert!(!is_complete(&[]) && !is_complete(&[&old]), "the index lags");
        assert!(!is_complete(&[&stale, &young]), "as many, but one of them has left");
        assert!(!is_complete(&[&old, &young, &stale]), "one that has left is among them");
        assert!(!is_complete(&[&both]), "the same sum of versions, but one lacks");
    }

    #[test]
    fn a_batchs_youngest_lines_are_complete_if_they_hold_what_is_wanted_and_not_more_than_there_is() {
        let lines = |pieces: &[u32]| -> Vec<Part> {
            let of = |qty: &u32| on_batch(line("o1", "LAMP", *qty), &"b1".try_into().unwrap(), 3);
            pieces.iter().map(of).collect()
        };
        let listing = |pieces, allocated| Listing::Youngest {
            sku: "LAMP".try_into().unwrap(),
            batch: "b1".try_into().unwrap(),
            pieces,
            at_most: 1_000,
            allocated,
        };
        let is_complete = |pieces: &[u32]| listing(5, 9).is_complete(&lines(pieces));
        assert!(is_complete(&[3, 2]) && is_complete(&[9]));
        assert!(!is_complete(&[]) && !is_complete(&[4]), "the index lags");
        let others = [on_batch(line("o1", "DESK", 9), &"b1".try_into().unwrap(), 3)];
        assert!(!listing(5, 9).is_complete(&others), "of a batch that shares the reference");
        let on_batch =
            Listing::OnBatch { sku: "LAMP".try_into().unwrap(), batch: "b1".try_into().unwrap(), allocated: 9 };
        assert!(on_batch.is_complete(&lines(&[3, 6])) && !on_batch.is_complete(&others));
        assert!(!is_complete(&[3, 7]), "one that has left is among them");
        assert!(!is_complete(&[u32::MAX, 6]), "so many that no counter holds them");
        // The most that may be listed will do, however many pieces are wanted.
        let is_enough = |count: usize| listing(2_000, 2_000).is_complete(&lines(&vec![1; count]));
        assert!(is_enough(1_000) && !is_enough(999));
    }
}
