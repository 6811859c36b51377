//! What the deployed stack answers to whoever asks, and what a subscriber makes of answers and events together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::layers::{Layers, Outcome, add_tests};
use crate::names::unique;
use crate::servers::Servers;
use crate::shop::{Api, Subscriber, Warehouse, until};

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "stack",
        [
            what_a_shop_wants_to_know_is_one_question_each,
            names_in_paths_may_be_any,
            what_a_function_logs_can_be_read,
            a_subscriber_who_comes_late_knows_what_the_others_know,
            what_happened_is_told_as_it_was_published,
        ]
    );
}

async fn what_a_shop_wants_to_know_is_one_question_each(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let api = Api::at(stack.api_url())?;
    let (sku, order, here, coming) = (unique("SKU"), unique("order"), unique("here"), unique("coming"));
    api.create_batch(&here, &sku, 5, None).await?;
    api.create_batch(&coming, &sku, 10, Some("2031-01-02")).await?;
    for qty in [3, 9] {
        api.allocate(&order, &sku, qty).await?;
    }
    // How many can be sold today, and when do the next come?
    let product = api.ask(&format!("products/{sku}")).await?;
    assert_eq!((&product["free"], &product["incoming"]), (&json!(2), &json!([{"eta": "2031-01-02", "free": 1}])));

    // A shipment comes smaller than it was promised: what became of the order?
    Warehouse::of(stack).change_quantity(&coming, 4).await?;
    let states = async || -> Result<Value> {
        let shown = api.ask(&format!("orders/{order}")).await?;
        let state = |line: &Value| (line["line"].as_str().unwrap_or_default().to_owned(), line["state"].clone());
        Ok(shown["lines"].as_array().context("lines")?.iter().map(state).collect::<serde_json::Map<_, _>>().into())
    };
    let waits = json!({"3": "allocated", "9": "waiting"});
    until("the larger line to wait", async || Ok((states().await? == waits).then_some(()))).await?;

    // Who waits, who is on a batch, and what is left of it?
    let waiting = api.ask(&format!("products/{sku}/waiting")).await?;
    assert_eq!((&waiting["lines"][0]["orderid"], &waiting["lines"][0]["qty"]), (&json!(order), &json!(9)));
    let lines = api.ask(&format!("batches/{here}/lines")).await?;
    assert_eq!((&lines["lines"][0]["orderid"], &lines["lines"][0]["batchqty"]), (&json!(order), &json!(3)));
    let batches = api.ask(&format!("batches/{coming}")).await?;
    assert_eq!((&batches["batches"][0]["purchased"], &batches["batches"][0]["free"]), (&json!(4), &json!(4)));

    // Never asked for, and cancelled, are told apart.
    assert_eq!(api.ask(&format!("orders/{}", unique("order"))).await?["code"], "unknown_order");
    let cancelled = json!({"orderid": order, "sku": sku, "qty": 9}).to_string();
    assert_eq!(api.post("deallocate", cancelled, None).await?.status, 200);
    assert_eq!(states().await?, json!({"3": "allocated", "9": "cancelled"}));
    Ok(())
}

async fn what_happened_is_told_as_it_was_published(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let api = Api::at(stack.api_url())?;
    let subscriber = Subscriber::to(stack, &json!({"type": [{"exists": true}]})).await?;
    let (sku, order, correlation) = (unique("SKU"), unique("order"), unique("correlation"));
    api.create_batch(&unique("batch"), &sku, 5, None).await?;
    api.allocate_as(&order, &sku, 3, &correlation).await?;
    api.allocate(&order, &sku, 9).await?;
    let line = json!({"orderid": order, "sku": sku, "qty": 3}).to_string();
    assert_eq!(api.post("ship", line, None).await?.status, 200);

    let history = until("all of it to be recorded", async || {
        let history = api.ask(&format!("products/{sku}/history")).await?;
        Ok((history["complete_to"] == history["version"]).then_some(history))
    })
    .await?;
    let events = history["events"].as_array().context("events")?;
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(types, ["BatchCreated", "Allocated", "OutOfStock", "Shipped"], "{history}");
    assert_eq!(events[1]["correlation_id"], json!(correlation));
    let published = subscriber.events_of(&sku, |published| published.len() >= events.len()).await?;
    for event in events {
        let mut published = published.iter().find(|told| told["id"] == event["id"]).context("its publication")?.clone();
        published["correlation_id"] = event["correlation_id"].clone();
        assert_eq!(published, *event);
    }

    let of_order = api.ask(&format!("orders/{order}/history?limit=2")).await?;
    let next = of_order["next"].as_str().context("a next page")?;
    let rest = api.ask(&format!("orders/{order}/history?after={next}")).await?;
    let told = [&of_order, &rest].map(|page| page["events"].as_array().cloned().unwrap_or_default());
    assert_eq!(told.concat(), events[1..], "all but the batch");
    assert_eq!(rest["products"][0]["complete_to"], history["version"], "{rest}");
    Ok(())
}

