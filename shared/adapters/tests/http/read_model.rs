//! A read model as docs/integrating.md has it: a subscriber who comes late asks for a start, then goes by events alone, and
//! ends where the service is.

use std::collections::{BTreeMap, HashMap};

use adapters::http::Route;
use serde_json::Value;

use super::Api;

const SKU: &str = "RETRO-CLOCK";

/// The next of some numbers that look random, below a bound.
fn draw(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % bound
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Batch {
    eta: Value,
    purchased: i64,
    allocated: i64,
    shipped: i64,
    /// What is known of it is as of this version.
    version: u64,
}

impl Batch {
    fn shown(batch: &Value, version: u64) -> Self {
        let [purchased, allocated, shipped] =
            ["purchased", "allocated", "shipped"].map(|counter| batch[counter].as_i64().unwrap());
        Self { eta: batch["eta"].clone(), purchased, allocated, shipped, version }
    }

    fn apply(&mut self, event: &Value) {
        let qty = event["qty"].as_i64().unwrap_or_default();
        match event["type"].as_str().unwrap() {
            "BatchQuantityChanged" => self.purchased = qty,
            "BatchEtaChanged" => self.eta = event["eta"].clone(),
            "Allocated" => self.allocated += qty,
            "Deallocated" | "Cancelled" => self.allocated -= qty,
            "Shipped" => {
                self.allocated -= qty;
                self.shipped += qty;
            }
            _ => {}
        }
    }
}

/// What the subscriber knows.
#[derive(Debug, Default)]
struct Model {
    version: u64,
    batches: BTreeMap<String, Batch>,
    /// Where each line stands, as [`place_of`] has it; and since which version, as a page told it.
    lines: BTreeMap<(String, String), (String, u64)>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Api {
    async fn body(&self, route: Route, rest: &str) -> Value {
        let answer = self.ask(route, rest, &[("limit", "1000")]).await;
        serde_json::from_str(answer.split_once("\n\n").unwrap().1).unwrap()
    }
}

impl Model {
    /// Steps 2 and 3.
    async fn start(api: &Api) -> Self {
        let stood = lines_of(api).await;
        let product = api.body(Route::ShowProduct, SKU).await;
        // A SKU that is not there yet has version 0, and nothing.
        let mut model = Self { version: product["version"].as_u64().unwrap_or_default(), ..Self::default() };
        let waiting = api.body(Route::ListWaiting, &format!("{SKU}/waiting")).await;
        model.note(&waiting, "waiting");
        for batch in product["batches"].as_array().into_iter().flatten() {
            let reference = text(&batch["ref"]);
            let lines = api.body(Route::ListLines, &format!("{reference}/lines")).await;
            model.note(&lines, &reference);
            for line in lines["lines"].as_array().into_iter().flatten().filter(|line| line["qty"] != line["batchqty"]) {
                model.ask(api, line).await;
            }
            model.batches.insert(reference, Batch::shown(batch, model.version));
        }
        for (id, place) in stood.iter().filter(|(_, place)| *place == "waiting" || model.batches.contains_key(*place)) {
            assert_eq!(model.lines.get(id).map(|(place, _)| place), Some(place), "{id:?} is on a page");
        }
        model
    }

    fn note(&mut self, page: &Value, place: &str) {
        for line in page["lines"].as_array().into_iter().flatten() {
            let id = (text(&line["orderid"]), text(&line["line"]));
            self.lines.insert(id, (place.to_owned(), line["since"].as_u64().unwrap()));
        }
    }

    /// Of a line that is split, no page tells all, and no event which part it is of.
    async fn ask(&mut self, api: &Api, line: &Value) {
        let id = (text(&line["orderid"]), text(&line["line"]));
        let shown = api.body(Route::ShowOrder, &id.0).await;
        let lines = shown["lines"].as_array().into_iter().flatten();
        if let Some(shown) = lines.into_iter().find(|shown| shown["line"] == id.1.as_str()) {
            self.lines.insert(id, (place_of(shown), 0));
        }
    }

    /// Steps 4 and 5.
    async fn apply(&mut self, api: &Api, event: &Value) {
        let version = event["version"].as_u64().unwrap();
        let place = match event["type"].as_str().unwrap() {
            "Allocated" => Some(text(&event["batchref"])),
            "Deallocated" => Some("waiting".to_owned()),
            "Shipped" => Some("shipped".to_owned()),
            "Cancelled" => Some("cancelled".to_owned()),
            _ => None,
        };
        if let Some(place) = place {
            let id = (text(&event["orderid"]), text(&event["line"]));
            // Of one version, several events may move a line.
            let (stands, since) = self.lines.entry(id).or_default();
            if version > *since {
                *stands = place;
            }
        }
        if event["line_qty"].is_u64() {
            self.ask(api, event).await;
        }
        let Some(reference) = event["batchref"].as_str().filter(|_| version > self.version) else { return };
        if event["type"] == "BatchCreated" {
            let (eta, purchased) = (event["eta"].clone(), event["qty"].as_i64().unwrap());
            let new = Batch { eta, purchased, allocated: 0, shipped: 0, version: version - 1 };
            self.batches.entry(reference.to_owned()).or_insert(new);
        }
        if !self.batches.contains_key(reference) {
            let product = api.body(Route::ShowProduct, SKU).await;
            let found = api.body(Route::ShowBatches, reference).await;
            let now = product["version"].as_u64().unwrap();
            self.batches.insert(reference.to_owned(), Batch::shown(&found["batches"][0], now));
        }
        let batch = self.batches.get_mut(reference).unwrap();
        if version > batch.version {
            batch.apply(event);
        }
    }
}

/// Something that happens in a shop.
async fn happens(api: &Api, random: &mut u64) {
    let batch = format!("b{}", draw(random, 3));
    let (order, qty) = (draw(random, 6), draw(random, 5) + 1);
    let line = format!(r#"{{"orderid":"o{order}","sku":"{SKU}","qty":{qty}}}"#);
    match draw(random, 15) {
        0 => {
            let eta = if draw(random, 2) == 0 { "null" } else { "\"2031-02-01\"" };
            api.post_batch(&format!(r#"{{"ref":"{batch}","sku":"{SKU}","qty":{},"eta":{eta}}}"#, qty + 4)).await;
        }
        1 | 2 => drop(api.patch_batch(&batch, &format!(r#"{{"qty":{}}}"#, draw(random, 14))).await),
        3 => drop(api.patch_batch(&batch, &format!(r#"{{"eta":"2031-02-0{qty}"}}"#)).await),
        4 | 5 => drop(api.post(Route::Deallocate, &line).await),
        6 => drop(api.post(Route::Ship, &line).await),
        7..=9 => {
            let lines = format!(r#"[{{"sku":"{SKU}","qty":{}}}]"#, draw(random, 14) + 1);
            let wanted = format!(r#"{{"lines":{lines},"split":true,"if_short":"wait"}}"#);
            drop(api.put_order(&format!("o{order}"), &wanted).await);
        }
        _ => drop(api.post_allocate(&line, None).await),
    }
}

/// Where a line stands: on a batch, or else what became of it. One that is split is told with all its pieces.
fn place_of(line: &Value) -> String {
    let parts = line["parts"].as_array().unwrap();
    match (text(&line["state"]).as_str(), &parts[..]) {
        ("allocated", [part]) => text(&part["batchref"]),
        ("allocated", _) | ("waiting", [_, ..]) => {
            let placed: u64 = parts.iter().map(|part| part["qty"].as_u64().unwrap()).sum();
            let told = parts.iter().map(|part| format!("{} on {}", part["qty"], text(&part["batchref"])));
            let waits = line["qty"].as_u64().unwrap() - placed;
            told.chain([format!("{waits} wait")]).collect::<Vec<_>>().join(", ")
        }
        (state, _) => state.to_owned(),
    }
}

/// How many of its pieces wait, by where it stands. Its name is its quantity.
fn waiting(name: &str, place: &str) -> u64 {
    match place.strip_suffix(" wait").and_then(|told| told.rsplit(' ').next()) {
        Some(pieces) => pieces.parse().unwrap(),
        None if place == "waiting" => name.parse().unwrap(),
        None => 0,
    }
}

/// Where the service has each line.
async fn lines_of(api: &Api) -> BTreeMap<(String, String), String> {
    let mut lines = BTreeMap::new();
    for order in 0..6 {
        let order = format!("o{order}");
        let shown = api.body(Route::ShowOrder, &order).await;
        for line in shown["lines"].as_array().into_iter().flatten() {
            lines.insert((order.clone(), text(&line["line"])), place_of(line));
        }
    }
    lines
}

#[tokio::test]
async fn a_subscriber_who_comes_late_ends_where_the_service_is() {
    let (mut asked_for_full, mut waited, mut split) = (0, 0, 0);
    for seed in 0..100 {
        let (api, random) = (Api::new(), &mut (seed * 7_919));
        let told = || -> Vec<Value> {
            api.0.store().outbox().iter().map(|event| serde_json::to_value(event).unwrap()).collect()
        };
        for _ in 0..draw(random, 40) {
            happens(&api, random).await;
        }
        // Subscribed, and not started yet.
        let mut applied = told().len();
        for _ in 0..draw(random, 4) {
            happens(&api, random).await;
        }
        let mut model = Model::start(&api).await;
        let shown_at_first = model.batches.len();
        for _ in 0..40 {
            happens(&api, random).await;
            // Events come when they come, but whole versions at a time.
            if draw(random, 5) == 0 {
                for event in &told()[applied..] {
                    model.apply(&api, event).await;
                }
                applied = told().len();
            }
        }
        for event in &told()[applied..] {
            model.apply(&api, event).await;
        }

        for (reference, batch) in &model.batches {
            let found = api.body(Route::ShowBatches, reference).await;
            let shown = Batch { version: batch.version, ..Batch::shown(&found["batches"][0], 0) };
            assert_eq!(*batch, shown, "{reference} with seed {seed}");
        }
        let product = api.body(Route::ShowProduct, SKU).await;
        let open = product["batches"].as_array().into_iter().flatten().map(|batch| text(&batch["ref"]));
        for reference in open {
            assert!(model.batches.contains_key(&reference), "{reference} is open, with seed {seed}");
        }
        let lines: HashMap<_, _> = lines_of(&api).await.into_iter().collect();
        for (id, (place, _)) in &model.lines {
            assert_eq!(lines.get(id), Some(place), "{id:?} with seed {seed}");
        }
        let pieces: u64 = model.lines.iter().map(|((_, name), (place, _))| waiting(name, place)).sum();
        assert_eq!(product["waiting"]["qty"].as_u64().unwrap_or_default(), pieces, "{seed}");
        asked_for_full += usize::from(model.batches.len() > shown_at_first);
        waited += usize::from(pieces > 0);
        split += model.lines.values().filter(|(place, _)| place.contains(" on ")).count();
    }
    assert!(asked_for_full > 10 && waited > 10 && split > 10, "{asked_for_full} {waited} {split}");
}
