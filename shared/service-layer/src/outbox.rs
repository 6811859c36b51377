//! Events on their way out: what a message of the topic holds, and the relay from the store's stream to the topic.

use std::collections::HashMap;

use domain::{Event, Sku, Version};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::ports::{PublishError, Publisher};
use crate::{CorrelationId, Source};

/// One event as subscribers read it.
///
/// They may get it more than once, and in any order: the id tells a repeated one, the version a missing one,
/// since each version of a SKU has at least one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
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
pub fn envelopes(
    sku: &Sku,
    version: Version,
    events: Vec<Event>,
    correlation: Option<&CorrelationId>,
) -> Vec<Envelope> {
    let envelope = |(number, event): (u32, Event)| Envelope {
        event,
        id: format!("{sku}#{version}#{number}"),
        version,
        correlation: correlation.cloned(),
    };
    (1..).zip(events).map(envelope).collect()
}

/// One record of the store's stream.
#[derive(Debug)]
pub struct Record {
    /// The stream's name for it.
    pub sequence_number: String,
    /// What it has to tell, or why it can't be read.
    pub envelopes: Result<Vec<Envelope>, Source>,
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

/// Calls of the topic under way at a time.
const LANES: usize = 4;

/// Publishes the messages of consecutive records, as long as time is left. Those of one product go in order, those of
/// different products side by side, if they are more than one call takes.
///
/// # Errors
/// Names the first record of which anything was not published. Those before it are done; those after it may have
/// been published in part, and will be again.
pub async fn relay<P: Publisher>(
    publisher: &P,
    records: Vec<Record>,
    time_is_left: impl Fn() -> bool + Sync,
) -> Result<(), Stopped> {
    let mut readable = Vec::new();
    let mut unreadable = None;
    for record in records {
        match record.envelopes {
            Ok(envelopes) => readable.push((record.sequence_number, envelopes)),
            Err(source) => {
                unreadable = Some(Stopped { sequence_number: record.sequence_number, source });
                break;
            }
        }
    }
    let lanes = lanes(&readable, P::BATCH);
    let outcomes = join_all(lanes.iter().map(|lane| publish_in_order(publisher, lane, &time_is_left))).await;
    let first_failure = outcomes.into_iter().filter_map(Result::err).min_by_key(|(record, _)| *record);
    match first_failure {
        Some((record, source)) => {
            let sequence_number = readable.into_iter().nth(record).map(|(name, _)| name).unwrap_or_default();
            Err(Stopped { sequence_number, source })
        }
        None => unreadable.map_or(Ok(()), Err),
    }
}

/// Messages that go one after another, each with the place of its record.
type Lane = (Vec<Envelope>, Vec<usize>);

/// All messages of a product in one lane; and no more lanes than there are full calls, since each call has its price.
fn lanes(records: &[(String, Vec<Envelope>)], batch: usize) -> Vec<Lane> {
    let total = records.iter().fold(0_usize, |sum, (_, envelopes)| sum.saturating_add(envelopes.len()));
    let count = total.div_ceil(batch).clamp(1, LANES);
    let mut lanes = vec![Lane::default(); count];
    let mut lane_of: HashMap<&Sku, usize> = HashMap::new();
    for (place, (_, envelopes)) in records.iter().enumerate() {
        let Some(first) = envelopes.first() else { continue };
        let shortest = || (0..count).min_by_key(|lane| lanes.get(*lane).map(|(envelopes, _)| envelopes.len()));
        let lane = *lane_of.entry(first.event.sku()).or_insert_with(|| shortest().unwrap_or_default());
        if let Some((of_lane, places)) = lanes.get_mut(lane) {
            of_lane.extend_from_slice(envelopes);
            places.extend(envelopes.iter().map(|_| place));
        }
    }
    lanes
}

/// Up to the first message that is not published: then, the place of its record, and why.
async fn publish_in_order<P: Publisher>(
    publisher: &P,
    (envelopes, places): &Lane,
    time_is_left: &(impl Fn() -> bool + Sync),
) -> Result<(), (usize, Source)> {
    for (batch, places) in envelopes.chunks(P::BATCH).zip(places.chunks(P::BATCH)) {
        let outcome = if time_is_left() {
            publisher.publish(batch).await
        } else {
            Err(PublishError { first: 0, source: "out of time".into() })
        };
        if let Err(PublishError { first, source }) = outcome {
            return Err((places.get(first).or(places.first()).copied().unwrap_or_default(), source));
        }
    }
    Ok(())
}
