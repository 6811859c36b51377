//! Giving lines back.

use super::{Done, Product};
use crate::{CancellationReason, Event, Part, Place, Refusal};

impl Product {
    /// Cancels a promised line. Its pieces are free from then on, for lines that wait first, see
    /// [`Product::has_backlog`].
    ///
    /// # Errors
    /// When it is shipped; or when its batch was full, and the product can hold no more batches with free stock. It is
    /// then to be dropped, changed in part.
    pub fn deallocate(&mut self, part: &Part) -> Result<Done, Refusal> {
        let line = &part.line;
        match &part.place {
            Place::Cancelled => return Ok(Done::Before),
            Place::Shipped(_) => return Err(Refusal::LineShipped(line.id())),
            Place::Waiting => {}
            Place::Batch(reference) => self.give_back(reference, line.qty)?,
        }
        self.put(line.clone(), Some(part), Place::Cancelled);
        self.record(cancelled(part));
        Ok(Done::Now)
    }
}

pub(super) fn cancelled(part: &Part) -> Event {
    let (line, batchref) = (part.line.clone(), part.place.batch().cloned());
    Event::Cancelled { line, batchref, reason: CancellationReason::Asked }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;
    use crate::{AllWaiting, Tally, Version};

    #[test]
    fn pieces_that_are_given_back_are_free() {
        let mut product = product(&[batch("batch1", 10, None)]);
        product.allocate(&line("o1", 4), None).unwrap();
        let mut product = product.committed();
        assert_eq!(product.deallocate(&on("batch1", 8, line("o1", 4))), Ok(Done::Now));
        assert_eq!((story(&product), free(&product, "batch1")), (vec!["4 of o1 cancelled, off batch1".to_owned()], 10));
        assert!(!product.has_backlog(), "nobody waits");
    }

    #[test]
    fn what_is_given_back_goes_to_waiting_lines_first() {
        let waits = [waiting(5, line("o2", 3))];
        let mut product = product_with_waiting(&[batch("batch1", 4, None)], Tally::of(&waits));
        product.allocate(&line("o1", 4), None).unwrap();
        let mut product = product.committed();
        product.deallocate(&on("batch1", 8, line("o1", 4))).unwrap();
        assert!(product.has_backlog());
        product.offer(&AllWaiting::checked(&waits, Tally::of(&waits)).unwrap(), &mut ample());
        assert_eq!(story(&product), ["4 of o1 cancelled, off batch1", "3 of o2 on batch1"]);
    }

    #[test]
    fn a_line_that_waits_waits_no_more() {
        let waits = [waiting(5, line("o1", 3)), waiting(6, line("o2", 3))];
        let mut product = product_with_waiting(&[], Tally::of(&waits));
        assert_eq!(product.deallocate(&waits[0]), Ok(Done::Now));
        assert_eq!(
            (story(&product), product.waiting()),
            (vec!["3 of o1 cancelled".to_owned()], Tally::of(&waits[1..]))
        );
        assert!(!product.has_backlog(), "no stock came free");
    }

    #[test]
    fn a_line_is_cancelled_once_and_not_after_it_was_shipped() {
        let mut product = product(&[batch("batch1", 10, None)]);
        let part = |place| Part { line: line("o1", 4), place, age: Version(1), since: Version(1) };
        assert_eq!(product.deallocate(&part(Place::Cancelled)), Ok(Done::Before));
        let shipped = part(Place::Shipped("batch1".try_into().unwrap()));
        assert_eq!(product.deallocate(&shipped), Err(Refusal::LineShipped(shipped.line.id())));
        assert!(product.events().is_empty());
    }

    #[test]
    fn a_full_batch_is_opened_only_if_there_is_room_for_it() {
        let mut product = product(&filling_batches(1_000));
        let reference = "x".repeat(70);
        product.include(crate::Batch { allocated: 1, ..batch(&reference, 1, None).into() });
        assert_eq!(product.deallocate(&on(&reference, 8, line("o1", 1))), Err(Refusal::TooManyBatches(sku())));
    }
}
