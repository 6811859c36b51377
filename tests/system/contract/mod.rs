//! What every store keeps to. The same tests run over the one in memory, over dynoxide, and over the DynamoDB of the
//! stack's emulator.

mod asking;
mod holds;
mod orders;
mod pages;
mod past;
mod places;
mod several;
mod splits;
mod story;

use std::time::Duration;

use adapters::in_memory::{InMemoryHistory, InMemoryStore};
use domain::{Allocation, Budget, ChangeBatchQuantity, OrderId, OrderLine, Part, Product, Revision, SkuLines, Version};
use service_layer::CorrelationId;
use service_layer::ports::{Claim, Holds, Inbox, Lists, Timestamp};
use service_layer::store::{Asks, Changed, Commit, CommitId, Found, Origins, ReadSet, StoreError, Stored};
use testing::{allocations, found_product, line, new_batch, on_batch, waiting, waiting_lines, youngest};

use crate::layers::{Layers, Outcome};
use crate::names::unique;

use asking::{
    a_commit_of_many_lines_says_that_there_is_a_crowd, a_line_that_asks_gets_a_place_from_whoever_found_it_asking,
    a_line_that_asks_is_found_and_is_no_promise, a_line_that_was_taken_for_asking_and_is_gone_gets_no_place,
    a_turn_is_somebodys_until_it_is_over_or_ended, lines_are_placed_and_dismissed_by_one_commit_or_not_at_all,
    lines_that_ask_are_listed_by_their_time_and_sku, whoever_asks_again_goes_on_with_a_line_that_asks,
};
use holds::{
    a_held_line_that_is_confirmed_or_expires_is_listed_no_more,
    held_lines_are_listed_by_when_they_are_due_and_where_they_stand_too,
    products_are_listed_from_when_their_first_held_line_is_due,
};
use orders::{
    a_commit_that_is_refused_cancels_no_order, a_line_is_exchanged_for_one_of_another_quantity,
    a_line_that_is_to_keep_its_place_must_have_it_still, a_shipped_line_of_a_whole_order_names_its_batch,
    an_order_is_cancelled_with_its_line_or_alone_and_more_than_once, an_order_is_put_in_one_commit_or_not_at_all,
    an_order_is_read_with_all_its_lines_and_what_they_name,
    what_was_last_wanted_of_an_order_is_in_the_way_of_what_was_decided_before,
};
use pages::{
    a_line_that_leaves_and_comes_back_between_two_pages_is_listed_once, batches_of_a_reference_are_listed_by_sku,
    lines_of_an_order_come_by_sku_and_name, lines_on_a_batch_come_in_pages_the_youngest_first,
    that_an_order_is_cancelled_is_told_beside_its_first_lines, waiting_lines_come_in_pages_the_oldest_first,
};
use places::{
    a_line_that_moves_keeps_its_age, lines_of_a_batch_come_youngest_first_and_no_more_than_needed,
    waiting_lines_are_those_of_the_sku,
};
use several::{
    a_reference_is_taken_once_by_each_sku, a_refusal_hands_back_each_product_that_was_in_the_way,
    lines_on_batches_that_share_a_reference_are_listed_apart, two_products_are_committed_together_or_not_at_all,
    what_is_found_is_closed,
};

use splits::{
    a_line_that_is_given_back_leaves_one_mark_and_comes_back_as_it_is_wanted,
    a_page_of_an_order_has_all_parts_of_its_lines, a_part_that_moved_meanwhile_is_in_the_way,
    a_split_line_is_found_with_all_its_parts, parts_are_listed_where_they_stand,
};
use story::the_same_commands_have_the_same_answers_and_the_same_ends;

/// A store under test.
trait Store: Asks + Lists + Holds + Inbox {}

impl<S: Asks + Lists + Holds + Inbox> Store for S {}

