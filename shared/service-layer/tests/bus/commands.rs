//! Commands and their answers.

use adapters::in_memory::InMemoryStore;
use domain::{ChangeOutcome, Refusal, Revision, Version};
use service_layer::{ChangeBatch, Error, MessageBus};
use testing::{Command, Reply, comes, holds};

use crate::common::{Meddle, Meddles, add, another_environment, call, do_it, on};
use crate::verbs::{allocate, batch_of, bus, change_quantity, create_batch, version};

#[tokio::test]
async fn a_batch_is_added_once() {
    let bus = bus();
    assert_eq!(create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 100, None).await.unwrap(), Reply::Done);
    assert_eq!(create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 100, None).await.unwrap(), Reply::Done);
    assert_eq!(version(&bus), Version(1));
    let other = create_batch(&bus, "b1", "CRUNCHY-ARMCHAIR", 99, None).await;
    assert!(matches!(other, Err(Error::Refused(Refusal::BatchDiffers(_)))), "{other:?}");
    let other = create_batch(&bus, "b1", "OTHER-CHAIR", 99, None).await;
    assert_eq!(other.unwrap(), Reply::Done, "another SKU may share the reference");
}

#[tokio::test]
async fn a_container_that_is_late_is_late_for_all_its_skus_and_a_quantity_is_of_one_of_them() {
    let bus = bus();
    for sku in ["CHAIR", "TABLE"] {
        create_batch(&bus, "container", sku, 10, Some("2011-01-02")).await.unwrap();
    }
    let handle = async |change| bus.handle(&change, &call()).await;
    let late = comes("container", Some("2011-01-09"), Revision::Version(1));
    assert_eq!(handle(late.clone()).await.unwrap(), ChangeOutcome::Applied);
    assert_eq!(handle(late).await.unwrap(), ChangeOutcome::Known);
    let changed: Vec<_> =
        bus.store().products().iter().map(|product| product.batches()[0].eta.unwrap().to_string()).collect();
    assert_eq!(changed, ["2011-01-09", "2011-01-09"]);

    let unsaid = handle(holds("container", 5, Revision::Version(1))).await;
    assert!(matches!(unsaid, Err(Error::Refused(Refusal::AmbiguousBatch(_)))), "{unsaid:?}");
    let of_chairs =
        ChangeBatch { sku: Some("CHAIR".try_into().unwrap()), ..holds("container", 5, Revision::Version(1)) };
    assert_eq!(handle(of_chairs).await.unwrap(), ChangeOutcome::Applied);
    let of_beds = ChangeBatch { sku: Some("BED".try_into().unwrap()), ..holds("container", 5, Revision::Version(1)) };
    assert!(matches!(handle(of_beds).await, Err(Error::Refused(Refusal::UnknownBatchOfSku(..)))));
}

/// What the commit for one SKU left of its list has as many pieces as the next SKU's batch.
#[tokio::test]
async fn lines_of_a_late_container_move_each_to_a_batch_of_its_own_sku() {
    let bus = bus();
    for (sku, sooner, kept) in [("CHAIR", 2, 5), ("TABLE", 5, 0)] {
        create_batch(&bus, "container", sku, 10, Some("2011-01-02")).await.unwrap();
        for (order, qty) in [("o1", sooner), ("o2", kept)].into_iter().filter(|(_, qty)| *qty > 0) {
            allocate(&bus, order, sku, qty).await.unwrap();
        }
        create_batch(&bus, &format!("sooner-{sku}"), sku, sooner, Some("2011-01-05")).await.unwrap();
    }
    bus.handle(&comes("container", Some("2011-01-09"), Revision::Version(1)), &call()).await.unwrap();
    let places: Vec<_> =
        bus.store().parts().into_values().map(|part| part.place.batch().unwrap().to_string()).collect();
    assert_eq!(places, ["sooner-CHAIR", "sooner-TABLE", "container"]);
}

