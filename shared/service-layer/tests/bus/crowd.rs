//! Callers of one SKU who share commits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};
use domain::{Allocation, Event, LineId, OrderLine, PartId, Place, Refusal, SkuLines};
use service_layer::ports::{Environment as _, Timestamp};
use service_layer::store::{Asked, Asking, AskingId, Asks, Commit, Look, Products as _, StoreError};
use service_layer::{Allocate, AllocateLines, Call, CommandFigures, Error, Figures, MessageBus};
use testing::{Command, Hooked, Hooks, line};

use crate::common::{Meddle, Meddles, Meddling, add, allocate, another_environment, call, do_it};

type Bus<S> = MessageBus<S, InMemoryEnvironment>;

fn bus<S>(store: S) -> Bus<S> {
    MessageBus::new(store, another_environment(), ())
}

/// As [`Bus::allocate`], but the refusals of the rules and those of the service in one.
async fn ask<S: Asks>(bus: &Bus<S>, line: &OrderLine) -> Result<Allocation, Error> {
    bus.allocate(&Allocate(line.clone()), &call()).await?.map_err(Error::from)
}

fn placed(batchref: &str) -> Allocation {
    Allocation::Allocated(batchref.try_into().unwrap())
}

/// Another caller's line, which asks until then.
async fn another_asks(store: &InMemoryStore, orderid: &str, qty: u32, until: u64) -> Asking {
    let line = line(orderid, "LAMP", qty);
    let correlation = format!("basket-of-{orderid}").as_str().try_into().unwrap();
    let id = AskingId(u64::from(qty) + until);
    let asking = Asking { line, id, since: Timestamp(0), until: Timestamp(until), correlation };
    assert_eq!(store.ask(&asking).await.unwrap(), Asked::Asks);
    asking
}

/// A batch of so many pieces, of which three callers have just got one each by one commit.
async fn crowd(qty: u32) -> InMemoryStore {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", qty)).await;
    let lines = ["x1", "x2", "x3"].map(|orderid| line(orderid, "LAMP", 1));
    let command = AllocateLines::of(SkuLines::of(lines).pop().unwrap());
    bus(&store).handle(&command, &call()).await.unwrap();
    store
}

fn version_of(store: &InMemoryStore) -> u64 {
    store.products()[0].version().0
}

fn place_of(store: &InMemoryStore, asked: &OrderLine) -> Option<Place> {
    store.parts().get(&PartId::first_of(asked.id())).map(|part| part.place.clone())
}

#[tokio::test]
async fn whoever_has_lost_a_race_commits_for_all_who_ask_and_answers_his_own_caller() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 9)).await;
    let other = another_asks(&store, "o2", 2, 9_000).await;
    let overtaken = Meddles::at_commits([Meddle::Collide]).with(&store);
    let bus = bus(&overtaken);
    assert_eq!(ask(&bus, &line("o1", "LAMP", 1)).await.unwrap(), placed("b1"));
    assert_eq!(place_of(&store, &other.line), Some(Place::Batch("b1".try_into().unwrap())));
    assert_eq!(version_of(&store), 2, "one commit for both");
    assert!(store.lines_that_ask().is_empty());
    let [Figures::Command(figures)] = &bus.environment().recorded()[..] else { panic!("one call, one record") };
    let expected = CommandFigures { allocations: 2, conflicts: 1, asked: 1, ..CommandFigures::default() };
    assert_eq!(*figures, CommandFigures { waiting_lines: Some(0), ..expected });
}

#[tokio::test]
async fn of_more_than_one_commit_holds_the_rest_gets_a_second_one_which_may_fail() {
    let store = crowd(400).await;
    for number in 0..150 {
        another_asks(&store, &format!("other-{number}"), 1, 9_000).await;
    }
    let collisions = (0..9).map(|_| Meddle::Collide);
    let unlucky = Meddles::at_commits(std::iter::once(Meddle::After(Vec::new())).chain(collisions)).with(&store);
    assert_eq!(ask(&bus(&unlucky), &line("o1", "LAMP", 1)).await.unwrap(), placed("b1"));
    assert_eq!((version_of(&store), store.lines_that_ask().len()), (3, 150 - 97));

    let bus = bus(&store);
    assert_eq!(ask(&bus, &line("o2", "LAMP", 1)).await.unwrap(), placed("b1"));
    assert_eq!((version_of(&store), store.lines_that_ask().len()), (4, 0));
    for number in 0..150 {
        another_asks(&store, &format!("late-{number}"), 1, 9_000).await;
    }
    assert_eq!(ask(&bus, &line("o3", "LAMP", 1)).await.unwrap(), placed("b1"));
    assert_eq!((version_of(&store), store.lines_that_ask().len()), (6, 0), "one turn, two commits");
}

