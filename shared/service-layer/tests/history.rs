//! What is told of the past, held against all that the outbox had to tell: of random shops, in pages, after repeats,
//! disorder and losses.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use adapters::in_memory::{InMemoryEnvironment, InMemoryHistory, InMemoryStore, call_until};
use domain::{Event, IfShort, OrderId, OrderLine, Refusal, Revision, Sku, Terms, Version};
use service_layer::history::{OrderHistory, OrderRank, Past, ProductHistory, Recorded};
use service_layer::outbox::Envelope;
use service_layer::ports::{Environment as _, Timestamp};
use service_layer::{Call, Error, MessageBus, PutOrder, Views, Wanted};
use testing::{Command, comes, hear, holds, line, new_batch, whole};

const SKUS: [&str; 2] = ["CHAIR", "LAMP"];
const ORDERS: [&str; 4] = ["o1", "o2", "o3", "o4"];
/// A number, so that pages end within and between versions.
const COMMANDS: u64 = 60;

fn call() -> Call {
    call_until(Timestamp(u64::MAX))
}

/// Chance from a seed: the environment's own, which is the same in each run.
struct Dice(InMemoryEnvironment);

impl Dice {
    fn below(&self, bound: u64) -> u64 {
        (self.0.random() >> 33) % bound
    }

    fn one_of<'a>(&self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

struct Shop {
    bus: MessageBus<InMemoryStore, InMemoryEnvironment>,
    history: InMemoryHistory,
    dice: Dice,
}

impl Shop {
    fn new(seed: u64) -> Self {
        let bus = MessageBus::new(InMemoryStore::default(), InMemoryEnvironment::default(), ());
        let dice = Dice(InMemoryEnvironment::starting_at(seed.wrapping_mul(0x5851_f42d_4c95_7f2d)));
        Self { bus, history: InMemoryHistory::default(), dice }
    }

    fn past(&self) -> Past<'_, InMemoryStore, InMemoryHistory, InMemoryEnvironment> {
        Past { views: Views { store: self.bus.store(), environment: self.bus.environment() }, history: &self.history }
    }

    /// One that may be refused.
    async fn ask(&self, command: Command) {
        match self.bus.handle(&command, &call()).await {
            Ok(_) | Err(Error::Refused(_)) => {}
            Err(error) => panic!("{command}: {error}"),
        }
    }

    fn line(&self) -> OrderLine {
        line(self.dice.one_of(&ORDERS), self.dice.one_of(&SKUS), u32::try_from(1 + self.dice.below(3)).unwrap())
    }

    /// Whole orders come back to lines that were cancelled.
    fn order(&self) -> Command {
        let orderid = self.dice.one_of(&ORDERS);
        let count = self.dice.below(4);
        let lines = (0..count).map(|_| OrderLine { orderid: orderid.try_into().unwrap(), ..self.line() });
        let lines: BTreeSet<OrderLine> = lines.collect();
        let if_short = if self.dice.below(2) == 0 { IfShort::Partial } else { IfShort::Wait };
        let held = self.dice.below(4) == 0;
        let hold_until = held.then(|| Timestamp(self.bus.environment().now().0 + 1 + self.dice.below(40)));
        let terms = Terms { if_short, hold_until, may_split: self.dice.below(2) == 0 };
        Command::PutOrder(PutOrder { terms, ..whole(orderid, lines.into_iter().collect()) })
    }

    fn command(&self, number: u64) -> Command {
        let batch = || format!("b{}", self.dice.below(8));
        match self.dice.below(12) {
            0 | 1 => Command::CreateBatch(new_batch(&format!("b{number}"), self.dice.one_of(&SKUS), 4)),
            2 => Command::ChangeBatch(holds(
                &batch(),
                u32::try_from(self.dice.below(6)).unwrap(),
                Revision::Version(number),
            )),
            3 => Command::ChangeBatch(comes(&batch(), Some("2031-02-03"), Revision::Version(number))),
            4 | 5 => Command::Allocate(self.line()),
            6 | 7 => Command::Deallocate(self.line().id()),
            8 => Command::Ship(self.line().id()),
            _ => self.order(),
        }
    }

    /// A shop with a past, all of which the subscriber has heard, in any order and some of it twice.
    async fn with_a_past(seed: u64) -> Self {
        let shop = Self::new(seed);
        for sku in SKUS {
            shop.ask(Command::CreateBatch(new_batch("b0", sku, 5))).await;
        }
        for number in 1..=COMMANDS {
            shop.ask(shop.command(number)).await;
            shop.bus.environment().sleep(std::time::Duration::from_millis(1)).await;
        }
        let mut events = shop.outbox();
        events.extend(shop.outbox().into_iter().filter(|_| shop.dice.below(3) == 0));
        events.sort_by_cached_key(|_| shop.dice.below(1_000));
        hear(&shop.history, &events).await;
        shop
    }

    fn outbox(&self) -> Vec<Envelope> {
        self.bus.store().outbox()
    }

