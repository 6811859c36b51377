//! The mapping from the table's stream to the relay function, by the rules that AWS states, since no emulator keeps
//! them. The function is the real one; the mapping's settings are those of template.yaml.
//!
//! The rules, with the pages of AWS's developer guide for Lambda (docs.aws.amazon.com/lambda/latest/dg/) that state
//! them:
//! - Batches have up to `BatchSize` records of a shard; several run side by side, but those of one item in order
//!   (with-ddb.html, "Polling and batching streams").
//! - An answer with failures moves the checkpoint to the lowest reported record, and what is left is tried again; an
//!   answer that names no record of the batch fails all of it (services-ddb-batchfailurereporting.html).
//! - A function that fails, crashes or times out has its batch split in two, which uses up no retry; with a partial
//!   answer, the split is at the reported record (the same page, "Bisecting a batch"; services-dynamodb-errors.html).
//! - After `MaximumRetryAttempts`, or when it is older than `MaximumRecordAgeInSeconds`, a batch is discarded: its
//!   whole event goes to the bucket, and the shard goes on (services-dynamodb-errors.html, services-ddb-params.html).
//!
//! What the pages leave open is a choice of each run, so that the claims hold either way: see [`Reading`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use adapters::stream::publish_events;
use anyhow::{Context as _, Result};
use aws_lambda_events::dynamodb::{Event as StreamEvent, EventRecord};
use lambda_runtime::Context;
use serde_json::json;
use service_layer::ports::{Environment, Timestamp};

use super::choices::Choices;
use super::run::Verdict;
use super::topic::Topic;

/// As template.yaml has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) batch_size: usize,
    lanes: usize,
    pub(super) retries: u32,
    pub(super) age: Duration,
    pub(super) timeout: Duration,
}

impl Settings {
    /// Reads template.yaml as text: a simulation waits for no tool that knows YAML.
    pub(super) fn of_the_template() -> Result<Self> {
        let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"))?;
        let mapping = |name: &str| property(&template, "PublishEventsMapping", name);
        anyhow::ensure!(mapping("BisectBatchOnFunctionError")? == "true", "batches are not split");
        anyhow::ensure!(mapping("FunctionResponseTypes")? == "[ReportBatchItemFailures]", "no partial answers");
        Ok(Self {
            batch_size: mapping("BatchSize")?.parse()?,
            lanes: mapping("ParallelizationFactor")?.parse()?,
            retries: mapping("MaximumRetryAttempts")?.parse()?,
            age: Duration::from_secs(mapping("MaximumRecordAgeInSeconds")?.parse()?),
            timeout: Duration::from_secs(property(&template, "PublishEventsFunction", "Timeout")?.parse()?),
        })
    }
}

fn property<'a>(template: &'a str, resource: &str, name: &str) -> Result<&'a str> {
    let mut lines = template.lines().skip_while(|line| *line != format!("  {resource}:")).skip(1);
    let of_resource = lines.by_ref().take_while(|line| line.is_empty() || line.starts_with("    "));
    let mut values = of_resource.filter_map(|line| line.strip_prefix(&format!("      {name}: ")));
    values.next().with_context(|| format!("{resource} has no {name}"))
}

/// How AWS's pages are read where they leave something open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Whether a partial answer that moves the checkpoint uses up a retry.
    pub(super) progress_costs_a_retry: bool,
    /// Whether a record that is too old takes its batch with it.
    pub(super) age_counts_for_the_batch: bool,
    /// What Lambda waits before it tries again.
    pub(super) pause: Duration,
}

/// A version of a product on its way out.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) sku: usize,
    pub(super) version: usize,
    pub(super) committed: Timestamp,
    pub(super) events: usize,
    pub(super) readable: bool,
}

impl Record {
    pub(super) fn ids(&self) -> impl Iterator<Item = String> {
        let (sku, version) = (self.sku, self.version);
        (1..=self.events).map(move |number| format!("S{sku}#{version}#{number}"))
    }