/// Its second commit takes for ever.
struct Stuck(AtomicBool);

impl Hooks<InMemoryStore> for Stuck {
    async fn commit(&self, store: &InMemoryStore, commit: Commit<'_>) -> Result<(), StoreError> {
        if self.0.swap(false, Ordering::Relaxed) {
            return store.commit(commit).await;
        }
        std::future::pending().await
    }
}

#[tokio::test]
async fn whoever_has_his_answer_gets_it_whatever_becomes_of_the_others() {
    let store = crowd(400).await;
    for number in 0..150 {
        another_asks(&store, &format!("other-{number}"), 1, 9_000).await;
    }
    let stuck = bus(Hooked { store: store.clone(), hooks: Stuck(AtomicBool::new(true)) });
    assert_eq!(ask(&stuck, &line("o1", "LAMP", 1)).await.unwrap(), placed("b1"));
    assert!(stuck.environment().now() < Timestamp(1_000), "it did not wait until its time was up");
}

#[tokio::test]
async fn whoever_loses_races_commits_for_few_first_which_is_as_fast_as_for_one() {
    let store = crowd(400).await;
    for number in 0..60 {
        another_asks(&store, &format!("other-{number}"), 1, 9_000).await;
    }
    let rivals = ["r1", "r2"].map(|orderid| Meddle::After(vec![allocate(orderid, "LAMP", 1)]));
    let overtaken = Meddles::at_commits(rivals).with(&store);
    assert_eq!(ask(&bus(&overtaken), &line("o1", "LAMP", 1)).await.unwrap(), placed("b1"));
    let lines_of = |version| store.outbox().iter().filter(|told| told.version.0 == version).count();
    assert_eq!([3, 4, 5, 6].map(lines_of), [1, 1, 6, 55], "the rivals, few, and the rest");

    for number in 0..60 {
        another_asks(&store, &format!("late-{number}"), 1, 9_000).await;
    }
    let rival = Meddle::After(vec![allocate("r3", "LAMP", 1)]);
    let overtaken = Meddles::at_commits([rival]).with(&store);
    assert_eq!(ask(&bus(&overtaken), &line("o2", "LAMP", 1)).await.unwrap(), placed("b1"));
    let lines_of = |version| store.outbox().iter().filter(|told| told.version.0 == version).count();
    assert_eq!([7, 8].map(lines_of), [1, 49], "the rival, and half of what a commit holds");
}

#[tokio::test]
async fn each_event_of_a_shared_commit_carries_its_own_request_on() {
    let store = crowd(9).await;
    another_asks(&store, "o2", 2, 9_000).await;
    let own = Call { correlation: "basket-of-o1".try_into().unwrap(), ..call() };
    let answer = bus(&store).allocate(&Allocate(line("o1", "LAMP", 1)), &own).await.unwrap();
    assert_eq!(answer, Ok(placed("b1")));
    let told = store.outbox().into_iter().filter(|told| told.version.0 == 3);
    let told: Vec<_> = told
        .map(|told| (told.event.line().unwrap().orderid.to_string(), told.correlation.unwrap().to_string()))
        .collect();
    let expected = [("o1", "basket-of-o1"), ("o2", "basket-of-o2")];
    assert_eq!(told, expected.map(|(orderid, of)| (orderid.to_owned(), of.to_owned())));
}

#[tokio::test]
async fn without_rivals_nobody_asks() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 9)).await;
    let bus = bus(&store);
    for orderid in ["o1", "o2"] {
        assert_eq!(ask(&bus, &line(orderid, "LAMP", 1)).await.unwrap(), placed("b1"));
    }
    assert_eq!(bus.environment().now(), Timestamp(0), "nor waits");
    let kept = Allocation::Kept("b1".try_into().unwrap());
    assert_eq!(ask(&bus, &line("o1", "LAMP", 1)).await.unwrap(), kept);
}

