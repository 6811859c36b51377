//! The warehouse's word on batches and lines: by its queue, or by `PATCH /batches/{ref}`.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use domain::{BatchRef, ChangeOutcome, Counted, Eta, LineId, LineName, OrderId, Quantity, Revision, Sku};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use service_layer::ports::{Environment, Timestamp};
use service_layer::{Call, ChangeBatch, Figures, NewEta, Source};

use crate::json::{Count, Object, read_object};

/// What a message says.
#[derive(Debug)]
pub(crate) enum Word {
    /// How a batch is.
    Change(ChangeBatch),
    /// That a line went to its customer.
    Shipped(LineId),
}

/// A message of the queue. A field that is not known is refused: it would be a misspelt one, and what it says lost.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageBody {
    #[serde(alias = "batchid")]
    batchref: Option<BatchRef>,
    sku: Option<Sku>,
    qty: Option<Pieces>,
    on_hand: Option<Pieces>,
    #[serde(default, deserialize_with = "told")]
    eta: Option<NewEta>,
    version: Option<Count>,
    as_of: Option<AsOf>,
    shipped: Option<Object<Shipped>>,
}

/// The line that was shipped.
#[derive(Deserialize)]
#[serde(try_from = "ShippedFields")]
struct Shipped(LineId);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShippedFields {
    orderid: OrderId,
    sku: Sku,
    qty: Option<Quantity>,
    line: Option<LineName>,
}

impl TryFrom<ShippedFields> for Shipped {
    type Error = String;

    fn try_from(ShippedFields { orderid, sku, qty, line }: ShippedFields) -> Result<Self, String> {
        LineId::named(orderid, sku, line, qty).map(Self)
    }
}

/// How a batch is, as a body of a request says it.
#[derive(Deserialize)]
pub(crate) struct ChangeBody {
    sku: Option<Sku>,
    qty: Option<Pieces>,
    on_hand: Option<Pieces>,
    #[serde(default, deserialize_with = "told")]
    eta: Option<NewEta>,
    version: Option<Count>,
    as_of: Option<AsOf>,
}

#[derive(Clone, Copy, Deserialize)]
struct Pieces(#[serde(deserialize_with = "domain::read_stock_level")] u32);

/// A null is told too: the batch is in the warehouse.
fn told<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NewEta>, D::Error> {
    Option::<Eta>::deserialize(deserializer).map(|eta| Some(NewEta(eta)))
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected milliseconds since 1970 or a time such as 2011-01-31T12:00:00Z")]
enum AsOf {
    Milliseconds(Count),
    Time(jiff::Timestamp),
}

impl AsOf {
    /// The first time that is taken: 2001 began. What is less was counted in seconds.
    const FIRST: u64 = 978_307_200_000;
    /// By how much a sender's clock may be ahead. What is more was counted in microseconds, and would outrank every
    /// change to come.
    const AHEAD: Duration = Duration::from_hours(24);

    /// Milliseconds since 1970, if that makes sense in what was sent at this time.
    fn checked(&self, sent: Timestamp) -> Result<u64, &'static str> {
        let milliseconds = match self {
            Self::Milliseconds(Count(milliseconds)) => *milliseconds,
            Self::Time(time) => Timestamp::try_from(*time).unwrap_or_default().0,
        };
        if milliseconds < Self::FIRST {
            return Err("as_of: is before 2001; expected milliseconds since 1970, not seconds");
        }
        if Timestamp(milliseconds) > sent.plus(Self::AHEAD) {
            return Err("as_of: is more than a day after the message was sent; expected milliseconds since 1970, not \
                microseconds");
        }
        Ok(milliseconds)
    }
}

impl ChangeBody {
    fn is_empty(&self) -> bool {
        let Self { sku, qty, on_hand, eta, version, as_of } = self;
        let is_told =
            [sku.is_some(), qty.is_some(), on_hand.is_some(), eta.is_some(), version.is_some(), as_of.is_some()];
        !is_told.contains(&true)
    }

    /// The command. How new it is, says `version` or `as_of`, or else the time of sending.
    ///
    /// # Errors
    /// Names the field that is wrong or missing.
    pub(crate) fn into_command(
        self,
        reference: BatchRef,
        sent: Result<Timestamp, &'static str>,
    ) -> Result<ChangeBatch, &'static str> {
        let counted = match (self.qty, self.on_hand) {
            (Some(_), Some(_)) => return Err("on_hand: must not be there beside qty"),
            (Some(Pieces(pieces)), None) => Some(Counted::Purchased(pieces)),
            (None, Some(Pieces(pieces))) => Some(Counted::OnHand(pieces)),
            (None, None) if self.eta.is_none() => return Err("qty: must be there, or else on_hand or eta"),
            (None, None) => None,
        };
        let as_of = self.as_of.map(|as_of| as_of.checked(sent?)).transpose()?;
        let revision = match (self.version, as_of) {
            (Some(Count(version)), _) => Revision::Version(version),
            (None, Some(as_of)) => Revision::AsOf(as_of),
            (None, None) => Revision::AsOf(sent?.0),
        };
        Ok(ChangeBatch { reference, sku: self.sku, counted, eta: self.eta, revision })
    }
}

