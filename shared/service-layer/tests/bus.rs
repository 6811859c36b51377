//! The whole bus without a server: commands in, events out through the outbox, mail at the end.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use adapters::in_memory::{InMemoryEnvironment, InMemoryMailer, InMemoryStore, InMemoryTopic, call_until};
use domain::{
    Batch, BatchRef, ChangeBatchQuantity, Command, Event, NewBatch, OrderId, OrderLine, Place, Placed, Position,
    Revision, Sku, SkuLines, Version,
};
use service_layer::outbox::{Message, Record, relay};
use service_layer::ports::{
    AllocationsView, Commit, Environment, Inbox, Products, Publisher, Snapshot, StoreError, Timestamp, Wanted,
};
use service_layer::{Call, Error, Figures, MessageBus, Reply, Work};

type Bus = MessageBus<InMemoryStore, InMemoryEnvironment, InMemoryMailer>;

fn bus() -> Bus {
    MessageBus::new(InMemoryStore::default(), InMemoryEnvironment::default(), InMemoryMailer::default())
}

fn call() -> Call {
    call_until(Timestamp(10_000))
}

async fn create_batch(bus: &Bus, reference: &str, sku: &str, qty: u32, eta: Option<&str>) -> Result<Reply, Error> {
    let new = NewBatch {
        reference: reference.try_into().unwrap(),
        sku: sku.try_into().unwrap(),
        qty: qty.try_into().unwrap(),
        eta: eta.map(|eta| eta.to_owned().try_into().unwrap()),
    };
    bus.handle_command(Command::CreateBatch(new), &call()).await
}

async fn allocate(bus: &Bus, orderid: &str, sku: &str, qty: u32) -> Result<Reply, Error> {
    let line =
        OrderLine { orderid: orderid.try_into().unwrap(), sku: sku.try_into().unwrap(), qty: qty.try_into().unwrap() };
    bus.handle_command(Command::Allocate(line), &call()).await
}

async fn change_quantity(bus: &Bus, reference: &str, qty: u32, as_of: u64) -> Result<Reply, Error> {
    let reference = reference.try_into().unwrap();
    let change = ChangeBatchQuantity { reference, qty, revision: Revision::AsOf(as_of) };
    bus.handle_command(Command::ChangeBatchQuantity(change), &call()).await
}

async fn batch_of(bus: &Bus, orderid: &str) -> Option<String> {
    line_of(bus.store(), orderid).await
}

fn version(bus: &Bus) -> Version {
    bus.store().outbox().last().map_or(Version(0), |message| message.version)
}

fn on(batchref: &str) -> Reply {
    Reply::Allocated(batchref.try_into().unwrap())
}

#[tokio::test]
async fn a_batch_is_added_once() {
    let bus = bus();
    assert_eq!(create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 100, None).await.unwrap(), Reply::Done);
    assert_eq!(create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 100, None).await.unwrap(), Reply::Done);
    assert_eq!(version(&bus), Version(1));
    let other = create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 99, None).await;
    assert!(matches!(other, Err(Error::BatchExists(_))), "{other:?}");
    let other = create_batch(&bus, "b1", "OTHER-CHAIR", 100, None).await;
    assert!(matches!(other, Err(Error::BatchExists(_))), "{other:?}");
}

#[tokio::test]
async fn a_batch_is_the_same_whatever_its_quantity_became() {
    let bus = bus();
    create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 100, None).await.unwrap();
    change_quantity(&bus, "b1", 50, 1).await.unwrap();
    assert_eq!(create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 100, None).await.unwrap(), Reply::Done);
    assert_eq!(version(&bus), Version(2));
}

#[tokio::test]
async fn a_line_is_allocated_once() {
    let bus = bus();
    create_batch(&bus, "batch1", "COMPLICATED-LAMP", 100, None).await.unwrap();
    assert_eq!(allocate(&bus, "o1", "COMPLICATED-LAMP", 10).await.unwrap(), on("batch1"));
    assert_eq!(allocate(&bus, "o1", "COMPLICATED-LAMP", 10).await.unwrap(), on("batch1"));
    assert_eq!(version(&bus), Version(2));
    assert_eq!(batch_of(&bus, "o1").await.as_deref(), Some("batch1"));
}

#[tokio::test]
async fn what_a_request_belongs_to_goes_with_its_events_and_mails() {
    let bus = bus();
    create_batch(&bus, "b1", "LAMP", 1, None).await.unwrap();
    let order = Call { correlation: "order-7".try_into().unwrap(), ..call() };
    bus.handle_command(line("o1", "LAMP", 2), &order).await.unwrap();
    let message = bus.store().outbox().pop().unwrap();
    assert_eq!(message.correlation.as_ref(), Some(&order.correlation));
    bus.handle_event(&message, &order).await.unwrap();
    let mail = &bus.mailer().sent()[0];
    assert!(mail.text.ends_with("\nCorrelation id: order-7\n"), "{mail:?}");
}

