//! The causes of the alarms, one after the other.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Drill;
use super::stage::{Stage, say};

/// All drills, in the order in which they are played.
pub(crate) const DRILLS: &[Drill] = &[
    Drill {
        cause: Cause::Poison,
        alarms: &["ChangeBatchQuantityDeadLettersAlarm"],
        title: "the warehouse sends what nobody can read",
    },
    Drill {
        cause: Cause::UnknownSku,
        alarms: &["AllocateDeadLettersAlarm"],
        title: "a shop that can wait asks for a SKU that never was",
    },
    Drill {
        cause: Cause::WrongSender,
        alarms: &["EventsDeadLettersAlarm"],
        title: "the sender of mails is verified no more",
    },
    Drill { cause: Cause::NoEvent, alarms: &["HistoryDeadLettersAlarm"], title: "somebody publishes what is no event" },
    Drill {
        cause: Cause::FullQueues,
        alarms: &[
            "ChangeBatchQuantityQueueAgeAlarm",
            "AllocateQueueAgeAlarm",
            "EventsQueueAgeAlarm",
            "HistoryQueueAgeAlarm",
        ],
        title: "nobody takes messages off the queues",
    },
    Drill {
        cause: Cause::TopicRefuses,
        alarms: &["RelayLagAlarm", "RelayIteratorAgeAlarm"],
        title: "the topic refuses",
    },
    Drill {
        cause: Cause::NoTable,
        alarms: &["ApiErrorsAlarm"],
        title: "a function looks for a table that is not there",
    },
    Drill {
        cause: Cause::WithoutVersion,
        alarms: &["UnnumberedChangesAlarm"],
        title: "the warehouse numbers its changes, and stops to",
    },
    Drill {
        cause: Cause::NoSweep,
        alarms: &["ExpireHoldsAlarm"],
        title: "the sweep looks for a table that is not there",
    },
    Drill { cause: Cause::HotSku, alarms: &["RetriesExhaustedAlarm"], title: "everybody ships one SKU at once" },
];

/// Alarms whose cause the emulator can't have.
pub(crate) const NOT_HERE: &[(&str, &str)] = &[
    (
        "UnpublishedEventsAlarm",
        "the emulator tries a record of the stream for ever, and writes none to the bucket (docs/local.md)",
    ),
    ("LostEventsAlarm", "as above: it gives up on no record"),
];

/// What is wrong in a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Poison,
    UnknownSku,
    WrongSender,
    NoEvent,
    FullQueues,
    TopicRefuses,
    NoTable,
    WithoutVersion,
    NoSweep,
    HotSku,
}

/// Makes it happen, and looks at what comes of it: on the page, in a log, or both.
pub(crate) async fn play(cause: Cause, stage: &Stage<'_>) -> Result<()> {
    // Boxed, since the largest of them is large.
    match cause {
        Cause::Poison => Box::pin(poison(stage)).await,
        Cause::UnknownSku => Box::pin(unknown_sku(stage)).await,
        Cause::WrongSender => Box::pin(wrong_sender(stage)).await,
        Cause::NoEvent => Box::pin(no_event(stage)).await,
        Cause::FullQueues => Box::pin(full_queues(stage)).await,
        Cause::TopicRefuses => Box::pin(topic_refuses(stage)).await,
        Cause::NoTable => Box::pin(no_table(stage)).await,
        Cause::WithoutVersion => Box::pin(without_version(stage)).await,
        Cause::NoSweep => Box::pin(no_sweep(stage)).await,
        Cause::HotSku => Box::pin(hot_sku(stage)).await,
    }
}

async fn send(stage: &Stage<'_>, message: &Value) -> Result<()> {
    let body = json!({ "QueueUrl": stage.stack.queue_url(), "MessageBody": message.to_string() });
    stage.sqs("SendMessage", &body).await?;
    say("cause", &format!("message to the queue: {message}"));
    Ok(())
}

/// A queue, where its dead letters go, and the function that takes its messages.
struct Way {
    queue: &'static str,
    letters: &'static str,
    function: &'static str,
}

