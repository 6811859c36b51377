//! Orders as a whole: all that one wants, in one commit, or nothing.

use std::sync::Mutex;

use adapters::in_memory::InMemoryStore;
use domain::{Done, IfShort, OrderLine, OrderVersion, Part, PartId, Place, Refusal, Terms, WantedOrder};
use service_layer::ports::Timestamp;
use service_layer::store::{Asking, AskingId, Asks, Changed, Commit, CommitId, Origins, Products, StoreError};
use service_layer::{CorrelationId, Error, MessageBus, OrderedPart, PlacedOrder, PutOrder, PutOrderAnswer, ShortLine};
use testing::{Command, Hooked, Hooks, line, new_batch};

use crate::common::{Meddle, Meddles, add, allocate, another_environment, call, do_it};

fn order(lines: &[(&str, u32)], if_short: IfShort) -> PutOrder {
    let lines = lines.iter().map(|(sku, qty)| line("o1", sku, *qty)).collect();
    PutOrder {
        wanted: WantedOrder::of("o1".try_into().unwrap(), lines).unwrap(),
        terms: Terms { if_short, ..Terms::default() },
        version: None,
    }
}

async fn put_in<S: Products>(store: S, order: &PutOrder) -> Result<PutOrderAnswer, Error> {
    MessageBus::new(store, another_environment(), ()).handle(order, &call()).await
}

/// What was placed, or else the lines that are short.
fn placed(answer: PutOrderAnswer) -> Result<PlacedOrder, Vec<ShortLine>> {
    match answer {
        PutOrderAnswer::Placed(order) => Ok(order),
        PutOrderAnswer::Short(lines) => Err(lines),
        PutOrderAnswer::OrderCancelled(_) => panic!("nobody cancelled it"),
    }
}

/// Puts an order, whoever meddles.
async fn put_by<S: Products>(store: S, order: &PutOrder) -> Result<PlacedOrder, Vec<ShortLine>> {
    placed(put_in(store, order).await.unwrap())
}

async fn put(store: &InMemoryStore, order: &PutOrder) -> Result<PlacedOrder, Vec<ShortLine>> {
    put_by(store, order).await
}

/// Each line of an order, and where it is.
fn shown(order: &PlacedOrder) -> Vec<String> {
    order.lines.iter().flat_map(|line| &line.parts).map(|part| told(&part.part)).collect()
}

fn told(part: &Part) -> String {
    let OrderLine { sku, qty, .. } = &part.line;
    match &part.place {
        Place::Batch(reference) => format!("{qty} {sku} on {reference}"),
        Place::Shipped(reference) => format!("{qty} {sku} shipped from {reference}"),
        Place::Waiting => format!("{qty} {sku} waits"),
        Place::Cancelled => format!("{qty} {sku} cancelled"),
    }
}

/// Five lamps, five desks and five chairs.
async fn shop() -> InMemoryStore {
    let store = InMemoryStore::default();
    for (reference, sku) in [("b1", "LAMP"), ("b2", "DESK"), ("b3", "CHAIR")] {
        do_it(&store, add(reference, sku, 5)).await;
    }
    store
}

fn versions(store: &InMemoryStore) -> Vec<u64> {
    let mut products = store.products();
    products.sort_by(|one, other| one.sku().cmp(other.sku()));
    products.iter().map(|product| product.version().0).collect()
}

fn told_of(store: &InMemoryStore, orderid: &str) -> Vec<String> {
    let events = store.outbox().into_iter().map(|told| told.event);
    let of_order = events.filter(|event| event.line().is_some_and(|line| line.orderid.as_str() == orderid));
    of_order.map(|event| format!("{} {event}", event.sku())).collect()
}

const ALL: [(&str, u32); 3] = [("LAMP", 2), ("DESK", 5), ("CHAIR", 1)];

#[tokio::test]
async fn an_order_gets_all_its_lines_in_one_commit_and_a_repeat_changes_nothing() {
    let store = shop().await;
    let placed = put(&store, &order(&ALL, IfShort::Refuse)).await.unwrap();
    assert_eq!(
        (placed.done, shown(&placed)),
        (Done::Now, vec!["1 CHAIR on b3".to_owned(), "5 DESK on b2".to_owned(), "2 LAMP on b1".to_owned()])
    );
    assert_eq!(versions(&store), [2, 2, 2]);
    let again = put(&store, &order(&ALL, IfShort::Refuse)).await.unwrap();
    assert_eq!((again.done, again.lines), (Done::Before, placed.lines));
    assert_eq!(versions(&store), [2, 2, 2]);
}