#[tokio::test]
async fn errors_for_invalid_sku() {
    let bus = bus();
    create_batch(&bus, "b1", "AREALSKU", 100, None).await.unwrap();
    let error = allocate(&bus, "o1", "NONEXISTENTSKU", 10).await.unwrap_err();
    assert_eq!(error.to_string(), "Invalid sku NONEXISTENTSKU");
}

#[tokio::test]
async fn errors_for_unknown_batch() {
    let error = change_quantity(&bus(), "nowhere", 10, 1).await.unwrap_err();
    assert_eq!(error.to_string(), "unknown batch nowhere");
}

#[tokio::test]
async fn a_line_that_was_never_promised_is_not_kept_and_may_ask_again() {
    let bus = bus();
    create_batch(&bus, "b1", "POPULAR-CURTAINS", 9, None).await.unwrap();
    let out_of_stock = Reply::OutOfStock("POPULAR-CURTAINS".try_into().unwrap());
    assert_eq!(allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap(), out_of_stock);
    create_batch(&bus, "b2", "POPULAR-CURTAINS", 10, None).await.unwrap();
    assert_eq!(batch_of(&bus, "o1").await, None);
    assert_eq!(allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap(), on("b2"));
}

#[tokio::test]
async fn a_shrunk_batch_hands_its_newest_lines_on() {
    let bus = bus();
    create_batch(&bus, "batch1", "INDIFFERENT-TABLE", 50, None).await.unwrap();
    create_batch(&bus, "batch2", "INDIFFERENT-TABLE", 50, Some("2011-01-01")).await.unwrap();
    allocate(&bus, "order1", "INDIFFERENT-TABLE", 20).await.unwrap();
    allocate(&bus, "order2", "INDIFFERENT-TABLE", 20).await.unwrap();
    change_quantity(&bus, "batch1", 25, 1).await.unwrap();
    assert_eq!(batch_of(&bus, "order1").await.as_deref(), Some("batch1"));
    assert_eq!(batch_of(&bus, "order2").await.as_deref(), Some("batch2"));
    assert_eq!(version(&bus), Version(5), "one version for each command");
}

#[tokio::test]
async fn a_shrink_of_many_lines_goes_in_chunks_and_ends_as_asked() {
    let bus = bus();
    create_batch(&bus, "small", "SPOON", 500, None).await.unwrap();
    for number in 0..250 {
        allocate(&bus, &format!("o{number:03}"), "SPOON", 2).await.unwrap();
    }
    create_batch(&bus, "next", "SPOON", 300, None).await.unwrap();
    let before = version(&bus).0;
    change_quantity(&bus, "small", 0, 1).await.unwrap();
    assert_eq!(version(&bus).0 - before, 3, "250 lines at 98 a commit");
    let moved = (0..250).rev().take(150);
    for number in moved {
        assert_eq!(batch_of(&bus, &format!("o{number:03}")).await.as_deref(), Some("next"));
    }
    assert_eq!(batch_of(&bus, "o000").await, None, "the oldest were last to give way, and wait");

    create_batch(&bus, "late", "SPOON", 1_000, None).await.unwrap();
    for number in 0..100 {
        assert_eq!(batch_of(&bus, &format!("o{number:03}")).await.as_deref(), Some("late"));
    }
}

#[tokio::test]
async fn a_line_that_lost_its_place_gets_the_first_stock_that_arrives() {
    let bus = bus();
    create_batch(&bus, "b1", "VASE", 5, None).await.unwrap();
    allocate(&bus, "promised", "VASE", 5).await.unwrap();
    change_quantity(&bus, "b1", 0, 1).await.unwrap();
    assert_eq!(batch_of(&bus, "promised").await, None);
    change_quantity(&bus, "b1", 6, 2).await.unwrap();
    assert_eq!(batch_of(&bus, "promised").await.as_deref(), Some("b1"));
    let out_of_stock = Reply::OutOfStock("VASE".try_into().unwrap());
    assert_eq!(allocate(&bus, "newcomer", "VASE", 5).await.unwrap(), out_of_stock);
}

