//! Failures of SNS, on the way from the table's stream to the topic.

use std::collections::BTreeSet;
use std::time::Duration;

use adapters::sns::SnsTopic;
use adapters::stream::publish_events;
use lambda_http::Context;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use service_layer::ports::Environment;

use crate::clock::Clock;
use crate::wire::{Failure, Reply, Service, Strikes, Wire, own_budget};
use Failure::{After, Before};

/// What becomes of an entry of a batch that is not published.
#[derive(Clone, Copy)]
enum Entry {
    Failed {
        sender_fault: bool,
    },
    /// Neither among the successful entries nor among the failed ones.
    Unnamed,
}

use Entry::{Failed, Unnamed};

const REFUSED: Entry = Failed { sender_fault: false };
const SENDERS_FAULT: Entry = Failed { sender_fault: true };

/// What becomes of a batch of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// The stream goes on at this record.
    GoesOnAt(usize),
    /// The function fails, and Lambda halves the batch.
    Halved,
}

use Outcome::{Done, GoesOnAt, Halved};

#[derive(Default)]
struct Topic {
    /// Ids of what was published, in that order.
    published: Vec<String>,
    /// Of entries that are not published.
    fates: Vec<(&'static str, Entry)>,
}

type Fates<'a> = &'a [(&'static str, Entry)];

impl Service for Topic {
    fn answer(&mut self, operation: &str, body: &[u8]) -> (u16, String) {
        assert_eq!(operation, "PublishBatch");
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (index, message) in messages(body).into_iter().enumerate() {
            let id = message["id"].as_str().unwrap();
            let fate = self.fates.iter().find(|(failing, _)| *failing == id);
            match fate.map(|(_, fate)| fate) {
                None => {
                    self.published.push(id.to_owned());
                    successful.push(format!("<member><Id>{index}</Id><MessageId>m</MessageId></member>"));
                }
                Some(Failed { sender_fault }) => failed.push(format!(
                    "<member><Id>{index}</Id><Code>Reason</Code><SenderFault>{sender_fault}</SenderFault></member>"
                )),
                Some(Unnamed) => {}
            }
        }
        let (successful, failed) = (successful.concat(), failed.concat());
        let body = format!(
            "<PublishBatchResponse><PublishBatchResult><Successful>{successful}</Successful>\
             <Failed>{failed}</Failed></PublishBatchResult></PublishBatchResponse>"
        );
        (200, body)
    }
}

/// The entries' messages, from a form.
fn messages(body: &[u8]) -> Vec<Value> {
    let form = std::str::from_utf8(body).unwrap();
    let fields = form.split('&').filter_map(|field| field.split_once('='));
    let of_entries = fields.filter(|(name, _)| name.ends_with(".Message"));
    let read = |text: &str| serde_json::from_str(&percent_decode_str(text).decode_utf8().unwrap()).unwrap();
    of_entries.map(|(_, text)| read(text)).collect()
}

fn refusal(status: u16, code: &str) -> Reply {
    let body = format!("<ErrorResponse><Error><Code>{code}</Code><Message>refused</Message></Error></ErrorResponse>");
    Reply::Says(status, body)
}

struct Relay {
    wire: Wire<Topic>,
    topic: SnsTopic,
    clock: Clock,
}

impl Relay {
    fn new() -> Self {
        let (wire, clock) = (Wire::to(Topic::default()), Clock::default());
        let config = aws_sdk_sns::config::Builder::from(&wire.config(&clock)).retry_partition(own_budget()).build();
        let arn = "arn:aws:sns:eu-west-1:123456789012:events".to_owned();
        Self { topic: SnsTopic::new(aws_sdk_sns::Client::from_conf(config), arn), wire, clock }
    }

    /// Gives the function the records of these versions, with four events each.
    async fn publish(&self, versions: std::ops::Range<usize>) -> Outcome {
        let records: Vec<Value> = versions.clone().map(record).collect();
        let event = serde_json::from_value(json!({"Records": records})).unwrap();
        let mut context = Context::default();
        context.deadline = self.clock.now().plus(Duration::from_secs(30)).0;
        let began = self.clock.now();
        let answer = publish_events(&self.topic, &self.clock, event, &context).await;
        let took = self.clock.now().since(began);
        assert!(took < Duration::from_secs(30), "no answer within the function's time");
        let failed = answer.as_ref().map_or(true, |answer| !answer.batch_item_failures.is_empty());
        assert!(!failed || took > Duration::from_secs(20), "gave up after {took:?}");
        let Ok(answer) = answer else { return Halved };
        match answer.batch_item_failures.as_slice() {
            [] => Done,
            [failure] => GoesOnAt(failure.item_identifier.as_ref().unwrap().parse().unwrap()),
            more => panic!("{more:?}"),
        }
    }

    /// Everything from these versions is published, first times in order.
    fn assert_published(&self, versions: std::ops::Range<usize>, what: &str) {
        let ids = versions.flat_map(|version| (1..=4).map(move |number| format!("LAMP#{version}#{number}")));
        let mut firsts = Vec::new();
        for id in self.wire.service(|topic| topic.published.clone()) {
            if !firsts.contains(&id) {
                firsts.push(id);
            }
        }
        assert_eq!(firsts, ids.collect::<Vec<_>>(), "{what}");
    }
}

fn record(version: usize) -> Value {
    let event = json!({"M": {
        "type": {"S": "OutOfStock"}, "orderid": {"S": "o1"}, "sku": {"S": "LAMP"}, "qty": {"N": "3"}, "line": {"S": "3"},
        "waiting": {"BOOL": false}
    }});
    let image = json!({
        "PK": {"S": "SKU#LAMP"}, "SK": {"S": "PRODUCT"}, "version": {"N": version.to_string()},
        "commit": {"S": "00000000000000ff"}, "batches": {"L": []}, "backlog": {"BOOL": false},
        "waiting": {"M": {"lines": {"N": "0"}, "since": {"N": "0"}, "qty": {"N": "0"}}}, "events": {"L": vec![event; 4]},
        "at": {"S": "2031-01-01T12:00:00.000Z"}
    });
    json!({
        "eventID": "e", "eventName": "MODIFY", "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_300_000_000, "SequenceNumber": version.to_string(),
            "SizeBytes": 1, "StreamViewType": "NEW_IMAGE", "NewImage": image
        }
    })
}

/// Of a whole call.
fn failures_of_a_call() -> Vec<(&'static str, Failure)> {
    let says = |status, body: &str| Reply::Says(status, body.to_owned());
    vec![
        ("throttled", Before(refusal(400, "Throttling"))),
        ("throttled, as the topic says it", Before(refusal(429, "Throttled"))),
        ("internal error", Before(refusal(500, "InternalError"))),
        ("service unavailable, without XML", Before(says(503, ""))),
        ("no reply in time", Before(Reply::Hangs)),
        ("connection broken", Before(Reply::Breaks)),
        ("no reply in time, though published", After(Reply::Hangs)),
        ("connection broken, though published", After(Reply::Breaks)),
        ("internal error, though published", After(refusal(500, "InternalError"))),
        ("a reply that is no XML, though published", After(says(200, "{}"))),
        ("a reply without entries, though published", After(says(200, "<PublishBatchResponse/>"))),
        ("expired credentials", Before(refusal(403, "ExpiredToken"))),
        ("unknown credentials", Before(refusal(403, "InvalidClientTokenId"))),
        ("no permission", Before(refusal(403, "AuthorizationError"))),
        ("no such topic", Before(refusal(404, "NotFound"))),
        ("invalid parameter", Before(refusal(400, "InvalidParameter"))),
        ("too much in one request", Before(refusal(400, "BatchRequestTooLong"))),
        ("key disabled", Before(refusal(400, "KMSDisabled"))),
    ]
}

#[tokio::test]
async fn calls_that_fail() {
    for (what, failure) in failures_of_a_call() {
        for strikes in [Strikes::Once, Strikes::Twice] {
            let relay = Relay::new();
            relay.wire.fails("PublishBatch", &failure, strikes);
            assert_eq!(relay.publish(1..4).await, Done, "{what}");
            relay.assert_published(1..4, what);
        }

        // As long as it lasts, the batch is halved down to its first record, and that one is named. Each of these tries
        // lasts, so that the stream has some left when the topic is back.
        let relay = Relay::new();
        relay.wire.fails("PublishBatch", &failure, Strikes::Always);
        assert_eq!(relay.publish(1..4).await, Halved, "{what}");
        assert_eq!(relay.publish(1..2).await, GoesOnAt(1), "{what}");
        relay.wire.recovers();
        assert_eq!(relay.publish(1..4).await, Done, "{what}");
        relay.assert_published(1..4, what);
    }
}

/// Those that come behind it wait, so that first times stay in order from one call to the next. Ten of twelve messages
/// come in the first call: versions 1 and 2, and half of version 3.
#[tokio::test]
async fn entries_that_fail() {
    let rows: [(&str, Fates, Outcome); 9] = [
        ("the first", &[("LAMP#1#1", REFUSED)], Halved),
        ("the first, by its sender's fault", &[("LAMP#1#1", SENDERS_FAULT)], Halved),
        ("the last of version 1", &[("LAMP#1#4", REFUSED)], Halved),
        ("the first of version 2", &[("LAMP#2#1", REFUSED)], GoesOnAt(2)),
        ("by its sender's fault", &[("LAMP#2#3", SENDERS_FAULT)], GoesOnAt(2)),
        ("the last of the first call", &[("LAMP#3#2", REFUSED)], GoesOnAt(3)),
        ("the last of all", &[("LAMP#3#4", REFUSED)], GoesOnAt(3)),
        ("two of them", &[("LAMP#3#1", REFUSED), ("LAMP#2#2", REFUSED)], GoesOnAt(2)),
        ("one is named neither way", &[("LAMP#2#4", Unnamed)], GoesOnAt(2)),
    ];
    for (what, fates, expected) in rows {
        let relay = Relay::new();
        relay.wire.service(|topic| topic.fates = fates.to_vec());
        let outcome = relay.publish(1..4).await;
        assert_eq!(outcome, expected, "{what}");
        relay.wire.service(|topic| topic.fates.clear());
        let from = if let GoesOnAt(record) = outcome { record } else { 1 };
        assert_eq!(relay.publish(from..4).await, Done, "{what}");
        let ids: BTreeSet<_> = relay.wire.service(|topic| topic.published.iter().cloned().collect());
        assert_eq!(ids.len(), 12, "{what}: {ids:?}");
    }
}