#[tokio::test]
async fn if_one_line_is_short_nothing_changes_and_the_refusal_is_told_once() {
    let store = shop().await;
    do_it(&store, allocate("other", "DESK", 2)).await;
    let short = put(&store, &order(&ALL, IfShort::Refuse)).await.unwrap_err();
    let [ShortLine { line: refused, available }] = &short[..] else { panic!("{short:?}") };
    assert_eq!((refused, available.free), (&line("o1", "DESK", 5), 3));
    assert!(store.parts().values().all(|part| part.line.orderid.as_str() == "other"));
    assert_eq!(told_of(&store, "o1"), ["DESK 5 of o1 out of stock"]);
    assert_eq!(versions(&store), [1, 3, 1]);
    assert_eq!(put(&store, &order(&ALL, IfShort::Refuse)).await, Err(short));
    assert_eq!(versions(&store), [1, 3, 1], "as much was refused before");
}

#[tokio::test]
async fn a_short_line_is_left_out_or_waits_if_the_order_says_so() {
    for (if_short, expected) in [
        (IfShort::Partial, vec!["1 CHAIR on b3", "2 LAMP on b1"]),
        (IfShort::Wait, vec!["1 CHAIR on b3", "5 DESK waits", "2 LAMP on b1"]),
    ] {
        let store = shop().await;
        do_it(&store, allocate("other", "DESK", 2)).await;
        let placed = put(&store, &order(&ALL, if_short)).await.unwrap();
        assert_eq!((placed.done, shown(&placed)), (Done::Now, expected.into_iter().map(str::to_owned).collect()));
        let again = put(&store, &order(&ALL, if_short)).await.unwrap();
        // Where a line is left out, it is asked for anew, and may come.
        let done = if if_short == IfShort::Partial { Done::Now } else { Done::Before };
        assert_eq!((again.done, again.lines), (done, placed.lines), "{if_short:?}");
    }
}

#[tokio::test]
async fn what_waits_is_served_when_stock_comes() {
    let store = shop().await;
    put(&store, &order(&[("LAMP", 9)], IfShort::Wait)).await.unwrap();
    do_it(&store, add("b4", "LAMP", 9)).await;
    assert_eq!(told(&store.parts()[&PartId::first_of(line("o1", "LAMP", 9).id())]), "9 LAMP on b4");
}

#[tokio::test]
async fn an_edit_takes_the_orders_own_pieces_and_leaves_the_rest_to_those_that_wait() {
    let store = shop().await;
    put(&store, &order(&[("LAMP", 3), ("DESK", 4), ("CHAIR", 1)], IfShort::Refuse)).await.unwrap();
    put_by(
        &store,
        &PutOrder {
            wanted: WantedOrder::of("o2".try_into().unwrap(), vec![line("o2", "DESK", 2)]).unwrap(),
            terms: Terms { if_short: IfShort::Wait, ..Terms::default() },
            version: None,
        },
    )
    .await
    .unwrap();
    // Five lamps are all that there are, and three of them its own.
    let edited = put(&store, &order(&[("LAMP", 5), ("DESK", 3)], IfShort::Refuse)).await.unwrap();
    assert_eq!((edited.done, shown(&edited)), (Done::Now, vec!["3 DESK on b2".to_owned(), "5 LAMP on b1".to_owned()]));
    assert_eq!(told(&store.parts()[&PartId::first_of(line("o2", "DESK", 2).id())]), "2 DESK on b2");
    assert_eq!(versions(&store), [3, 4, 3], "chairs, desks and lamps: one commit more for each");
    assert_eq!(told(&store.parts()[&PartId::first_of(line("o1", "CHAIR", 1).id())]), "1 CHAIR cancelled");
    // Nothing is wanted any more, and later a line again.
    put(&store, &order(&[], IfShort::Refuse)).await.unwrap();
    let back = put(&store, &order(&[("CHAIR", 1)], IfShort::Refuse)).await.unwrap();
    assert_eq!(shown(&back), ["1 CHAIR on b3"]);
}