async fn names_in_paths_may_be_any(servers: Arc<Servers>) -> Outcome {
    let api = Api::at(servers.stack().await?.api_url())?;
    let start = unique("SKU");
    let sku = format!("{start} a/b%41#é+&,🪑");
    let encoded = format!("{start}%20a%2Fb%2541%23%C3%A9%2B%26%2C%F0%9F%AA%91");
    assert_eq!(api.create_batch(&sku, &sku, 9, None).await?.status, 201);
    for qty in 1..=3 {
        api.allocate(&sku, &sku, qty).await?;
    }
    for path in [
        "products/{}",
        "batches/{}",
        "orders/{}?limit=2",
        "batches/{}/lines?limit=2",
        "products/{}/waiting",
        "products/{}/history",
        "orders/{}/history",
    ] {
        let path = path.replace("{}", &encoded);
        let shown = api.ask(&path).await?;
        assert_eq!(shown["code"], Value::Null, "{path}: {shown}");
        let Some(next) = shown["next"].as_str() else { continue };
        let rest = api.ask(&format!("{}&after={next}", path.replace("limit=2", "limit=9"))).await?;
        assert_eq!(
            (shown["lines"].as_array().map(Vec::len), rest["lines"].as_array().map(Vec::len)),
            (Some(2), Some(1))
        );
    }
    let of_sku = api.ask(&format!("batches/{encoded}/lines?sku={encoded}")).await?;
    assert_eq!(of_sku["lines"].as_array().map(Vec::len), Some(3), "{of_sku}");
    Ok(())
}

async fn what_a_function_logs_can_be_read(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let (api, correlation) = (Api::at(stack.api_url())?, unique("correlation"));
    api.allocate_as(&unique("order"), &unique("SKU"), 1, &correlation).await?;
    let log = std::fs::read_to_string(stack.log_of("allocate"))?;
    let line = log.lines().find(|line| line.contains(&correlation)).context("no line of this request")?;
    serde_json::from_str::<Value>(line).with_context(|| line.to_owned())?;

    // What is logged of a message, and not only figures.
    let batch = unique("batch");
    Warehouse::of(stack).change_quantity(&batch, 1).await?;
    let log = || std::fs::read_to_string(stack.log_of("change-batch-quantity")).unwrap_or_default();
    let told = async || Ok(log().lines().find(|line| line.contains(&batch)).map(str::to_owned));
    let line = until("a line of this message", told).await?;
    let line: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
    assert!(line["level"].is_string() && line["fields"]["reason"].is_string(), "{line}");
    Ok(())
}

/// What a subscriber knows of a product: free pieces by batch, and where each line stands.
#[derive(Debug, Default, PartialEq, Eq)]
struct ReadModel {
    version: u64,
    free: BTreeMap<String, i64>,
    /// By order and name: the batch, or none while it waits; and since when. Lines that ended are gone.
    lines: BTreeMap<(String, String), (Option<String>, u64)>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

impl ReadModel {
    /// From answers alone.
    async fn read(api: &Api, sku: &str, references: &[String]) -> Result<Self> {
        let product = api.ask(&format!("products/{sku}")).await?;
        let mut model = Self { version: number(&product["version"]), ..Self::default() };
        for batch in product["batches"].as_array().context("batches")? {
            model.free.insert(text(&batch["ref"]), batch["free"].as_i64().context("free")?);
        }
        let lists = references.iter().map(|reference| format!("batches/{reference}/lines?sku={sku}&"));
        for list in lists.chain([format!("products/{sku}/waiting?")]) {
            let reference = list.strip_prefix("batches/").and_then(|rest| rest.split('/').next()).map(str::to_owned);
            let mut after = String::new();
            loop {
                let page = api.ask(&format!("{list}limit=3{after}")).await?;
                for line in page["lines"].as_array().context("lines")? {
                    model.note(line, reference.clone(), number(&line["since"]));
                }
                let Some(next) = page["next"].as_str() else { break };
                after = format!("&after={next}");
            }
        }
        Ok(model)
    }

    /// A line that moved between two pages is on both; where it has been for less long, it is.
    fn note(&mut self, line: &Value, place: Option<String>, since: u64) {
        let known = self.lines.entry((text(&line["orderid"]), text(&line["line"]))).or_insert((None, 0));
        if known.1 <= since {
            *known = (place, since);
        }
    }

