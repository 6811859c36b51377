//! Failures of DynamoDB.

use std::collections::HashMap;
use std::time::Duration;

use adapters::dynamodb::DynamoDb;
use adapters::http::Route;
use adapters::in_memory::InMemoryLineQueue;
use adapters::sqs::hear_warehouse;
use domain::{BatchRef, Place, Sku, Version};
use lambda_http::{Context, RequestExt};
use serde_json::{Value, json};
use service_layer::MessageBus;
use service_layer::ports::Environment;
use testing::{answer, api_event, api_request, sqs_event, sqs_message};

use crate::clock::Clock;
use crate::failures::{Means, failures_of_a_put, failures_of_a_transaction, failures_of_any_call, lost_replies};
use crate::table::{Table, cancelled};
use crate::wire::{Failure, Reply, Strikes, Wire, own_budget};
use Failure::Before;
use Means::{Fault, Race, Silence};

/// How often SQS delivers a message before it is a dead letter, as template.yaml has it.
const DELIVERIES: u32 = 5;
/// `cargo local watch` has none either.
const NO_QUEUE: Option<&InMemoryLineQueue> = None;
const LIMIT: Duration = Duration::from_secs(10);
/// For a race that is lost every time, since that many tries show no more than a few.
const SHORT_LIMIT: Duration = Duration::from_secs(1);

/// What becomes of a request or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// HTTP: 2xx.
    Answered,
    /// HTTP: 400, by the rules.
    Refused,
    /// HTTP: 503 and Retry-After.
    AskAgain,
    /// HTTP: 500.
    InternalError,
    /// SQS: done at this delivery.
    Done(u32),
    /// SQS: back to the queue each time, and a dead letter in the end.
    DeadLetter,
}

use Outcome::{Answered, AskAgain, DeadLetter, Done, InternalError, Refused};

struct Shop {
    wire: Wire<Table>,
    bus: MessageBus<DynamoDb, Clock>,
    /// Of an HTTP request; messages have three times as long.
    limit: Duration,
}

