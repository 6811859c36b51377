//! What every store keeps to. The same tests run over the one in memory and over dynoxide.

use std::time::Duration;

use adapters::in_memory::InMemoryStore;
use adapters::system::System;
use domain::{
    Allocation, BatchRef, Budget, ChangeBatchQuantity, Command, NewBatch, OrderId, OrderLine, Place, Position, Product,
    Revision, Version, Waiting,
};
use service_layer::ports::{
    AllocationsView, Claim, Commit, CommitId, Head, Inbox, Products, StoreError, Timestamp, Wanted,
};
use service_layer::{CorrelationId, MessageBus, Reply};

use crate::layers::{Layers, Outcome};
use crate::names::{batch, line, soon, unique};

/// A store under test.
trait Store: Products + AllocationsView + Inbox {}

impl<S: Products + AllocationsView + Inbox> Store for S {}

macro_rules! contract {
    ($($test:ident),+ $(,)?) => {
        pub(crate) fn add_to(layers: &mut Layers) {
            $(
                layers.add("contract", concat!("in_memory::", stringify!($test)), async |_| {
                    $test(&InMemoryStore::default()).await
                });
                layers.add("contract", concat!("dynamodb::", stringify!($test)), async |servers| {
                    $test(&servers.store().await?).await
                });
            )+
        }
    };
}

contract![
    nothing_is_found_before_the_first_commit,
    what_was_committed_is_found,
    a_commit_on_an_old_version_changes_nothing_and_is_told_the_new_one,
    a_write_of_the_head_alone_is_conditional_too,
    two_first_commits_of_a_product_do_not_both_win,
    a_line_that_moved_meanwhile_is_in_the_way,
    a_line_that_got_a_place_meanwhile_is_not_turned_away,
    as_many_lines_as_one_commit_holds_are_committed_and_found,
    one_line_in_the_way_stops_all_lines_of_a_commit,
    a_batch_reference_is_taken_once_over_all_products,
    a_full_batch_is_only_found_by_name,
    a_full_batch_that_grows_is_found_by_all,
    lines_of_a_batch_come_newest_first_and_no_more_than_needed,
    waiting_lines_are_those_of_the_sku,
    the_view_shows_lines_with_a_batch,
    any_name_is_kept_as_it_is,
    an_event_is_claimed_once_until_its_lease_ends,
    an_event_that_was_finished_stays_so,
    the_same_commands_have_the_same_answers_and_the_same_ends,
];

const FIRST: CommitId = CommitId(1);
const SECOND: CommitId = CommitId(0xffff_ffff_ffff_fffe);

fn ample() -> Budget {
    Budget { items: 98, event_bytes: 100_000 }
}

/// A product with one batch, committed.
async fn with_batch<S: Store>(store: &S, sku: &str, reference: &str, qty: u32) -> anyhow::Result<Product> {
    let new = batch(reference, sku, qty);
    let mut product = Product::new(new.sku.clone());
    product.create_batch(&new)?;
    commit_all(store, FIRST, None, &product, Some(&new)).await?;
    Ok(product.committed())
}

/// The product with this line allocated, committed.
async fn with_line<S: Store>(store: &S, before: &Product, line: &OrderLine) -> anyhow::Result<Product> {
    let mut after = before.clone();
    assert!(matches!(after.allocate(line, None), Allocation::Allocated(_)));
    commit(store, before, &after).await?;
    Ok(after.committed())
}

async fn commit<S: Store>(store: &S, before: &Product, after: &Product) -> Result<(), StoreError> {
    commit_all(store, SECOND, Some(before), after, None).await
}

/// The product as it is after, with the batch that it announces.
async fn commit_all<S: Store>(
    store: &S,
    id: CommitId,
    before: Option<&Product>,
    after: &Product,
    announced: Option<&NewBatch>,
) -> Result<(), StoreError> {
    store.commit(Commit { id, before, after, announced, absent: &[], correlation: &CorrelationId::unknown() }).await
}

async fn head<S: Store>(store: &S, line: &OrderLine) -> anyhow::Result<Head> {
    store.find(Wanted::Line(line)).await?.head.ok_or_else(|| anyhow::anyhow!("no product of {line:?}"))
}

fn change(reference: &str, qty: u32, as_of: u64) -> ChangeBatchQuantity {
    ChangeBatchQuantity { reference: reference.try_into().unwrap(), qty, revision: Revision::AsOf(as_of) }
}