/// Five failures of a message that has this text end in the dead letters, where the page shows it with its reason.
async fn ends_in(stage: &Stage<'_>, way: &Way, text: &str, cause: impl Future<Output = Result<()>>) -> Result<()> {
    let Way { queue, letters, function } = way;
    let (from, impatient) = (stage.logged(function), stage.hurry(queue).await?);
    let seen = async {
        cause.await?;
        stage.dead_letter(letters, text).await?;
        stage.log(function, from, &["message goes to the dead letters"]).await
    };
    let seen = seen.await;
    stage.calm(impatient).await?;
    seen?;
    stage.empty(letters).await?;
    say("mended", &format!("{letters} is empty again; on AWS, mend the cause and move them back"));
    Ok(())
}

async fn poison(stage: &Stage<'_>) -> Result<()> {
    let way = Way {
        queue: "ChangeBatchQuantityQueue",
        letters: "ChangeBatchQuantityDeadLetters",
        function: "change-batch-quantity",
    };
    let message = json!({ "batchref": "drill-poison", "qty": -1 });
    ends_in(stage, &way, "drill-poison", send(stage, &message)).await
}

async fn unknown_sku(stage: &Stage<'_>) -> Result<()> {
    let way = Way { queue: "AllocateQueue", letters: "AllocateDeadLetters", function: "allocate-queued" };
    let line = json!({ "orderid": "drill-order", "sku": "DRILL-NEVER-WAS", "qty": 1 });
    let cause = async {
        stage.allocate_later(&line).await?;
        say("cause", &format!("POST /allocate, Prefer: respond-async, {line}: 202"));
        Ok(())
    };
    ends_in(stage, &way, "DRILL-NEVER-WAS", cause).await
}

async fn wrong_sender(stage: &Stage<'_>) -> Result<()> {
    let way = Way { queue: "EventsQueue", letters: "EventsDeadLetters", function: "handle-events" };
    let identities = stage.form("ses", &[("Action", "ListIdentities"), ("Version", "2010-12-01")]).await?;
    let member = identities.split("<member>").nth(1).and_then(|rest| rest.split("</member>").next());
    let sender = member.context("the emulator knows no sender of mails")?.to_owned();
    let identity = async |action: &str, name: &str| {
        stage.form("ses", &[("Action", action), ("Version", "2010-12-01"), (name, sender.as_str())]).await.map(drop)
    };
    identity("DeleteIdentity", "Identity").await?;
    let cause = async {
        stage.done(Method::POST, "batches", &json!({ "ref": "drill-mail", "sku": "DRILL-MAIL", "qty": 1 })).await?;
        let line = json!({ "orderid": "drill-mail", "sku": "DRILL-MAIL", "qty": 2 });
        stage.ask(Method::POST, "allocate", Some(&line)).await?;
        say("cause", &format!("{sender} is verified no more, and DRILL-MAIL runs out"));
        Ok(())
    };
    let seen = ends_in(stage, &way, "DRILL-MAIL", cause).await;
    identity("VerifyEmailIdentity", "EmailAddress").await?;
    seen
}

async fn no_event(stage: &Stage<'_>) -> Result<()> {
    let way = Way { queue: "HistoryQueue", letters: "HistoryDeadLetters", function: "record-history" };
    let text = r#"{"type":"DrillNonsense","sku":"DRILL"}"#;
    let cause = async {
        stage.publish("DrillNonsense", text).await?;
        say("cause", &format!("to the topic: {text}"));
        Ok(())
    };
    ends_in(stage, &way, "DrillNonsense", cause).await
}