/// Takes what the outbox holds to the topic, and from there to the bus, as often as `times` says.
async fn deliver(bus: &Bus, times: usize) {
    let topic = InMemoryTopic::default();
    let records = bus
        .store()
        .outbox()
        .into_iter()
        .map(|message| Record { sequence_number: message.id.clone(), messages: Ok(vec![message]) });
    relay(&topic, records.collect(), || true).await.unwrap();
    for _ in 0..times {
        for message in topic.published() {
            bus.handle_event(&message, &call()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn sends_mail_on_out_of_stock_once_for_each_event() {
    let bus = bus();
    create_batch(&bus, "b1", "POPULAR-CURTAINS", 9, None).await.unwrap();
    allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap();
    deliver(&bus, 2).await;
    let mails = bus.mailer().sent();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].subject, "Out of stock for POPULAR-CURTAINS");
    assert_eq!(
        mails[0].text,
        "Out of stock for POPULAR-CURTAINS: no batch has 10 left for order o1.\n\nCorrelation id: unknown\n"
    );

    allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap();
    deliver(&bus, 1).await;
    assert_eq!(bus.mailer().sent().len(), 2, "asking again is another event");
}

#[tokio::test]
async fn an_event_under_a_lease_is_left_alone_until_it_ends() {
    let bus = bus();
    create_batch(&bus, "b1", "LAMP", 1, None).await.unwrap();
    allocate(&bus, "o1", "LAMP", 2).await.unwrap();
    let message = bus.store().outbox().pop().unwrap();
    let lease = std::time::Duration::from_secs(40);
    bus.store().claim(&message.id, 7, Timestamp(0), lease).await.unwrap();
    let held = bus.handle_event(&message, &call()).await;
    assert!(matches!(held, Err(Error::InProgress(_))), "{held:?}");
    bus.environment().sleep(lease * 2).await;
    bus.handle_event(&message, &call()).await.unwrap();
    assert_eq!(bus.mailer().sent().len(), 1);
}

#[tokio::test]
async fn a_relay_stops_at_the_first_record_it_can_not_publish() {
    struct Failing {
        topic: InMemoryTopic,
        poison: &'static str,
    }
    impl Publisher for Failing {
        const BATCH: usize = 2;
        async fn publish(
            &self,
            messages: &[service_layer::outbox::Message],
        ) -> Result<(), service_layer::ports::PublishError> {
            match messages.iter().position(|message| message.id == self.poison) {
                Some(first) => Err(service_layer::ports::PublishError { first, source: "refused".into() }),
                None => self.topic.publish(messages).await,
            }
        }
    }
    let bus = bus();
    for number in 1..=5 {
        create_batch(&bus, &format!("b{number}"), "LAMP", 1, None).await.unwrap();
    }
    let records = || -> Vec<Record> {
        let record = |message: service_layer::outbox::Message| Record {
            sequence_number: format!("at {}", message.version),
            messages: Ok(vec![message]),
        };
        bus.store().outbox().into_iter().map(record).collect()
    };
    let failing = Failing { topic: InMemoryTopic::default(), poison: "LAMP#4#1" };
    let stopped = relay(&failing, records(), || true).await.unwrap_err();
    assert_eq!(stopped.sequence_number, "at 4");
    assert_eq!(failing.topic.published().len(), 2, "whole batches before it are out");

    let mut unreadable = records();
    unreadable[2].messages = Err("broken".into());
    let topic = InMemoryTopic::default();
    let stopped = relay(&topic, unreadable, || true).await.unwrap_err();
    assert_eq!(stopped.sequence_number, "at 3");
    assert_eq!(topic.published().len(), 2, "what can be read before it is out");
}

#[tokio::test]
async fn a_relay_stops_in_time_and_tells_where() {
    let bus = bus();
    for number in 1..=25 {
        create_batch(&bus, &format!("b{number}"), "LAMP", 1, None).await.unwrap();
    }
    let record =
        |message: Message| Record { sequence_number: format!("at {}", message.version), messages: Ok(vec![message]) };
    let records = bus.store().outbox().into_iter().map(record).collect();
    let topic = InMemoryTopic::default();
    let stopped = relay(&topic, records, || topic.published().len() < 20).await.unwrap_err();
    assert_eq!(stopped.sequence_number, "at 21");
    assert_eq!(topic.published().len(), 20);
}

#[tokio::test]
async fn the_events_of_one_commit_are_numbered() {
    let bus = bus();
    create_batch(&bus, "b1", "DESK", 2, None).await.unwrap();
    allocate(&bus, "o1", "DESK", 2).await.unwrap();
    change_quantity(&bus, "b1", 1, 1).await.unwrap();
    let ids: Vec<_> = bus.store().outbox().into_iter().map(|message| message.id).collect();
    assert_eq!(ids, ["DESK#1#1", "DESK#2#1", "DESK#3#1", "DESK#3#2", "DESK#3#3"]);
    assert!(matches!(bus.store().outbox().pop().unwrap().event, Event::BatchQuantityChanged { qty: 1, .. }));
}

/// A store that does something else before, or instead of, what it is asked.
struct Meddling<'a> {
    store: &'a InMemoryStore,
    /// What happens at each commit, in turn; after that, nothing special does.
    at_commits: Mutex<Vec<Meddle>>,
    /// What the index shows first, before it catches up.
    stale: Mutex<Option<Vec<Placed>>>,
    /// Commands that come first when somebody reads, one each time.
    before_finds: Mutex<Vec<Command>>,
    finds: AtomicU32,
}

enum Meddle {
    /// Other commands come first.
    After(Vec<Command>),
    /// The commit takes effect, but nobody hears of it.
    LoseReply,
    /// The commit takes effect, and the store takes its own retry for a lost race.
    Misunderstand,
    /// Nothing happens, and nobody hears of that either.
    LoseRequest,
    /// Another commit is under way.
    Collide,
}

impl<'a> Meddling<'a> {
    fn new(store: &'a InMemoryStore, at_commits: impl IntoIterator<Item = Meddle>) -> Self {
        let mut at_commits: Vec<_> = at_commits.into_iter().collect();
        at_commits.reverse();
        let (at_commits, before_finds) = (Mutex::new(at_commits), Mutex::default());
        Self { store, at_commits, stale: Mutex::new(None), before_finds, finds: AtomicU32::new(0) }
    }

    fn showing_first(self, stale: Vec<Placed>) -> Self {
        Self { stale: Mutex::new(Some(stale)), ..self }
    }

    fn overtaken_at_each_find(self, by: impl IntoIterator<Item = Command>) -> Self {
        Self { before_finds: Mutex::new(by.into_iter().collect()), ..self }
    }

    async fn handle(&self, command: Command) -> Result<Reply, Error> {
        MessageBus::new(self, another_environment(), ()).handle_command(command, &call()).await
    }
}

impl Products for Meddling<'_> {
    async fn find(&self, wanted: Wanted<'_>) -> Result<Snapshot, StoreError> {
        self.finds.fetch_add(1, Ordering::Relaxed);
        if let Wanted::Lines(_, lines) = wanted {
            assert!(lines.len() < MOST_ITEMS, "{} lines and their product", lines.len());
        }
        let rival = self.before_finds.lock().unwrap().pop();
        if let Some(command) = rival {
            let bus = MessageBus::new(self.store, another_environment(), ());
            Box::pin(bus.handle_command(command, &call())).await.unwrap();
        }
        self.store.find(wanted).await
    }

    async fn waiting_lines(&self, sku: &Sku) -> Result<Vec<Placed>, StoreError> {
        let stale = self.stale.lock().unwrap().take();
        match stale {
            Some(stale) => Ok(stale),
            None => self.store.waiting_lines(sku).await,
        }
    }

    async fn newest_lines(&self, batch: &BatchRef, pieces: u32, at_most: usize) -> Result<Vec<Placed>, StoreError> {
        let stale = self.stale.lock().unwrap().take();
        match stale {
            Some(stale) => Ok(stale),
            None => self.store.newest_lines(batch, pieces, at_most).await,
        }
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        assert!(items(commit) <= MOST_ITEMS, "{} items", items(commit));
        let moves = commit.after.moves();
        let lines: HashSet<_> = moves.iter().map(|moved| &moved.line).collect();
        assert_eq!(lines.len(), moves.len(), "DynamoDB takes no two writes of one item: {moves:?}");
        let meddle = self.at_commits.lock().unwrap().pop();
        match meddle {
            Some(Meddle::After(commands)) => {
                for command in commands {
                    let bus = MessageBus::new(self.store, another_environment(), ());
                    Box::pin(bus.handle_command(command, &call())).await.unwrap();
                }
                self.store.commit(commit).await
            }
            Some(Meddle::LoseReply) => {
                self.store.commit(commit).await?;
                Err(StoreError::Unavailable("no reply".into()))
            }
            Some(Meddle::Misunderstand) => {
                self.store.commit(commit).await?;
                self.store.commit(commit).await
            }
            Some(Meddle::LoseRequest) => Err(StoreError::Unavailable("no reply".into())),
            Some(Meddle::Collide) => Err(StoreError::Conflict(None)),
            None => self.store.commit(commit).await,
        }
    }
}