async fn nothing_is_found_before_the_first_commit<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let found = store.find(Wanted::Line(&line("o1", &sku, 1))).await?;
    assert!(found.head.is_none() && found.lines.is_empty());
    let found = store.find(Wanted::NewBatch(&batch(&reference, &sku, 1))).await?;
    assert!(found.head.is_none() && found.announced.is_none());
    let found = store.find(Wanted::Batch(&BatchRef::try_from(reference.as_str())?)).await?;
    assert!(found.head.is_none() && found.announced.is_none());
    assert!(store.waiting_lines(&sku.as_str().try_into()?).await?.is_empty());
    assert!(store.allocations(&OrderId::try_from(unique("order"))?).await?.is_empty());
    Ok(())
}

async fn what_was_committed_is_found<S: Store>(store: &S) -> Outcome {
    let (sku, reference, orderid) = (unique("LAMP"), unique("batch"), unique("order"));
    let mut new = batch(&reference, &sku, 10);
    new.eta = Some("2011-01-02".to_owned().try_into()?);
    let mut product = Product::new(new.sku.clone());
    product.create_batch(&new)?;
    commit_all(store, FIRST, None, &product, Some(&new)).await?;

    let line = line(&orderid, &sku, 3);
    let product = with_line(store, &product.committed(), &line).await?;
    let found = store.find(Wanted::Line(&line)).await?;
    let Some(head) = &found.head else { anyhow::bail!("no product") };
    assert_eq!((&head.product, head.commit), (&product, SECOND));
    let place = Place::Batch(new.reference.clone());
    assert_eq!(found.position(&line), Some(&Position { place, since: Version(2) }));

    let found = store.find(Wanted::NewBatch(&new)).await?;
    assert_eq!(found.announced, Some(new.clone()));
    assert_eq!(found.head.map(|head| head.product), Some(product.clone()));
    let found = store.find(Wanted::Batch(&new.reference)).await?;
    assert_eq!(found.head.map(|head| head.product), Some(product));
    Ok(())
}

async fn a_commit_on_an_old_version_changes_nothing_and_is_told_the_new_one<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let old = with_batch(store, &sku, &reference, 10).await?;
    let winner = with_line(store, &old, &line(&unique("order"), &sku, 3)).await?;

    let late = line(&unique("order"), &sku, 4);
    let mut after = old.clone();
    after.allocate(&late, None);
    match commit(store, &old, &after).await {
        Err(StoreError::Conflict(Some(head))) => assert_eq!((head.product, head.commit), (winner.clone(), SECOND)),
        other => anyhow::bail!("{other:?}"),
    }
    assert_eq!(store.find(Wanted::Line(&late)).await?.position(&late), None);
    assert_eq!(head(store, &late).await?.product, winner);
    Ok(())
}

async fn a_write_of_the_head_alone_is_conditional_too<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let old = with_batch(store, &sku, &reference, 5).await?;
    let mut after = old.clone();
    after.change_batch_quantity(&change(&reference, 7, 1), &[], &mut ample())?;
    commit(store, &old, &after).await?;
    match commit(store, &old, &after).await {
        Err(StoreError::Conflict(Some(head))) => assert_eq!(head.product, after.committed()),
        other => anyhow::bail!("{other:?}"),
    }
    Ok(())
}

async fn two_first_commits_of_a_product_do_not_both_win<S: Store>(store: &S) -> Outcome {
    let (sku, first, second) = (unique("LAMP"), unique("batch"), unique("batch"));
    let product = with_batch(store, &sku, &first, 1).await?;
    let new = batch(&second, &sku, 1);
    let mut other = Product::new(new.sku.clone());
    other.create_batch(&new)?;
    let refused = commit_all(store, SECOND, None, &other, Some(&new)).await;
    match refused {
        Err(StoreError::Conflict(Some(head))) => assert_eq!(head.product, product),
        other => anyhow::bail!("{other:?}"),
    }
    assert!(store.find(Wanted::Batch(&new.reference)).await?.head.is_none());
    Ok(())
}

async fn a_line_that_moved_meanwhile_is_in_the_way<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let line = line(&unique("order"), &sku, 3);
    let before = with_batch(store, &sku, &reference, 10).await?;
    let product = with_line(store, &before, &line).await?;
    // Taken for a new line, though it has a place.
    let mut again = product.clone();
    again.allocate(&line, None);
    let refused = commit(store, &product, &again).await;
    assert!(matches!(refused, Err(StoreError::Conflict(None))), "{refused:?}");
    // Taken for one that has been waiting.
    let waiting = Position { place: Place::Waiting, since: Version(1) };
    let mut again = product.clone();
    again.allocate(&line, Some(&waiting));
    let refused = commit(store, &product, &again).await;
    assert!(matches!(refused, Err(StoreError::Conflict(None))), "{refused:?}");
    assert_eq!(head(store, &line).await?.product, product);
    Ok(())
}