    async fn of_product(&self, sku: &Sku, after: Version, limit: usize) -> ProductHistory {
        self.past().of_product(sku, &Wanted { after: Some(after), limit }, &call()).await.unwrap()
    }

    /// All pages of an order's past.
    async fn of_order(&self, orderid: &OrderId, limit: usize) -> Result<Vec<OrderHistory>, Error> {
        let (mut pages, mut wanted) = (Vec::new(), Wanted::<OrderRank>::first(limit));
        loop {
            let page = self.past().of_order(orderid, &wanted, &call()).await?;
            wanted.after.clone_from(&page.events.next);
            pages.push(page);
            if wanted.after.is_none() {
                return Ok(pages);
            }
        }
    }
}

fn sku(name: &str) -> Sku {
    name.try_into().unwrap()
}

fn ids(events: impl IntoIterator<Item = Recorded>) -> Vec<String> {
    events.into_iter().map(|event| format!("{}#{}#{}", event.sku, event.version, event.number)).collect()
}

/// The ids of what the outbox had to tell, by SKU, version and number.
fn told(events: &[Envelope], is_wanted: impl Fn(&Envelope) -> bool) -> Vec<String> {
    let mut wanted: Vec<&Envelope> = events.iter().filter(|event| is_wanted(event)).collect();
    wanted.sort_by_key(|event| (event.event.sku().clone(), event.version));
    wanted.into_iter().map(|event| event.id.clone()).collect()
}

#[tokio::test]
async fn all_that_happened_to_a_product_is_told_in_pages_of_whole_versions() {
    for seed in 0..20 {
        let shop = Shop::with_a_past(seed).await;
        let events = shop.outbox();
        for sku in SKUS.map(sku) {
            let all = told(&events, |event| *event.event.sku() == sku);
            for limit in [1, 2, 7, 1_000] {
                let (mut found, mut after) = (Vec::new(), Version(0));
                loop {
                    let page = shop.of_product(&sku, after, limit).await;
                    assert_eq!(page.complete.missing, [], "{page:?}");
                    assert_eq!(page.complete.to, page.events.next.unwrap_or(page.version));
                    let (begun, ended) = (page.events.entries.first(), page.events.entries.last());
                    assert_eq!(begun.map(|event| (event.version, event.number)), begun.map(|_| (after.next(), 1)));
                    assert_eq!(ended.map(|event| event.number), ended.map(|event| event.of), "a whole version");
                    found.extend(ids(page.events.entries));
                    let Some(next) = page.events.next else { break };
                    after = next;
                }
                assert_eq!(found, all, "seed {seed}, pages of {limit}");
            }
        }
    }
}

#[tokio::test]
async fn all_that_happened_to_an_order_is_told_whatever_became_of_its_lines() {
    let mut types = BTreeSet::new();
    let mut comebacks = 0;
    for seed in 0..60 {
        let shop = Shop::with_a_past(seed).await;
        let events = shop.outbox();
        for orderid in ORDERS.map(|name| OrderId::try_from(name).unwrap()) {
            let of_order = |event: &Envelope| event.event.line().is_some_and(|line| line.orderid == orderid);
            let all = told(&events, of_order);
            types.extend(events.iter().filter(|event| of_order(event)).map(|event| event.event.event_type()));
            for limit in [1, 3, 1_000] {
                let pages = match shop.of_order(&orderid, limit).await {
                    Ok(pages) => pages,
                    Err(Error::Refused(Refusal::UnknownOrder(_))) => Vec::new(),
                    Err(error) => panic!("{error}"),
                };
                for reached in pages.iter().flat_map(|page| &page.products) {
                    assert_eq!(reached.complete_to, reached.version, "seed {seed}, {orderid}");
                }
                let found = ids(pages.into_iter().flat_map(|page| page.events.entries));
                assert_eq!(found, all, "seed {seed}, {orderid}, pages of {limit}");
            }
            let is_cancelled = |event: &&Envelope| of_order(event) && event.event.event_type().name() == "Cancelled";
            let cancelled = events.iter().find(is_cancelled).and_then(|event| event.event.line());
            comebacks += u32::from(events.iter().rfind(|event| of_order(event)).is_some_and(|last| {
                last.event.event_type().name() != "Cancelled"
                    && last.event.line().map(OrderLine::id) == cancelled.map(OrderLine::id)
            }));
        }
    }
    assert_eq!(types.len(), 7, "{types:?}");
    assert!(comebacks > 5, "{comebacks} lines came back after they were cancelled");
}

