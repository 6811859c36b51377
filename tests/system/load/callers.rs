//! Callers that ask whatever callers ask, and note what they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use adapters::system::System;
use anyhow::{Context as _, Result, ensure};
use domain::{
    BatchRef, Counted, IfShort, LineId, NewBatch, OrderId, OrderLine, OrderVersion, Place, Revision, Sku, Terms,
    Timestamp, WantedOrder,
};
use local::Stack;
use serde_json::{Value, json};
use service_layer::ports::Environment as _;
use service_layer::{ChangeBatch, PutOrder};
use testing::{Command, change_body, comes, holds, line, order_body};

use crate::history::{Asked, Request, Told, ToldLine};
use crate::shop::{Answer, Api, Warehouse};

/// The first has half of the traffic.
const SKUS: [&str; 5] = ["HOT-LAMP", "DESK", "CHAIR", "TABLE", "SOFA"];
/// Lines of an order, on average.
const LINES: usize = 4;

/// What the callers know of each other.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) history: Vec<Request>,
    pub(super) figures: BTreeMap<String, u32>,
    lines: Vec<OrderLine>,
    /// Orders that are put as wholes. Some have versions; each with its last one.
    wholes: BTreeMap<OrderId, Option<u64>>,
    /// With the number of changes that were asked for.
    batches: Vec<(NewBatch, u64)>,
    /// Lines that were taken by a queue, and will be heard of.
    pub(super) queued: Vec<OrderLine>,
    /// Orders that somebody asked to cancel.
    pub(super) cancelled: BTreeSet<OrderId>,
    asked: usize,
}

pub(super) struct Shop<'a> {
    api: Api,
    warehouse: Warehouse<'a>,
    started: Instant,
    wanted: usize,
    pub(super) notes: Mutex<Notes>,
}

impl<'a> Shop<'a> {
    pub(super) fn of(stack: &'a Stack, wanted: usize) -> Result<Self> {
        Ok(Self {
            api: Api::at(stack.api_url())?,
            warehouse: Warehouse::of(stack),
            started: Instant::now(),
            wanted,
            notes: Mutex::default(),
        })
    }

