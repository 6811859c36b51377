//! Lost races, lost replies, and when to give up.

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};
use domain::{Event, Revision, Version};
use service_layer::outbox::Envelope;
use service_layer::ports::{Environment as _, Timestamp};
use service_layer::store::StoreError;
use service_layer::{CommandFigures, Error, Figures, MessageBus, Throttled};
use testing::{Failing, Hanging, Hooked, Reply, waiting_lines};

use crate::common::{Handle as _, Meddle, Meddles, add, allocate, another_environment, call, do_it, on, resize};

#[tokio::test]
async fn a_line_is_not_turned_away_after_its_twin_got_a_place() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 1)).await;
    do_it(&store, allocate("o0", "LAMP", 1)).await;
    // There is nothing left; but before that is committed, stock arrives, and the same request, sent twice, gets it.
    let twin = Meddle::After(vec![add("b2", "LAMP", 1), allocate("o1", "LAMP", 1)]);
    let reply = Meddles::at_commits([twin]).with(&store).handle(allocate("o1", "LAMP", 1)).await.unwrap();
    assert_eq!(reply, on("b2"));
    let turned_away = |envelope: &Envelope| matches!(envelope.event, Event::OutOfStock { .. });
    assert!(!store.outbox().iter().any(turned_away), "{:?}", store.outbox());
}

#[tokio::test]
async fn a_refusal_that_is_nothing_new_is_answered_after_two_reads_and_its_twin_is_not_refused() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 1)).await;
    assert_eq!(do_it(&store, allocate("o0", "LAMP", 2)).await, Reply::OutOfStock);
    let told = store.outbox();
    let again = Meddles::at_commits([Meddle::Collide]).with(&store);
    assert_eq!(again.handle(allocate("o1", "LAMP", 2)).await.unwrap(), Reply::OutOfStock);
    assert_eq!((again.hooks.finds(), store.outbox()), (2, told), "and without a commit");

    // Between the two reads, stock arrives, and the same request, sent twice, gets it.
    let twin = vec![add("b2", "LAMP", 2), allocate("o1", "LAMP", 2)];
    let overtaken = Meddles::default().overtaken_at_finds([vec![], twin]).with(&store);
    let bus = MessageBus::new(&overtaken, another_environment(), ());
    assert_eq!(bus.handle(&allocate("o1", "LAMP", 2), &call()).await.unwrap(), on("b2"));
    assert_eq!(overtaken.hooks.finds(), 3, "all is read again");
    assert_eq!(bus.environment().recorded(), [Figures::Command(CommandFigures::default())], "that is no lost race");
    // If somebody else gets it, the answer was true when the product was read.
    let other = vec![add("b3", "LAMP", 2), allocate("o2", "LAMP", 2)];
    do_it(&store, allocate("o3", "LAMP", 2)).await;
    let overtaken = Meddles::default().overtaken_at_finds([vec![], other]).with(&store);
    assert_eq!(overtaken.handle(allocate("o4", "LAMP", 2)).await.unwrap(), Reply::OutOfStock);
    assert_eq!(overtaken.hooks.finds(), 2);
}