macro_rules! contract {
    (stores: $($test:ident),+; histories: $($of_history:ident),+ $(,)?) => {
        pub(crate) fn add_to(layers: &mut Layers) {
            $(
                layers.add("contract", concat!("in_memory::", stringify!($of_history)), async |_| {
                    past::$of_history(&InMemoryHistory::default()).await
                });
                layers.add("contract", concat!("dynamodb::", stringify!($of_history)), async |servers| {
                    past::$of_history(&servers.history().await?).await
                });
                layers.add("contract", concat!("emulator::", stringify!($of_history)), async |servers| {
                    past::$of_history(&servers.emulated_history().await?).await
                });
            )+
            $(
                layers.add("contract", concat!("in_memory::", stringify!($test)), async |_| {
                    $test(&InMemoryStore::default()).await
                });
                layers.add("contract", concat!("dynamodb::", stringify!($test)), async |servers| {
                    $test(&servers.store().await?).await
                });
                layers.add("contract", concat!("emulator::", stringify!($test)), async |servers| {
                    $test(&servers.emulated_store().await?).await
                });
            )+
        }
    };
}

contract![
    stores:
    nothing_is_found_before_the_first_commit,
    what_was_committed_is_found,
    a_commit_on_an_old_version_changes_nothing_and_is_told_the_new_one,
    a_write_of_the_head_alone_is_conditional_too,
    two_first_commits_of_a_product_do_not_both_win,
    a_line_that_moved_meanwhile_is_in_the_way,
    a_line_that_got_a_place_meanwhile_is_not_turned_away,
    as_many_lines_as_one_commit_holds_are_committed_and_found,
    one_line_in_the_way_stops_all_lines_of_a_commit,
    a_reference_is_taken_once_by_each_sku,
    lines_on_batches_that_share_a_reference_are_listed_apart,
    a_full_batch_is_only_found_by_name,
    a_full_batch_that_grows_is_found_by_all,
    lines_of_a_batch_come_youngest_first_and_no_more_than_needed,
    a_line_that_moves_keeps_its_age,
    waiting_lines_are_those_of_the_sku,
    the_view_shows_lines_with_a_batch,
    any_name_is_kept_as_it_is,
    an_event_is_claimed_once_until_its_lease_ends,
    an_event_that_was_finished_stays_so,
    what_is_found_is_closed,
    two_products_are_committed_together_or_not_at_all,
    a_refusal_hands_back_each_product_that_was_in_the_way,
    an_order_is_cancelled_with_its_line_or_alone_and_more_than_once,
    a_commit_that_is_refused_cancels_no_order,
    an_order_is_read_with_all_its_lines_and_what_they_name,
    a_shipped_line_of_a_whole_order_names_its_batch,
    an_order_is_put_in_one_commit_or_not_at_all,
    a_line_that_is_to_keep_its_place_must_have_it_still,
    a_line_is_exchanged_for_one_of_another_quantity,
    what_was_last_wanted_of_an_order_is_in_the_way_of_what_was_decided_before,
    held_lines_are_listed_by_when_they_are_due_and_where_they_stand_too,
    a_held_line_that_is_confirmed_or_expires_is_listed_no_more,
    products_are_listed_from_when_their_first_held_line_is_due,
    a_split_line_is_found_with_all_its_parts,
    a_page_of_an_order_has_all_parts_of_its_lines,
    parts_are_listed_where_they_stand,
    a_line_that_is_given_back_leaves_one_mark_and_comes_back_as_it_is_wanted,
    a_part_that_moved_meanwhile_is_in_the_way,
    lines_of_an_order_come_by_sku_and_name,
    that_an_order_is_cancelled_is_told_beside_its_first_lines,
    lines_on_a_batch_come_in_pages_the_youngest_first,
    waiting_lines_come_in_pages_the_oldest_first,
    a_line_that_leaves_and_comes_back_between_two_pages_is_listed_once,
    batches_of_a_reference_are_listed_by_sku,
    the_same_commands_have_the_same_answers_and_the_same_ends,
    a_line_that_asks_is_found_and_is_no_promise,
    whoever_asks_again_goes_on_with_a_line_that_asks,
    a_line_that_asks_gets_a_place_from_whoever_found_it_asking,
    a_line_that_was_taken_for_asking_and_is_gone_gets_no_place,
    lines_are_placed_and_dismissed_by_one_commit_or_not_at_all,
    lines_that_ask_are_listed_by_their_time_and_sku,
    a_turn_is_somebodys_until_it_is_over_or_ended,
    a_commit_of_many_lines_says_that_there_is_a_crowd;
    histories:
    events_are_kept_once_and_listed_by_version_and_number,
    what_no_line_leads_to_is_mentioned_of_its_order,
    any_name_is_recorded_as_it_is,
];