    /// As the stream shows it; mended, as a version of the function shows it to itself that can read it.
    fn shown(&self, sequence: usize, readable: bool) -> EventRecord {
        let sku = format!("S{}", self.sku);
        let event = json!({"M": {
            "type": {"S": "OutOfStock"}, "orderid": {"S": "o1"}, "sku": {"S": sku}, "qty": {"N": "3"}, "line": {"S": "3"},
            "waiting": {"BOOL": false}
        }});
        let mut image = json!({
            "PK": {"S": format!("SKU#{sku}")}, "SK": {"S": "PRODUCT"}, "version": {"N": self.version.to_string()},
            "commit": {"S": "00000000000000ff"}, "batches": {"L": []}, "backlog": {"BOOL": false},
            "waiting": {"M": {"lines": {"N": "0"}, "since": {"N": "0"}, "qty": {"N": "0"}}}, "events": {"L": vec![event; self.events]},
            "at": {"S": "2031-01-01T12:00:00.000Z"}
        });
        if !readable {
            image["events"] = json!({"S": "in a form of the future"});
        }
        let record = json!({
            "eventID": sequence.to_string(), "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "eu-west-1", "dynamodb": {
                "ApproximateCreationDateTime": self.committed.0 / 1_000, "SequenceNumber": sequence.to_string(),
                "Keys": {"PK": image["PK"], "SK": image["SK"]}, "NewImage": image, "SizeBytes": 1,
                "StreamViewType": "NEW_IMAGE"
            }
        });
        serde_json::from_value(record).unwrap()
    }
}

/// Where a record is, in the order of the stream.
type Sequence = usize;

struct Batch {
    records: Vec<Sequence>,
    retries: u32,
}

#[derive(Default)]
struct Lane {
    unread: VecDeque<Sequence>,
    /// Batches that were given to the function before.
    again: VecDeque<Batch>,
    free_at: Timestamp,
}

/// What became of an invocation.
enum Answer {
    Done,
    GoesOnAt(Sequence),
    NamesNone,
    Fails,
}

/// An object in the bucket of unpublished events.
pub(super) struct Object {
    pub(super) records: Vec<Sequence>,
    pub(super) payload: String,
}

/// One shard, with its lanes.
pub(super) struct Mapping {
    settings: Settings,
    reading: Reading,
    pub(super) records: Vec<Record>,
    shown: Vec<EventRecord>,
    lanes: Vec<Lane>,
    pub(super) topic: Topic,
    pub(super) bucket: Vec<Object>,
    /// When each record had been given to the function, first in its batch: the first and the last time, and how often.
    pub(super) led: BTreeMap<Sequence, (Timestamp, Timestamp, u32)>,
    pub(super) story: Vec<String>,
}

impl Mapping {
    pub(super) fn new(settings: Settings, reading: Reading, records: Vec<Record>, topic: Topic) -> Self {
        let mut lanes: Vec<Lane> = (0..settings.lanes).map(|_| Lane::default()).collect();
        for (sequence, record) in records.iter().enumerate() {
            // As the hash of the item's key says.
            lanes[record.sku % settings.lanes].unread.push_back(sequence);
        }
        let shown =
            records.iter().enumerate().map(|(sequence, record)| record.shown(sequence, record.readable)).collect();
        let (led, bucket, story) = (BTreeMap::new(), Vec::new(), vec![format!("{reading:?}")]);
        Self { settings, reading, records, shown, lanes, topic, bucket, led, story }
    }

    /// Goes on until nothing is left in the stream.
    pub(super) fn drain(&mut self) -> Verdict {
        for _ in 0..1_000_000 {
            let starts = (0..self.lanes.len()).filter_map(|lane| Some((self.starts(lane)?, lane)));
            let Some((start, lane)) = starts.min() else { return Ok(()) };
            self.topic.set_now(start);
            self.step(lane, start)?;
        }
        Err("the stream is never drained".to_owned())
    }

    fn starts(&self, lane: usize) -> Option<Timestamp> {
        let lane = &self.lanes[lane];
        let ready = match lane.again.front() {
            Some(_) => Timestamp(0),
            None => self.records[*lane.unread.front()?].committed,
        };
        Some(ready.max(lane.free_at))
    }

    fn step(&mut self, lane: usize, now: Timestamp) -> Verdict {
        let mut batch = match self.lanes[lane].again.pop_front() {
            Some(batch) => batch,
            None => self.read(lane, now),
        };
        let too_old = |sequence: &Sequence| now.since(self.records[*sequence].committed) > self.settings.age;
        let old = batch.records.iter().filter(|sequence| too_old(sequence)).count();
        if old > 0 {
            let discarded = if self.reading.age_counts_for_the_batch { batch.records.len() } else { old };
            let rest = batch.records.split_off(discarded);
            self.discard(batch.records, "too old");
            if !rest.is_empty() {
                self.lanes[lane].again.push_front(Batch { records: rest, ..batch });
            }
            return Ok(());
        }
        self.lead(batch.records[0], now);
        let answer = self.invoke(&batch.records)?;
        self.lanes[lane].free_at = self.topic.now();
        self.answered(lane, batch, &answer);
        Ok(())
    }

    fn lead(&mut self, sequence: Sequence, now: Timestamp) {
        let led = self.led.entry(sequence).or_insert((now, now, 0));
        led.1 = now;
        led.2 += 1;
    }