#[tokio::test]
async fn what_is_lost_or_on_its_way_is_told_to_be_missing() {
    let mut told_of_orders = 0;
    for seed in 0..40 {
        let shop = Shop::with_a_past(seed).await;
        let events = shop.outbox();
        let lost = &events[usize::try_from(shop.dice.below(events.len() as u64)).unwrap()];
        let (sku, version) = (lost.event.sku(), lost.version);
        let number = lost.id.rsplit('#').next().unwrap().parse().unwrap();
        shop.history.forget(sku, version, number);

        let all = shop.of_product(sku, Version(0), 1_000).await;
        assert_eq!((all.complete.to.next(), all.complete.missing), (version, vec![version..=version]), "seed {seed}");
        let behind = shop.of_product(sku, version, 1_000).await;
        assert_eq!((behind.complete.to, behind.complete.missing), (behind.version, vec![]), "seed {seed}");
        // What leads to these is lost with them.
        let is_mentioned = matches!(lost.event, Event::Cancelled { .. } | Event::OutOfStock { waiting: false, .. });
        let Some(line) = lost.event.line().filter(|_| !is_mentioned) else { continue };
        let pages = shop.of_order(&line.orderid, 1_000).await.unwrap();
        let reached = pages[0].products.iter().find(|reached| reached.sku == *sku);
        told_of_orders += 1;
        assert!(
            reached.is_some_and(|reached| reached.complete_to < version),
            "seed {seed}: {reached:?}, lost {lost:?}"
        );
    }
    assert!(told_of_orders > 10, "{told_of_orders} lost events were an order's");
}

/// As long as the event is not recorded that alone leads to it.
#[tokio::test]
async fn a_refusal_that_is_not_recorded_is_told_by_the_products_past_alone() {
    let shop = Shop::new(1);
    shop.ask(Command::CreateBatch(new_batch("b1", "LAMP", 5))).await;
    shop.ask(Command::Allocate(line("o1", "LAMP", 9))).await;
    shop.ask(Command::Allocate(line("o1", "LAMP", 2))).await;
    hear(&shop.history, &shop.outbox()).await;
    shop.history.forget(&sku("LAMP"), Version(2), 1);
    let pages = shop.of_order(&"o1".try_into().unwrap(), 10).await.unwrap();
    assert_eq!(ids(pages[0].events.entries.clone()), ["LAMP#3#1"]);
    let product = shop.of_product(&sku("LAMP"), Version(0), 10).await;
    assert_eq!(product.complete.missing, [Version(2)..=Version(2)]);
}

/// Orders of many SKUs, of which nothing is recorded.
#[tokio::test]
async fn a_page_looks_at_some_skus_and_the_next_one_at_the_others() {
    let shop = Shop::new(1);
    for number in 0..120 {
        let sku = format!("SKU-{number:03}");
        shop.ask(Command::CreateBatch(new_batch("b1", &sku, 5))).await;
        shop.ask(Command::Allocate(line("o1", &sku, 2))).await;
    }
    let pages = shop.of_order(&"o1".try_into().unwrap(), 10).await.unwrap();
    let looked_at: Vec<usize> = pages.iter().map(|page| page.products.len()).collect();
    assert_eq!(looked_at, [50, 50, 20]);
    assert!(pages.iter().flat_map(|page| &page.products).all(|reached| reached.complete_to < reached.version));
}

#[tokio::test]
async fn a_refused_line_is_the_past_of_an_order_that_has_no_line() {
    let shop = Shop::new(1);
    shop.ask(Command::CreateBatch(new_batch("b1", "LAMP", 5))).await;
    shop.ask(Command::Allocate(line("o1", "LAMP", 9))).await;
    hear(&shop.history, &shop.outbox()).await;
    let pages = shop.of_order(&"o1".try_into().unwrap(), 10).await.unwrap();
    assert_eq!(ids(pages[0].events.entries.clone()), ["LAMP#2#1"]);
    let unknown = shop.of_order(&"o2".try_into().unwrap(), 10).await;
    assert!(matches!(unknown, Err(Error::Refused(Refusal::UnknownOrder(_)))), "{unknown:?}");
    let unknown = shop.past().of_product(&sku("DESK"), &Wanted::first(1), &call()).await;
    assert!(matches!(unknown, Err(Error::Refused(Refusal::UnknownSku(_)))), "{unknown:?}");
}

/// Of many events, of which an order has two, one page looks at some thousands only.
#[tokio::test]
async fn a_page_is_searched_in_a_bounded_number_of_events() {
    let shop = Shop::new(1);
    shop.ask(Command::CreateBatch(new_batch("b1", "LAMP", 1_000_000))).await;
    let ours = line("o1", "LAMP", 1);
    shop.ask(Command::Allocate(ours.clone())).await;
    for number in 0..4_500 {
        shop.ask(Command::Allocate(line(&format!("other-{number}"), "LAMP", 1))).await;
    }
    shop.ask(Command::Ship(ours.id())).await;
    hear(&shop.history, &shop.outbox()).await;
    let pages = shop.of_order(&ours.orderid, 10).await.unwrap();
    let found: Vec<usize> = pages.iter().map(|page| page.events.entries.len()).collect();
    assert_eq!(found, [1, 1], "the first page ends before it is full");
    assert!(pages.iter().all(|page| page.products[0].complete_to == page.products[0].version));
}