/// Reads `{"batchref": "b1", "qty": 25}`, or `{"shipped": {..}}`.
pub(crate) fn read(message: &SqsMessage) -> Result<Word, Source> {
    let text = message.body.as_deref().unwrap_or_default().as_bytes();
    let body: MessageBody = read_object(text).map_err(|error| match wrapper(text) {
        Some(reason) => Source::from(reason),
        None => error.into(),
    })?;
    let MessageBody { batchref, sku, qty, on_hand, eta, version, as_of, shipped } = body;
    let change = ChangeBody { sku, qty, on_hand, eta, version, as_of };
    match (batchref, shipped) {
        (None, Some(Object(Shipped(id)))) if change.is_empty() => Ok(Word::Shipped(id)),
        (_, Some(_)) => Err("shipped: must be alone".into()),
        (None, None) => Err("missing field `batchref` or `shipped`".into()),
        (Some(reference), None) => {
            let named = reference.clone();
            let change = change.into_command(reference, sent(message));
            change.map(Word::Change).map_err(|reason| format!("batch {:?}: {reason}", named.as_str()).into())
        }
    }
}

/// What came of a change, for the log and the figures.
pub(crate) fn note<E: Environment>(environment: &E, call: &Call, change: &ChangeBatch, outcome: ChangeOutcome) {
    let (batchref, revision) = (change.reference.as_str(), change.revision);
    match outcome {
        ChangeOutcome::Applied | ChangeOutcome::Known => {}
        ChangeOutcome::Outdated => tracing::info!(batchref, ?revision, "change of a batch is not newer"),
        ChangeOutcome::Unnumbered => {
            let reason = "the batch has seen a version, and this change has none";
            tracing::warn!(batchref, ?revision, reason, "change of a batch is ignored");
            environment.record(call, &Figures::UnnumberedChange);
        }
    }
}

fn sent(message: &SqsMessage) -> Result<Timestamp, &'static str> {
    let sent = message.attributes.get("SentTimestamp").and_then(|sent| sent.parse().ok());
    sent.map(Timestamp).ok_or("the message has no SentTimestamp, which SQS gives to each")
}

/// What a message is, if it is another message's wrapper.
fn wrapper(text: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Wrapper {
        #[serde(rename = "TopicArn")]
        topic: Option<IgnoredAny>,
        #[serde(rename = "detail-type")]
        detail_type: Option<IgnoredAny>,
    }

    let Wrapper { topic, detail_type } = read_object(text).ok()?;
    if topic.is_some() {
        return Some(
            "the message is an SNS notification around another: turn on the subscription's raw message delivery",
        );
    }
    detail_type.map(|_| {
        "the message is an EventBridge event around another: let the rule's target send its detail alone (InputPath $.detail)"
    })
}