#[tokio::test]
async fn a_cancelled_order_an_unknown_sku_and_a_shipped_line_refuse_all_of_it() {
    let store = shop().await;
    let unknown = put_in(&store, &order(&[("LAMP", 1), ("BED", 1)], IfShort::Partial)).await;
    assert!(matches!(unknown, Err(Error::Refused(Refusal::UnknownSku(_)))), "{unknown:?}");
    let mut named = line("o1", "LAMP", 2);
    named.name = "left".try_into().unwrap();
    do_it(&store, Command::Allocate(named.clone())).await;
    do_it(&store, Command::Ship(named.id())).await;
    named.qty = 3.try_into().unwrap();
    let wanted = WantedOrder::of("o1".try_into().unwrap(), vec![line("o1", "DESK", 1), named]).unwrap();
    let shipped = put_in(
        &store,
        &PutOrder { wanted, terms: Terms { if_short: IfShort::Wait, ..Terms::default() }, version: None },
    )
    .await;
    assert!(matches!(shipped, Err(Error::Refused(Refusal::LineShipped(_)))), "{shipped:?}");
    do_it(&store, Command::CancelOrder("o1".try_into().unwrap())).await;
    let cancelled = put_in(&store, &order(&[("DESK", 1)], IfShort::Refuse)).await.unwrap();
    assert_eq!(cancelled, PutOrderAnswer::OrderCancelled("o1".try_into().unwrap()));
    assert_eq!(store.parts().len(), 1);
}

#[tokio::test]
async fn whoever_loses_a_race_over_several_products_decides_again_on_all() {
    let store = shop().await;
    let rival = Meddle::After(vec![allocate("rival", "DESK", 1)]);
    let overtaken = Meddles::at_commits([rival]).with(&store);
    let short = put_by(&overtaken, &order(&ALL, IfShort::Refuse)).await.unwrap_err();
    assert_eq!((short.len(), short[0].available.free), (1, 4));
    assert_eq!(store.parts().len(), 1, "none of its lines is there");

    let store = shop().await;
    let rival = Meddle::After(vec![allocate("rival", "LAMP", 1)]);
    let overtaken = Meddles::at_commits([rival]).with(&store);
    let placed = put_by(&overtaken, &order(&ALL, IfShort::Refuse)).await.unwrap();
    assert_eq!((shown(&placed).len(), versions(&store)), (3, vec![2, 2, 3]));
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_found_again() {
    for meddle in [Meddle::LoseReply, Meddle::LoseRequest] {
        let store = shop().await;
        let unheard = Meddles::at_commits([meddle]).with(&store);
        let placed = put_by(&unheard, &order(&ALL, IfShort::Refuse)).await.unwrap();
        assert_eq!((placed.done, shown(&placed).len(), versions(&store)), (Done::Now, 3, vec![2, 2, 2]));
    }
}

#[tokio::test]
async fn a_line_that_asks_gets_its_place_with_the_order() {
    let store = shop().await;
    let id = AskingId(7);
    let asking = Asking {
        line: line("o1", "LAMP", 2),
        id,
        since: Timestamp(0),
        until: Timestamp(9_000),
        correlation: "basket".try_into().unwrap(),
    };
    store.ask(&asking).await.unwrap();
    put(&store, &order(&ALL, IfShort::Refuse)).await.unwrap();
    assert!(store.lines_that_ask().is_empty());
    assert_eq!(store.parts().len(), 3);
}

#[tokio::test]
async fn thirty_lines_fit_in_one_commit_whatever_they_fill_but_not_twice_as_many_changes() {
    let store = InMemoryStore::default();
    let sku = |number: u32| format!("SKU-{number}");
    for number in 0..60 {
        do_it(&store, add(&format!("b{number}"), &sku(number), 1)).await;
    }
    let of = |numbers: std::ops::Range<u32>| {
        let lines = numbers.map(|number| line("o1", &sku(number), 1)).collect();
        PutOrder {
            wanted: WantedOrder::of("o1".try_into().unwrap(), lines).unwrap(),
            terms: Terms::default(),
            version: None,
        }
    };
    // The store of these tests holds commits to DynamoDB's limit.
    let watched = Meddles::default().with(&store);
    let placed = put_by(&watched, &of(0..30)).await.unwrap();
    assert_eq!(placed.lines.len(), 30);
    let refused = put_in(&watched, &of(30..60)).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::TooManyChanges(_)))), "{refused:?}");
    assert_eq!(store.parts().len(), 30, "nothing was changed");
    assert_eq!(put_by(&watched, &of(3..33)).await.unwrap().lines.len(), 30);
}