#[tokio::test]
async fn a_refusal_whose_reply_was_lost_is_not_told_twice_though_others_commit_before_it_is_seen() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 1)).await;
    let others = [vec![], vec![allocate("o2", "LAMP", 1)]];
    let unheard = Meddles::at_commits([Meddle::LoseReply]).overtaken_at_finds(others).with(&store);
    assert_eq!(unheard.handle(allocate("o1", "LAMP", 2)).await.unwrap(), Reply::OutOfStock);
    let turned_away = |envelope: &Envelope| matches!(envelope.event, Event::OutOfStock { .. });
    assert_eq!(store.outbox().into_iter().filter(turned_away).count(), 1);
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_recognised() {
    for meddle in [|| Meddle::LoseReply, || Meddle::Misunderstand] {
        let store = InMemoryStore::default();
        Meddles::at_commits([meddle()]).with(&store).handle(add("b1", "LAMP", 5)).await.unwrap();
        let reply = Meddles::at_commits([meddle()]).with(&store).handle(allocate("o1", "LAMP", 5)).await.unwrap();
        assert_eq!(reply, on("b1"));
        let reply = Meddles::at_commits([meddle()]).with(&store).handle(allocate("o2", "LAMP", 1)).await.unwrap();
        assert_eq!(reply, Reply::OutOfStock);
        let told: Vec<_> = store.outbox().into_iter().map(|envelope| envelope.id).collect();
        assert_eq!(told, ["LAMP#1#1", "LAMP#2#1", "LAMP#3#1"], "nothing was committed twice");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_asked_again_a_few_times() {
    let store = InMemoryStore::default();
    Meddles::at_commits([Meddle::LoseRequest, Meddle::LoseRequest])
        .with(&store)
        .handle(add("b1", "LAMP", 5))
        .await
        .unwrap();
    let silent = Meddles::at_commits([(); 6].map(|()| Meddle::LoseRequest)).with(&store);
    let error = silent.handle(allocate("o1", "LAMP", 1)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn whoever_always_loses_is_told_when_tries_or_time_run_out() {
    let store = InMemoryStore::default();
    let lost_tries = async |deadline| {
        let unlucky = Meddles::at_commits((0..200).map(|_| Meddle::Collide)).with(&store);
        let bus = MessageBus::new(unlucky, another_environment(), ());
        let error = bus.handle(&add("b1", "LAMP", 5), &call_until(deadline)).await.unwrap_err();
        let Error::Contended { tries } = error else { panic!("{error:?}") };
        tries
    };
    assert_eq!(lost_tries(Timestamp(100_000)).await, 100);
    assert!((2..100).contains(&lost_tries(Timestamp(2_000)).await), "as many as there is time for");
    assert_eq!(lost_tries(Timestamp(500)).await, 1, "the first one is always made");
}

#[tokio::test]
async fn a_silent_store_is_not_asked_again_if_no_time_is_left() {
    let silent = Meddles::at_commits([Meddle::LoseRequest]).with(&InMemoryStore::default());
    let bus = MessageBus::new(silent, another_environment(), ());
    let error = bus.handle(&add("b1", "LAMP", 5), &call_until(Timestamp(500))).await.unwrap_err();
    let Error::Unavailable(source) = error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "no reply");
}

#[tokio::test]
async fn figures_tell_what_a_command_took() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 5)).await;
    let figures_of = async |meddles: Vec<Meddle>, command| {
        let store = Meddles::at_commits(meddles).with(&store);
        let bus = MessageBus::new(&store, another_environment(), ());
        let _ = bus.handle(&command, &call()).await;
        let [Figures::Command(figures)] = &bus.environment().recorded()[..] else { panic!("one command, one record") };
        figures.clone()
    };
    let overtaken_and_unheard = vec![Meddle::After(vec![allocate("o1", "LAMP", 1)]), Meddle::LoseReply];
    let figures = figures_of(overtaken_and_unheard, allocate("o2", "LAMP", 2)).await;
    let placed = CommandFigures { allocations: 1, waiting_lines: Some(0), ..CommandFigures::default() };
    assert_eq!(figures, CommandFigures { conflicts: 1, retries: 2, ..placed });
    let figures = figures_of(Vec::new(), allocate("o3", "LAMP", 9)).await;
    assert_eq!(figures, CommandFigures { out_of_stock: 1, waiting_lines: Some(0), ..CommandFigures::default() });
    let figures = figures_of(Vec::new(), allocate("o3", "LAMP", 9)).await;
    assert_eq!(figures, CommandFigures { out_of_stock: 1, ..CommandFigures::default() }, "nothing new, but counted");
    let figures = figures_of(Vec::new(), resize("b1", 1, Revision::AsOf(1))).await;
    assert_eq!((figures.out_of_stock, figures.waiting_lines), (1, Some(1)), "o2 loses its place");
    do_it(&store, resize("b1", 5, Revision::AsOf(2))).await;
    let figures = figures_of([(); 6].map(|()| Meddle::LoseRequest).into(), allocate("o4", "LAMP", 1)).await;
    assert_eq!(figures, CommandFigures { retries: 5, retries_exhausted: 1, ..CommandFigures::default() });
    assert_eq!(figures_of(Vec::new(), allocate("o2", "LAMP", 2)).await, CommandFigures::default(), "asked again");
    assert_eq!(figures_of(Vec::new(), allocate("o5", "NOTHING", 1)).await, CommandFigures::default(), "refused");
}

#[tokio::test]
async fn figures_tell_what_throttled_a_command() {
    let hooks = Failing(|| {
        let throttled = Throttled { by: "writes to table".to_owned(), source: "slow down".into() };
        StoreError::Unavailable(throttled.into())
    });
    let bus = MessageBus::new(Hooked { store: InMemoryStore::default(), hooks }, another_environment(), ());
    bus.handle(&add("b1", "LAMP", 5), &call()).await.unwrap_err();
    let given_up = CommandFigures { retries: 5, retries_exhausted: 1, ..CommandFigures::default() };
    let throttled = CommandFigures { throttled: 6, throttled_by: Some("writes to table".to_owned()), ..given_up };
    assert_eq!(bus.environment().recorded(), [Figures::Command(throttled)]);
}

#[tokio::test]
async fn each_commit_of_a_long_change_has_its_own_tries() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "SPOON", 250)).await;
    for number in 0..250 {
        do_it(&store, allocate(&format!("o{number}"), "SPOON", 1)).await;
    }
    let meddles = (0..3).flat_map(|_| [Meddle::LoseRequest, Meddle::After(Vec::new())]);
    let reply = Meddles::at_commits(meddles).with(&store).handle(resize("b1", 0, Revision::AsOf(1))).await;
    assert_eq!(reply.unwrap(), Reply::Done);
    assert_eq!(store.outbox().last().unwrap().version, Version(1 + 250 + 3));
}

