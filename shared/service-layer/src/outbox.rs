//! Events on their way out: what a message of the topic is, and the relay from the store's stream to the topic.

use domain::{Event, Sku, Version};
use serde::{Deserialize, Serialize};

use crate::ports::{PublishError, Publisher};
use crate::{CorrelationId, Source};

/// One event as subscribers read it.
///
/// They may get it more than once, and in any order: the id tells a repeated one, the version a missing one,
/// since each version of a SKU has at least one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// `sku#version#n`, where `n` counts the events of one commit from 1.
    pub id: String,
    /// The product's version since this event.
    pub version: Version,
    /// What the event comes of. It travels beside the text, as an attribute.
    #[serde(skip)]
    pub correlation: Option<CorrelationId>,
}

/// The messages that one commit has to tell.
#[must_use]
pub fn messages(sku: &Sku, version: Version, events: Vec<Event>, correlation: Option<&CorrelationId>) -> Vec<Message> {
    let message = |(number, event): (u32, Event)| Message {
        event,
        id: format!("{sku}#{version}#{number}"),
        version,
        correlation: correlation.cloned(),
    };
    (1..).zip(events).map(message).collect()
}

/// One record of the store's stream.
#[derive(Debug)]
pub struct Record {
    /// The stream's name for it.
    pub sequence_number: String,
    /// What it has to tell, or why it can't be read.
    pub messages: Result<Vec<Message>, Source>,
}

/// Where a relay stopped.
#[derive(Debug, thiserror::Error)]
#[error("the relay stopped at record {sequence_number}")]
pub struct Stopped {
    /// The first record that is not wholly published. The stream is to go on from here.
    pub sequence_number: String,
    /// Why.
    #[source]
    pub source: Source,
}

/// Publishes the messages of consecutive records, as long as time is left.
///
/// # Errors
/// Names the first record of which anything was not published. Those before it are done; those after it may have
/// been published in part, and will be again.
pub async fn relay<P: Publisher>(
    publisher: &P,
    records: Vec<Record>,
    time_is_left: impl Fn() -> bool,
) -> Result<(), Stopped> {
    let mut messages = Vec::new();
    let mut origins = Vec::new();
    let mut unreadable = None;
    for record in records {
        match record.messages {
            Ok(of_record) => {
                origins.extend(of_record.iter().map(|_| record.sequence_number.clone()));
                messages.extend(of_record);
            }
            Err(source) => {
                unreadable = Some(Stopped { sequence_number: record.sequence_number, source });
                break;
            }
        }
    }
    for (batch, origins) in messages.chunks(P::BATCH).zip(origins.chunks(P::BATCH)) {
        let outcome = if time_is_left() {
            publisher.publish(batch).await
        } else {
            Err(PublishError { first: 0, source: "out of time".into() })
        };
        if let Err(PublishError { first, source }) = outcome {
            let sequence_number = origins.get(first).or(origins.first()).cloned().unwrap_or_default();
            return Err(Stopped { sequence_number, source });
        }
    }
    unreadable.map_or(Ok(()), Err)
}
