//! Events on their way out: what a message of the topic holds, and the relay from the store's stream to the topic.

use std::collections::HashMap;

use domain::{Event, Sku, Version};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::ports::{PublishError, Publisher, Timestamp};
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
    /// How many lines its commit found no stock for, in each event that tells of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// `sku#version#n`, where `n` counts the events of one commit from 1.
    pub id: String,
    /// The product's version since this event.
    pub version: Version,
    /// How many events this version has, so that a last one that is missing shows.
    pub of: u32,
    /// The time of its commit, by the clock of whoever made it.
    pub at: Timestamp,
    /// What the event comes of. It travels beside the text, as an attribute.
    #[serde(skip)]
    pub correlation: Option<CorrelationId>,
}

/// The messages that one commit has to tell: its events, each with what it came of.
#[must_use]
pub fn envelopes(
    sku: &Sku,
    version: Version,
    at: Timestamp,
    events: Vec<(Event, Option<CorrelationId>)>,
) -> Vec<Envelope> {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let is_out_of_stock = |event: &&Event| matches!(event, Event::OutOfStock { .. });
    let lines = events.iter().map(|(event, _)| event).filter(is_out_of_stock).count();
    let (of, lines) = (count(events.len()), count(lines));
    let envelope = |(number, (event, correlation)): (u32, (Event, Option<CorrelationId>))| Envelope {
        lines: is_out_of_stock(&&event).then_some(lines),
        event,
        id: format!("{sku}#{version}#{number}"),
        version,
        of,
        at,
        correlation,
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

#[cfg(test)]
mod tests {
    use domain::DeallocationReason;
    use testing::line;

    use super::*;

    #[test]
    fn what_subscribers_read_says_how_much_of_a_commit_there_is_and_when_it_was_made() {
        let (lamp, qty) = (Sku::try_from("LAMP").unwrap(), 1);
        let gives_way = |orderid: &str| line(orderid, "LAMP", 2);
        let batchref = || "b1".try_into().unwrap();
        let reason = DeallocationReason::Shrunk;
        let events = vec![
            Event::Deallocated { line: gives_way("o1"), batchref: batchref(), reason },
            Event::Allocated {
                line: gives_way("o1"),
                batchref: "b2".try_into().unwrap(),
                eta: None,
                held_until: None,
                line_qty: None,
            },
            Event::Deallocated { line: gives_way("o2"), batchref: batchref(), reason },
            Event::OutOfStock { line: gives_way("o2"), waiting: true, line_qty: None },
            Event::BatchQuantityChanged { batchref: batchref(), sku: lamp.clone(), qty },
        ];
        let events = events.into_iter().map(|event| (event, None)).collect();
        let told = envelopes(&lamp, Version(7), Timestamp(1_925_035_200_678), events);
        let expected = [
            r#"{"type":"Deallocated","orderid":"o1","sku":"LAMP","qty":2,"line":"2","batchref":"b1","reason":"shrunk","id":"LAMP#7#1","version":7,"of":5,"at":"2031-01-01T12:00:00.678Z"}"#,
            r#"{"type":"Allocated","orderid":"o1","sku":"LAMP","qty":2,"line":"2","batchref":"b2","eta":null,"id":"LAMP#7#2","version":7,"of":5,"at":"2031-01-01T12:00:00.678Z"}"#,
            r#"{"type":"Deallocated","orderid":"o2","sku":"LAMP","qty":2,"line":"2","batchref":"b1","reason":"shrunk","id":"LAMP#7#3","version":7,"of":5,"at":"2031-01-01T12:00:00.678Z"}"#,
            r#"{"type":"OutOfStock","orderid":"o2","sku":"LAMP","qty":2,"line":"2","waiting":true,"lines":1,"id":"LAMP#7#4","version":7,"of":5,"at":"2031-01-01T12:00:00.678Z"}"#,
            r#"{"type":"BatchQuantityChanged","batchref":"b1","sku":"LAMP","qty":1,"id":"LAMP#7#5","version":7,"of":5,"at":"2031-01-01T12:00:00.678Z"}"#,
        ];
        let json: Vec<_> = told.iter().map(|envelope| serde_json::to_string(envelope).unwrap()).collect();
        assert_eq!(json, expected);
        let read: Vec<Envelope> = json.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(read, told);
    }

    #[test]
    fn times_are_told_to_the_millisecond_whatever_the_clock_shows() {
        let text = |milliseconds| String::from(Timestamp(milliseconds));
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(1_925_035_200_000), "2031-01-01T12:00:00.000Z");
        assert!(text(u64::MAX).starts_with("9999-12-30T"), "{}", text(u64::MAX));
    }
}