/// What goes into a queue that nobody looks at waits, and is late; then all of it is handled.
async fn full_queues(stage: &Stage<'_>) -> Result<()> {
    const QUEUES: [&str; 4] = ["ChangeBatchQuantityQueue", "AllocateQueue", "EventsQueue", "HistoryQueue"];
    stage.done(Method::POST, "batches", &json!({ "ref": "drill-late", "sku": "DRILL-LATE", "qty": 5 })).await?;
    for queue in QUEUES {
        stage.let_through(queue, false).await?;
    }
    say("cause", "the mappings of four queues are switched off");
    let seen = async {
        send(stage, &json!({ "batchref": "drill-late", "qty": 4 })).await?;
        stage.allocate_later(&json!({ "orderid": "drill-late", "sku": "DRILL-LATE", "qty": 1 })).await?;
        let refused = json!({ "orderid": "drill-late", "sku": "DRILL-LATE", "qty": 9 });
        stage.ask(Method::POST, "allocate", Some(&refused)).await?;
        for queue in QUEUES {
            let waits = async || Ok(Some(stage.depth(queue).await?).filter(|[visible, _]| *visible > 0));
            let [visible, taken] = stage.until(&format!("a message in {queue}"), waits).await?;
            say("queue", &format!("{queue}: {visible} wait, {taken} are being handled"));
        }
        let product = stage.page("api/products/DRILL-LATE").await?;
        let field = |name: &str| product.get(name).cloned().unwrap_or_default();
        say("page", &format!("DRILL-LATE as before: free {}, version {}", field("free"), field("version")));
        let past = stage.page("api/products/DRILL-LATE/history").await?;
        let missing = past.get("missing").cloned().unwrap_or_default();
        ensure!(missing.as_array().is_some_and(|missing| !missing.is_empty()), "nothing is missing: {past}");
        say("page", &format!("its past: missing {missing}"));
        anyhow::Ok(())
    };
    let seen = seen.await;
    for queue in QUEUES {
        stage.let_through(queue, true).await?;
    }
    seen?;
    for queue in QUEUES {
        let is_empty = async || Ok((stage.depth(queue).await? == [0, 0]).then_some(()));
        stage.until(&format!("the end of what waits in {queue}"), is_empty).await?;
    }
    say("mended", "the mappings are switched on, and the queues empty");
    Ok(())
}

async fn topic_refuses(stage: &Stage<'_>) -> Result<()> {
    let from = stage.logged("publish-events");
    let misled = stage
        .mislead("PublishEventsFunction", "EVENTS_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:nowhere")
        .await?;
    say("cause", "the relay's topic is one that is not there, and a batch is added");
    let seen = async {
        stage.done(Method::POST, "batches", &json!({ "ref": "drill-topic", "sku": "DRILL-TOPIC", "qty": 5 })).await?;
        stage.log("publish-events", from, &["the stream is to go on from this record"]).await?;
        let past = stage.page("api/products/DRILL-TOPIC/history").await?;
        let field = |name: &str| past.get(name).cloned().unwrap_or_default();
        ensure!(field("complete_to") == 0, "the past is told to be complete: {past}");
        say("page", &format!("the past of DRILL-TOPIC: version {}, missing {}", field("version"), field("missing")));
        anyhow::Ok(())
    };
    let seen = seen.await;
    stage.correct(misled).await?;
    seen?;
    let sku = "DRILL-TOPIC-MENDED";
    stage.done(Method::POST, "batches", &json!({ "ref": "drill-topic", "sku": sku, "qty": 5 })).await?;
    let is_recorded = async || {
        let past = stage.page(&format!("api/products/{sku}/history")).await?;
        Ok((past.get("complete_to") == Some(&json!(1))).then_some(()))
    };
    stage.until("an event that is published again", is_recorded).await?;
    say("mended", "events go out again (the emulator does not bring back what failed: docs/local.md; AWS does)");
    Ok(())
}

async fn no_table(stage: &Stage<'_>) -> Result<()> {
    let from = stage.logged("batches");
    let misled = stage.mislead("BatchesFunction", "TABLE_NAME", "nowhere").await?;
    let batch = json!({ "ref": "drill-table", "sku": "DRILL-TABLE", "qty": 5 });
    let seen = async {
        let fails = async || {
            let (status, text) = stage.ask(Method::POST, "batches", Some(&batch)).await?;
            Ok((status >= 500).then_some((status, text)))
        };
        let (status, text) = stage.until("an answer that is 5xx", fails).await?;
        say("cause", &format!("the table of POST /batches is not there: {status} {text}"));
        stage.log("batches", from, &["request failed"]).await
    };
    let seen = seen.await;
    stage.correct(misled).await?;
    seen?;
    let works = async || {
        let (status, _) = stage.ask(Method::POST, "batches", Some(&batch)).await?;
        Ok((status == 201).then_some(()))
    };
    stage.until("a batch that is added", works).await?;
    say("mended", "201");
    Ok(())
}

