//! Failures of SES, and of the inbox, on the way from an event to its mail.

use std::collections::BTreeMap;
use std::time::Duration;

use adapters::bootstrap::mail_client;
use adapters::dynamodb::DynamoDb;
use adapters::ses::SesMailer;
use adapters::sqs::handle_events;
use lambda_http::Context;
use percent_encoding::percent_decode_str;
use serde_json::json;
use service_layer::MessageBus;
use service_layer::ports::Environment;
use testing::{sqs_event, sqs_message};

use crate::clock::Clock;
use crate::failures::failures_of_any_call;
use crate::table::Table;
use crate::wire::{Failure, Reply, Service, Strikes, Wire, own_budget};
use Failure::{After, Before};

/// As template.yaml has them.
const DELIVERIES: u32 = 5;
const VISIBILITY: Duration = Duration::from_mins(3);
const LIMIT: Duration = Duration::from_secs(30);

/// What becomes of a message, and how many mails SES took for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Done at this delivery. Before it, the message went back to the queue.
    Done(u32, Mails),
    /// Back to the queue each time, and a dead letter in the end.
    DeadLetter(Mails),
}

type Mails = u32;

use Outcome::{DeadLetter, Done};

#[derive(Default)]
struct Ses {
    accepted: u32,
    /// The fields of the last mail but for its text.
    fields: BTreeMap<String, String>,
    /// Called with each mail that is accepted.
    then: Option<Box<dyn Fn() + Send>>,
}

impl Service for Ses {
    fn answer(&mut self, operation: &str, body: &[u8]) -> (u16, String) {
        assert_eq!(operation, "SendEmail");
        self.fields = fields(body);
        assert!(self.fields.remove("Message.Body.Text.Data").unwrap().starts_with("Out of stock for LAMP: "));
        self.accepted += 1;
        if let Some(then) = &self.then {
            then();
        }
        let body = "<SendEmailResponse><SendEmailResult><MessageId>m</MessageId></SendEmailResult></SendEmailResponse>";
        (200, body.to_owned())
    }
}

fn fields(form: &[u8]) -> BTreeMap<String, String> {
    let fields = std::str::from_utf8(form).unwrap().split('&').map(|field| field.split_once('=').unwrap());
    fields.map(|(name, text)| (name.to_owned(), percent_decode_str(text).decode_utf8().unwrap().into_owned())).collect()
}

fn refusal(status: u16, code: &str) -> Reply {
    let body = format!("<ErrorResponse><Error><Code>{code}</Code><Message>refused</Message></Error></ErrorResponse>");
    Reply::Says(status, body)
}

struct Office {
    ses: Wire<Ses>,
    table: Wire<Table>,
    bus: MessageBus<DynamoDb, Clock, SesMailer>,
}

impl Office {
    fn open() -> Self {
        Self::with_configuration_set(None)
    }

    fn with_configuration_set(name: Option<&str>) -> Self {
        let (ses, table, clock) = (Wire::to(Ses::default()), Wire::to(Table::default()), Clock::default());
        clock.passes(Duration::from_secs(1_300_000_000));
        let config = aws_sdk_dynamodb::config::Builder::from(&table.config(&clock)).retry_partition(own_budget());
        let store = DynamoDb::new(aws_sdk_dynamodb::Client::from_conf(config.build()), "allocation".to_owned());
        let (from, to) = ("a@made.com".to_owned(), "b@made.com".to_owned());
        let mailer = SesMailer::new(mail_client(&ses.config(&clock)), from, to, name.map(str::to_owned));
        Self { ses, table, bus: MessageBus::new(store, clock, mailer) }
    }

    /// Delivers an event until it is handled, beside one that needs no reaction and must not share its fate.
    async fn handle(&self, after_first: impl Fn()) -> Outcome {
        for delivery in 1..=DELIVERIES {
            let out_of_stock = json!({
                "type": "OutOfStock", "orderid": "o1", "sku": "LAMP", "qty": 3, "line": "3", "id": "LAMP#7#1", "version": 7,
                "waiting": false, "line": "3", "lines": 1, "of": 1, "at": "2031-01-01T12:00:00.000Z"
            });
            let allocated = json!({
                "type": "Allocated", "orderid": "o1", "sku": "LAMP", "qty": 3, "line": "3", "batchref": "b1", "id": "LAMP#6#1",
                "version": 6, "eta": null, "line": "3", "of": 1, "at": "2031-01-01T12:00:00.000Z"
            });
            let bodies = [("out of stock", out_of_stock), ("allocated", allocated)];
            let event = sqs_event(bodies.map(|(id, body)| sqs_message(id, &body.to_string())));
            let clock = self.bus.environment();
            let (began, mut context) = (clock.now(), Context::default());
            context.deadline = began.plus(LIMIT).0;
            let answer = handle_events(&self.bus, event, &context, DELIVERIES).await;
            assert!(clock.now().since(began) < LIMIT, "no answer within the function's time");
            let failed: Vec<_> = answer.batch_item_failures.into_iter().map(|failed| failed.item_identifier).collect();
            if failed.is_empty() {
                return Done(delivery, self.mails());
            }
            assert_eq!(failed, ["out of stock"]);
            clock.passes(VISIBILITY);
            after_first();
        }
        DeadLetter(self.mails())
    }