#[tokio::test]
async fn what_a_change_did_before_a_newer_one_came_is_told() {
    let store = InMemoryStore::default();
    do_it(&store, add("b1", "LAMP", 10)).await;
    let newer = Command::ChangeBatch(comes("b1", Some("2011-01-09"), Revision::Version(7)));
    let meddling = Meddles::at_commits([Meddle::After(Vec::new()), Meddle::After(vec![newer])]).with(&store);
    let both = ChangeBatch {
        eta: comes("b1", Some("2011-01-02"), Revision::Version(1)).eta,
        ..holds("b1", 7, Revision::Version(1))
    };
    let outcome = MessageBus::new(&meddling, another_environment(), ()).handle(&both, &call()).await.unwrap();
    assert_eq!(outcome, ChangeOutcome::Applied, "the quantity");
    let [product] = store.products().try_into().unwrap();
    let batch = &product.batches()[0];
    assert_eq!((batch.purchased, batch.eta.unwrap().to_string()), (7, "2011-01-09".to_owned()));
}

#[tokio::test]
async fn of_a_quantity_and_an_eta_the_outdated_one_is_left_out() {
    let bus = bus();
    create_batch(&bus, "b1", "CHAIR", 10, Some("2011-01-02")).await.unwrap();
    let both = |qty, day, version| ChangeBatch {
        eta: comes("b1", Some(day), Revision::Version(version)).eta,
        ..holds("b1", qty, Revision::Version(version))
    };
    let handle = async |change| bus.handle(&change, &call()).await.unwrap();
    assert_eq!(handle(both(7, "2011-01-03", 2)).await, ChangeOutcome::Applied);
    assert_eq!(handle(holds("b1", 6, Revision::Version(5))).await, ChangeOutcome::Applied);
    assert_eq!(handle(both(9, "2011-01-04", 4)).await, ChangeOutcome::Applied, "the ETA");
    let [product] = bus.store().products().try_into().unwrap();
    let batch = &product.batches()[0];
    assert_eq!((batch.purchased, batch.eta.unwrap().to_string()), (6, "2011-01-04".to_owned()));
    assert_eq!(handle(both(9, "2011-01-05", 3)).await, ChangeOutcome::Outdated);
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
async fn errors_for_invalid_sku() {
    let bus = bus();
    create_batch(&bus, "b1", "AREALSKU", 100, None).await.unwrap();
    let error = allocate(&bus, "o1", "NONEXISTENTSKU", 10).await.unwrap_err();
    assert_eq!(error.to_string(), "Invalid sku NONEXISTENTSKU");
}

#[tokio::test]
async fn errors_for_unknown_batch() {
    let error = change_quantity(&bus(), "nowhere", 10, 1).await.unwrap_err();
    assert_eq!(error.to_string(), "unknown batch \"nowhere\"");
}

#[tokio::test]
async fn a_line_that_was_never_promised_is_not_kept_and_may_ask_again() {
    let bus = bus();
    create_batch(&bus, "b1", "POPULAR-CURTAINS", 9, None).await.unwrap();
    assert_eq!(allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap(), Reply::OutOfStock);
    create_batch(&bus, "b2", "POPULAR-CURTAINS", 10, None).await.unwrap();
    assert_eq!(batch_of(&bus, "o1").await, None);
    assert_eq!(allocate(&bus, "o1", "POPULAR-CURTAINS", 10).await.unwrap(), on("b2"));
}

#[tokio::test]
async fn a_shrunk_batch_hands_its_youngest_lines_on() {
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
    for number in 0..250 {
        let place = batch_of(&bus, &format!("o{number:03}")).await;
        assert_eq!(place.as_deref(), (number < 150).then_some("next"), "the oldest are placed first: {number}");
    }

    create_batch(&bus, "late", "SPOON", 1_000, None).await.unwrap();
    for number in 150..250 {
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
    assert_eq!(allocate(&bus, "newcomer", "VASE", 5).await.unwrap(), Reply::OutOfStock);
}
