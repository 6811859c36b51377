//! Sending lines to their customers.

use super::{Done, Product};
use crate::{Event, Part, Place, Refusal};

impl Product {
    /// Notes that a line went to its customer, with pieces of the batches that it is on. There it stays. `parts` are all
    /// that it has.
    ///
    /// # Errors
    /// When a part of it has no batch, or no more; or it is promised for a while only.
    pub fn ship(&mut self, parts: &[&Part]) -> Result<Done, Refusal> {
        let mut done = Done::Before;
        for part in parts {
            self.check_shipment(part)?;
        }
        for part in parts {
            let Place::Batch(reference) = &part.place else { continue };
            if let Some(batch) = self.batch_mut(reference) {
                batch.ship(part.line.qty);
            }
            self.put(part, Place::Shipped(reference.clone()));
            self.record(Event::Shipped { line: part.line.clone(), batchref: reference.clone() });
            done = Done::Now;
        }
        Ok(done)
    }

    fn check_shipment(&self, part: &Part) -> Result<(), Refusal> {
        let line = || part.line.id();
        match &part.place {
            Place::Cancelled => Err(Refusal::LineCancelled(line())),
            Place::Waiting => Err(Refusal::NotAllocated(line())),
            Place::Batch(_) if part.held_until.is_some() => Err(Refusal::NotAllocated(line())),
            Place::Batch(reference) if self.batch(reference).is_none() => Err(Refusal::UnknownBatch(reference.clone())),
            Place::Batch(_) | Place::Shipped(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;
    use crate::{Tally, Version};

    #[test]
    fn what_is_shipped_is_counted_apart_and_makes_no_room() {
        let mut product = product(&[batch("batch1", 10, None)]);
        product.allocate(&line("o1", 4), &[]).unwrap();
        let mut product = product.committed();
        assert_eq!(product.ship(&[&on("batch1", 8, line("o1", 4))]), Ok(Done::Now));
        assert_eq!(story(&product), ["4 of o1 shipped from batch1"]);
        let batch = product.batch(&"batch1".try_into().unwrap()).unwrap();
        assert_eq!((batch.purchased, batch.allocated, batch.shipped, batch.free()), (10, 0, 4, 6));
    }

    #[test]
    fn only_lines_with_a_batch_are_shipped_and_only_once() {
        let mut product =
            product_with_waiting(&[batch("batch1", 10, None)], Tally { count: 1, version_sum: 1, pieces: 4 });
        let mut ship = |place| {
            let outcome = product.ship(&[&Part {
                line: line("o1", 4),
                split: None,
                place,
                age: Version(1),
                since: Version(1),
                held_until: None,
            }]);
            assert!(product.events().is_empty());
            outcome
        };
        let id = || line("o1", 4).id();
        assert_eq!(ship(Place::Shipped("batch1".try_into().unwrap())), Ok(Done::Before));
        assert_eq!(ship(Place::Waiting), Err(Refusal::NotAllocated(id())));
        assert_eq!(ship(Place::Cancelled), Err(Refusal::LineCancelled(id())));
    }
}