async fn a_line_that_got_a_place_meanwhile_is_not_turned_away<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let line = line(&unique("order"), &sku, 10);
    let before = with_batch(store, &sku, &reference, 10).await?;
    let product = with_line(store, &before, &line).await?;
    // The product is known as it is now, but not that the line has a place.
    let mut after = product.clone();
    assert_eq!(after.allocate(&line, None), Allocation::OutOfStock);
    let commit = Commit {
        id: FIRST,
        before: Some(&product),
        after: &after,
        announced: None,
        absent: std::slice::from_ref(&line),
        correlation: &CorrelationId::unknown(),
    };
    let refused = store.commit(commit).await;
    assert!(matches!(refused, Err(StoreError::Conflict(None))), "{refused:?}");
    assert_eq!(head(store, &line).await?.product.version(), product.version());
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
    let found = store.find(Wanted::Lines(before.sku(), &lines)).await?;
    assert!(found.head.is_some() && found.lines.is_empty());

    // The last one finds the batch full, which is an item of its own.
    let mut after = before.clone();
    assert_eq!(after.allocate_each(lines.iter().map(|line| (line, None)), &mut ample()), 97, "the batch counts too");
    commit(store, &before, &after).await?;
    let found = store.find(Wanted::Lines(before.sku(), &lines)).await?;
    assert_eq!(found.head.map(|head| head.product.version()), Some(Version(2)));
    assert_eq!(found.lines.len(), 97);
    let position = Position { place: Place::Batch(reference.as_str().try_into().unwrap()), since: Version(2) };
    assert!(found.lines.iter().all(|placed| placed.position == position), "{:?}", found.lines);
    let found = store.find(Wanted::Lines(before.sku(), &lines)).await?;
    assert_eq!((found.position(&lines[0]), found.position(&lines[97])), (Some(&position), None));
    Ok(())
}

async fn one_line_in_the_way_stops_all_lines_of_a_commit<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let lines = many_lines(&sku);
    let before = with_batch(store, &sku, &reference, 97).await?;
    let product = with_line(store, &before, &lines[40]).await?;
    let mut after = product.clone();
    after.allocate_each(lines.iter().map(|line| (line, None)), &mut ample());
    let refused = commit(store, &product, &after).await;
    assert!(matches!(refused, Err(StoreError::Conflict(None))), "{refused:?}");
    let found = store.find(Wanted::Lines(before.sku(), &lines)).await?;
    assert_eq!(found.lines.len(), 1);
    Ok(())
}

async fn a_batch_reference_is_taken_once_over_all_products<S: Store>(store: &S) -> Outcome {
    let (sku, other_sku, reference) = (unique("LAMP"), unique("VASE"), unique("batch"));
    with_batch(store, &sku, &reference, 1).await?;
    let new = batch(&reference, &other_sku, 1);
    let mut other = Product::new(new.sku.clone());
    other.create_batch(&new)?;
    let refused = commit_all(store, SECOND, None, &other, Some(&new)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(None))), "{refused:?}");
    let found = store.find(Wanted::NewBatch(&new)).await?;
    assert!(found.head.is_none());
    assert_eq!(found.announced.map(|announced| announced.sku.to_string()), Some(sku));
    Ok(())
}

async fn a_full_batch_is_only_found_by_name<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let line = line(&unique("order"), &sku, 10);
    let before = with_batch(store, &sku, &reference, 10).await?;
    let product = with_line(store, &before, &line).await?;
    assert!(head(store, &line).await?.product.batches().is_empty());
    let found = store.find(Wanted::Batch(&reference.as_str().try_into()?)).await?;
    assert_eq!(found.head.map(|head| head.product), Some(product));
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
        let open = head(store, &line).await?.product;
        assert_eq!(open.batches().len(), usize::from(qty > 10), "at {qty}");
        let found = store.find(Wanted::Batch(&reference.as_str().try_into()?)).await?;
        assert_eq!(found.head.map(|head| head.product), Some(after.clone()), "at {qty}");
        before = after;
    }
    Ok(())
}

