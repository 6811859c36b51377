//! What comes by itself, and what waits for a person.

use serde_json::json;

use crate::world::{With, World};

pub(crate) async fn events_appear_by_themselves_and_a_lost_desk_is_told(world: &mut World) {
    let shipped = |version: u64| {
        json!({"type": "Shipped", "orderid": format!("o{version}"), "sku": "LAMP", "line": "L", "qty": 1,
        "batchref": "b1", "id": format!("LAMP#{version}#1"), "version": version, "of": 1, "at": "2031-01-02T03:04:05.678Z"})
    };
    world.open(With::Topic, "").await;
    world.browser.click("//nav//a[.='What just happened']").await;
    world.browser.shows("Nothing has happened since the desk was started").await;
    world.live.add(shipped(1));
    world.browser.shows("LAMP: 1 piece of order o1, line L from batch b1").await;
    world.live.add(shipped(2));
    world.live.add(shipped(1));
    world.browser.until("document.querySelectorAll('.events li').length === 2").await;
    assert!(world.browser.text(".events li").await.contains("order o2"));
    world.stop();
    world.browser.shows("No connection").await;
    world.start(With::Topic).await;
    world.live.add(shipped(3));
    world.browser.until("document.querySelectorAll('.events li').length === 3").await;
    world.browser.shows("3 events since the desk was started").await;
}

pub(crate) async fn a_desk_without_a_topic_says_how_to_get_it(world: &mut World) {
    world.open(With::Nothing, "").await;
    world.browser.run("location.hash = '#/live'").await;
    world.browser.shows("cargo local desk --api URL --topic ARN").await;
    assert_eq!(world.browser.run("return document.getElementById('nav-mails').hidden").await, true);
}

pub(crate) async fn mails_and_dead_letters_are_shown_with_their_reason(world: &mut World) {
    let mail = |subject: &str| {
        json!({"Source": "allocation@made.com", "To": ["stock@made.com"], "Subject": subject, "BodyText": "no batch has 11",
        "Timestamp": 1_796_032_184.3})
    };
    let mails = json!({"messages": {"000000000000": [mail("Out of stock for LAMP"), mail("Out of stock for <b>")]}});
    world.service.answer("GET /_ministack/ses/messages", 200, mails);
    let letter = json!({"MessageId": "m1", "Body": "{\"batchref\":\"<b>\"}", "SentTimestamp": 1_796_032_184});
    let queues = json!({"http://localhost/0/allocation-EventsDeadLetters-1": [letter], "http://localhost/0/allocation-EventsQueue-1": [letter]});
    world.service.answer("GET /_ministack/sqs/messages", 200, json!({"messages": {"0": {"us-east-1": queues}}}));
    let logs = std::env::temp_dir().join(format!("desk-logs-{}", std::process::id()));
    std::fs::create_dir_all(&logs).unwrap();
    let line = json!({"level": "ERROR", "fields": {"message": "message goes to the dead letters", "message_id": "m1", "reason": "missing field `qty`"}});
    std::fs::write(logs.join("change.log"), format!("START\n{line}\n")).unwrap();
    world.with_emulator(Some(logs.clone()));
    world.open(With::Nothing, "").await;
    world.browser.click("//nav//a[.='Mails']").await;
    world.browser.shows("Out of stock for <b>").await;
    assert_eq!(world.browser.count("article").await, 2);
    assert!(world.browser.text("article").await.starts_with("Out of stock for <b>"), "the newest first");
    world.browser.click("//nav//a[.='Dead letters']").await;
    world.browser.shows("Why: missing field `qty`").await;
    assert_eq!(world.browser.count("article").await, 1);
    world.browser.shows("{\"batchref\":\"<b>\"}").await;
    std::fs::remove_dir_all(&logs).unwrap();
}