const FIRST: CommitId = CommitId(1);
const SECOND: CommitId = CommitId(0xffff_ffff_ffff_fffe);

fn ample() -> Budget {
    Budget { items: 98, event_bytes: 100_000 }
}

/// A product with one batch, committed.
async fn with_batch<S: Store>(store: &S, sku: &str, reference: &str, qty: u32) -> anyhow::Result<Product> {
    let new = new_batch(reference, sku, qty);
    let mut product = Product::new(new.sku.clone());
    product.create_batch(&new)?;
    commit_as(store, FIRST, None, &product).await?;
    Ok(product.committed())
}

/// The product with this line allocated, committed.
async fn with_line<S: Store>(store: &S, before: &Product, line: &OrderLine) -> anyhow::Result<Product> {
    let mut after = before.clone();
    assert!(matches!(after.allocate(line, &[]), Ok(Allocation::Allocated(_))));
    commit(store, before, &after).await?;
    Ok(after.committed())
}

async fn commit<S: Store>(store: &S, before: &Product, after: &Product) -> Result<(), StoreError> {
    commit_as(store, SECOND, Some(before), after).await
}

async fn commit_as<S: Store>(
    store: &S,
    id: CommitId,
    before: Option<&Product>,
    after: &Product,
) -> Result<(), StoreError> {
    commit_all(store, id, &[Changed { before, after }]).await
}

async fn commit_all<S: Store>(store: &S, id: CommitId, products: &[Changed<'_>]) -> Result<(), StoreError> {
    let (correlation, origins) = (CorrelationId::unknown(), Origins::new());
    store.commit(Commit { products, ..Commit::new(id, &correlation, &origins, Timestamp(1)) }).await
}

async fn find_line<S: Store>(store: &S, line: &OrderLine) -> Result<Found, StoreError> {
    store.find(&ReadSet::of_lines(&line.sku, [line])).await
}

async fn find_batch<S: Store>(store: &S, reference: &str) -> Result<Found, StoreError> {
    store.find(&ReadSet { references: vec![reference.try_into().unwrap()], ..ReadSet::default() }).await
}

/// A product as it is found by the name of a batch.
async fn product_of_batch<S: Store>(store: &S, reference: &str) -> anyhow::Result<Option<Product>> {
    Ok(find_batch(store, reference).await?.products.pop().map(|stored| stored.product))
}

async fn stored<S: Store>(store: &S, line: &OrderLine) -> anyhow::Result<Stored> {
    find_line(store, line).await?.products.pop().ok_or_else(|| anyhow::anyhow!("no product of {line:?}"))
}

fn change(reference: &str, qty: u32, as_of: u64) -> ChangeBatchQuantity {
    testing::change(reference, qty, Revision::AsOf(as_of))
}

/// Something else than products alone was in the way, so that all must be read again.
fn is_told_nothing(refused: &Result<(), StoreError>) -> bool {
    matches!(refused, Err(StoreError::Conflict(newer)) if newer.is_empty())
}

async fn nothing_is_found_before_the_first_commit<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let line = line("o1", &sku, 1);
    let mut wanted = ReadSet::of_lines(&line.sku, [&line]);
    wanted.batches.push((line.sku.clone(), reference.as_str().try_into()?));
    for found in [store.find(&wanted).await?, find_batch(store, &reference).await?] {
        assert!(found.products.is_empty() && found.parts.is_empty() && found.batches.is_empty(), "{found:?}");
    }
    assert!(waiting_lines(store, &line.sku).await?.is_empty());
    assert!(allocations(store, &OrderId::try_from(unique("order"))?).await?.is_empty());
    Ok(())
}

