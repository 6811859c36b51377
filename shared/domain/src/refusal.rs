//! Why the rules refuse a command.

use crate::{BatchRef, Sku};

/// A command can't be carried out, whoever asks how often. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No batch of this SKU was ever created. (The text is the book's own, with its capital letter.)
    #[error("Invalid sku {0}")]
    UnknownSku(Sku),
    /// No batch has this reference.
    #[error("unknown batch {0}")]
    UnknownBatch(BatchRef),
    /// The reference is taken by a batch with other content.
    #[error("batch {0} exists already, with another sku, qty or eta")]
    BatchDiffers(BatchRef),
    /// The product can't take one more batch with free stock.
    #[error("sku {0} has as many batches with free stock as one product holds")]
    TooManyBatches(Sku),
}