    pub(super) fn count(&self, what: &str) {
        *self.notes.lock().unwrap().figures.entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn asked(&self) -> usize {
        self.notes.lock().unwrap().asked
    }

    /// A queued line of a SKU that nobody sells ends as a dead letter.
    fn is_sold(&self, sku: &str) -> bool {
        self.notes.lock().unwrap().batches.iter().any(|(new, _)| new.sku.as_str() == sku)
    }

    /// Microseconds since the beginning.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// One caller, until all together have asked enough.
    pub(super) async fn call(&self, seed: u64) -> Result<()> {
        let mut random = fastrand::Rng::with_seed(seed);
        while let Some(asked) = self.next(&mut random) {
            let invoked = self.now();
            let place = {
                let mut notes = self.notes.lock().unwrap();
                notes.history.push(Request { asked: asked.clone(), invoked, answer: None });
                notes.history.len() - 1
            };
            let told = self.ask(&asked, &mut random).await?;
            let answered = self.now();
            self.count(match told {
                Some(_) => "answered",
                None => "without an answer",
            });
            self.notes.lock().unwrap().history[place].answer = told.map(|told| (answered, told));
        }
        Ok(())
    }

    /// What to ask next. Each SKU has a batch first.
    fn next(&self, random: &mut fastrand::Rng) -> Option<Asked> {
        let mut notes = self.notes.lock().unwrap();
        let number = notes.asked;
        notes.asked += 1;
        if number >= self.wanted {
            notes.asked = self.wanted;
            return None;
        }
        let sku = if random.bool() { SKUS[0] } else { SKUS[random.usize(1..SKUS.len())] };
        let dice = match random.u32(..100) {
            _ if number < SKUS.len() => 99,
            84..94 if notes.batches.is_empty() => 0,
            dice => dice,
        };
        let asked = match dice {
            0..50 => {
                let order = format!("order-{}", random.usize(..=notes.lines.len() / LINES));
                let line = line(&order, sku, random.u32(1..5));
                notes.lines.push(line.clone());
                Asked::Command(Command::Allocate(line))
            }
            50..56 => match random.choice(&notes.lines) {
                Some(line) => Asked::Command(Command::Allocate(line.clone())),
                None => Asked::Command(Command::Allocate(line("early", sku, 1))),
            },
            56..60 => {
                let line = random.choice(&notes.lines).cloned().unwrap_or_else(|| line("early", sku, 1));
                Asked::Command((if random.bool() { Command::Deallocate } else { Command::Ship })(line.id()))
            }
            60..61 => Asked::Command(Command::Allocate(line(&format!("large-{number}"), sku, 1_000))),
            61..62 => {
                let line = random.choice(&notes.lines).cloned().unwrap_or_else(|| line("early", sku, 1));
                notes.cancelled.insert(line.orderid.clone());
                Asked::Command(Command::CancelOrder(line.orderid))
            }
            76..84 => Asked::Command(Command::PutOrder(whole_order(&mut notes, random))),
            62..63 => Asked::Command(Command::Allocate(line(&format!("unknown-{number}"), "NO-SUCH-THING", 1))),
            63..76 => {
                let line = random.choice(&notes.lines).cloned().unwrap_or_else(|| line("early", sku, 1));
                Asked::View(line.orderid)
            }
            84..92 => {
                let chosen = random.usize(..notes.batches.len());
                let (new, changes) = &mut notes.batches[chosen];
                *changes += 1;
                Asked::Command(Command::ChangeBatch(change(&new.reference, *changes, random)))
            }
            92..94 => {
                let chosen = random.usize(..notes.batches.len());
                let (mut new, _) = notes.batches[chosen].clone();
                new.qty = if random.bool() { new.qty } else { 999.try_into().unwrap() };
                Asked::Command(Command::CreateBatch(new))
            }
            _ => {
                let sku = if number < SKUS.len() { SKUS[number] } else { sku };
                let mut new = testing::new_batch(&format!("batch-{number}"), sku, random.u32(10..50));
                new.eta = random.bool().then(|| format!("2031-01-{:02}", random.u32(1..29)).try_into().unwrap());
                Asked::Command(Command::CreateBatch(new))
            }
        };
        Some(asked)
    }

    /// What the asker of a line wants to be told, and when.
    fn preference(&self, line: &OrderLine, random: &mut fastrand::Rng) -> Option<(&'static str, &'static str)> {
        match random.u32(..3) {
            0 => None,
            1 if self.is_sold(line.sku.as_str()) => Some(("prefer", "respond-async")),
            _ => Some(("prefer", "return=representation")),
        }
    }

    async fn ask(&self, asked: &Asked, random: &mut fastrand::Rng) -> Result<Option<Told>> {
        let answer = match asked {
            Asked::View(orderid) if random.bool() => self.api.view(orderid.as_str()).await,
            Asked::View(orderid) => self.api.get(&format!("orders/{orderid}")).await,
            Asked::Command(Command::CancelOrder(orderid)) => self.api.delete(&format!("orders/{orderid}")).await,
            Asked::Command(Command::PutOrder(order)) => {
                let path = format!("orders/{}", order.wanted.orderid());
                self.api.put(&path, order_body(order).to_string()).await
            }
            Asked::Command(Command::ChangeBatch(change)) => {
                let mut body = change_body(change);
                body["batchref"] = json!(change.reference);
                let body = body.to_string();
                // The emulator may be away for longer than the client is patient. A message sent twice is no harm.
                while let Err(error) = self.warehouse.send(&[&body]).await {
                    ensure!(self.started.elapsed().as_secs() < 7_200, "the queue takes nothing: {error:#}");
                    self.count("messages sent again");
                }
                return Ok(None);
            }
            Asked::Command(command) => {
                let (route, body) = command.request();
                let preference = match command {
                    Command::Allocate(line) => self.preference(line, random),
                    Command::Deallocate(_)
                    | Command::Ship(_)
                    | Command::CancelOrder(_)
                    | Command::PutOrder(_)
                    | Command::CreateBatch(_)
                    | Command::ChangeBatch(_) => None,
                };
                self.api.post(route.path().trim_start_matches('/'), body.to_string(), preference).await
            }
        };
        let Ok(answer) = answer else {
            self.count("cut off");
            return Ok(None);
        };
        if let Asked::Command(Command::Allocate(line)) = asked
            && answer.headers.get("preference-applied").is_some_and(|applied| applied == "respond-async")
        {
            self.count("queued");
            self.notes.lock().unwrap().queued.push(line.clone());
            return Ok(None);
        }
        let told = self.read(asked, &answer).with_context(|| format!("{asked:?} is told {answer:?}"))?;
        if let (Asked::Command(Command::CreateBatch(new)), Some(Told::Done)) = (asked, &told) {
            let mut notes = self.notes.lock().unwrap();
            if notes.batches.iter().all(|(known, _)| known.reference != new.reference) {
                notes.batches.push((new.clone(), 0));
            }
        }
        Ok(told)
    }

    fn read(&self, asked: &Asked, answer: &Answer) -> Result<Option<Told>> {
        let (status, body) = answer.told();
        self.count(&format!("status {status}"));
        if status >= 500 {
            ensure!(!body.contains("internal error"), "asking again would not help");
            return Ok(None);
        }
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        let code = json["code"].as_str().unwrap_or_default();
        let told = match (asked, status) {
            (Asked::View(_), 200) if json.is_array() => Told::Shown(shown(&json)?),
            (Asked::View(orderid), 200) => {
                lines(orderid, &json)?;
                Told::Shown(promised(&json)?)
            }
            (Asked::View(_), 404) if code == "unknown_order" => Told::Shown(Vec::new()),
            (Asked::Command(Command::CancelOrder(orderid)), 200) => Told::Cancelled(lines(orderid, &json)?),
            (Asked::Command(Command::PutOrder(order)), 200) => Told::Put(lines(order.wanted.orderid(), &json)?),
            (Asked::Command(Command::PutOrder(order)), 409) if code == "out_of_stock" => {
                Told::Short(short(order.wanted.orderid(), &json)?)
            }
            (Asked::Command(Command::PutOrder(_)), 409) if code == "order_outdated" => Told::OrderOutdated,
            // Asked too late, or asked again: an earlier try may have been carried out without an answer.
            (Asked::Command(Command::PutOrder(order)), 400)
                if json["field"] == "hold_until"
                    && order.terms.hold_until.is_some_and(|until| until <= in_seconds(0)) =>
            {
                self.count("too late for its hold");
                return Ok(None);
            }
            (Asked::Command(Command::Allocate(_) | Command::PutOrder(_)), 409) if code == "order_cancelled" => {
                Told::OrderCancelled
            }
            (Asked::View(_), 404) if body == "not found" => Told::Shown(Vec::new()),
            (Asked::Command(Command::Allocate(_)), 202) => Told::Accepted,
            (Asked::Command(Command::Allocate(_)), 201) => {
                Told::Allocated(json["batchref"].as_str().context("no batchref")?.try_into()?)
            }
            (Asked::Command(Command::Allocate(_)), 400) if code == "out_of_stock" => Told::OutOfStock,
            (Asked::Command(Command::Allocate(_)), 400) | (Asked::Command(Command::PutOrder(_)), 404)
                if code == "unknown_sku" =>
            {
                Told::UnknownSku
            }
            (Asked::Command(Command::Deallocate(_) | Command::Ship(_)), 404) if code == "unknown_line" => {
                Told::UnknownLine
            }
            (Asked::Command(Command::Ship(_)), 409) if code == "not_allocated" => Told::NotAllocated,
            (Asked::Command(Command::Deallocate(_) | Command::PutOrder(_)), 409) if code == "line_shipped" => {
                Told::LineShipped
            }
            (Asked::Command(Command::Allocate(_) | Command::Ship(_)), 409) if code == "line_cancelled" => {
                Told::LineCancelled
            }
            (Asked::Command(Command::CreateBatch(_)), 201)
            | (Asked::Command(Command::Deallocate(_) | Command::Ship(_)), 200) => Told::Done,
            (Asked::Command(Command::CreateBatch(_)), 409) if code == "batch_differs" => Told::BatchDiffers,
            _ => anyhow::bail!("that is no answer to it"),
        };
        Ok(Some(told))
    }

    /// The newest change of each batch that was asked for one.
    pub(super) fn newest_changes(&self) -> BTreeMap<domain::BatchRef, u32> {
        let mut newest: BTreeMap<_, (Revision, u32)> = BTreeMap::new();
        for request in &self.notes.lock().unwrap().history {
            if let Asked::Command(Command::ChangeBatch(change)) = &request.asked {
                let Some(Counted::Purchased(qty)) = change.counted else { continue };
                let held = newest.entry(change.reference.clone()).or_insert((change.revision, qty));
                *held = (*held).max((change.revision, qty));
            }
        }
        newest.into_iter().map(|(reference, (_, qty))| (reference, qty)).collect()
    }

    /// Asks for every order, and notes what the view says.
    pub(super) async fn view_all(&self) -> Result<()> {
        let mut orders: Vec<_> = {
            let notes = self.notes.lock().unwrap();
            notes.lines.iter().map(|line| line.orderid.clone()).chain(notes.wholes.keys().cloned()).collect()
        };
        orders.sort();
        orders.dedup();
        for orderid in orders {
            let invoked = self.now();
            let answer = self.api.view(orderid.as_str()).await?;
            let asked = Asked::View(orderid);
            let told = self.read(&asked, &answer)?.with_context(|| format!("{asked:?} is told {answer:?}"))?;
            let answer = Some((self.now(), told));
            self.notes.lock().unwrap().history.push(Request { asked, invoked, answer });
        }
        Ok(())
    }
}

/// A new order, or another state of one that was put before; sometimes of one whose lines come by themselves, too.
fn whole_order(notes: &mut Notes, random: &mut fastrand::Rng) -> PutOrder {
    let known: Vec<OrderId> = notes.wholes.keys().cloned().collect();
    let is_mixed = random.u32(..8) == 0;
    let orderid = match random.choice(&notes.lines) {
        Some(line) if is_mixed => line.orderid.clone(),
        _ => match random.choice(&known) {
            Some(orderid) if random.bool() => orderid.clone(),
            _ => format!("whole-{}", known.len()).as_str().try_into().unwrap(),
        },
    };
    let is_new = !notes.wholes.contains_key(&orderid);
    let last = notes.wholes.entry(orderid.clone()).or_insert_with(|| (random.bool() && !is_mixed).then_some(0));
    *last = last.map(|last| last + 1);
    let version = last.map(OrderVersion);
    let mut lines: Vec<OrderLine> = Vec::new();
    for _ in 0..random.u32(u32::from(is_new)..4) {
        let sku = if random.bool() { SKUS[0] } else { SKUS[random.usize(1..SKUS.len())] };
        let unnamed = line(orderid.as_str(), sku, random.u32(1..5));
        let name = if random.bool() { unnamed.name.clone() } else { "gift".try_into().unwrap() };
        let line = OrderLine { name, ..unnamed };
        if lines.iter().all(|known| known.id() != line.id()) {
            lines.push(line);
        }
    }
    let if_short = [IfShort::Refuse, IfShort::Refuse, IfShort::Wait, IfShort::Partial][random.usize(..4)];
    // A cart. Some are confirmed in time, by another state or the same.
    let hold_until = (random.u32(..3) == 0).then(|| in_seconds(random.u64(1..20)));
    let terms = Terms { if_short, hold_until, may_split: random.bool() };
    PutOrder { wanted: WantedOrder::of(orderid, lines).unwrap(), terms, version }
}

fn change(reference: &BatchRef, number: u64, random: &mut fastrand::Rng) -> ChangeBatch {
    let (reference, revision) = (reference.as_str(), Revision::Version(number));
    let day = format!("2031-01-{:02}", random.u32(1..29));
    match random.u32(..4) {
        0 => comes(reference, random.bool().then_some(&day), revision),
        _ => holds(reference, random.u32(..40), revision),
    }
}

/// An order's lines, where they stand.
fn lines(orderid: &OrderId, json: &Value) -> Result<Vec<ToldLine>> {
    ensure!(json["orderid"] == orderid.as_str() && json["next"].is_null(), "another order, or a part of it: {json}");
    let told = |line: &Value| {
        let state = line["state"].as_str().context("no state")?;
        let on: fn(BatchRef) -> Place = if state == "shipped" { Place::Shipped } else { Place::Batch };
        let (mut left, mut pieces) = (count(&line["qty"])?, BTreeMap::new());
        let qty = left.try_into()?;
        for part in line["parts"].as_array().context("no parts")? {
            let placed = count(&part["qty"])?;
            left = left.checked_sub(placed).context("more pieces in parts than it has")?;
            *pieces.entry(on(text(part, "batchref")?.try_into()?)).or_default() += placed;
        }
        let others = match state {
            "waiting" => Some(Place::Waiting),
            "cancelled" => Some(Place::Cancelled),
            "allocated" | "held" | "shipped" => None,
            other => anyhow::bail!("a line that is {other}"),
        };
        ensure!(others.is_some() == (left > 0), "{left} pieces of {line} are nowhere");
        pieces.extend(others.map(|place| (place, left)));
        let (sku, name) = (text(line, "sku")?.try_into()?, text(line, "line")?.try_into()?);
        let held_until = line["held_until"].as_str().map(|until| serde_json::from_value(json!(until))).transpose()?;
        Ok(ToldLine { line: OrderLine { orderid: orderid.clone(), sku, qty, name }, pieces, held_until })
    };
    json["lines"].as_array().context("no lines")?.iter().map(told).collect()
}

/// The batches on which an order's lines are promised for good, or were.
fn promised(json: &Value) -> Result<Vec<(Sku, BatchRef)>> {
    let mut promised = Vec::new();
    for line in json["lines"].as_array().context("no lines")?.iter().filter(|line| line["held_until"].is_null()) {
        for part in line["parts"].as_array().context("no parts")? {
            promised.push((text(line, "sku")?.try_into()?, text(part, "batchref")?.try_into()?));
        }
    }
    Ok(promised)
}

fn text<'a>(json: &'a Value, field: &str) -> Result<&'a str> {
    json[field].as_str().with_context(|| format!("no {field}"))
}

fn count(json: &Value) -> Result<u32> {
    Ok(u32::try_from(json.as_u64().context("no quantity")?)?)
}

fn in_seconds(seconds: u64) -> Timestamp {
    System::default().now().plus(Duration::from_secs(seconds))
}

/// The lines of an order that are short.
fn short(orderid: &OrderId, json: &Value) -> Result<Vec<LineId>> {
    let line = |line: &Value| {
        let (sku, name) = (text(line, "sku")?.try_into()?, text(line, "line")?.try_into()?);
        Ok(LineId { orderid: orderid.clone(), sku, name })
    };
    json["lines"].as_array().context("no lines")?.iter().map(line).collect()
}

fn shown(json: &Value) -> Result<Vec<(domain::Sku, domain::BatchRef)>> {
    let entry = |entry: &Value| Ok((text(entry, "sku")?.try_into()?, text(entry, "batchref")?.try_into()?));
    json.as_array().context("a view that is no list")?.iter().map(entry).collect()
}