#[cfg(test)]
mod tests {
    use testing::sqs_message;

    use super::*;

    fn word(body: &str) -> Result<Word, String> {
        let mut message = sqs_message("m1", body);
        message.attributes.insert("SentTimestamp".to_owned(), "1700000000000".to_owned());
        read(&message).map_err(|error| error.to_string())
    }

    fn change(body: &str) -> Result<ChangeBatch, String> {
        match word(body)? {
            Word::Change(change) => Ok(change),
            Word::Shipped(id) => panic!("{id:?} is shipped"),
        }
    }

    #[test]
    fn both_spellings_of_the_reference_are_read() {
        let expected = Ok(ChangeBatch {
            reference: "b1".try_into().unwrap(),
            sku: None,
            counted: Some(Counted::Purchased(25)),
            eta: None,
            revision: Revision::AsOf(1_700_000_000_000),
        });
        assert_eq!(change(r#"{"batchref": "b1", "qty": 25}"#), expected);
        assert_eq!(change(r#"{"batchid": "b1", "qty": "25"}"#), expected);
        assert_eq!(
            change(r#"{"batchid": "b1", "batchref": "b1", "qty": 25}"#),
            Err("duplicate field `batchref`".to_owned())
        );
    }

    #[test]
    fn the_body_may_say_how_new_it_is() {
        let revision =
            |field: &str| change(&format!(r#"{{"batchref":"b1","qty":0,{field}}}"#)).map(|change| change.revision);
        for version in ["7", "7.0", "\"7\""] {
            assert_eq!(revision(&format!("\"version\":{version}")), Ok(Revision::Version(7)));
        }
        assert_eq!(
            revision(r#""version":7.5"#).unwrap_err(),
            "version: invalid type: floating point `7.5`, expected a whole number from 0 to 18446744073709551615"
        );
        for as_of in ["1600000000000", "\"1600000000000\"", "\"2020-09-13T12:26:40Z\"", "\"2020-09-13T14:26:40+02:00\""]
        {
            assert_eq!(revision(&format!("\"as_of\":{as_of}")), Ok(Revision::AsOf(1_600_000_000_000)));
        }
        assert_eq!(revision(r#""as_of":null,"version":null"#), Ok(Revision::AsOf(1_700_000_000_000)));
        assert_eq!(
            revision(r#""as_of":"yesterday""#).unwrap_err(),
            "as_of: expected milliseconds since 1970 or a time such as 2011-01-31T12:00:00Z"
        );
        let both = r#""as_of":1600000000000,"version":7"#;
        assert_eq!(revision(both), Ok(Revision::Version(7)), "the one that outranks the other");
    }

    #[test]
    fn a_time_that_makes_no_sense_is_refused() {
        let revision = |as_of: &str| {
            change(&format!(r#"{{"batchref":"b1","qty":0,"as_of":{as_of}}}"#)).map(|change| change.revision)
        };
        // The message was sent at 1700000000000.
        assert_eq!(revision("978307200000"), Ok(Revision::AsOf(978_307_200_000)));
        assert_eq!(revision("1700086400000"), Ok(Revision::AsOf(1_700_086_400_000)), "a day ahead");
        let early = "batch \"b1\": as_of: is before 2001; expected milliseconds since 1970, not seconds";
        for seconds in [
            "978307199999",
            "1700000000",
            "0",
            "\"1700000000\"",
            "\"1999-12-31T00:00:00Z\"",
            "\"1969-12-31T23:59:59Z\"",
        ] {
            assert_eq!(revision(seconds).unwrap_err(), early, "{seconds}");
        }
        let late = "batch \"b1\": as_of: is more than a day after the message was sent; expected milliseconds since 1970, not microseconds";
        for microseconds in ["1700086400001", "1700000000000000", "18446744073709551615", "\"2999-01-01T00:00:00Z\""] {
            assert_eq!(revision(microseconds).unwrap_err(), late, "{microseconds}");
        }
        assert_eq!(
            change(r#"{"batchref":"b1","qty":0,"as_of":1,"version":1}"#).unwrap_err(),
            early,
            "beside a version"
        );
    }

    #[test]
    fn a_field_that_is_not_known_fails_the_message() {
        for misspelt in ["asOf", "Qty", "quantity", "Version"] {
            let reason = change(&format!(r#"{{"batchref":"b1","qty":0,"{misspelt}":5}}"#)).unwrap_err();
            assert!(reason.contains(&format!("unknown field `{misspelt}`")), "{reason}");
        }
        // Without it, another line would be meant.
        let shipped = word(r#"{"shipped":{"orderid":"o1","sku":"S","qty":3,"lin":"left"}}"#).unwrap_err();
        assert!(shipped.starts_with("shipped.lin: unknown field `lin`"), "{shipped}");
        for (no_object, found) in [(r#"["o1","S",3,null]"#, "sequence"), ("[]", "sequence"), ("\"x\"", "string \"x\"")]
        {
            let refused = word(&format!(r#"{{"shipped":{no_object}}}"#)).unwrap_err();
            let reason = format!("shipped: invalid type: {found}, expected an object");
            assert_eq!(refused, reason);
        }
    }

    #[test]
    fn a_message_around_another_is_told_as_what_it_is() {
        let notification = r#"{"Type":"Notification","TopicArn":"arn","Message":"{\"batchref\":\"b1\",\"qty\":5}"}"#;
        assert!(change(notification).unwrap_err().contains("raw message delivery"));
        let event = r#"{"version":"0","id":"1","detail-type":"Count","source":"s","detail":{"batchref":"b1","qty":5}}"#;
        assert!(change(event).unwrap_err().contains("InputPath $.detail"));
    }

    #[test]
    fn a_message_says_how_many_there_are_or_when_the_batch_comes_or_both() {
        let told = |fields: &str| {
            let change = change(&format!(r#"{{"batchref":"b1",{fields}}}"#))?;
            Ok::<_, String>((change.counted, change.eta, change.sku.map(|sku| sku.to_string())))
        };
        let day = || Some(NewEta(Some("2031-01-02".to_owned().try_into().unwrap())));
        assert_eq!(told(r#""on_hand":"7""#), Ok((Some(Counted::OnHand(7)), None, None)));
        assert_eq!(told(r#""eta":"2031-01-02","sku":"S""#), Ok((None, day(), Some("S".to_owned()))));
        assert_eq!(told(r#""eta":null"#), Ok((None, Some(NewEta(None)), None)), "it is here");
        assert_eq!(told(r#""qty":7,"eta":"2031-01-02""#), Ok((Some(Counted::Purchased(7)), day(), None)));
        let refused = |fields: &str| told(fields).unwrap_err();
        assert_eq!(refused(r#""sku":"S""#), "batch \"b1\": qty: must be there, or else on_hand or eta");
        assert_eq!(refused(r#""qty":7,"on_hand":7"#), "batch \"b1\": on_hand: must not be there beside qty");
        assert!(refused(r#""eta":"soon""#).starts_with("eta: must be a date"));
    }

    #[test]
    fn a_message_may_say_that_a_line_was_shipped() {
        let line = r#""shipped":{"orderid":"o1","sku":"S","line":"left"}"#;
        let Ok(Word::Shipped(id)) = word(&format!("{{{line}}}")) else { panic!("it is shipped") };
        assert_eq!((id.orderid.as_str(), id.sku.as_str(), id.name.as_str()), ("o1", "S", "left"));
        for more in [r#""qty":1"#, r#""batchref":"b1","qty":1"#, r#""eta":null"#] {
            assert_eq!(word(&format!("{{{line},{more}}}")).unwrap_err(), "shipped: must be alone", "{more}");
        }
        assert_eq!(word(r#"{"qty":1}"#).unwrap_err(), "missing field `batchref` or `shipped`");
        assert!(word(r#"{"shipped":{"orderid":"o1","sku":"S"}}"#).unwrap_err().starts_with("shipped: "));
    }
}