#[tokio::test]
async fn in_a_crowd_a_line_asks_before_it_loses_a_race() {
    let store = crowd(9).await;
    let bus = bus(&store);
    assert_eq!(ask(&bus, &line("o1", "LAMP", 1)).await.unwrap(), placed("b1"));
    let [Figures::Command(figures)] = &bus.environment().recorded()[..] else { panic!("one call, one record") };
    assert_eq!((figures.asked, figures.conflicts), (1, 0));
    // Nobody else asked, so it was none.
    assert_eq!(ask(&bus, &line("o2", "LAMP", 1)).await.unwrap(), placed("b1"));
    let [_, Figures::Command(figures)] = &bus.environment().recorded()[..] else { panic!("one call, one record") };
    assert_eq!(figures.asked, 0);
}

#[tokio::test]
async fn a_line_whose_caller_waits_no_more_gets_no_place_and_whoever_asks_for_it_again_goes_on() {
    let store = crowd(9).await;
    let gone = another_asks(&store, "o2", 2, 0).await;
    assert_eq!(ask(&bus(&store), &line("o1", "LAMP", 1)).await.unwrap(), placed("b1"));
    assert_eq!((place_of(&store, &gone.line), store.lines_that_ask().len()), (None, 1));
    assert_eq!(ask(&bus(&store), &gone.line).await.unwrap(), placed("b1"));
    assert!(store.lines_that_ask().is_empty());
}

#[tokio::test]
async fn those_for_whom_nothing_is_left_are_all_told_and_nothing_is_kept() {
    let store = crowd(4).await;
    another_asks(&store, "o2", 5, 9_000).await;
    another_asks(&store, "o3", 5, 9_000).await;
    assert_eq!(ask(&bus(&store), &line("o1", "LAMP", 5)).await.unwrap(), Allocation::OutOfStock);
    assert!(store.lines_that_ask().len() == 2, "it was refused without asking, as there was no room for it");
    let overtaken = Meddles::at_commits([Meddle::Collide]).with(&store);
    assert_eq!(ask(&bus(&overtaken), &line("o4", "LAMP", 1)).await.unwrap(), placed("b1"));
    assert!(store.lines_that_ask().is_empty(), "the others are dismissed");
    let refusals = store.outbox().iter().filter(|told| matches!(told.event, Event::OutOfStock { .. })).count();
    assert_eq!(refusals, 1, "told once for a stock");
    let commits = version_of(&store);
    assert_eq!(ask(&bus(&store), &line("o2", "LAMP", 5)).await.unwrap(), Allocation::OutOfStock);
    assert_eq!(version_of(&store), commits);
}

#[tokio::test]
async fn a_line_of_a_cancelled_order_is_dismissed_and_its_neighbours_are_not() {
    let store = crowd(9).await;
    do_it(&store, Command::CancelOrder("o2".try_into().unwrap())).await;
    another_asks(&store, "o2", 2, 9_000).await;
    assert_eq!(ask(&bus(&store), &line("o1", "LAMP", 1)).await.unwrap(), placed("b1"));
    assert!(store.lines_that_ask().is_empty());
    let refused = ask(&bus(&store), &line("o2", "LAMP", 2)).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::OrderCancelled(_)))), "{refused:?}");
}

#[tokio::test]
async fn a_turn_that_somebody_has_is_waited_for_but_not_for_long() {
    let store = crowd(9).await;
    let sku = "LAMP".try_into().unwrap();
    store.take_turn(&sku, Timestamp(0), Timestamp(300)).await.unwrap();
    let waits = bus(&store);
    assert_eq!(ask(&waits, &line("o1", "LAMP", 1)).await.unwrap(), placed("b1"));
    let now = waits.environment().now();
    assert!((Timestamp(300)..Timestamp(2_000)).contains(&now), "whoever had it has died: {now:?}");
}

#[tokio::test]
async fn a_twin_that_asked_gets_the_same_answer() {
    let store = crowd(9).await;
    let twin = line("o1", "LAMP", 2);
    another_asks(&store, "o1", 2, 9_000).await;
    assert_eq!(ask(&bus(&store), &twin).await.unwrap(), placed("b1"));
    assert_eq!(ask(&bus(&store), &twin).await.unwrap(), Allocation::Kept("b1".try_into().unwrap()));
    let mut other = line("o1", "LAMP", 3);
    other.name = twin.name.clone();
    let differs = ask(&bus(&store), &other).await;
    assert!(matches!(differs, Err(Error::Refused(Refusal::LineDiffers { .. }))), "{differs:?}");
}

