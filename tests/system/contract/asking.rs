//! Lines that ask: put, seen, listed, placed and dismissed, each for as long as it is the same asking.

use domain::{Allocation, OrderLine, Product};
use service_layer::CorrelationId;
use service_layer::ports::Timestamp;
use service_layer::store::{Asked, Asking, AskingId, Changed, Commit, Origins, ReadSet, Seen, StoreError, Turn};
use testing::line;

use super::{SECOND, Store, find_line, is_told_nothing, with_batch, with_line};
use crate::layers::Outcome;
use crate::names::unique;

const NOW: Timestamp = Timestamp(4_102_444_800_000);

fn asking(line: &OrderLine, id: u64, since: u64) -> Asking {
    let (since, until) = (Timestamp(NOW.0 + since), Timestamp(NOW.0 + 9_000));
    let correlation = format!("basket-{id}").as_str().try_into().unwrap();
    Asking { line: line.clone(), id: AskingId(id), since, until, correlation }
}

/// A product, and a line of it that has asked.
async fn with_asking<S: Store>(store: &S) -> anyhow::Result<(Product, Asking)> {
    let (sku, reference, orderid) = (unique("LAMP"), unique("batch"), unique("order"));
    let product = with_batch(store, &sku, &reference, 10).await?;
    let asking = asking(&line(&orderid, &sku, 2), 7, 0);
    assert_eq!(store.ask(&asking).await?, Asked::Asks);
    Ok((product, asking))
}

/// Commits the change of a product, in which these were found asking and those are dismissed.
async fn commit<S: Store>(
    store: &S,
    before: &Product,
    after: Option<&Product>,
    asking: &[Asking],
    dismissed: &[Asking],
) -> Result<(), StoreError> {
    let (correlation, origins) = (CorrelationId::unknown(), Origins::new());
    let products: Vec<_> = after.into_iter().map(|after| Changed { before: Some(before), after }).collect();
    let commit = Commit { products: &products, asking, dismissed, ..Commit::new(SECOND, &correlation, &origins, NOW) };
    store.commit(commit).await
}

fn placed(before: &Product, line: &OrderLine) -> Product {
    let mut after = before.clone();
    assert!(matches!(after.allocate(line, &[]), Ok(Allocation::Allocated(_))));
    after
}

pub(super) async fn a_line_that_asks_is_found_and_is_no_promise<S: Store>(store: &S) -> Outcome {
    let (_, asking) = with_asking(store).await?;
    let found = find_line(store, &asking.line).await?;
    assert_eq!((&found.asking[..], found.parts.len()), (&[asking.clone()][..], 0));
    assert_eq!(store.look(&asking.line.id()).await?.line, Seen::Asks);
    let order = store.of_order(&asking.line.orderid, None, 9).await?;
    assert!(order.parts.is_empty() && !order.is_cancelled, "{order:?}");
    let whole = store.find(&ReadSet::of_order(&asking.line.orderid)).await?;
    assert!(whole.parts.is_empty(), "{whole:?}");
    Ok(())
}

pub(super) async fn whoever_asks_again_goes_on_with_a_line_that_asks<S: Store>(store: &S) -> Outcome {
    let (product, first) = with_asking(store).await?;
    let again = asking(&first.line, 8, 5);
    assert_eq!(store.ask(&again).await?, Asked::Asks);
    assert_eq!(find_line(store, &first.line).await?.asking, std::slice::from_ref(&again));
    // Whoever read it before does not give it a place, nor dismiss it.
    let after = placed(&product, &first.line);
    let old = std::slice::from_ref(&first);
    assert!(is_told_nothing(&commit(store, &product, Some(&after), old, &[]).await));
    assert!(is_told_nothing(&commit(store, &product, None, old, old).await));
    assert_eq!(find_line(store, &first.line).await?.asking, [again]);
    Ok(())
}

pub(super) async fn a_line_that_asks_gets_a_place_from_whoever_found_it_asking<S: Store>(store: &S) -> Outcome {
    let (product, asking) = with_asking(store).await?;
    let after = placed(&product, &asking.line);
    assert!(is_told_nothing(&commit(store, &product, Some(&after), &[], &[]).await), "who took it for new");
    commit(store, &product, Some(&after), std::slice::from_ref(&asking), &[]).await?;
    let found = find_line(store, &asking.line).await?;
    assert_eq!((found.asking.len(), found.parts.len()), (0, 1));
    assert_eq!(found.parts[0].age, after.version());
    let Seen::Promised(part) = store.look(&asking.line.id()).await?.line else { panic!("it was promised") };
    assert_eq!(*part, found.parts[0]);
    assert_eq!(store.ask(&asking).await?, Asked::Known, "it has its place");
    assert!(store.asking(&asking.line.sku, 9).await?.is_empty());
    Ok(())
}