#[tokio::test]
async fn a_lost_race_is_decided_on_what_the_refusal_showed() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 5)).await;
    let overtaken = Meddles::at_commits([Meddle::After(vec![allocate("o1", "LAMP", 1)])]).with(&store);
    assert_eq!(overtaken.handle(allocate("o2", "LAMP", 2)).await.unwrap(), on("b1"));
    assert_eq!(overtaken.hooks.finds(), 1);
    let collided = Meddles::at_commits([Meddle::Collide]).with(&store);
    assert_eq!(collided.handle(allocate("o3", "LAMP", 2)).await.unwrap(), on("b1"));
    assert_eq!(collided.hooks.finds(), 2, "a collision shows nothing");
}

#[tokio::test]
async fn what_a_refusal_showed_is_read_again_after_a_long_wait() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 100)).await;
    let rivals = (0..10).map(|rival| Meddle::After(vec![allocate(&format!("rival-{rival}"), "LAMP", 1)]));
    let unlucky = Meddles::at_commits(rivals).with(&store);
    unlucky.handle(allocate("o1", "LAMP", 1)).await.unwrap();
    // The first wait is short, and of the later ones most are long.
    let finds = unlucky.hooks.finds();
    assert!((2..=10).contains(&finds), "{finds}");
}

#[tokio::test]
async fn a_commit_that_a_refusal_shows_is_recognised_after_a_long_wait_too() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 1_000)).await;
    for round in 0..10 {
        let rival = |number| allocate(&format!("rival-{round}-{number}"), "LAMP", 1);
        let mut meddles: Vec<_> = (0..4).map(|number| Meddle::After(vec![rival(number)])).collect();
        meddles.push(Meddle::Misunderstand);
        let unlucky =
            Meddles::at_commits(meddles).overtaken_at_finds((4..20).map(|number| vec![rival(number)])).with(&store);
        // Less each time, so that it is told each time.
        unlucky.handle(allocate(&format!("o{round}"), "LAMP", 2_000 - round)).await.unwrap();
    }
    let turned_away = |envelope: &Envelope| matches!(envelope.event, Event::OutOfStock { .. });
    assert_eq!(store.outbox().into_iter().filter(turned_away).count(), 10, "each of them once");
}

/// A store in which 150 lines wait for a spoon each: more than one commit serves.
async fn waiting_for_spoons() -> InMemoryStore {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "SPOON", 150)).await;
    for number in 0..150 {
        do_it(&store, allocate(&format!("o{number}"), "SPOON", 1)).await;
    }
    do_it(&store, resize("b1", 0, Revision::AsOf(1))).await;
    store
}

#[tokio::test]
async fn a_backlog_of_several_commits_is_read_once() {
    let store = waiting_for_spoons().await;
    let watched = Meddles::default().with(&store);
    assert_eq!(watched.handle(add("b2", "SPOON", 150)).await.unwrap(), Reply::Done);
    assert_eq!(watched.hooks.finds(), 1);
    assert!(waiting_lines(&store, &"SPOON".try_into().unwrap()).await.unwrap().is_empty());
}

/// The same, but there is a new batch with a spoon for each. It served 98 lines in its own commit; then the store failed.
async fn owing_spoons() -> InMemoryStore {
    let store = waiting_for_spoons().await;
    let mut commits = vec![Meddle::After(Vec::new())];
    commits.extend((0..6).map(|_| Meddle::LoseRequest));
    let reply = Meddles::at_commits(commits).with(&store).handle(add("b2", "SPOON", 150)).await.unwrap();
    assert_eq!(reply, Reply::Done, "what was asked is committed");
    assert_eq!(waiting_lines(&store, &"SPOON".try_into().unwrap()).await.unwrap().len(), 52);
    store
}

#[tokio::test]
async fn whoever_comes_next_pays_what_is_owed_even_a_newcomer_for_whom_nothing_is_left_then() {
    let store = owing_spoons().await;
    assert_eq!(do_it(&store, allocate("newcomer", "SPOON", 1)).await, Reply::OutOfStock);
    assert!(waiting_lines(&store, &"SPOON".try_into().unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_waiting_line_that_asks_again_is_told_what_it_was_owed() {
    let store = owing_spoons().await;
    assert_eq!(do_it(&store, allocate("o0", "SPOON", 1)).await, on("b2"));
}

#[tokio::test]
async fn a_command_is_answered_in_time_whatever_hangs() {
    let bus =
        MessageBus::new(Hooked { store: InMemoryStore::default(), hooks: Hanging }, InMemoryEnvironment::default(), ());
    let error = bus.handle(&allocate("o1", "LAMP", 1), &call()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(bus.environment().now(), Timestamp(9_500), "half a second before the deadline");
}