async fn what_was_committed_is_found<S: Store>(store: &S) -> Outcome {
    let (sku, reference, orderid) = (unique("LAMP"), unique("batch"), unique("order"));
    let mut new = new_batch(&reference, &sku, 10);
    new.eta = Some("2011-01-02".to_owned().try_into()?);
    let mut product = Product::new(new.sku.clone());
    product.create_batch(&new)?;
    commit_as(store, FIRST, None, &product).await?;

    let line = line(&orderid, &sku, 3);
    let product = with_line(store, &product.committed(), &line).await?;
    let found = find_line(store, &line).await?;
    assert_eq!(found.products, [Stored { product: product.clone(), commit: SECOND, crowded_at: None }]);
    assert_eq!(found.parts_of(&line.id()), [&on_batch(line.clone(), &new.reference, 2)]);

    let found = find_batch(store, &reference).await?;
    assert_eq!((&found.batches[..], found.product(&new.sku)), (&[new.clone()][..], Some(&product)));
    Ok(())
}

async fn a_commit_on_an_old_version_changes_nothing_and_is_told_the_new_one<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let old = with_batch(store, &sku, &reference, 10).await?;
    let winner = with_line(store, &old, &line(&unique("order"), &sku, 3)).await?;

    let late = line(&unique("order"), &sku, 4);
    let mut after = old.clone();
    after.allocate(&late, &[])?;
    match commit(store, &old, &after).await {
        Err(StoreError::Conflict(newer)) => {
            assert_eq!(newer, [Stored { product: winner.clone(), commit: SECOND, crowded_at: None }]);
        }
        other => anyhow::bail!("{other:?}"),
    }
    assert!(find_line(store, &late).await?.parts_of(&late.id()).is_empty());
    assert_eq!(stored(store, &late).await?.product, winner);
    Ok(())
}

async fn a_write_of_the_head_alone_is_conditional_too<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let old = with_batch(store, &sku, &reference, 5).await?;
    let mut after = old.clone();
    after.change_batch_quantity(&change(&reference, 7, 1), &[], &mut ample())?;
    commit(store, &old, &after).await?;
    match commit(store, &old, &after).await {
        Err(StoreError::Conflict(newer)) => {
            assert_eq!(newer, [Stored { product: after.committed(), commit: SECOND, crowded_at: None }]);
        }
        other => anyhow::bail!("{other:?}"),
    }
    Ok(())
}

async fn two_first_commits_of_a_product_do_not_both_win<S: Store>(store: &S) -> Outcome {
    let (sku, first, second) = (unique("LAMP"), unique("batch"), unique("batch"));
    let product = with_batch(store, &sku, &first, 1).await?;
    let new = new_batch(&second, &sku, 1);
    let mut other = Product::new(new.sku.clone());
    other.create_batch(&new)?;
    match commit_as(store, SECOND, None, &other).await {
        Err(StoreError::Conflict(newer)) => assert_eq!(newer, [Stored { product, commit: FIRST, crowded_at: None }]),
        other => anyhow::bail!("{other:?}"),
    }
    assert!(find_batch(store, &second).await?.batches.is_empty());
    Ok(())
}

async fn a_line_that_moved_meanwhile_is_in_the_way<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let line = line(&unique("order"), &sku, 3);
    let before = with_batch(store, &sku, &reference, 10).await?;
    let product = with_line(store, &before, &line).await?;
    // Taken for a new line, though it has a place.
    let mut again = product.clone();
    again.allocate(&line, &[])?;
    let refused = commit(store, &product, &again).await;
    assert!(is_told_nothing(&refused), "{refused:?}");
    // Taken for one that has been waiting.
    let mut again = product.clone();
    again.allocate(&line, &[&waiting(line.clone(), 1)])?;
    let refused = commit(store, &product, &again).await;
    assert!(is_told_nothing(&refused), "{refused:?}");
    assert_eq!(stored(store, &line).await?.product, product);
    Ok(())
}