pub(super) async fn a_line_that_was_taken_for_asking_and_is_gone_gets_no_place<S: Store>(store: &S) -> Outcome {
    let (product, asking) = with_asking(store).await?;
    let one = std::slice::from_ref(&asking);
    commit(store, &product, None, one, one).await?;
    assert_eq!(store.look(&asking.line.id()).await?.line, Seen::Nothing);
    let after = placed(&product, &asking.line);
    assert!(is_told_nothing(&commit(store, &product, Some(&after), one, &[]).await));
    assert!(is_told_nothing(&commit(store, &product, None, one, one).await), "nor is it dismissed twice");
    assert!(find_line(store, &asking.line).await?.parts.is_empty());
    Ok(())
}

pub(super) async fn lines_are_placed_and_dismissed_by_one_commit_or_not_at_all<S: Store>(store: &S) -> Outcome {
    let (product, one) = with_asking(store).await?;
    let other = asking(&line(&unique("order"), one.line.sku.as_str(), 99), 9, 1);
    assert_eq!(store.ask(&other).await?, Asked::Asks);
    let mut after = placed(&product, &one.line);
    assert_eq!(after.allocate(&other.line, &[])?, Allocation::OutOfStock);
    let asking = [one.clone(), other.clone()];
    let dismissed = std::slice::from_ref(&other);
    let newer = with_line(store, &product, &line(&unique("order"), one.line.sku.as_str(), 1)).await?;
    let refused = commit(store, &product, Some(&after), &asking, dismissed).await;
    assert!(matches!(refused, Err(StoreError::Conflict(newer)) if newer.len() == 1), "the product was in the way");
    assert_eq!(store.look(&other.line.id()).await?.line, Seen::Asks);

    let mut after = placed(&newer, &one.line);
    assert_eq!(after.allocate(&other.line, &[])?, Allocation::OutOfStock);
    commit(store, &newer, Some(&after), &asking, dismissed).await?;
    assert!(matches!(store.look(&one.line.id()).await?.line, Seen::Promised(_)));
    assert_eq!(store.look(&other.line.id()).await?.line, Seen::Nothing);
    Ok(())
}

pub(super) async fn lines_that_ask_are_listed_by_their_time_and_sku<S: Store>(store: &S) -> Outcome {
    let (sku, other) = (unique("LAMP"), unique("DESK"));
    let lines: Vec<OrderLine> = (0..12).map(|_| line(&unique("order"), &sku, 1)).collect();
    for (number, line) in (0_u64..).zip(&lines) {
        store.ask(&asking(line, number, 100 - number)).await?;
    }
    store.ask(&asking(&line(&unique("order"), &other, 1), 3, 0)).await?;
    let oldest_first: Vec<_> = lines.iter().rev().map(OrderLine::id).collect();
    assert_eq!(store.asking(&sku.as_str().try_into()?, 12).await?, oldest_first);
    assert_eq!(store.asking(&sku.as_str().try_into()?, 5).await?, oldest_first[..5]);
    Ok(())
}

pub(super) async fn a_turn_is_somebodys_until_it_is_over_or_ended<S: Store>(store: &S) -> Outcome {
    let line = line(&unique("order"), &unique("LAMP"), 1);
    let at = |milliseconds: u64| Timestamp(NOW.0 + milliseconds);
    let take = async |now, until| store.take_turn(&line.sku, at(now), at(until)).await;
    assert_eq!(store.look(&line.id()).await?.taken_until, None);
    assert_eq!(take(0, 100).await?, Turn::Ours);
    assert_eq!(store.look(&line.id()).await?.taken_until, Some(at(100)));
    assert_eq!(take(99, 200).await?, Turn::TakenUntil(at(100)));
    assert_eq!(take(100, 200).await?, Turn::Ours, "it was over");
    store.end_turn(&line.sku, at(100)).await?;
    assert_eq!(take(150, 300).await?, Turn::TakenUntil(at(200)), "whoever was late ends nobody else's");
    store.end_turn(&line.sku, at(200)).await?;
    assert_eq!(take(150, 90_000).await?, Turn::Ours);
    assert_eq!(take(151, 300).await?, Turn::Ours, "no clock that goes so wrong keeps others waiting");
    Ok(())
}

pub(super) async fn a_commit_of_many_lines_says_that_there_is_a_crowd<S: Store>(store: &S) -> Outcome {
    let sku = unique("LAMP");
    let mut product = with_batch(store, &sku, &unique("batch"), 10).await?;
    for (lines, is_crowd) in [(2, false), (3, true), (1, false)] {
        let mut after = product.clone();
        for _ in 0..lines {
            after.allocate(&line(&unique("order"), &sku, 1), &[])?;
        }
        commit(store, &product, Some(&after), &[], &[]).await?;
        let stored = super::stored(store, &line("o1", &sku, 1)).await?;
        assert_eq!(stored.crowded_at, is_crowd.then_some(NOW), "{lines} lines");
        product = stored.product;
    }
    Ok(())
}