#[tokio::test]
async fn what_an_order_gives_back_goes_to_no_more_waiting_lines_than_its_commit_has_room_for() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 100)).await;
    let named = |orderid: &str, count: u32, qty: u32| {
        let name = |number: u32| format!("line-{number}").try_into().unwrap();
        let lines = (0..count).map(|number| OrderLine { name: name(number), ..line(orderid, "LAMP", qty) });
        WantedOrder::of(orderid.try_into().unwrap(), lines.collect()).unwrap()
    };
    let watched = Meddles::default().with(&store);
    put_by(&watched, &PutOrder { wanted: named("o1", 10, 10), terms: Terms::default(), version: None }).await.unwrap();
    for number in 0..4 {
        let waits = named(&format!("waits-{number}"), 30, 1);
        put_by(
            &watched,
            &PutOrder { wanted: waits, terms: Terms { if_short: IfShort::Wait, ..Terms::default() }, version: None },
        )
        .await
        .unwrap();
    }
    let before = versions(&store)[0];
    put_by(&watched, &order(&[], IfShort::Refuse)).await.unwrap();
    assert_eq!(store.parts().values().filter(|part| part.place == Place::Waiting).count(), 20);
    assert_eq!(versions(&store)[0], before + 2, "some are served by the next commit");
}

/// Whoever writes meets an error.
struct ReadOnly;

impl Hooks<InMemoryStore> for ReadOnly {
    async fn commit(&self, _: &InMemoryStore, _: Commit<'_>) -> Result<(), StoreError> {
        Err(StoreError::Fault("a dry run writes".into()))
    }
}

async fn dry_run(store: &InMemoryStore, order: &PutOrder) -> Result<PutOrderAnswer, Error> {
    let store = Hooked { store: store.clone(), hooks: ReadOnly };
    MessageBus::new(store, another_environment(), ()).dry_run(order, &call()).await
}