    fn mails(&self) -> Mails {
        self.ses.service(|ses| ses.accepted)
    }
}

/// A refusal, and how many mails one such failure leads to.
fn failures() -> Vec<(&'static str, Failure, Mails)> {
    let says = |status, body: &str| Reply::Says(status, body.to_owned());
    vec![
        ("message rejected (a sandbox, an address not verified)", Before(refusal(400, "MessageRejected")), 1),
        ("domain not verified", Before(refusal(400, "MailFromDomainNotVerifiedException")), 1),
        ("sending paused", Before(refusal(400, "AccountSendingPausedException")), 1),
        ("no such configuration set", Before(refusal(400, "ConfigurationSetDoesNotExist")), 1),
        ("configuration set paused", Before(refusal(400, "ConfigurationSetSendingPausedException")), 1),
        ("too many a second, or a day", Before(refusal(400, "Throttling")), 1),
        ("invalid request", Before(refusal(400, "InvalidParameterValue")), 1),
        ("expired credentials", Before(refusal(403, "ExpiredToken")), 1),
        ("unknown credentials", Before(refusal(403, "InvalidClientTokenId")), 1),
        ("no permission", Before(refusal(403, "AccessDenied")), 1),
        ("internal error", Before(refusal(500, "InternalFailure")), 1),
        ("service unavailable, without XML", Before(says(503, "")), 1),
        ("no reply in time", Before(Reply::Hangs), 1),
        ("connection broken", Before(Reply::Breaks), 1),
        // Nobody can tell these from mails that were not sent. Two are better than none.
        ("no reply in time, though sent", After(Reply::Hangs), 2),
        ("connection broken, though sent", After(Reply::Breaks), 2),
        ("internal error, though sent", After(refusal(500, "InternalFailure")), 2),
        ("a reply that is no XML, though sent", After(says(200, "{}")), 2),
    ]
}

#[tokio::test]
async fn a_mail_names_a_configuration_set_only_if_there_is_one() {
    for name in [None, Some("desk")] {
        let office = Office::with_configuration_set(name);
        assert_eq!(office.handle(|| ()).await, Done(1, 1));
        let mut expected = BTreeMap::from([
            ("Action", "SendEmail"),
            ("Version", "2010-12-01"),
            ("Source", "a@made.com"),
            ("Destination.ToAddresses.member.1", "b@made.com"),
            ("Message.Subject.Data", "Out of stock for LAMP"),
            ("Message.Subject.Charset", "UTF-8"),
            ("Message.Body.Text.Charset", "UTF-8"),
        ]);
        expected.extend(name.map(|name| ("ConfigurationSetName", name)));
        let sent = office.ses.service(|ses| ses.fields.clone());
        assert_eq!(sent.iter().map(|(name, text)| (&**name, &**text)).collect::<BTreeMap<_, _>>(), expected);
    }
}

/// The message goes back to the queue at once: no mail is tried twice within a delivery.
#[tokio::test]
async fn mails_that_are_refused() {
    for (what, failure, mails) in failures() {
        let office = Office::open();
        office.ses.fails("SendEmail", &failure, Strikes::Once);
        assert_eq!(office.handle(|| ()).await, Done(2, mails), "{what}");
        // Once it is handled, a repeated event sends nothing.
        assert_eq!(office.handle(|| ()).await, Done(1, mails), "{what}");

        let office = Office::open();
        office.ses.fails("SendEmail", &failure, Strikes::Always);
        assert_eq!(office.handle(|| ()).await, DeadLetter((mails - 1) * DELIVERIES), "{what}");
        assert_eq!(office.ses.calls("SendEmail"), DELIVERIES as usize, "{what}");
    }
}

/// Without a claim there is no mail; without a mark that it was handled, there is another one.
#[tokio::test]
async fn an_inbox_that_fails() {
    for (what, failure, _) in failures_of_any_call() {
        let office = Office::open();
        office.table.fails("PutItem", &failure, Strikes::Always);
        assert_eq!(office.handle(|| ()).await, DeadLetter(0), "{what}");

        let office = Office::open();
        office.table.fails("PutItem", &failure, Strikes::Always);
        assert_eq!(office.handle(|| office.table.recovers()).await, Done(2, 1), "{what}");

        let office = Office::open();
        let table = office.table.clone();
        office.ses.service(|ses| {
            ses.then = Some(Box::new(move || table.fails("PutItem", &failure, Strikes::Always)));
        });
        let stop = || {
            office.ses.service(|ses| ses.then = None);
            office.table.recovers();
        };
        assert_eq!(office.handle(stop).await, Done(2, 2), "{what}");
    }
    // A claim whose reply was lost is recognised as one's own by the SDK's next try.
    for reply in [Reply::Hangs, Reply::Breaks] {
        let office = Office::open();
        office.table.fails("PutItem", &After(reply), Strikes::Once);
        assert_eq!(office.handle(|| ()).await, Done(1, 1));
    }
}