async fn a_line_that_got_a_place_meanwhile_is_not_turned_away<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let line = line(&unique("order"), &sku, 10);
    let before = with_batch(store, &sku, &reference, 10).await?;
    let product = with_line(store, &before, &line).await?;
    // The product is known as it is now, but not that the line has a place.
    let mut after = product.clone();
    assert_eq!(after.allocate(&line, &[]), Ok(Allocation::OutOfStock));
    let refused = commit(store, &product, &after).await;
    assert!(is_told_nothing(&refused), "{refused:?}");
    assert_eq!(stored(store, &line).await?.product.version(), product.version());

    // The same beside another one of whose refusal the commit tells: its own is no news then.
    let mut after = product.clone();
    assert_eq!(after.allocate(&testing::line(&unique("order"), &sku, 9), &[]), Ok(Allocation::OutOfStock));
    assert_eq!(after.allocate(&line, &[]), Ok(Allocation::OutOfStock));
    assert_eq!((after.events().len(), after.moves().len()), (1, 2));
    let refused = commit(store, &product, &after).await;
    assert!(is_told_nothing(&refused), "{refused:?}");
    assert_eq!(stored(store, &line).await?.product, product);
    Ok(())
}

/// Most lines of one commit: with the head and a batch that fills, a transaction has 100 items.
fn many_lines(sku: &str) -> Vec<OrderLine> {
    let order = unique("order");
    (0..98).map(|number| line(&format!("{order}-{number:03}"), sku, 1)).collect()
}

async fn as_many_lines_as_one_commit_holds_are_committed_and_found<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let before = with_batch(store, &sku, &reference, 97).await?;
    let lines = many_lines(&sku);
    let wanted = ReadSet::of_lines(before.sku(), &lines);
    let found = store.find(&wanted).await?;
    assert!(found.product(before.sku()).is_some() && found.parts.is_empty());

    // The last one finds the batch full, which is an item of its own.
    let mut after = before.clone();
    let of_sku = SkuLines::of(lines.clone()).pop().expect("lines");
    assert_eq!(after.allocate_each(&of_sku, |_| Vec::new(), &[], &mut ample()).lines, 97, "the batch counts too");
    commit(store, &before, &after).await?;
    let found = store.find(&wanted).await?;
    assert_eq!(found.product(before.sku()).map(Product::version), Some(Version(2)));
    let reference = reference.as_str().try_into()?;
    let mut parts: Vec<Part> = lines.iter().take(97).map(|line| on_batch(line.clone(), &reference, 2)).collect();
    parts.sort_by_key(|part| part.line.id());
    let mut found = found.parts;
    found.sort_by_key(|part| part.line.id());
    assert_eq!(found, parts);
    Ok(())
}

async fn one_line_in_the_way_stops_all_lines_of_a_commit<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let lines = many_lines(&sku);
    let before = with_batch(store, &sku, &reference, 97).await?;
    let product = with_line(store, &before, &lines[40]).await?;
    let mut after = product.clone();
    after.allocate_each(&SkuLines::of(lines.clone()).pop().expect("lines"), |_| Vec::new(), &[], &mut ample());
    let refused = commit(store, &product, &after).await;
    assert!(is_told_nothing(&refused), "{refused:?}");
    let found = store.find(&ReadSet::of_lines(before.sku(), &lines)).await?;
    assert_eq!(found.parts.len(), 1);
    Ok(())
}

async fn a_full_batch_is_only_found_by_name<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let line = line(&unique("order"), &sku, 10);
    let before = with_batch(store, &sku, &reference, 10).await?;
    let product = with_line(store, &before, &line).await?;
    assert_eq!(found_product(store, &sku).await?.map(|product| product.batches().len()), Some(0));
    assert_eq!(product_of_batch(store, &reference).await?, Some(product.clone()));
    // A line that stands on it names it, too.
    assert_eq!(stored(store, &line).await?.product, product);
    Ok(())
}

