//! Adding batches.

use super::Product;
use crate::{Event, NewBatch, Refusal};

impl Product {
    /// Adds a batch. Waiting lines are to be offered it before anybody else, see [`Product::has_backlog`].
    ///
    /// # Errors
    /// When the product can hold no more batches with free stock.
    pub fn create_batch(&mut self, new: &NewBatch) -> Result<(), Refusal> {
        self.check_room_for(&new.reference)?;
        self.state.batches.push(new.clone().into());
        self.stock_came_free();
        self.pending.added.push(new.clone());
        self.record(Event::BatchCreated {
            batchref: new.reference.clone(),
            sku: new.sku.clone(),
            qty: new.qty,
            eta: new.eta,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::examples::*;

    #[test]
    fn a_product_refuses_more_open_batches_than_it_can_hold() {
        let batches: Vec<_> = (0..1_500).map(|number| batch(&format!("b{number}"), 1, None)).collect();
        let mut product = product(&batches);
        let error = product.create_batch(&batch("one-more", 1, None)).unwrap_err();
        assert!(error.to_string().contains("RETRO-CLOCK"), "{error}");
    }

    #[test]
    fn open_batches_may_take_all_the_room_there_is() {
        let mut product = product(&filling_batches(999));
        assert!(product.clone().create_batch(&batch(&"x".repeat(71), 1, None)).is_err(), "one byte too many");
        assert_eq!(product.create_batch(&batch(&"x".repeat(70), 1, None)), Ok(()));
    }

    #[test]
    fn a_batch_is_added_as_it_is_told_and_owed_to_nobody_if_nobody_waits() {
        let (mut product, new) = (product(&[]), batch("b1", 5, Some("2011-01-02")));
        product.create_batch(&new).unwrap();
        assert_eq!(product.added(), [new]);
        assert!(!product.has_backlog());
    }
}
