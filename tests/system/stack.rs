//! The service as template.yaml deploys it, from outside: HTTP, queue, topic, mail.

use std::sync::Arc;

use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::addresses;
use crate::layers::{Layers, Outcome, add_tests};
use crate::names::unique;
use crate::servers::Servers;
use crate::shop::{Api, Subscriber, Warehouse, publish_again, until, until_mails};

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "stack",
        [
            happy_path_returns_202_and_allocated_batch_is_viewable,
            unhappy_path_returns_400_and_404,
            change_batch_quantity_leads_to_reallocation,
            a_client_may_prefer_to_be_told_the_batch,
            a_client_that_can_wait_is_answered_before_its_line_is_allocated,
            each_of_many_callers_at_once_gets_his_own_answer,
            a_sku_that_runs_out_is_mailed_to_the_buyers_once,
            requests_and_messages_may_come_twice_and_out_of_order,
            a_poison_message_does_not_touch_its_neighbours,
            a_line_that_lost_its_place_gets_one_when_stock_arrives,
            any_order_id_can_be_asked_for,
            events_are_numbered_without_a_gap,
            it_is_reached_by_ipv4_and_ipv6_from_this_machine_only,
        ]
    );
}

async fn happy_path_returns_202_and_allocated_batch_is_viewable(servers: Arc<Servers>) -> Outcome {
    let api = Api::at(servers.stack().await?.api_url())?;
    let (sku, other_sku, orderid) = (unique("SKU"), unique("OTHER"), unique("order"));
    let (early, later, other) = (unique("early"), unique("later"), unique("other"));
    assert_eq!(api.create_batch(&later, &sku, 100, Some("2011-01-02")).await?.told(), (201, "OK"));
    assert_eq!(api.create_batch(&early, &sku, 100, Some("2011-01-01")).await?.told(), (201, "OK"));
    assert_eq!(api.create_batch(&other, &other_sku, 100, None).await?.told(), (201, "OK"));

    assert_eq!(api.allocate(&orderid, &sku, 3).await?.told(), (202, "OK"));
    let shown = api.view(&orderid).await?;
    assert_eq!(shown.told(), (200, format!(r#"[{{"sku":"{sku}","batchref":"{early}"}}]"#).as_str()));
    assert_eq!(shown.headers["content-type"], "application/json");
    Ok(())
}

async fn unhappy_path_returns_400_and_404(servers: Arc<Servers>) -> Outcome {
    let api = Api::at(servers.stack().await?.api_url())?;
    let (sku, orderid) = (unique("UNKNOWN"), unique("order"));
    let told = api.allocate(&orderid, &sku, 20).await?;
    assert_eq!(told.told(), (400, format!(r#"{{"message":"Invalid sku {sku}","code":"unknown_sku"}}"#).as_str()));
    assert_eq!(api.view(&orderid).await?.told(), (404, "not found"));

    for (path, body) in [("allocate", "{"), ("batches", ""), ("batches", r#"{"ref":"b","sku":"s","qty":0}"#)] {
        let answer = api.post(path, body.to_owned(), None).await?;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.starts_with(r#"{"message":""#), "{answer:?}");
    }
    let reference = unique("batch");
    api.create_batch(&reference, &sku, 1, None).await?;
    assert_eq!(api.create_batch(&reference, &sku, 2, None).await?.status, 409);
    Ok(())
}

async fn change_batch_quantity_leads_to_reallocation(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let api = Api::at(stack.api_url())?;
    let subscriber = Subscriber::to(stack, &json!({"channel": ["line_allocated"]})).await?;
    let (sku, orderid) = (unique("SKU"), unique("order"));
    let (earlier, later) = (unique("old"), unique("newer"));
    api.create_batch(&earlier, &sku, 10, Some("2011-01-01")).await?;
    api.create_batch(&later, &sku, 10, Some("2011-01-02")).await?;
    api.allocate(&orderid, &sku, 10).await?;
    assert_eq!(api.batch_of(&orderid).await?.as_deref(), Some(earlier.as_str()));

    Warehouse::of(stack).change_quantity(&earlier, 5).await?;

    let on = |batchref: &str| {
        let event = json!({"type": "Allocated", "orderid": orderid, "sku": sku, "qty": 10, "batchref": batchref});
        move |told: &Value| event.as_object().unwrap().iter().all(|(name, value)| told[name] == *value)
    };
    let events = subscriber.events_of(&sku, |events| events.iter().any(on(&later))).await?;
    assert!(events.iter().all(|event| event["type"] == "Allocated"), "the filter policy lets others pass: {events:?}");
    assert_eq!(api.batch_of(&orderid).await?.as_deref(), Some(later.as_str()));
    Ok(())
}

async fn a_client_may_prefer_to_be_told_the_batch(servers: Arc<Servers>) -> Outcome {
    let api = Api::at(servers.stack().await?.api_url())?;
    let (sku, orderid, reference) = (unique("SKU"), unique("order"), unique("batch"));
    api.create_batch(&reference, &sku, 3, None).await?;
    let told = api.allocate_and_tell(&orderid, &sku, 3).await?;
    assert_eq!(told.told(), (201, format!(r#"{{"batchref":"{reference}"}}"#).as_str()));
    assert_eq!(told.headers["preference-applied"], "return=representation");
    let told = api.allocate_and_tell(&unique("order"), &sku, 1).await?;
    assert_eq!(
        told.told(),
        (400, format!(r#"{{"message":"Out of stock for sku {sku}","code":"out_of_stock"}}"#).as_str())
    );
    Ok(())
}

async fn a_client_that_can_wait_is_answered_before_its_line_is_allocated(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let api = Api::at(stack.api_url())?;
    let subscriber = Subscriber::to(stack, &json!({"type": ["Allocated", "OutOfStock"]})).await?;
    let (sku, order, reference) = (unique("SKU"), unique("order"), unique("batch"));
    api.create_batch(&reference, &sku, 20, None).await?;
    let orders: Vec<String> = (0..20).map(|number| format!("{order}-{number}")).collect();
    for orderid in orders.iter().chain(&orders[..5]) {
        let answer = api.allocate_async(orderid, &sku, 1).await?;
        assert_eq!(answer.told(), (202, "OK"));
        assert_eq!(answer.headers["preference-applied"], "respond-async");
    }
    for orderid in &orders {
        api.until_batch_of(orderid, Some(&reference)).await?;
    }
    let too_late = format!("{order}-too-late");
    assert_eq!(api.allocate_async(&too_late, &sku, 1).await?.told(), (202, "OK"));
    until_mails(stack, &sku, 1).await?;
    let events = subscriber.events_of(&sku, |events| events.len() >= 21).await?;
    let mut told: Vec<_> = events.iter().map(|event| event["orderid"].as_str().unwrap()).collect();
    told.sort_unstable();
    let mut expected: Vec<_> = orders.iter().chain([&too_late]).map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(told, expected, "each once");
    Ok(())
}

/// As many as the emulator takes at once beside the other tests.
async fn each_of_many_callers_at_once_gets_his_own_answer(servers: Arc<Servers>) -> Outcome {
    const CALLERS: usize = 30;
    const PIECES: u32 = 20;
    let api = &Api::at(servers.stack().await?.api_url())?;
    let (sku, reference) = (&unique("SKU"), &unique("batch"));
    api.create_batch(reference, sku, PIECES, None).await?;
    let orders: Vec<String> = (0..CALLERS).map(|_| unique("order")).collect();
    let answers = try_join_all(orders.iter().map(|orderid| api.allocate_and_tell(orderid, sku, 1))).await?;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(201), with(400)), (20, 10), "{answers:?}");
    for (orderid, answer) in orders.iter().zip(&answers) {
        let batch = api.batch_of(orderid).await?;
        assert_eq!(batch.as_deref(), (answer.status == 201).then_some(reference.as_str()), "{answer:?}");
    }
    let product = api.ask(&format!("products/{sku}")).await?;
    assert_eq!(product["free"], 0, "{product}");
    Ok(())
}

async fn a_sku_that_runs_out_is_mailed_to_the_buyers_once(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let api = Api::at(stack.api_url())?;
    let (sku, other, orderid) = (unique("SKU"), unique("SKU"), unique("order"));
    api.create_batch(&unique("batch"), &sku, 1, None).await?;
    let correlation = unique("basket");
    let answer = api.allocate_as(&orderid, &sku, 2, &correlation).await?;
    assert_eq!(answer.told(), (202, "OK"), "the request was taken");
    assert_eq!(answer.headers["x-correlation-id"], correlation);
    let mails = until_mails(stack, &sku, 1).await?;
    assert_eq!(mails[0].to, ["stock@made.com"]);
    assert_eq!(mails[0].subject, format!("Out of stock for {sku}"));
    let reason = format!("Out of stock for {sku}: no batch has 2 left for order {orderid}.");
    assert_eq!(mails[0].text, format!("{reason}\n\nCorrelation id: {correlation}\n"));

    // The topic may deliver an event twice.
    let event = json!({
        "type": "OutOfStock", "orderid": orderid, "sku": sku, "qty": 2, "line": "2", "id": format!("{sku}#2#1"), "version": 2,
        "waiting": false, "line": "2", "lines": 1, "of": 1, "at": "2031-01-01T12:00:00.000Z"
    });
    publish_again(stack, &event).await?;

    // A later mail that came shows that no second one is on its way.
    api.create_batch(&unique("batch"), &other, 1, None).await?;
    api.allocate(&orderid, &other, 2).await?;
    until_mails(stack, &other, 1).await?;
    assert_eq!(until_mails(stack, &sku, 1).await?.len(), 1);
    // The call that opens the connection is none.
    assert!(stack.mails().await?.iter().all(|mail| mail.to == ["stock@made.com"]));
    Ok(())
}

async fn requests_and_messages_may_come_twice_and_out_of_order(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let api = Api::at(stack.api_url())?;
    let warehouse = Warehouse::of(stack);
    let subscriber = Subscriber::to(stack, &json!({"type": [{"exists": true}]})).await?;
    let (sku, orderid, reference) = (unique("SKU"), unique("order"), unique("batch"));
    for _ in 0..2 {
        assert_eq!(api.create_batch(&reference, &sku, 20, None).await?.told(), (201, "OK"));
    }
    for _ in 0..2 {
        assert_eq!(api.allocate(&orderid, &sku, 10).await?.told(), (202, "OK"));
    }
    // The older one comes last; `batchid` is the other spelling in use. Each is known to be handled by what another
    // one, which is sent after it, does to another batch.
    let newer = json!({"batchid": reference, "qty": "15", "version": 2}).to_string();
    let older = json!({"batchref": reference, "qty": 0, "version": 1}).to_string();
    let (other_sku, marked) = (unique("OTHER"), unique("batch"));
    api.create_batch(&marked, &other_sku, 1, None).await?;
    for (room, message) in [(5, &newer), (50, &newer), (500, &older)] {
        warehouse.send(&[message]).await?;
        warehouse.change_quantity(&marked, 2 * room).await?;
        let orderid = unique("order");
        until("the marker's room", async || {
            Ok((api.allocate_and_tell(&orderid, &other_sku, room).await?.status == 201).then_some(()))
        })
        .await?;
        warehouse.until_nothing_is_visible().await?;
    }
    let last = unique("order");
    api.allocate(&last, &sku, 5).await?;

    let is_last = |event: &Value| event["orderid"] == last.as_str();
    let events = subscriber.events_of(&sku, |events| events.iter().any(is_last)).await?;
    let told: Vec<_> =
        events.iter().map(|event| (event["type"].as_str().unwrap(), event["version"].as_u64().unwrap())).collect();
    let all = [("BatchCreated", 1), ("Allocated", 2), ("BatchQuantityChanged", 3), ("Allocated", 4)];
    let mut once = told.clone();
    once.sort_by_key(|(_, version)| *version);
    once.dedup();
    assert_eq!(once, all, "{told:?}");
    assert_eq!(api.batch_of(&orderid).await?.as_deref(), Some(reference.as_str()));
    Ok(())
}

async fn a_poison_message_does_not_touch_its_neighbours(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let api = Api::at(stack.api_url())?;
    let warehouse = Warehouse::of(stack);
    let (sku, first, second) = (unique("SKU"), unique("batch"), unique("batch"));
    for reference in [&first, &second] {
        api.create_batch(reference, &sku, 5, None).await?;
    }
    let good = |reference: &str| json!({"batchref": reference, "qty": 50}).to_string();
    let unknown = json!({"batchref": unique("nowhere"), "qty": 1}).to_string();
    let messages = [&good(&first), "{", &unknown, r#"{"qty":1}"#, &good(&second)];
    warehouse.send(&messages).await?;

    // Both batches grew: each now has room that only the message can have made.
    for _ in 0..2 {
        let orderid = unique("order");
        until("a batch with 50", async || {
            Ok((api.allocate_and_tell(&orderid, &sku, 50).await?.status == 201).then_some(()))
        })
        .await?;
    }
    // The bad ones are kept for another try, and end in the dead-letter queue.
    until("three messages that wait for another try", async || Ok((warehouse.in_flight().await? >= 3).then_some(())))
        .await
}

async fn a_line_that_lost_its_place_gets_one_when_stock_arrives(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let api = Api::at(stack.api_url())?;
    let (sku, orderid) = (unique("SKU"), unique("order"));
    let (lost, found) = (unique("lost"), unique("found"));
    api.create_batch(&lost, &sku, 10, None).await?;
    api.allocate(&orderid, &sku, 10).await?;
    Warehouse::of(stack).change_quantity(&lost, 0).await?;
    api.until_batch_of(&orderid, None).await?;
    until_mails(stack, &sku, 1).await?;

    assert_eq!(api.create_batch(&found, &sku, 10, Some("2031-05-01")).await?.told(), (201, "OK"));
    assert_eq!(api.batch_of(&orderid).await?.as_deref(), Some(found.as_str()));
    Ok(())
}

async fn any_order_id_can_be_asked_for(servers: Arc<Servers>) -> Outcome {
    let api = Api::at(servers.stack().await?.api_url())?;
    let (sku, number) = (unique("SKU"), unique(""));
    api.create_batch(&unique("batch"), &sku, 1_000, None).await?;
    for (orderid, encoded) in crate::names::ODD_ORDER_IDS {
        assert_eq!(api.allocate(&format!("{orderid}{number}"), &sku, 1).await?.status, 202, "{orderid}");
        assert_eq!(api.view(&format!("{encoded}{number}")).await?.status, 200, "{orderid} as {encoded}");
        assert_eq!(api.view(&format!("{encoded}{number}x")).await?.status, 404, "{orderid} as {encoded}");
    }
    Ok(())
}

async fn events_are_numbered_without_a_gap(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let api = Api::at(stack.api_url())?;
    let subscriber = Subscriber::to(stack, &json!({"type": [{"exists": true}]})).await?;
    let (sku, reference) = (unique("SKU"), unique("batch"));
    api.create_batch(&reference, &sku, 10, None).await?;
    for _ in 0..5 {
        api.allocate(&unique("order"), &sku, 2).await?;
    }
    api.allocate(&unique("order"), &sku, 1).await?;
    Warehouse::of(stack).change_quantity(&reference, 8).await?;

    // The line that loses its place is told of in three events of one commit.
    let events = subscriber.events_of(&sku, |events| {
        let mut ids: Vec<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len() == 10
    });
    let mut ids: Vec<_> = events.await?.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    let expected = (1..=7).map(|version| format!("{sku}#{version}#1"));
    let expected: Vec<_> = expected.chain((1..=3).map(|number| format!("{sku}#8#{number}"))).collect();
    assert_eq!(ids, expected);
    Ok(())
}

async fn it_is_reached_by_ipv4_and_ipv6_from_this_machine_only(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    addresses::check(&format!("{}/allocations/{}", stack.api_url(), unique("order"))).await
}