async fn lines_of_a_batch_come_newest_first_and_no_more_than_needed<S: Store>(store: &S) -> Outcome {
    let (sku, reference, order) = (unique("LAMP"), unique("batch"), unique("order"));
    let mut product = with_batch(store, &sku, &reference, 100).await?;
    for number in 0..5 {
        product = with_line(store, &product, &line(&format!("{order}-{number}"), &sku, 2)).await?;
    }
    let reference = BatchRef::try_from(reference.as_str())?;
    let numbers = async |pieces, at_most| -> anyhow::Result<Vec<String>> {
        let lines = store.newest_lines(&reference, pieces, at_most).await?;
        Ok(lines.iter().map(|placed| placed.line.orderid.as_str()[order.len() + 1..].to_owned()).collect())
    };
    assert_eq!(numbers(1, 98).await?, ["4"]);
    assert_eq!(numbers(3, 98).await?, ["4", "3"]);
    assert_eq!(numbers(100, 98).await?, ["4", "3", "2", "1", "0"]);
    assert_eq!(numbers(100, 3).await?, ["4", "3", "2"]);
    let newest = store.newest_lines(&reference, 1, 98).await?;
    let place = Place::Batch(reference.clone());
    assert_eq!(newest[0].position, Position { place, since: Version(6) });
    Ok(())
}

async fn waiting_lines_are_those_of_the_sku<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let line = line(&unique("order"), &sku, 10);
    let before = with_batch(store, &sku, &reference, 10).await?;
    let before = with_line(store, &before, &line).await?;
    let newest = store.newest_lines(&reference.as_str().try_into()?, 10, 98).await?;
    let mut after = before.clone();
    after.change_batch_quantity(&change(&reference, 0, 1), &newest, &mut ample())?;
    commit(store, &before, &after).await?;

    let waiting = store.waiting_lines(&line.sku).await?;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].line, line);
    assert_eq!(waiting[0].position, Position { place: Place::Waiting, since: Version(3) });
    assert_eq!(head(store, &line).await?.product.waiting(), Waiting { lines: 1, since: 3 });
    assert!(store.newest_lines(&reference.as_str().try_into()?, 10, 98).await?.is_empty());
    assert!(store.allocations(&line.orderid).await?.is_empty());
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
    let third = batch(&unique("batch"), &lamp, 10);
    let before = lamps.clone();
    lamps.create_batch(&third)?;
    lamps.allocate(&line(&order, &lamp, 10), None);
    commit_all(store, FIRST, Some(&before), &lamps, Some(&third)).await?;
    let shown = store.allocations(&order.as_str().try_into()?).await?;
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
        assert_eq!(head(store, &line).await?.product, product);
        let found = store.find(Wanted::Batch(&name.as_str().try_into()?)).await?;
        assert_eq!(found.head.map(|head| head.product), Some(product));
        let shown = store.allocations(&line.orderid).await?;
        assert_eq!(shown, [(line.sku.clone(), name.as_str().try_into()?)]);
        let newest = store.newest_lines(&name.as_str().try_into()?, 1, 98).await?;
        assert_eq!(newest[0].line, line);
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

/// A story with every kind of command, told to this store and, as the reference, to one in memory.
async fn the_same_commands_have_the_same_answers_and_the_same_ends<S: Store>(store: &S) -> Outcome {
    let (sku, prefix) = (unique("LAMP"), unique("x"));
    let bus = MessageBus::new(store, System::default(), ());
    let reference = MessageBus::new(InMemoryStore::default(), System::default(), ());
    let mut commands = Vec::new();
    for number in 0..4 {
        commands.push(Command::CreateBatch(batch(&format!("{prefix}-b{number}"), &sku, 12)));
    }
    for number in 0..24 {
        commands.push(Command::Allocate(line(&format!("{prefix}-o{number:02}"), &sku, 1 + number % 4)));
    }
    for (as_of, (batch, qty)) in (1..).zip([(0, 5), (1, 0), (0, 3), (2, 30), (3, 11), (1, 12)]) {
        commands.push(Command::ChangeBatchQuantity(change(&format!("{prefix}-b{batch}"), qty, as_of)));
        commands.push(Command::Allocate(line(&format!("{prefix}-p{as_of}"), &sku, 2)));
    }
    for (number, command) in commands.into_iter().enumerate() {
        let (answer, expected): (Reply, Reply) = (
            bus.handle_command(command.clone(), &soon()).await?,
            reference.handle_command(command.clone(), &soon()).await?,
        );
        assert_eq!(answer, expected, "command {number}: {command:?}");
        let asked = line("nobody", &sku, 1);
        let found = head(store, &asked).await?.product;
        let mut expected = head(reference.store(), &asked).await?.product.batches().to_vec();
        let mut batches = found.batches().to_vec();
        batches.sort_by(|one, other| one.reference.cmp(&other.reference));
        expected.sort_by(|one, other| one.reference.cmp(&other.reference));
        assert_eq!(batches, expected, "command {number}: {command:?}");
    }
    for order in (0..24).map(|number| format!("{prefix}-o{number:02}")) {
        let orderid = OrderId::try_from(order)?;
        assert_eq!(store.allocations(&orderid).await?, reference.store().allocations(&orderid).await?);
    }
    Ok(())
}
