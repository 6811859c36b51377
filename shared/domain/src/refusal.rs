//! Why the rules refuse a command.

use crate::{BatchRef, LineId, NewBatch, OrderId, OrderVersion, Quantity, Sku};

/// A command can't be carried out, whoever asks how often. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No batch of this SKU was ever created. (The text is the book's own, with its capital letter.)
    #[error("Invalid sku {0}")]
    UnknownSku(Sku),
    /// No batch has this reference.
    #[error("unknown batch {:?}", .0.as_str())]
    UnknownBatch(BatchRef),
    /// No batch of this SKU has this reference, whatever others have it.
    #[error("unknown batch {:?} of sku {:?}", .0.as_str(), .1.as_str())]
    UnknownBatchOfSku(BatchRef, Sku),
    /// Batches of several SKUs share the reference, and it was not said which of them is meant.
    #[error("batch {:?} has several SKUs: say which by sku", .0.as_str())]
    AmbiguousBatch(BatchRef),
    /// The reference is taken by a batch with other content: this one, as it was added.
    #[error("batch {} exists already, with another sku, qty or eta", .0.reference)]
    BatchDiffers(NewBatch),
    /// The product can't take one more batch with free stock.
    #[error("sku {0} has as many batches with free stock as one product holds")]
    TooManyBatches(Sku),
    /// Nobody asked for this line, or it was refused.
    #[error("unknown line {}", named(.0))]
    UnknownLine(LineId),
    /// The line asked for another quantity when it came first: this one.
    #[error("line {} was asked for before, with qty {stored}", named(.line))]
    LineDiffers {
        /// The line.
        line: LineId,
        /// What it asked for.
        stored: Quantity,
    },
    /// The line was given back.
    #[error("line {} is cancelled", named(.0))]
    LineCancelled(LineId),
    /// The line is with its customer.
    #[error("line {} is shipped", named(.0))]
    LineShipped(LineId),
    /// The line waits for stock, or is held for a while only, so there is nothing to ship.
    #[error("line {} waits for stock, or is held and not confirmed", named(.0))]
    NotAllocated(LineId),
    /// No line of this order was ever promised, nor was it cancelled. Lines on the queue are not known yet.
    #[error("unknown order {:?}: nobody asked for it, or its lines are still on the queue", .0.as_str())]
    UnknownOrder(OrderId),
    /// Something else was wanted of the order since, with this version.
    #[error("order {:?} is at version {} by now", .orderid.as_str(), .stored.0)]
    OrderOutdated {
        /// The order.
        orderid: OrderId,
        /// The version of what was wanted last.
        stored: OrderVersion,
    },
    /// The change of an order is more than one commit holds.
    #[error("order {:?} changes too many lines at once: change fewer, one after the other", .0.as_str())]
    TooManyChanges(OrderId),
    /// The line would lie on more batches than a line can.
    #[error("line {} would be split in too many parts: ask for it in several lines", named(.0))]
    TooManyParts(LineId),
    /// The order was cancelled, so it gets no more lines.
    #[error("order {:?} is cancelled", .0.as_str())]
    OrderCancelled(OrderId),
}

/// A line, for a person. Names may have blanks.
fn named(LineId { orderid, sku, name }: &LineId) -> String {
    format!("{:?} of order {:?} and sku {:?}", name.as_str(), orderid.as_str(), sku.as_str())
}
