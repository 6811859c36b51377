//! The service in memory, and one whose store fails, asked as API Gateway would.

use std::sync::LazyLock;

use adapters::http::Route;
use adapters::in_memory::{InMemoryEnvironment, InMemoryHistory, InMemoryLineQueue, InMemoryStore};
use domain::OrderLine;
use lambda_http::Context;
use serde_json::{Value, json};
use service_layer::MessageBus;
use service_layer::ports::Lists;
use service_layer::store::{Asks, StoreError};
use testing::{Failing, Hooked, answer_knowing, api_event, api_request, hear};

/// What is sent: a body, the name in a path, parameters of a query, and headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) body: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Sent {
    pub(crate) fn body(body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..Self::default() }
    }

    pub(crate) fn name(name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header, whatever the case of its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(sent, _)| sent.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Shop<S = InMemoryStore> {
    bus: MessageBus<S, InMemoryEnvironment>,
    queue: InMemoryLineQueue,
    history: InMemoryHistory,
}

impl Shop {
    /// With a batch `batch-001` of a hundred `RETRO-CLOCK`, and a line of `order-001` on it. Of `order-003`, the line
    /// `gift` is shipped, and an unnamed one of 2 pieces cancelled. A batch `batch-004` has two SKUs. Of `order-004`, a
    /// line of 3 `TALL-LAMP` waits.
    pub(crate) fn new() -> Self {
        static STOCKED: LazyLock<InMemoryStore> = LazyLock::new(|| Shop::stocked().bus.store().clone());
        let shop = Self::of(STOCKED.copied());
        crate::now(hear(&shop.history, &shop.bus.store().outbox()));
        shop
    }

    fn stocked() -> Self {
        let shop = Self::of(InMemoryStore::default());
        let batch = json!({"ref": "batch-001", "sku": "RETRO-CLOCK", "qty": 100});
        assert_eq!(shop.answer(Route::CreateBatch, &Sent::body(&batch)).status, 201);
        for sku in ["RETRO-CLOCK", "SMALL-TABLE"] {
            let shared = json!({"ref": "batch-004", "sku": sku, "qty": 5, "eta": "2031-01-02"});
            assert_eq!(shop.answer(Route::CreateBatch, &Sent::body(&shared)).status, 201);
        }
        let line = json!({"orderid": "order-001", "sku": "RETRO-CLOCK", "qty": 10});
        let gift = json!({"orderid": "order-003", "sku": "RETRO-CLOCK", "qty": 1, "line": "gift"});
        let two = json!({"orderid": "order-003", "sku": "RETRO-CLOCK", "qty": 2});
        for line in [&line, &gift, &two] {
            assert_eq!(shop.answer(Route::Allocate, &Sent::body(line)).status, 202);
        }
        assert_eq!(shop.answer(Route::Ship, &Sent::body(&gift)).status, 200);
        assert_eq!(shop.answer(Route::Deallocate, &Sent::body(&two)).status, 200);
        let lamps = json!({"ref": "batch-005", "sku": "TALL-LAMP", "qty": 3});
        assert_eq!(shop.answer(Route::CreateBatch, &Sent::body(&lamps)).status, 201);
        let waits = json!({"orderid": "order-004", "sku": "TALL-LAMP", "qty": 3});
        assert_eq!(shop.answer(Route::Allocate, &Sent::body(&waits)).status, 202);
        let none = Sent { name: Some("batch-005".to_owned()), ..Sent::body(&json!({"qty": 0})) };
        assert_eq!(shop.answer(Route::ChangeBatch, &none).status, 200);
        shop
    }

    /// With so many open batches of `RETRO-CLOCK` that the full one of `order-001` can't be opened.
    pub(crate) fn with_a_stuck_line() -> Self {
        static STUCK: LazyLock<InMemoryStore> = LazyLock::new(|| Shop::stuck().bus.store().clone());
        Self::of(STUCK.copied())
    }

    fn stuck() -> Self {
        let shop = Self::of(InMemoryStore::default());
        let add = |reference: &str| {
            let batch = json!({"ref": reference, "sku": "RETRO-CLOCK", "qty": 1});
            shop.answer(Route::CreateBatch, &Sent::body(&batch)).status == 201
        };
        assert!(add("batch-001"));
        let line = json!({"orderid": "order-001", "sku": "RETRO-CLOCK", "qty": 1});
        assert_eq!(shop.answer(Route::Allocate, &Sent::body(&line)).status, 202);
        let long = "\u{1fa91}".repeat(240);
        assert!((0..1_000).any(|number| !add(&format!("{number}{long}"))), "there is room for all of them");
        shop
    }
}

impl<S: Asks + Lists> Shop<S> {
    fn of(store: S) -> Self {
        let bus = MessageBus::new(store, InMemoryEnvironment::default(), ());
        Self { bus, queue: InMemoryLineQueue::default(), history: InMemoryHistory::default() }
    }

    /// The lines that are on the queue.
    pub(crate) fn queued(&self) -> Vec<OrderLine> {
        self.queue.lines()
    }

    pub(crate) fn answer(&self, route: Route, sent: &Sent) -> Answer {
        let mut event = api_event(route, sent.body.as_deref().unwrap_or_default());
        event["headers"]["accept"] = "application/json".into();
        for (name, value) in &sent.query {
            event["queryStringParameters"][*name] = value.as_str().into();
        }
        for (name, value) in &sent.headers {
            event["headers"][*name] = value.as_str().into();
        }
        if let Some(name) = &sent.name {
            // Of a list, what follows the name is part of what the greedy name stands for.
            let (_, parameter) = route.path().split_once('{').unwrap();
            let (parameter, after) = parameter.split_once("+}").unwrap();
            event["pathParameters"][parameter] = json!(format!("{name}{after}"));
        }
        let mut context = Context::default();
        "request-1".clone_into(&mut context.request_id);
        let answered = answer_knowing(&self.history, route, &self.bus, Some(&self.queue), api_request(&event, context));
        let response = crate::now(answered);
        let headers = response.headers().iter();
        Answer {
            status: response.status().as_u16(),
            headers: headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect(),
            body: String::from_utf8(response.body().to_vec()).unwrap(),
        }
    }
}

/// A shop whose store fails.
pub(crate) type FailingShop = Shop<Hooked<InMemoryStore, Failing>>;

/// A store that does not answer.
pub(crate) fn silent() -> FailingShop {
    failing(|| StoreError::Unavailable("no answer".into()))
}

/// A store with an item that can't be read.
pub(crate) fn broken() -> FailingShop {
    failing(|| StoreError::Fault("no item".into()))
}

fn failing(failure: fn() -> StoreError) -> FailingShop {
    Shop::of(Hooked { store: InMemoryStore::default(), hooks: Failing(failure) })
}