async fn without_version(stage: &Stage<'_>) -> Result<()> {
    let batch = json!({ "ref": "drill-version", "sku": "DRILL-VERSION", "qty": 5 });
    stage.done(Method::POST, "batches", &batch).await?;
    let from = stage.logged("change-batch-quantity");
    send(stage, &json!({ "batchref": "drill-version", "qty": 4, "version": 1 })).await?;
    let is = async |qty: u64| {
        let changed = async || {
            let shown = stage.page("api/batches/drill-version").await?;
            Ok((shown.pointer("/batches/0/purchased") == Some(&json!(qty))).then_some(()))
        };
        stage.until(&format!("the batch to have {qty}"), changed).await
    };
    is(4).await?;
    send(stage, &json!({ "batchref": "drill-version", "qty": 3 })).await?;
    stage.log("change-batch-quantity", from, &["change of a batch is ignored"]).await?;
    stage.log("change-batch-quantity", from, &["UnnumberedChanges"]).await?;
    say("page", "the batch keeps its 4 pieces");
    send(stage, &json!({ "batchref": "drill-version", "qty": 3, "version": 2 })).await?;
    is(3).await?;
    say("mended", "numbered again, the change counts: 3 pieces");
    Ok(())
}

async fn no_sweep(stage: &Stage<'_>) -> Result<()> {
    let from = stage.logged("expire-holds");
    let misled = stage.mislead("ExpireHoldsFunction", "TABLE_NAME", "nowhere").await?;
    say("cause", "the table of the sweep is not there; it runs once a minute");
    let seen = stage.log("expire-holds", from, &["ResourceNotFound"]).await;
    stage.correct(misled).await?;
    seen?;
    say("mended", "its table is named again");
    Ok(())
}

/// Lines of one SKU that are shipped at once share no commit: each waits for the others.
async fn hot_sku(stage: &Stage<'_>) -> Result<()> {
    const LINES: usize = 60;
    stage.done(Method::POST, "batches", &json!({ "ref": "drill-hot", "sku": "DRILL-HOT", "qty": LINES })).await?;
    let line = |number: usize| json!({ "orderid": format!("drill-hot-{number}"), "sku": "DRILL-HOT", "qty": 1 });
    for number in 0..LINES {
        stage.done(Method::POST, "allocate", &line(number)).await?;
    }
    let from = stage.logged("allocate");
    let (http, url) = (local::aws::http_client()?, format!("{}/ship", stage.stack.api_url()));
    let mut shipments = JoinSet::new();
    for number in 0..LINES {
        let request = http.post(&url).json(&line(number));
        shipments.spawn(async move { Ok::<_, reqwest::Error>(request.send().await?.status().as_u16()) });
    }
    let statuses: Vec<u16> = shipments.join_all().await.into_iter().collect::<Result<_, _>>()?;
    let with = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    let (shipped, contended, cut_off) = (with(200), with(503), with(502));
    // Where the machine is as busy as the SKU, the gateway's 502 tells of functions whose time was up.
    let others: Vec<&u16> = statuses.iter().filter(|status| ![200, 502, 503].contains(status)).collect();
    ensure!(others.is_empty(), "shipments are answered {others:?}");
    say(
        "cause",
        &format!(
            "{LINES} shipments of DRILL-HOT at once: {shipped} times 200, {contended} times 503, {cut_off} times 502"
        ),
    );
    ensure!(contended > 0, "no shipment was given up, of {LINES} at once");
    stage.log("allocate", from, &["RetriesExhausted\":1"]).await?;
    for number in 0..LINES {
        stage.done(Method::POST, "ship", &line(number)).await?;
    }
    let product = stage.page("api/batches/drill-hot").await?;
    let shown = product.pointer("/batches/0/shipped").cloned().unwrap_or_default();
    ensure!(shown == json!(LINES), "the page shows {shown} shipped of {LINES}");
    say("page", &format!("DRILL-HOT: {shown} shipped, none twice"));
    say("mended", "whoever was not told 200 asked again");
    Ok(())
}