    fn read(&mut self, lane: usize, now: Timestamp) -> Batch {
        let unread = &mut self.lanes[lane].unread;
        let there = unread.iter().take_while(|sequence| self.records[**sequence].committed <= now).count();
        let count = self.topic.at_least_one_of(there.min(self.settings.batch_size));
        Batch { records: unread.drain(..count).collect(), retries: 0 }
    }

    fn event(&self, records: &[Sequence]) -> StreamEvent {
        let mut event = StreamEvent::default();
        event.records = records.iter().map(|sequence| self.shown[*sequence].clone()).collect();
        event
    }

    fn invoke(&mut self, records: &[Sequence]) -> Result<Answer, String> {
        let start = self.topic.now();
        let answer = give(&self.topic, self.event(records), self.settings.timeout);
        let took = self.topic.now().since(start);
        self.story.push(format!("{start:?}, for {took:?}: {records:?} {}", answer.is_ok()));
        if took > self.settings.timeout {
            return Err(format!("{records:?} took {took:?}"));
        }
        let Ok(failures) = answer else { return Ok(Answer::Fails) };
        let reported = failures.iter().map(|id| id.as_ref()?.parse().ok());
        Ok(match reported.collect::<Option<Vec<Sequence>>>() {
            Some(reported) if reported.is_empty() => Answer::Done,
            Some(reported) if reported.iter().all(|sequence| records.contains(sequence)) => {
                Answer::GoesOnAt(reported.into_iter().min().unwrap())
            }
            _ => Answer::NamesNone,
        })
    }

    fn answered(&mut self, lane: usize, mut batch: Batch, answer: &Answer) {
        match answer {
            Answer::Done => return,
            Answer::GoesOnAt(sequence) => {
                let done = batch.records.iter().take_while(|record| *record != sequence).count();
                batch.records.drain(..done);
                batch.retries += u32::from(done == 0 || self.reading.progress_costs_a_retry);
            }
            Answer::Fails if batch.records.len() > 1 => {
                let second = batch.records.split_off(batch.records.len() / 2);
                self.lanes[lane].again.push_front(Batch { records: second, retries: batch.retries });
            }
            Answer::Fails | Answer::NamesNone => batch.retries += 1,
        }
        if batch.retries > self.settings.retries {
            self.discard(batch.records, "tried too often");
            return;
        }
        let lane = &mut self.lanes[lane];
        lane.again.push_front(batch);
        lane.free_at = lane.free_at.plus(self.reading.pause);
    }

    fn discard(&mut self, records: Vec<Sequence>, why: &str) {
        self.story.push(format!("{:?}: {records:?} to the bucket, {why}", self.topic.now()));
        let payload = serde_json::to_string(&self.event(&records)).unwrap();
        self.bucket.push(Object { records, payload });
    }

    /// What an operator does with the objects of the bucket once a version that reads all records is there. Nothing of
    /// what was committed is missing after that.
    pub(super) fn replay(&mut self) -> Verdict {
        self.topic.mend();
        for Object { records, payload } in &self.bucket {
            let mut event: StreamEvent = serde_json::from_str(payload).unwrap();
            if event != self.event(records) {
                return Err(format!("{records:?} are in the bucket as {payload}"));
            }
            for (sequence, shown) in records.iter().zip(&mut event.records) {
                *shown = self.records[*sequence].shown(*sequence, true);
            }
            match give(&self.topic, event, self.settings.timeout) {
                Ok(failures) if failures.is_empty() => {}
                other => return Err(format!("{records:?} replayed: {other:?}")),
            }
        }
        let published: BTreeSet<String> = self.topic.calls().into_iter().flat_map(|call| call.taken).collect();
        let missing = self.records.iter().flat_map(Record::ids).find(|id| !published.contains(id));
        missing.map_or(Ok(()), |id| Err(format!("{id} was never published")))
    }

    /// The records that left by the bucket.
    pub(super) fn left(&self) -> BTreeSet<Sequence> {
        self.bucket.iter().flat_map(|object| object.records.iter().copied()).collect()
    }

    pub(super) fn choices(&mut self) -> Choices {
        self.topic.take_choices()
    }
}

/// Runs the function: its answer's failures, or an error if it failed, crashed or was stopped.
fn give(topic: &Topic, event: StreamEvent, timeout: Duration) -> Result<Vec<Option<String>>, ()> {
    let start = topic.now();
    let mut context = Context::default();
    context.deadline = start.plus(timeout).0;
    let work = pin!(publish_events(topic, topic, event, &context));
    match work.poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(Ok(answer)) => {
            Ok(answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect())
        }
        Poll::Ready(Err(_)) => Err(()),
        Poll::Pending => {
            topic.stopped(start.plus(timeout));
            Err(())
        }
    }
}