async fn a_full_batch_that_grows_is_found_by_all<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let line = line(&unique("order"), &sku, 10);
    let before = with_batch(store, &sku, &reference, 10).await?;
    let mut before = with_line(store, &before, &line).await?;
    // Up, to nothing, down to full again, and up: the batch goes in and out of the product.
    for (as_of, qty) in [(1, 12), (2, 10), (3, 10), (4, 11)] {
        let mut after = before.clone();
        after.change_batch_quantity(&change(&reference, qty, as_of), &[], &mut ample())?;
        commit(store, &before, &after).await?;
        let after = after.committed();
        let open = found_product(store, &sku).await?.map(|product| product.batches().len());
        assert_eq!(open, Some(usize::from(qty > 10)), "at {qty}");
        assert_eq!(product_of_batch(store, &reference).await?, Some(after.clone()), "at {qty}");
        before = after;
    }
    Ok(())
}

async fn the_view_shows_lines_with_a_batch<S: Store>(store: &S) -> Outcome {
    let (lamp, vase, order) = (unique("LAMP"), unique("VASE"), unique("order"));
    let (first, second) = (unique("batch"), unique("batch"));
    let lamps = with_batch(store, &lamp, &first, 2).await?;
    let vases = with_batch(store, &vase, &second, 10).await?;
    with_line(store, &vases, &line(&order, &vase, 1)).await?;
    // By quantity, not by the text of it.
    let mut lamps = with_line(store, &lamps, &line(&order, &lamp, 2)).await?;
    let third = new_batch(&unique("batch"), &lamp, 10);
    let before = lamps.clone();
    lamps.create_batch(&third)?;
    lamps.allocate(&line(&order, &lamp, 10), &[])?;
    commit_as(store, FIRST, Some(&before), &lamps).await?;
    let shown = allocations(store, &order.as_str().try_into()?).await?;
    let shown: Vec<_> = shown.iter().map(|(sku, batchref)| (sku.as_str(), batchref.as_str())).collect();
    assert_eq!(shown, [(lamp.as_str(), first.as_str()), (&lamp, third.reference.as_str()), (&vase, &second)]);
    Ok(())
}

async fn any_name_is_kept_as_it_is<S: Store>(store: &S) -> Outcome {
    let start = unique("");
    let odd = [
        format!("{start}#1#PRODUCT"),
        format!("LINE#{start}#"),
        format!("{start} a/b?c%41 \"'\\"),
        format!("{start}🪑é"),
        format!("{start}{}", "ä".repeat(255 - start.len())),
        format!("{start}{}", "🪑".repeat(240)),
    ];
    for name in odd {
        let product = with_batch(store, &name, &name, 10).await?;
        let line = line(&name, &name, 3);
        let product = with_line(store, &product, &line).await?;
        assert_eq!(stored(store, &line).await?.product, product);
        assert_eq!(product_of_batch(store, &name).await?, Some(product));
        let shown = allocations(store, &line.orderid).await?;
        assert_eq!(shown, [(line.sku.clone(), name.as_str().try_into()?)]);
        let youngest = youngest(store, &name, &name.as_str().try_into()?, 1, 98).await?;
        assert_eq!(youngest[0].line, line);
    }
    Ok(())
}

async fn an_event_is_claimed_once_until_its_lease_ends<S: Store>(store: &S) -> Outcome {
    let id = unique("LAMP#1#");
    let lease = Duration::from_secs(10);
    assert_eq!(store.claim(&id, 1, Timestamp(5_000), lease).await?, Claim::Granted);
    assert_eq!(store.claim(&id, 1, Timestamp(5_000), lease).await?, Claim::Granted, "the same claimant, asking again");
    assert_eq!(store.claim(&id, 2, Timestamp(5_000), lease).await?, Claim::Held);
    assert_eq!(store.claim(&id, 2, Timestamp(15_000), lease).await?, Claim::Held);
    assert_eq!(store.claim(&id, 2, Timestamp(15_001), lease).await?, Claim::Granted);
    Ok(())
}

async fn an_event_that_was_finished_stays_so<S: Store>(store: &S) -> Outcome {
    let id = unique("LAMP#1#");
    let lease = Duration::from_secs(10);
    assert_eq!(store.claim(&id, 1, Timestamp(5_000), lease).await?, Claim::Granted);
    store.finish(&id, Timestamp(6_000)).await?;
    assert_eq!(store.claim(&id, 2, Timestamp(60_000), lease).await?, Claim::Finished);
    Ok(())
}