impl Shop {
    /// With 10 lamps in the warehouse, 3 of them allocated.
    async fn open() -> Self {
        let (wire, clock) = (Wire::to(Table::default()), Clock::default());
        clock.passes(Duration::from_secs(1_300_000_000));
        let config =
            aws_sdk_dynamodb::config::Builder::from(&wire.config(&clock)).retry_partition(own_budget()).build();
        let store = DynamoDb::new(aws_sdk_dynamodb::Client::from_conf(config), "allocation".to_owned());
        let shop = Self { wire, bus: MessageBus::new(store, clock, ()), limit: LIMIT };
        assert_eq!(shop.create_batch("b1", 10).await, (Answered, "OK".to_owned()));
        assert_eq!(shop.allocate("o1", 3).await, (Answered, r#"{"batchref":"b1"}"#.to_owned()));
        shop.wire.service(|table| table.commits = 0);
        shop.wire.forget_calls();
        shop
    }

    async fn open_for(means: Means, strikes: Strikes) -> Self {
        let limit = if (means, strikes) == (Race, Strikes::Always) { SHORT_LIMIT } else { LIMIT };
        Self { limit, ..Self::open().await }
    }

    async fn create_batch(&self, reference: &str, qty: u32) -> (Outcome, String) {
        let body = json!({"ref": reference, "sku": "LAMP", "qty": qty});
        self.command(Route::CreateBatch, &body).await
    }

    async fn allocate(&self, orderid: &str, qty: u32) -> (Outcome, String) {
        let body = json!({"orderid": orderid, "sku": "LAMP", "qty": qty});
        self.command(Route::Allocate, &body).await
    }

    /// Boxed, for its future is deep.
    async fn command(&self, route: Route, body: &Value) -> (Outcome, String) {
        let mut event = api_event(route, &body.to_string());
        event["headers"]["prefer"] = "return=representation".into();
        let request = api_request(&event, self.context(self.limit));
        outcome(&Box::pin(answer(route, &self.bus, NO_QUEUE, request)).await)
    }

    async fn cancel(&self, orderid: &str) -> (Outcome, String) {
        let parameters = HashMap::from([("orderid".to_owned(), orderid.to_owned())]);
        let request = api_request(&api_event(Route::CancelOrder, ""), self.context(self.limit));
        let request = request.with_path_parameters(parameters);
        outcome(&Box::pin(answer(Route::CancelOrder, &self.bus, NO_QUEUE, request)).await)
    }

    /// Puts `o1` with the line that it has and another one.
    async fn put(&self) -> (Outcome, String) {
        self.put_order("o1", &json!({"lines": [{"sku": "LAMP", "qty": 3}, {"sku": "LAMP", "qty": 2}]})).await
    }

    async fn put_order(&self, orderid: &str, body: &Value) -> (Outcome, String) {
        let parameters = HashMap::from([("orderid".to_owned(), orderid.to_owned())]);
        let request = api_request(&api_event(Route::PutOrder, &body.to_string()), self.context(self.limit));
        let request = request.with_path_parameters(parameters);
        outcome(&Box::pin(answer(Route::PutOrder, &self.bus, NO_QUEUE, request)).await)
    }

    async fn view(&self, orderid: &str) -> (Outcome, String) {
        let parameters = HashMap::from([("orderid".to_owned(), orderid.to_owned())]);
        let request = api_request(&api_event(Route::ViewAllocations, ""), self.context(self.limit));
        let request = request.with_path_parameters(parameters);
        outcome(&answer(Route::ViewAllocations, &self.bus, NO_QUEUE, request).await)
    }

    /// Delivers a change of quantity until it is done, beside one that can't be read, whose fate it must not share.
    async fn change(&self, qty: u32, after_first: impl Fn()) -> Outcome {
        for delivery in 1..=DELIVERIES {
            let body = json!({"batchref": "b1", "qty": qty, "version": 1}).to_string();
            let event = sqs_event([sqs_message("change", &body), sqs_message("unreadable", "?")]);
            let answer = hear_warehouse(&self.bus, event, &self.context(3 * self.limit), DELIVERIES).await;
            let failed: Vec<_> = answer.batch_item_failures.into_iter().map(|failed| failed.item_identifier).collect();
            match failed.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["unreadable"] => return Done(delivery),
                ["change", "unreadable"] => {}
                other => panic!("{other:?}"),
            }
            after_first();
        }
        DeadLetter
    }

    fn context(&self, limit: Duration) -> Context {
        let mut context = Context::default();
        context.deadline = self.bus.environment().now().plus(limit).0;
        context
    }

    fn commits(&self) -> u32 {
        self.wire.service(|table| table.commits)
    }
}

fn outcome(response: &lambda_http::Response<lambda_http::Body>) -> (Outcome, String) {
    let may_ask_again = response.headers().contains_key("retry-after");
    let outcome = match (response.status().as_u16(), may_ask_again) {
        (200..=299, false) => Answered,
        (400, false) => Refused,
        (503, true) => AskAgain,
        (500, false) => InternalError,
        other => panic!("{other:?}: {:?}", response.body()),
    };
    (outcome, std::str::from_utf8(response.body()).unwrap().to_owned())
}

/// What a client is told: what strikes once or twice is tried again, and a fault is not.
fn told(means: Means, strikes: Strikes) -> Outcome {
    match (means, strikes) {
        (Fault, _) => InternalError,
        (Race | Silence, Strikes::Always) => AskAgain,
        (Race | Silence, Strikes::Once | Strikes::Twice) => Answered,
    }
}

/// A failure while a line is allocated over HTTP: the answer, and exactly one commit or none.
async fn allocates(what: &str, operation: &'static str, failure: &Failure, means: Means) {
    for strikes in [Strikes::Once, Strikes::Twice, Strikes::Always] {
        let shop = Shop::open_for(means, strikes).await;
        shop.wire.fails(operation, failure, strikes);
        let (outcome, body) = shop.allocate("o2", 2).await;
        let expected = told(means, strikes);
        assert_eq!(outcome, expected, "{operation}, {what}, {strikes:?}: {body}");
        assert_eq!(shop.commits(), u32::from(expected == Answered), "{operation}, {what}, {strikes:?}");
        if strikes == Strikes::Always {
            assert_tries(shop.wire.calls(operation), means, what);
        }
        // Whoever was told to ask again can, and the line is there once.
        shop.wire.recovers();
        assert_eq!(shop.allocate("o2", 2).await, (Answered, r#"{"batchref":"b1"}"#.to_owned()));
        assert_eq!(shop.commits(), 1, "{operation}, {what}, {strikes:?}");
    }
}

/// Each layer has its own patience: the SDK tries three times, the unit of work six times in silence, and
/// against others, or while it is throttled, a hundred times or as long as there is time. A fault is not tried again by anybody.
fn assert_tries(tries: usize, means: Means, what: &str) {
    let expected = match means {
        Race => 4..=100,
        Silence => 3..=100,
        Fault => 1..=1,
    };
    assert!(expected.contains(&tries), "{what}: {tries} tries");
}

/// The same while a quantity is changed by a message.
async fn changes(qty: u32, what: &str, operation: &'static str, failure: &Failure, means: Means) {
    for strikes in [Strikes::Once, Strikes::Twice, Strikes::Always] {
        let shop = Shop::open_for(means, strikes).await;
        shop.wire.fails(operation, failure, strikes);
        let expected = match (means, strikes) {
            (Race | Silence, Strikes::Once | Strikes::Twice) => Done(1),
            (Fault, Strikes::Once) => Done(2),
            (Fault, Strikes::Twice) => Done(3),
            (_, Strikes::Always) => DeadLetter,
        };
        let outcome = shop.change(qty, || ()).await;
        assert_eq!(outcome, expected, "{operation}, {what}, {strikes:?}");
        assert_eq!(shop.commits(), u32::from(expected != DeadLetter), "{operation}, {what}, {strikes:?}");
    }
    // What failed for the length of a delivery is done at the next one.
    let shop = Shop::open_for(means, Strikes::Always).await;
    shop.wire.fails(operation, failure, Strikes::Always);
    let outcome = shop.change(qty, || shop.wire.recovers()).await;
    assert_eq!((outcome, shop.commits()), (Done(2), 1), "{operation}, {what}");
}

/// Quantities of a batch of 10, 3 of which are allocated.
const RAISED: u32 = 20;
const SHRUNK: u32 = 2;

#[tokio::test]
async fn reads_that_fail() {
    for (what, failure, means) in failures_of_any_call() {
        allocates(what, "BatchGetItem", &failure, means).await;
        changes(RAISED, what, "GetItem", &failure, means).await;
        changes(SHRUNK, what, "Query", &failure, means).await;
    }
}

#[tokio::test]
async fn plain_writes_that_fail() {
    for (what, failure, means) in failures_of_any_call().into_iter().chain(failures_of_a_put()) {
        changes(RAISED, what, "PutItem", &failure, means).await;
    }
}

#[tokio::test]
async fn transactions_that_fail() {
    for (what, failure, means) in failures_of_any_call().into_iter().chain(failures_of_a_transaction()) {
        allocates(what, "TransactWriteItems", &failure, means).await;
    }
}

/// A line that has lost its race asks, takes the turn, lists who asks, and ends the turn when it has committed. Whatever
/// becomes of that last call, the turn ends by itself.
#[tokio::test]
async fn lines_that_ask_while_calls_fail() {
    let transactions = failures_of_a_transaction();
    let (_, lost_race, _) = transactions.iter().find(|(_, _, means)| *means == Race).unwrap();
    for operation in ["PutItem", "Query", "DeleteItem"] {
        for (what, failure, means) in failures_of_any_call() {
            for strikes in [Strikes::Once, Strikes::Twice, Strikes::Always] {
                let shop = Shop::open_for(means, strikes).await;
                shop.wire.fails("TransactWriteItems", lost_race, Strikes::Once);
                shop.wire.fails(operation, &failure, strikes);
                let unless_it_answers = told(means, strikes);
                let expected = if operation == "DeleteItem" { Answered } else { unless_it_answers };
                let (outcome, body) = shop.allocate("o2", 2).await;
                assert_eq!(outcome, expected, "{operation}, {what}, {strikes:?}: {body}");
                assert_eq!(shop.commits(), u32::from(expected == Answered), "{operation}, {what}, {strikes:?}");
                shop.wire.recovers();
                assert_eq!(shop.allocate("o2", 2).await, (Answered, r#"{"batchref":"b1"}"#.to_owned()));
                assert_eq!(shop.commits(), 1, "{operation}, {what}, {strikes:?}");
            }
        }
    }
}

/// An order with a line is read by a query and what that names, and committed by a transaction; of one that nobody has
/// heard of there are only its marks to write.
#[tokio::test]
async fn orders_that_can_not_be_cancelled_at_once() {
    let line = r#"{"sku":"LAMP","line":"3","qty":3,"state":"cancelled","parts":[]}"#;
    for (operation, orderid, lines) in [
        ("Query", "o1", line),
        ("GetItem", "o1", line),
        ("TransactWriteItems", "o1", line),
        ("TransactWriteItems", "o9", ""),
    ] {
        let cancelled = (Answered, format!(r#"{{"orderid":"{orderid}","lines":[{lines}],"next":null}}"#));
        for (what, failure, means) in failures_of_any_call() {
            for strikes in [Strikes::Once, Strikes::Twice, Strikes::Always] {
                let shop = Shop::open_for(means, strikes).await;
                shop.wire.fails(operation, &failure, strikes);
                let expected = told(means, strikes);
                assert_eq!(shop.cancel(orderid).await.0, expected, "{operation}, {what}, {strikes:?}");
                shop.wire.recovers();
                assert_eq!(shop.cancel(orderid).await, cancelled, "{operation}, {what}, {strikes:?}");
                assert_eq!(shop.commits(), u32::from(!lines.is_empty()), "{operation}, {what}, {strikes:?}");
                assert!(shop.wire.service(|table| table.item(&format!("ORDER#{orderid}"), "CANCELLED").is_some()));
            }
        }
    }
}

fn whole_order() -> (Outcome, String) {
    let line = |qty: u32| {
        format!(
            r#"{{"sku":"LAMP","line":"{qty}","qty":{qty},"state":"allocated","parts":[{{"batchref":"b1","eta":null,"qty":{qty}}}]}}"#
        )
    };
    (Answered, format!(r#"{{"orderid":"o1","lines":[{},{}]}}"#, line(2), line(3)))
}

/// An order is read by a query, beside the heads of its SKUs, and put by one transaction.
#[tokio::test]
async fn orders_that_can_not_be_put_at_once() {
    for operation in ["Query", "GetItem", "TransactWriteItems"] {
        for (what, failure, means) in failures_of_any_call() {
            for strikes in [Strikes::Once, Strikes::Twice, Strikes::Always] {
                let shop = Shop::open_for(means, strikes).await;
                shop.wire.fails(operation, &failure, strikes);
                let expected = told(means, strikes);
                assert_eq!(shop.put().await.0, expected, "{operation}, {what}, {strikes:?}");
                assert_eq!(shop.commits(), u32::from(expected == Answered), "{operation}, {what}, {strikes:?}");
                shop.wire.recovers();
                assert_eq!(shop.put().await, whole_order(), "{operation}, {what}, {strikes:?}");
                assert_eq!(shop.commits(), 1, "{operation}, {what}, {strikes:?}");
            }
        }
    }
}

/// The product, what was last wanted, the line that is new, and the one that stays: whichever of them is in the way, all is
/// decided again.
#[tokio::test]
async fn an_order_of_which_any_part_is_in_the_way() {
    for position in 0..4 {
        for reason in ["ConditionalCheckFailed", "TransactionConflict"] {
            for strikes in [Strikes::Once, Strikes::Twice] {
                let mut codes = ["None"; 4];
                codes[position] = reason;
                let shop = Shop::open().await;
                shop.wire.fails("TransactWriteItems", &Before(cancelled(&codes)), strikes);
                assert_eq!(shop.put().await, whole_order(), "{reason} at {position}, {strikes:?}");
                assert_eq!(shop.commits(), 1, "{reason} at {position}, {strikes:?}");
            }
        }
    }
    // A reply that is lost is recognised by what was last wanted.
    for (what, failure) in lost_replies() {
        for strikes in [Strikes::Once, Strikes::Twice, Strikes::Always] {
            let shop = Shop::open().await;
            shop.wire.fails("TransactWriteItems", &failure, strikes);
            assert_eq!((shop.put().await, shop.commits()), (whole_order(), 1), "{what}, {strikes:?}");
        }
    }
}

/// `o2` has seven lamps on the first batch, which is full by that, and three on another one.
async fn with_split_line(means: Means, strikes: Strikes) -> Shop {
    let shop = Shop::open_for(means, strikes).await;
    assert_eq!(shop.create_batch("b2", 5).await.0, Answered);
    let placed = shop.put_order("o2", &json!({"lines": [{"sku": "LAMP", "qty": 10}], "split": true})).await;
    assert!(
        placed.1.contains(r#"{"batchref":"b1","eta":null,"qty":7},{"batchref":"b2","eta":null,"qty":3}"#),
        "{placed:?}"
    );
    shop.wire.service(|table| table.commits = 0);
    shop
}

/// Its other parts are found by a query, once the first one tells that there are some. All of it ends by one transaction: the
/// product, the mark, the part that is deleted, and the batch that was full.
#[tokio::test]
async fn a_split_line_that_can_not_be_given_back_at_once() {
    let line = json!({"orderid": "o2", "sku": "LAMP", "qty": 10});
    let ends = async |shop: &Shop| shop.command(Route::Deallocate, &line).await.0;
    let parts_of = |shop: &Shop| {
        let second = shop.wire.service(|table| table.item("ORDER#o2", "LINE#LAMP\u{1f}10\u{1f}00000007").is_some());
        let mark = shop.wire.service(|table| table.item("ORDER#o2", "LINE#LAMP\u{1f}10").unwrap()["ended"].is_object());
        (mark, second)
    };
    for operation in ["BatchGetItem", "Query", "GetItem", "TransactWriteItems"] {
        for (what, failure, means) in failures_of_any_call() {
            for strikes in [Strikes::Once, Strikes::Twice, Strikes::Always] {
                let shop = with_split_line(means, strikes).await;
                shop.wire.fails(operation, &failure, strikes);
                let expected = told(means, strikes);
                assert_eq!(ends(&shop).await, expected, "{operation}, {what}, {strikes:?}");
                let has_ended = expected == Answered;
                assert_eq!(parts_of(&shop), (has_ended, !has_ended), "{operation}, {what}, {strikes:?}");
                shop.wire.recovers();
                assert_eq!(ends(&shop).await, Answered, "{operation}, {what}, {strikes:?}");
                assert_eq!((parts_of(&shop), shop.commits()), ((true, false), 1), "{operation}, {what}, {strikes:?}");
            }
        }
    }
    for position in 0..4 {
        for reason in ["ConditionalCheckFailed", "TransactionConflict"] {
            let mut codes = ["None"; 4];
            codes[position] = reason;
            let shop = with_split_line(Race, Strikes::Once).await;
            shop.wire.fails("TransactWriteItems", &Before(cancelled(&codes)), Strikes::Once);
            assert_eq!(
                (ends(&shop).await, parts_of(&shop), shop.commits()),
                (Answered, (true, false), 1),
                "{reason} at {position}"
            );
        }
    }
    for (what, failure) in lost_replies() {
        let shop = with_split_line(Race, Strikes::Once).await;
        shop.wire.fails("TransactWriteItems", &failure, Strikes::Always);
        assert_eq!((ends(&shop).await, parts_of(&shop), shop.commits()), (Answered, (true, false), 1), "{what}");
    }
}

/// The view has no unit of work around it: what the SDK's own tries don't mend is answered at once.
#[tokio::test]
async fn views_that_fail() {
    let whole = (Answered, r#"[{"sku":"LAMP","batchref":"b1"}]"#.to_owned());
    for (what, failure, means) in failures_of_any_call() {
        let shop = Shop::open().await;
        shop.wire.fails("Query", &failure, Strikes::Always);
        let expected = if means == Fault { InternalError } else { AskAgain };
        assert_eq!(shop.view("o1").await.0, expected, "{what}");
        shop.wire.recovers();
        assert_eq!(shop.view("o1").await, whole, "{what}");
    }
}

/// A write that took effect is recognised by its commit id: answered once, and not made again.
#[tokio::test]
async fn replies_that_get_lost() {
    for (what, failure) in lost_replies() {
        for strikes in [Strikes::Once, Strikes::Twice, Strikes::Always] {
            let shop = Shop::open().await;
            shop.wire.fails("TransactWriteItems", &failure, strikes);
            assert_eq!(shop.allocate("o2", 2).await, (Answered, r#"{"batchref":"b1"}"#.to_owned()), "{what}");
            assert_eq!(shop.commits(), 1, "{what}, {strikes:?}");

            // Here nothing but the commit's id tells that it is done: no line has a place that was not there before.
            let shop = Shop::open().await;
            shop.wire.fails("TransactWriteItems", &failure, strikes);
            assert_eq!(shop.allocate("o2", 99).await.0, Refused, "{what}");
            assert_eq!(shop.commits(), 1, "{what}, {strikes:?}");

            let shop = Shop::open().await;
            shop.wire.fails("PutItem", &failure, strikes);
            assert_eq!(shop.change(RAISED, || ()).await, Done(1), "{what}, {strikes:?}");
            assert_eq!(shop.commits(), 1, "{what}, {strikes:?}");
        }
        // Nor can the table be read afterwards: the client, or the queue, asks again, and finds it done.
        let shop = Shop::open().await;
        shop.wire.fails("TransactWriteItems", &failure, Strikes::Always);
        let gone = Before(Reply::Hangs);
        let (committed, ()) = futures_util::join!(shop.allocate("o2", 2), async {
            // After the first read.
            shop.wire.fails("BatchGetItem", &gone, Strikes::Always);
        });
        assert_eq!(committed.0, AskAgain, "{what}");
        shop.wire.recovers();
        assert_eq!(shop.allocate("o2", 2).await, (Answered, r#"{"batchref":"b1"}"#.to_owned()), "{what}");
        assert_eq!(shop.commits(), 1, "{what}");
    }
}

/// A line on a full batch is read with that batch's own item, which has the counters.
#[tokio::test]
async fn reads_of_a_full_batch_that_fail() {
    let on_b1 = (Answered, r#"{"batchref":"b1"}"#.to_owned());
    let full = async || {
        let shop = Shop::open().await;
        assert_eq!(shop.allocate("o2", 7).await, on_b1);
        shop.wire.service(|table| table.commits = 0);
        shop
    };
    for (what, failure, means) in failures_of_any_call() {
        for strikes in [Strikes::Once, Strikes::Twice, Strikes::Always] {
            let shop = full().await;
            shop.wire.fails("GetItem", &failure, strikes);
            let expected = told(means, strikes);
            assert_eq!(shop.allocate("o1", 3).await.0, expected, "{what}, {strikes:?}");
            shop.wire.recovers();
            assert_eq!(shop.allocate("o1", 3).await, on_b1, "{what}, {strikes:?}");
            assert_eq!(shop.commits(), 0, "{what}, {strikes:?}");
        }
    }
    // It became open after the head was read: what was found does not fit together, so it is read anew.
    let shop = full().await;
    let mut open_item = shop.wire.service(|table| table.item("BATCH#b1", "SKU#LAMP").unwrap().clone());
    assert!(open_item.as_object_mut().unwrap().remove("full").is_some(), "it was full");
    shop.wire.fails("GetItem", &Before(Reply::Says(200, json!({"Item": open_item}).to_string())), Strikes::Once);
    shop.wire.forget_calls();
    assert_eq!(shop.allocate("o1", 3).await, on_b1);
    assert_eq!((shop.wire.calls("BatchGetItem"), shop.wire.calls("GetItem"), shop.commits()), (2, 2, 0));
}

/// A read of which a part is missing is asked for again, and nothing is decided on the other part.
#[tokio::test]
async fn keys_that_stay_unprocessed() {
    // Three keys are read. A list of none of them, which says as little as no list, is not asked for.
    for (from, times, reads) in [(0, 1, 2), (0, 2, 3), (1, 1, 2), (2, 1, 2), (3, 1, 1)] {
        let shop = Shop::open().await;
        shop.wire.service(|table| table.unprocessed = Some((from, times)));
        assert_eq!(shop.allocate("o1", 3).await, (Answered, r#"{"batchref":"b1"}"#.to_owned()));
        let calls = (shop.wire.calls("BatchGetItem"), shop.wire.calls("TransactWriteItems"));
        assert_eq!(calls, (reads, 0), "keys from {from} on left {times} times");
    }
    let shop = Shop::open().await;
    shop.wire.service(|table| table.unprocessed = Some((0, u32::MAX)));
    assert_eq!(shop.allocate("o1", 3).await.0, AskAgain);
    assert_eq!((shop.wire.calls("BatchGetItem"), shop.commits()), (18, 0));
}

/// Every query here comes in pages, every other one of which is empty: lines that give way, lines that wait, the view.
#[tokio::test]
async fn queries_of_many_pages() {
    let shop = Shop::open().await;
    shop.allocate("o1", 2).await;
    shop.allocate("o1", 1).await;
    let on = |batch: &str| {
        (Answered, format!("[{}]", vec![format!(r#"{{"sku":"LAMP","batchref":"{batch}"}}"#); 3].join(",")))
    };
    assert_eq!(shop.view("o1").await, on("b1"));
    assert_eq!(shop.change(0, || ()).await, Done(1));
    let place = |qty: u32| {
        shop.wire.service(|table| table.item("ORDER#o1", &format!("LINE#LAMP\u{1f}{qty}")).unwrap()["place"].clone())
    };
    assert_eq!([place(1), place(2), place(3)], ["WAITING#LAMP"; 3].map(|place| json!({"S": place})));
    assert_eq!(shop.create_batch("b2", 10).await.0, Answered);
    assert_eq!(shop.view("o1").await, on("b2"));
}

/// The index may show a line that has moved where it was and where it is. Who recounts sees it once.
#[tokio::test]
async fn lines_that_are_listed_twice() {
    let shop = Shop::open().await;
    let entry = |since: &str| {
        let [partition, sort, place] =
            ["ORDER#o1", "LINE#LAMP\u{1f}3", "BATCH#0#b1\u{1f}LAMP"].map(|text| json!({"S": text}));
        json!({"PK": partition, "SK": sort, "qty": {"N": "3"}, "place": place, "age": {"N": "2"}, "since": {"N": since}})
    };
    let moved = json!({"Items": [entry("4"), entry("2")]});
    shop.wire.fails("Query", &Before(Reply::Says(200, moved.to_string())), Strikes::Once);
    let (batch, sku) = (BatchRef::try_from("b1").unwrap(), Sku::try_from("LAMP").unwrap());
    let lines = shop.bus.store().parts_at(&Place::Batch(batch), &sku).await.unwrap();
    let since: Vec<_> = lines.iter().map(|part| part.since).collect();
    assert_eq!(since, [Version(2)]);
}

/// A product whose head is gone fails whoever comes by it from elsewhere: counters that nobody has must not be guessed.
#[tokio::test]
async fn a_head_that_is_not_there() {
    let shop = Shop::open().await;
    shop.wire.service(|table| table.remove("SKU#LAMP", "PRODUCT"));
    assert_eq!(shop.allocate("o1", 3).await.0, InternalError, "its line has a place");
    assert_eq!(
        shop.allocate("o2", 3).await,
        (Refused, r#"{"message":"Invalid sku LAMP","code":"unknown_sku"}"#.to_owned())
    );
    assert_eq!(shop.change(RAISED, || ()).await, DeadLetter, "its batch is there");
    assert_eq!(shop.commits(), 0);
}

/// An item that this version can't read fails whoever needs it, and nobody else.
#[tokio::test]
async fn items_that_can_not_be_read() {
    for (partition, sort, attribute) in
        [("SKU#LAMP", "PRODUCT", "waiting"), ("BATCH#b1", "SKU#LAMP", "qty"), ("ORDER#o1", "LINE#LAMP\u{1f}3", "place")]
    {
        let shop = Shop::open().await;
        shop.wire.service(|table| table.remove_attribute(partition, sort, attribute));
        let expected = |needed: bool, otherwise| if needed { InternalError } else { otherwise };
        assert_eq!(shop.allocate("o1", 3).await.0, expected(sort != "SKU#LAMP", Answered), "{sort}");
        assert_eq!(shop.view("o1").await.0, expected(attribute == "place", Answered), "{sort}");
        let change = if attribute == "place" { Done(1) } else { DeadLetter };
        assert_eq!(shop.change(RAISED, || ()).await, change, "{sort}");
    }
}