    /// An event of a later version than what it is about.
    fn hear(&mut self, event: &Value) {
        let (version, batch) = (number(&event["version"]), event["batchref"].as_str().map(str::to_owned));
        let id = (text(&event["orderid"]), text(&event["line"]));
        let pieces = event["qty"].as_i64().unwrap_or_default();
        let kind = text(&event["type"]);
        if version > self.version {
            let change = match kind.as_str() {
                "Allocated" => -pieces,
                "Deallocated" | "Cancelled" | "BatchCreated" => pieces,
                _ => 0,
            };
            if let Some(batch) = &batch {
                *self.free.entry(batch.clone()).or_default() += change;
            }
        }
        if self.lines.get(&id).is_some_and(|(_, since)| *since >= version) {
            return;
        }
        match kind.as_str() {
            "Allocated" => drop(self.lines.insert(id, (batch, version))),
            "Deallocated" => drop(self.lines.insert(id, (None, version))),
            "Shipped" | "Cancelled" => drop(self.lines.remove(&id)),
            _ => {}
        }
    }

    /// What lines and batches come to, whatever is known of when.
    fn come_to(mut self) -> Self {
        self.free.retain(|_, free| *free != 0);
        for (_, since) in self.lines.values_mut() {
            *since = 0;
        }
        Self { version: 0, ..self }
    }
}

/// Orders come and go, and batches are delayed and come, until it is over. Tells how many orders.
async fn traffic(api: &Api, sku: &str, references: &[String], over: &AtomicBool) -> Result<u32> {
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        number += 1;
        let line = |number: u32| json!({"orderid": format!("{sku}-{number}"), "sku": sku, "qty": 1 + number % 3});
        api.post("allocate", line(number).to_string(), None).await?;
        // Some go, of which some were shipped.
        if number > 9 {
            let path = if number % 3 == 0 { "ship" } else { "deallocate" };
            api.post(path, line(number - 9).to_string(), None).await?;
        }
        // Lines move from one batch to the others, and back.
        if number % 5 == 0 {
            let late = if number % 10 == 0 { Value::Null } else { json!("2031-01-02") };
            let path = format!("batches/{}", references[number as usize / 5 % references.len()]);
            api.patch(&path, json!({"sku": sku, "eta": late, "version": number})).await?;
        }
    }
    Ok(number)
}

/// Waits until a product has seen more than so many commits.
async fn until_version(api: &Api, sku: &str, version: u64) -> Result<()> {
    let product = format!("products/{sku}");
    let ask = async || Ok((number(&api.ask(&product).await?["version"]) > version).then_some(()));
    until(&format!("{sku} after version {version}"), ask).await
}

/// Its place among the events of a SKU.
fn position(event: &Value) -> (u64, Option<u64>) {
    let id = text(&event["id"]);
    (number(&event["version"]), id.rsplit('#').next().and_then(|number| number.parse().ok()))
}

/// Somebody subscribes while others are at it, asks for what there is, and hears of the rest.
async fn a_subscriber_who_comes_late_knows_what_the_others_know(servers: Arc<Servers>) -> Outcome {
    let stack = servers.stack().await?;
    let (api, sku) = (Api::at(stack.api_url())?, unique("SKU"));
    let references: Vec<String> = (0..3).map(|number| unique(&format!("batch{number}"))).collect();
    for reference in &references {
        api.create_batch(reference, &sku, 12, None).await?;
    }
    let over = AtomicBool::new(false);
    let late = async {
        until_version(&api, &sku, 20).await?;
        let subscriber = Subscriber::to(stack, &json!({"type": [{"exists": true}]})).await?;
        let first = ReadModel::read(&api, &sku, &references).await?;
        until_version(&api, &sku, first.version + 20).await?;
        over.store(true, Ordering::Relaxed);
        anyhow::Ok((subscriber, first))
    };
    let (asked, late) = tokio::join!(traffic(&api, &sku, &references, &over), late);
    let (asked, (subscriber, mut model)) = (asked?, late?);

    let last = ReadModel::read(&api, &sku, &references).await?;
    assert!(model.version < last.version && asked > 20, "{asked} orders");
    let is_all = |events: &[Value]| {
        (model.version + 1..=last.version).all(|version| {
            let mut told: Vec<&Value> = events.iter().filter(|event| number(&event["version"]) == version).collect();
            told.sort_by_key(|event| position(event));
            told.dedup_by_key(|event| position(event));
            told.first().is_some_and(|event| told.len() as u64 == number(&event["of"]))
        })
    };
    let mut events = subscriber.events_of(&sku, is_all).await?;
    events.sort_by_key(position);
    events.dedup_by_key(|event| position(event));
    for event in &events {
        model.hear(event);
    }
    assert_eq!(model.come_to(), last.come_to());
    Ok(())
}