/// Most that DynamoDB reads or commits at once.
const MOST_ITEMS: usize = 100;

/// The items of a commit: the head, lines, and batches that are new or become full.
fn items(Commit { before, after, announced, absent, .. }: Commit<'_>) -> usize {
    let had_room = |batch: &&Batch| {
        let before = before.and_then(|product| product.batch(&batch.reference));
        before.is_some_and(|batch| batch.free() > 0)
    };
    let filled = after.batches().iter().filter(|batch| batch.free() == 0).filter(had_room).count();
    1 + after.moves().len() + absent.len() + usize::from(announced.is_some()) + filled
}

/// Each process draws its own commit ids.
fn another_environment() -> InMemoryEnvironment {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    InMemoryEnvironment::starting_at(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn new_batch(reference: &str, sku: &str, qty: u32) -> Command {
    let (reference, sku) = (reference.try_into().unwrap(), sku.try_into().unwrap());
    Command::CreateBatch(NewBatch { reference, sku, qty: qty.try_into().unwrap(), eta: None })
}

fn line(orderid: &str, sku: &str, qty: u32) -> Command {
    let (orderid, sku) = (orderid.try_into().unwrap(), sku.try_into().unwrap());
    Command::Allocate(OrderLine { orderid, sku, qty: qty.try_into().unwrap() })
}

#[tokio::test]
async fn a_line_is_not_turned_away_after_its_twin_got_a_place() {
    let store = InMemoryStore::default();
    Meddling::new(&store, []).handle(new_batch("b1", "LAMP", 1)).await.unwrap();
    Meddling::new(&store, []).handle(line("o0", "LAMP", 1)).await.unwrap();
    // There is nothing left; but before that is committed, stock arrives, and the same request, sent twice, gets it.
    let twin = Meddle::After(vec![new_batch("b2", "LAMP", 1), line("o1", "LAMP", 1)]);
    let reply = Meddling::new(&store, [twin]).handle(line("o1", "LAMP", 1)).await.unwrap();
    assert_eq!(reply, on("b2"));
    let turned_away = |message: &Message| matches!(message.event, Event::OutOfStock { .. });
    assert!(!store.outbox().iter().any(turned_away), "{:?}", store.outbox());
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_recognised() {
    for meddle in [|| Meddle::LoseReply, || Meddle::Misunderstand] {
        let store = InMemoryStore::default();
        Meddling::new(&store, [meddle()]).handle(new_batch("b1", "LAMP", 5)).await.unwrap();
        let reply = Meddling::new(&store, [meddle()]).handle(line("o1", "LAMP", 5)).await.unwrap();
        assert_eq!(reply, on("b1"));
        let out_of_stock = Reply::OutOfStock("LAMP".try_into().unwrap());
        let reply = Meddling::new(&store, [meddle()]).handle(line("o2", "LAMP", 1)).await.unwrap();
        assert_eq!(reply, out_of_stock);
        let told: Vec<_> = store.outbox().into_iter().map(|message| message.id).collect();
        assert_eq!(told, ["LAMP#1#1", "LAMP#2#1", "LAMP#3#1"], "nothing was committed twice");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_asked_again_a_few_times() {
    let store = InMemoryStore::default();
    Meddling::new(&store, [Meddle::LoseRequest, Meddle::LoseRequest]).handle(new_batch("b1", "LAMP", 5)).await.unwrap();
    let silent = Meddling::new(&store, [(); 3].map(|()| Meddle::LoseRequest));
    let error = silent.handle(line("o1", "LAMP", 1)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn figures_tell_what_a_command_took() {
    let store = InMemoryStore::default();
    Meddling::new(&store, []).handle(new_batch("b1", "LAMP", 5)).await.unwrap();
    let work_of = async |meddles: Vec<Meddle>, command| {
        let store = Meddling::new(&store, meddles);
        let bus = MessageBus::new(&store, another_environment(), ());
        let _ = bus.handle_command(command, &call()).await;
        let [Figures::Command(work)] = &bus.environment().recorded()[..] else { panic!("one command, one record") };
        work.clone()
    };
    let overtaken_and_unheard = vec![Meddle::After(vec![line("o1", "LAMP", 1)]), Meddle::LoseReply];
    let work = work_of(overtaken_and_unheard, line("o2", "LAMP", 2)).await;
    let placed = Work { allocations: 1, waiting_lines: Some(0), ..Work::default() };
    assert_eq!(work, Work { conflicts: 1, retries: 2, ..placed });
    let work = work_of(Vec::new(), line("o3", "LAMP", 9)).await;
    assert_eq!(work, Work { out_of_stock: 1, waiting_lines: Some(0), ..Work::default() });
    let work = work_of([(); 3].map(|()| Meddle::LoseRequest).into(), line("o4", "LAMP", 1)).await;
    assert_eq!(work, Work { retries: 2, retries_exhausted: 1, ..Work::default() });
    assert_eq!(work_of(Vec::new(), line("o2", "LAMP", 2)).await, Work::default(), "asked again");
    assert_eq!(work_of(Vec::new(), line("o5", "NOTHING", 1)).await, Work::default(), "refused");
}

#[tokio::test]
async fn each_commit_of_a_long_change_has_its_own_tries() {
    let store = InMemoryStore::default();
    Meddling::new(&store, []).handle(new_batch("b1", "SPOON", 250)).await.unwrap();
    for number in 0..250 {
        Meddling::new(&store, []).handle(line(&format!("o{number}"), "SPOON", 1)).await.unwrap();
    }
    let change = ChangeBatchQuantity { reference: "b1".try_into().unwrap(), qty: 0, revision: Revision::AsOf(1) };
    let meddles = (0..3).flat_map(|_| [Meddle::LoseRequest, Meddle::After(Vec::new())]);
    let reply = Meddling::new(&store, meddles).handle(Command::ChangeBatchQuantity(change)).await;
    assert_eq!(reply.unwrap(), Reply::Done);
    assert_eq!(store.outbox().last().unwrap().version, Version(1 + 250 + 3));
}

#[tokio::test]
async fn a_lost_race_is_decided_on_what_the_refusal_showed() {
    let store = InMemoryStore::default();
    Meddling::new(&store, []).handle(new_batch("b1", "LAMP", 5)).await.unwrap();
    let overtaken = Meddling::new(&store, [Meddle::After(vec![line("o1", "LAMP", 1)])]);
    assert_eq!(overtaken.handle(line("o2", "LAMP", 2)).await.unwrap(), on("b1"));
    assert_eq!(overtaken.finds.load(Ordering::Relaxed), 1);
    let collided = Meddling::new(&store, [Meddle::Collide]);
    assert_eq!(collided.handle(line("o3", "LAMP", 2)).await.unwrap(), on("b1"));
    assert_eq!(collided.finds.load(Ordering::Relaxed), 2, "a collision shows nothing");
}

#[tokio::test]
async fn what_a_refusal_showed_is_read_again_after_a_long_wait() {
    let store = InMemoryStore::default();
    Meddling::new(&store, []).handle(new_batch("b1", "LAMP", 100)).await.unwrap();
    let rivals = (0..10).map(|rival| Meddle::After(vec![line(&format!("rival-{rival}"), "LAMP", 1)]));
    let unlucky = Meddling::new(&store, rivals);
    unlucky.handle(line("o1", "LAMP", 1)).await.unwrap();
    // The first wait is short, and of the later ones most are long.
    let finds = unlucky.finds.load(Ordering::Relaxed);
    assert!((2..=10).contains(&finds), "{finds}");
}

#[tokio::test]
async fn a_commit_that_a_refusal_shows_is_recognised_after_a_long_wait_too() {
    let store = InMemoryStore::default();
    Meddling::new(&store, []).handle(new_batch("b1", "LAMP", 1_000)).await.unwrap();
    for round in 0..10 {
        let rival = |number| line(&format!("rival-{round}-{number}"), "LAMP", 1);
        let mut meddles: Vec<_> = (0..4).map(|number| Meddle::After(vec![rival(number)])).collect();
        meddles.push(Meddle::Misunderstand);
        let unlucky = Meddling::new(&store, meddles).overtaken_at_each_find((4..20).map(rival));
        unlucky.handle(line(&format!("o{round}"), "LAMP", 2_000)).await.unwrap();
    }
    let turned_away = |message: &Message| matches!(message.event, Event::OutOfStock { .. });
    assert_eq!(store.outbox().into_iter().filter(turned_away).count(), 10, "each of them once");
}

#[tokio::test]
async fn what_is_committed_is_answered_even_if_debts_are_left() {
    let store = InMemoryStore::default();
    Meddling::new(&store, []).handle(new_batch("b1", "SPOON", 150)).await.unwrap();
    for number in 0..150 {
        Meddling::new(&store, []).handle(line(&format!("o{number}"), "SPOON", 1)).await.unwrap();
    }
    let change = ChangeBatchQuantity { reference: "b1".try_into().unwrap(), qty: 0, revision: Revision::AsOf(1) };
    Meddling::new(&store, []).handle(Command::ChangeBatchQuantity(change)).await.unwrap();

    // The new batch serves 98 waiting lines in its own commit; the store fails before it serves the rest.
    let mut commits = vec![Meddle::After(Vec::new())];
    commits.extend((0..3).map(|_| Meddle::LoseRequest));
    let reply = Meddling::new(&store, commits).handle(new_batch("b2", "SPOON", 151)).await.unwrap();
    assert_eq!(reply, Reply::Done);
    let waiting = async || store.waiting_lines(&"SPOON".try_into().unwrap()).await.unwrap().len();
    assert_eq!(waiting().await, 52);

    // Whoever comes next pays first, even a newcomer.
    let reply = Meddling::new(&store, []).handle(line("newcomer", "SPOON", 1)).await.unwrap();
    assert_eq!(reply, on("b2"));
    assert_eq!(waiting().await, 0);
}

fn holds(reference: &str, qty: u32, version: u64) -> Command {
    let reference = reference.try_into().unwrap();
    Command::ChangeBatchQuantity(ChangeBatchQuantity { reference, qty, revision: Revision::Version(version) })
}

/// An entry of the index that is no longer true.
fn stale(orderid: &str, qty: u32, place: Place, since: u64) -> Placed {
    let (orderid, sku, qty) = (orderid.try_into().unwrap(), "LAMP".try_into().unwrap(), qty.try_into().unwrap());
    Placed { line: OrderLine { orderid, sku, qty }, position: Position { place, since: Version(since) } }
}

#[tokio::test]
async fn a_line_that_the_index_shows_on_a_batch_it_left_does_not_distort_the_counter() {
    let store = InMemoryStore::default();
    let handle = async |command| Meddling::new(&store, []).handle(command).await.unwrap();
    handle(new_batch("b1", "LAMP", 5)).await;
    handle(line("old", "LAMP", 3)).await;
    handle(line("new", "LAMP", 2)).await;
    let b1 = "b1".try_into().unwrap();
    let mut newest = store.newest_lines(&b1, 5, 98).await.unwrap();
    newest.insert(1, stale("left", 1, Place::Batch(b1), 2));

    // The one that left would keep its place in what is left of the batch, and be counted.
    let lagging = Meddling::new(&store, []).showing_first(newest);
    lagging.handle(holds("b1", 1, 1)).await.unwrap();
    let [product] = store.products().try_into().unwrap();
    assert_eq!((product.batches()[0].purchased, product.batches()[0].allocated), (1, 0));
    assert_eq!(product.waiting().lines, 2);
}

#[tokio::test]
async fn a_line_that_came_back_to_a_batch_gives_way_once_though_the_index_shows_it_twice() {
    let store = InMemoryStore::default();
    let handle = async |command| Meddling::new(&store, []).handle(command).await.unwrap();
    handle(new_batch("b1", "LAMP", 9)).await;
    handle(line("large", "LAMP", 7)).await;
    handle(line("back", "LAMP", 2)).await;
    handle(holds("b1", 7, 1)).await;
    handle(line("refused", "LAMP", 1)).await;
    handle(holds("b1", 9, 2)).await;
    let b1 = "b1".try_into().unwrap();
    let mut newest = store.newest_lines(&b1, 1, 98).await.unwrap();
    assert_eq!(newest, [stale("back", 2, Place::Batch(b1.clone()), 6)]);

    // By an odd version it was there before, and by an even one it came back: two parts of the index.
    newest.push(stale("back", 2, Place::Batch(b1), 3));
    let lagging = Meddling::new(&store, []).showing_first(newest);
    lagging.handle(holds("b1", 6, 3)).await.unwrap();
    let [product] = store.products().try_into().unwrap();
    assert_eq!((product.batches()[0].purchased, product.batches()[0].allocated), (6, 2));
    assert_eq!(product.waiting().lines, 1);
}

#[tokio::test]
async fn stock_is_offered_to_every_waiting_line_whatever_the_index_shows_first() {
    let store = InMemoryStore::default();
    let handle = async |command| Meddling::new(&store, []).handle(command).await.unwrap();
    handle(new_batch("b1", "LAMP", 3)).await;
    handle(line("small", "LAMP", 1)).await;
    handle(line("large", "LAMP", 2)).await;
    handle(holds("b1", 0, 1)).await;
    let mut waiting = store.waiting_lines(&"LAMP".try_into().unwrap()).await.unwrap();

    // As many lines as wait, but one that left in the place of one that fits.
    waiting.retain(|placed| placed.line.orderid.as_str() == "large");
    waiting.push(stale("left", 2, Place::Waiting, 1));
    let lagging = Meddling::new(&store, []).showing_first(waiting);
    lagging.handle(new_batch("b2", "LAMP", 1)).await.unwrap();
    assert_eq!(line_of(&store, "small").await.as_deref(), Some("b2"));
}

#[tokio::test]
async fn a_list_of_waiting_lines_that_was_refused_is_read_again_though_its_sum_is_right() {
    let store = InMemoryStore::default();
    let handle = async |command| Meddling::new(&store, []).handle(command).await.unwrap();
    handle(new_batch("b1", "LAMP", 2)).await;
    handle(line("o1", "LAMP", 1)).await;
    handle(line("o2", "LAMP", 1)).await;
    handle(holds("b1", 0, 1)).await;
    let both = store.waiting_lines(&"LAMP".try_into().unwrap()).await.unwrap();
    assert_eq!(both[0].position, both[1].position, "since the same commit");
    handle(new_batch("b2", "LAMP", 1)).await;
    let served = async |orderid: &str| line_of(&store, orderid).await.is_some();
    let first = if served("o1").await { "o1" } else { "o2" };

    // The index still shows the line that was served, and not yet the other one.
    let stale = both.into_iter().filter(|placed| placed.line.orderid.as_str() == first).collect();
    let lagging = Meddling::new(&store, []).showing_first(stale);
    assert_eq!(lagging.handle(new_batch("b3", "LAMP", 1)).await.unwrap(), Reply::Done);
    assert!(served("o1").await && served("o2").await);
}

async fn line_of(store: &InMemoryStore, orderid: &str) -> Option<String> {
    let allocations = store.allocations(&OrderId::try_from(orderid).unwrap()).await.unwrap();
    allocations.first().map(|(_, batchref)| batchref.to_string())
}

/// A database that never answers.
struct Hanging;

impl Products for Hanging {
    async fn find(&self, _: Wanted<'_>) -> Result<Snapshot, StoreError> {
        std::future::pending().await
    }
    async fn waiting_lines(&self, _: &Sku) -> Result<Vec<Placed>, StoreError> {
        std::future::pending().await
    }
    async fn newest_lines(&self, _: &BatchRef, _: u32, _: usize) -> Result<Vec<Placed>, StoreError> {
        std::future::pending().await
    }
    async fn commit(&self, _: Commit<'_>) -> Result<(), StoreError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_command_is_answered_in_time_whatever_hangs() {
    let bus = MessageBus::new(Hanging, InMemoryEnvironment::default(), ());
    let error = bus.handle_command(line("o1", "LAMP", 1), &call()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(bus.environment().now(), Timestamp(9_500), "half a second before the deadline");
}

async fn allocate_lines(store: &Meddling<'_>, lines: &SkuLines) -> Result<usize, Error> {
    MessageBus::new(store, another_environment(), ()).allocate_lines(lines, &call()).await
}

fn lines_of(orders: std::ops::Range<u32>, qty: u32) -> SkuLines {
    let line = |number| OrderLine {
        orderid: format!("o{number}").try_into().unwrap(),
        sku: "LAMP".try_into().unwrap(),
        qty: qty.try_into().unwrap(),
    };
    SkuLines::of(orders.map(line)).pop().unwrap()
}

#[tokio::test]
async fn lines_of_one_sku_are_answered_in_one_commit_each_as_by_itself() {
    let store = InMemoryStore::default();
    let handle = async |command| Meddling::new(&store, []).handle(command).await.unwrap();
    handle(new_batch("b1", "LAMP", 5)).await;
    handle(line("o1", "LAMP", 2)).await;
    // One has its place already, one gets one, and two are turned away.
    let lines = lines_of(1..5, 2);
    assert_eq!(allocate_lines(&Meddling::new(&store, []), &lines).await.unwrap(), 4);
    let told: Vec<_> = store.outbox().into_iter().skip(2).map(|message| (message.id, message.event)).collect();
    let of = |number: usize| lines.lines()[number].clone();
    let placed = Event::Allocated { line: of(1), batchref: "b1".try_into().unwrap() };
    let [third, fourth] = [2, 3].map(|number| Event::OutOfStock { line: of(number) });
    let expected = [("LAMP#3#1", placed), ("LAMP#3#2", third), ("LAMP#3#3", fourth)];
    assert_eq!(told, expected.map(|(id, event)| (id.to_owned(), event)));
}

#[tokio::test]
async fn lines_that_have_a_place_are_answered_again_without_a_commit() {
    let store = InMemoryStore::default();
    Meddling::new(&store, []).handle(new_batch("b1", "LAMP", 50)).await.unwrap();
    for meddles in [vec![], vec![]] {
        let lines = lines_of(0..50, 1);
        assert_eq!(allocate_lines(&Meddling::new(&store, meddles), &lines).await.unwrap(), 50);
    }
    assert_eq!(store.outbox().last().unwrap().version, Version(2));
}

#[tokio::test]
async fn a_line_that_waits_is_answered_beside_one_that_is_turned_away() {
    let store = InMemoryStore::default();
    for command in [new_batch("b1", "LAMP", 2), line("o1", "LAMP", 2), holds("b1", 0, 1)] {
        Meddling::new(&store, []).handle(command).await.unwrap();
    }
    let told = store.outbox().len();
    assert_eq!(allocate_lines(&Meddling::new(&store, []), &lines_of(1..3, 2)).await.unwrap(), 2);
    let turned_away = Event::OutOfStock { line: lines_of(2..3, 2).lines()[0].clone() };
    let events: Vec<_> = store.outbox().into_iter().skip(told).map(|message| message.event).collect();
    assert_eq!(events, [turned_away], "and not the one that waits");
}

#[tokio::test]
async fn more_lines_than_a_commit_holds_are_answered_in_part() {
    let store = InMemoryStore::default();
    // The batches that the lines fill are items of the transaction too.
    for number in 0..150 {
        Meddling::new(&store, []).handle(new_batch(&format!("b{number:03}"), "LAMP", 1)).await.unwrap();
    }
    let mut left = Some(lines_of(0..151, 1));
    let mut answered = Vec::new();
    while let Some(lines) = left.take() {
        let some = allocate_lines(&Meddling::new(&store, []), &lines).await.unwrap();
        answered.push(some);
        left = lines.after(some);
    }
    assert_eq!(answered, [49, 49, 49, 4], "each a line and a batch, of 98 items; the last one is turned away");
    assert_eq!(store.lines().len(), 150);
}

#[tokio::test]
async fn lines_whose_commit_is_overtaken_or_unheard_are_answered_once() {
    type Make = fn() -> Meddle;
    let meddles: [Make; 4] = [
        || Meddle::After(vec![line("o3", "LAMP", 1), line("other", "LAMP", 1)]),
        || Meddle::LoseReply,
        || Meddle::Misunderstand,
        || Meddle::Collide,
    ];
    for meddle in meddles {
        let store = InMemoryStore::default();
        Meddling::new(&store, []).handle(new_batch("b1", "LAMP", 8)).await.unwrap();
        let lines = lines_of(0..10, 1);
        assert_eq!(allocate_lines(&Meddling::new(&store, [meddle()]), &lines).await.unwrap(), 10);
        let told = store.outbox();
        let told = |wanted: &OrderLine| {
            let is_of = |message: &&Message| match &message.event {
                Event::Allocated { line, .. } | Event::OutOfStock { line } => line == wanted,
                _ => false,
            };
            told.iter().filter(is_of).count()
        };
        assert!(lines.lines().iter().all(|line| told(line) == 1), "{:?}", store.outbox());
        let [product] = store.products().try_into().unwrap();
        assert_eq!(product.batches()[0].allocated, 8);
    }
}

#[tokio::test]
async fn lines_that_are_turned_away_must_have_no_place_still() {
    let store = InMemoryStore::default();
    Meddling::new(&store, []).handle(new_batch("b1", "LAMP", 1)).await.unwrap();
    Meddling::new(&store, []).handle(line("full", "LAMP", 1)).await.unwrap();
    let twin = Meddle::After(vec![new_batch("b2", "LAMP", 1), line("o1", "LAMP", 1)]);
    assert_eq!(allocate_lines(&Meddling::new(&store, [twin]), &lines_of(0..3, 1)).await.unwrap(), 3);
    let turned_away = store.outbox().into_iter().filter_map(|message| match message.event {
        Event::OutOfStock { line } => Some(line.orderid.to_string()),
        _ => None,
    });
    assert_eq!(turned_away.collect::<Vec<_>>(), ["o0", "o2"], "o1 got a place meanwhile");
}

#[tokio::test]
async fn lines_of_an_unknown_sku_are_refused() {
    let store = InMemoryStore::default();
    let error = allocate_lines(&Meddling::new(&store, []), &lines_of(0..3, 1)).await.unwrap_err();
    assert!(matches!(error, Error::InvalidSku(_)), "{error:?}");
}