#[tokio::test]
async fn a_dry_run_says_what_then_happens_and_writes_nothing() {
    let edits: [&[(&str, u32)]; 5] = [&ALL, &[("LAMP", 5)], &[("LAMP", 6), ("DESK", 1)], &[], &[("BED", 1)]];
    let policies = [IfShort::Refuse, IfShort::Partial, IfShort::Wait];
    for (if_short, may_split) in policies.into_iter().flat_map(|policy| [(policy, false), (policy, true)]) {
        let store = shop().await;
        do_it(&store, allocate("other", "DESK", 2)).await;
        do_it(&store, add("b5", "LAMP", 3)).await;
        for edit in edits {
            let order = PutOrder { terms: Terms { if_short, may_split, hold_until: None }, ..order(edit, if_short) };
            let events = store.outbox().len();
            let tried = dry_run(&store, &order).await.map_err(|error| error.to_string());
            assert_eq!(store.outbox().len(), events);
            let done = put_in(&store, &order).await.map_err(|error| error.to_string());
            let place = |part: &OrderedPart| (part.part.line.clone(), part.part.place.clone(), part.eta);
            let told = |answer: PutOrderAnswer| {
                placed(answer).map(|order| {
                    (order.done, order.lines.iter().flat_map(|line| &line.parts).map(place).collect::<Vec<_>>())
                })
            };
            assert_eq!(tried.map(told), done.map(told), "{order:?}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_gives_nothing_away_that_is_owed_to_those_that_wait() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 2)).await;
    let waits = WantedOrder::of("waits".try_into().unwrap(), vec![line("waits", "LAMP", 4)]).unwrap();
    put_by(
        &store,
        &PutOrder { wanted: waits, terms: Terms { if_short: IfShort::Wait, ..Terms::default() }, version: None },
    )
    .await
    .unwrap();
    // Stock comes, and whoever brings it dies before the waiting line has it.
    let mut product = store.products().pop().unwrap();
    product.create_batch(&new_batch("b2", "LAMP", 5)).unwrap();
    assert!(product.has_backlog());
    let before = store.products().pop().unwrap();
    let (correlation, origins) = (CorrelationId::unknown(), Origins::new());
    let products = [Changed { before: Some(&before), after: &product }];
    let commit = Commit { products: &products, ..Commit::new(CommitId(99), &correlation, &origins, Timestamp(0)) };
    store.commit(commit).await.unwrap();
    let short = placed(dry_run(&store, &order(&[("LAMP", 5)], IfShort::Refuse)).await.unwrap()).unwrap_err();
    assert_eq!(short[0].available.free, 2 + 1);
    assert_eq!(put(&store, &order(&[("LAMP", 5)], IfShort::Refuse)).await, Err(short));
}

fn at_version(version: Option<u64>, lines: &[(&str, u32)]) -> PutOrder {
    PutOrder { version: version.map(OrderVersion), ..order(lines, IfShort::Refuse) }
}

fn is_outdated(answer: &Result<PutOrderAnswer, Error>, by: u64) -> bool {
    matches!(answer, Err(Error::Refused(Refusal::OrderOutdated { stored: OrderVersion(stored), .. })) if *stored == by)
}

#[tokio::test]
async fn once_an_order_had_a_version_only_newer_ones_count() {
    let store = shop().await;
    put(&store, &order(&[("LAMP", 1)], IfShort::Refuse)).await.unwrap();
    let seven = at_version(Some(7), &[("LAMP", 2), ("DESK", 1)]);
    assert_eq!(put(&store, &seven).await.unwrap().done, Done::Now);
    let reversed = at_version(Some(7), &[("DESK", 1), ("LAMP", 2)]);
    assert_eq!(put(&store, &reversed).await.unwrap().done, Done::Before, "the order of lines says nothing");
    for late in [
        at_version(Some(6), &[("LAMP", 3)]),
        at_version(Some(7), &[("LAMP", 3)]),
        PutOrder { terms: Terms { if_short: IfShort::Wait, ..Terms::default() }, ..seven.clone() },
        at_version(None, &[("LAMP", 2), ("DESK", 1)]),
    ] {
        assert!(is_outdated(&put_in(&store, &late).await, 7), "{late:?}");
        assert!(is_outdated(&dry_run(&store, &late).await, 7));
    }
    // A repeat is one, whatever became of its lines.
    do_it(&store, Command::Deallocate(line("o1", "DESK", 1).id())).await;
    let again = put(&store, &seven).await.unwrap();
    assert_eq!((again.done, shown(&again)), (Done::Before, vec!["2 LAMP on b1".to_owned()]));
    // The same content counts as well, if it is wanted later; also if it changes no line.
    let versions_before = versions(&store);
    let eight = at_version(Some(8), &[("LAMP", 2)]);
    assert_eq!(put(&store, &eight).await.unwrap().done, Done::Now);
    assert_eq!(versions(&store), versions_before);
    assert!(is_outdated(&put_in(&store, &seven).await, 8));
}

#[tokio::test]
async fn a_refused_version_does_not_count() {
    let store = shop().await;
    put(&store, &at_version(Some(7), &[("LAMP", 9)])).await.unwrap_err();
    put(&store, &at_version(Some(6), &[("LAMP", 5)])).await.unwrap();
}

#[tokio::test]
async fn of_two_versions_at_once_the_newer_one_stays() {
    let (older, newer) = (at_version(Some(1), &[("LAMP", 1)]), at_version(Some(2), &[("DESK", 1)]));
    let store = shop().await;
    // The newer one comes while the older one commits.
    let hooks = Overtakes::by(vec![Rival::Puts(newer)]);
    let answer = put_in(Hooked { store: store.clone(), hooks }, &older).await;
    assert!(is_outdated(&answer, 2), "{answer:?}");
    let lines: Vec<_> = store.parts().into_values().map(|part| part.line).collect();
    assert_eq!(lines, [line("o1", "DESK", 1)]);
}

/// Something else happens before the first commit, which may not be heard of.
struct Overtakes {
    first: Mutex<Option<Vec<Rival>>>,
    is_heard: bool,
}

enum Rival {
    Puts(PutOrder),
    Does(Command),
}

impl Overtakes {
    fn by(rivals: Vec<Rival>) -> Self {
        Self { first: Mutex::new(Some(rivals)), is_heard: true }
    }
}

impl Hooks<InMemoryStore> for Overtakes {
    async fn commit(&self, store: &InMemoryStore, commit: Commit<'_>) -> Result<(), StoreError> {
        let first = self.first.lock().unwrap().take();
        let is_first = first.is_some();
        for rival in first.into_iter().flatten() {
            match rival {
                Rival::Puts(order) => drop(put(store, &order).await.unwrap()),
                Rival::Does(command) => drop(do_it(store, command).await),
            }
        }
        store.commit(commit).await?;
        if is_first && !self.is_heard { Err(StoreError::Unavailable("no reply".into())) } else { Ok(()) }
    }
}

/// The lines that stand, by SKU.
fn standing(store: &InMemoryStore) -> Vec<String> {
    let mut standing: Vec<_> =
        store.parts().into_values().filter(|part| part.place.is_standing()).map(|part| told(&part)).collect();
    standing.sort();
    standing
}

#[tokio::test]
async fn two_edits_at_once_leave_what_one_of_them_wanted_and_no_mixture() {
    let store = shop().await;
    put(&store, &order(&[("LAMP", 1)], IfShort::Refuse)).await.unwrap();
    // They have no product in common that changes.
    let rival = Rival::Puts(order(&[("LAMP", 1), ("CHAIR", 1)], IfShort::Refuse));
    let overtaken = Hooked { store: store.clone(), hooks: Overtakes::by(vec![rival]) };
    let placed = put_by(overtaken, &order(&[("LAMP", 1), ("DESK", 1)], IfShort::Refuse)).await.unwrap();
    assert_eq!(shown(&placed), ["1 DESK on b2", "1 LAMP on b1"]);
    assert_eq!(standing(&store), ["1 DESK on b2", "1 LAMP on b1"]);
}

#[tokio::test]
async fn a_line_that_is_cancelled_meanwhile_is_not_told_to_be_there() {
    let store = shop().await;
    put(&store, &order(&[("LAMP", 1)], IfShort::Refuse)).await.unwrap();
    let rival = Rival::Does(Command::Deallocate(line("o1", "LAMP", 1).id()));
    let overtaken = Hooked { store: store.clone(), hooks: Overtakes::by(vec![rival]) };
    let placed = put_by(overtaken, &order(&[("LAMP", 1), ("DESK", 1)], IfShort::Refuse)).await.unwrap();
    assert_eq!(shown(&placed), standing(&store), "it is wanted, and comes back");
}

#[tokio::test]
async fn nobody_is_refused_by_lines_that_are_elsewhere_by_now() {
    let named = |qty: u32| OrderLine { name: "left".try_into().unwrap(), ..line("o1", "LAMP", qty) };
    let wanted = |qty| WantedOrder::of("o1".try_into().unwrap(), vec![named(qty)]).unwrap();
    let left = |qty| PutOrder { wanted: wanted(qty), terms: Terms::default(), version: None };
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 4)).await;
    put(&store, &left(3)).await.unwrap();
    // While it is about to tell that five are too many, five more come, and the same request gets them.
    let rivals = vec![Rival::Does(add("b2", "LAMP", 5)), Rival::Puts(left(5))];
    let overtaken = Hooked { store: store.clone(), hooks: Overtakes::by(rivals) };
    let placed = put_by(overtaken, &left(5)).await.unwrap();
    assert_eq!((placed.done, shown(&placed)), (Done::Before, vec!["5 LAMP on b2".to_owned()]));
    assert!(!told_of(&store, "o1").iter().any(|event| event.contains("out of stock")));
}

#[tokio::test]
async fn an_order_that_is_cancelled_meanwhile_gets_no_line() {
    for is_heard in [true, false] {
        let store = shop().await;
        let cancels = vec![Rival::Does(Command::CancelOrder("o1".try_into().unwrap()))];
        let hooks = Overtakes { is_heard, ..Overtakes::by(cancels) };
        let answer = put_in(Hooked { store: store.clone(), hooks }, &order(&ALL, IfShort::Refuse)).await.unwrap();
        assert_eq!((answer, standing(&store)), (PutOrderAnswer::OrderCancelled("o1".try_into().unwrap()), Vec::new()));
        assert_eq!(told_of(&store, "o1"), Vec::<String>::new(), "it never had a line");
    }
}

#[tokio::test]
async fn whoever_noted_a_version_without_a_change_knows_it_again() {
    let store = shop().await;
    put(&store, &at_version(Some(1), &[("LAMP", 1)])).await.unwrap();
    let hooks = Overtakes { is_heard: false, ..Overtakes::by(Vec::new()) };
    let answer = put_by(Hooked { store, hooks }, &at_version(Some(2), &[("LAMP", 1)])).await.unwrap();
    assert_eq!(answer.done, Done::Now);
}