#[tokio::test]
async fn whoever_always_loses_in_a_crowd_is_told_in_time_and_leaves_no_promise() {
    let store = crowd(9).await;
    let unlucky: Meddling = Meddles::at_commits((0..10_000).map(|_| Meddle::Collide)).with(&store);
    let bus = bus(&unlucky);
    let call = call_until(Timestamp(5_000));
    let error = bus.allocate(&Allocate(line("o1", "LAMP", 1)), &call).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let half_a_second = Duration::from_millis(500);
    assert!(bus.environment().now().plus(half_a_second) <= Timestamp(5_000).plus(half_a_second));
    assert_eq!(place_of(&store, &line("o1", "LAMP", 1)), None);
    // Nobody gives it a place after that.
    let later = another_environment();
    later.sleep(Duration::from_millis(4_501)).await;
    let bus = MessageBus::new(&store, later, ());
    let call = call_until(Timestamp(20_000));
    let answer = bus.allocate(&Allocate(line("o2", "LAMP", 1)), &call).await.unwrap();
    assert_eq!((answer, place_of(&store, &line("o1", "LAMP", 1))), (Ok(placed("b1")), None));
}

#[tokio::test]
async fn a_plain_commit_and_one_that_is_shared_are_each_held_to_what_they_found() {
    let store = crowd(9).await;
    // While it commits for both, the other one is cancelled by itself: it must be asked again.
    another_asks(&store, "o2", 2, 9_000).await;
    let rival = Meddle::After(vec![allocate("o3", "LAMP", 1)]);
    let overtaken = Meddles::at_commits([rival]).with(&store);
    assert_eq!(ask(&bus(&overtaken), &line("o1", "LAMP", 1)).await.unwrap(), placed("b1"));
    assert_eq!(store.parts().len(), 6, "x1 to x3, and o1 to o3");
}

/// Somebody takes the last piece while a line is put among those that ask; and that may not be answered.
struct Overtaken {
    is_first: AtomicBool,
    is_heard: bool,
}

impl Hooks<InMemoryStore> for Overtaken {
    async fn ask(&self, store: &InMemoryStore, asking: &Asking) -> Result<Asked, StoreError> {
        let is_first = self.is_first.swap(false, Ordering::Relaxed);
        if is_first {
            do_it(store, allocate("rival", "LAMP", 1)).await;
        }
        if is_first && !self.is_heard {
            return Err(StoreError::Unavailable("no reply".into()));
        }
        store.ask(asking).await
    }
}

/// It could get a place after it was told that there is none.
#[tokio::test]
async fn nobody_is_refused_whose_question_may_still_be_on_its_way() {
    for is_heard in [true, false] {
        let hooks = Overtaken { is_first: AtomicBool::new(true), is_heard };
        let answer = ask(&bus(Hooked { store: crowd(4).await, hooks }), &line("o1", "LAMP", 1)).await;
        match answer {
            Ok(Allocation::OutOfStock) => assert!(is_heard),
            Err(Error::Unavailable(_)) => assert!(!is_heard),
            other => panic!("{is_heard}: {other:?}"),
        }
    }
}

/// A line of the same name asks for another quantity, later than the first one.
struct Renamed(AtomicBool);

impl Hooks<InMemoryStore> for Renamed {
    async fn look(&self, store: &InMemoryStore, line: &LineId) -> Result<Look, StoreError> {
        if self.0.swap(false, Ordering::Relaxed) {
            let mut asking = another_asks(store, "o9", 3, 9_000).await;
            asking.line = OrderLine { orderid: line.orderid.clone(), name: line.name.clone(), ..asking.line };
            store.ask(&asking).await?;
        }
        store.look(line).await
    }
}

#[tokio::test]
async fn nobody_is_told_of_a_place_that_another_quantity_got() {
    let store = crowd(9).await;
    let asks = bus(Hooked { store: store.clone(), hooks: Renamed(AtomicBool::new(true)) });
    let own = line("o1", "LAMP", 1);
    let call = call_until(Timestamp(4_000));
    let answer = asks.allocate(&Allocate(own.clone()), &call).await;
    let told = matches!(&answer, Ok(Err(Refusal::LineDiffers { .. })) | Err(Error::Unavailable(_) | Error::Refused(_)));
    assert!(told, "{answer:?}");
}
