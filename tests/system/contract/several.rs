//! Several products, lines and batches at once.

use std::collections::BTreeSet;

use domain::{Allocation, BatchRef, OrderLine, Product};
use service_layer::store::{Changed, Found, Listing, ReadSet, StoreError, Stored};
use testing::{line, new_batch, on_batch, youngest};

use super::{FIRST, SECOND, Store, commit_all, find_batch, find_line, is_told_nothing, with_batch, with_line};
use crate::layers::Outcome;
use crate::names::unique;

/// Asked for by what names them, products come along, with the counters of the batches that are named, full or not.
pub(super) async fn what_is_found_is_closed<S: Store>(store: &S) -> Outcome {
    let (lamp, vase, order) = (unique("LAMP"), unique("VASE"), unique("order"));
    let (full, open) = (unique("batch"), unique("batch"));
    let lamps = with_batch(store, &lamp, &full, 2).await?;
    let on_full = line(&order, &lamp, 2);
    let lamps = with_line(store, &lamps, &on_full).await?;
    let vases = with_batch(store, &vase, &open, 10).await?;
    let on_open = line(&order, &vase, 1);
    let vases = with_line(store, &vases, &on_open).await?;
    let expected = |found: &Found| {
        assert_eq!(found.product(lamps.sku()), Some(&lamps));
        assert_eq!(found.product(vases.sku()), Some(&vases));
        assert_eq!(found.products.len(), 2);
        assert!(found.is_closed());
    };
    let lines = vec![on_full.id(), on_open.id()];
    expected(&store.find(&ReadSet { lines, ..ReadSet::default() }).await?);
    let batch = |product: &Product, reference: &str| (product.sku().clone(), reference.try_into().unwrap());
    let batches = vec![batch(&lamps, &full), batch(&vases, &open)];
    expected(&store.find(&ReadSet { batches, ..ReadSet::default() }).await?);
    let (lines, batches) = (vec![on_open.id()], vec![batch(&lamps, &full)]);
    expected(&store.find(&ReadSet { lines, batches, ..ReadSet::default() }).await?);
    Ok(())
}

/// Two products with a batch of 5 each, and the same with 2 pieces of each allocated to an order.
async fn two_products<S: Store>(store: &S) -> anyhow::Result<([Product; 2], [Product; 2], [OrderLine; 2])> {
    let order = unique("order");
    let before = [
        with_batch(store, &unique("LAMP"), &unique("batch"), 5).await?,
        with_batch(store, &unique("VASE"), &unique("batch"), 5).await?,
    ];
    let lines = [&before[0], &before[1]].map(|product| line(&order, product.sku().as_str(), 2));
    let mut after = before.clone();
    for (product, line) in after.iter_mut().zip(&lines) {
        assert!(matches!(product.allocate(line, &[]), Ok(Allocation::Allocated(_))));
    }
    Ok((before, after, lines))
}

fn both<'a>(before: &'a [Product; 2], after: &'a [Product; 2]) -> [Changed<'a>; 2] {
    [0, 1].map(|index| Changed { before: Some(&before[index]), after: &after[index] })
}

pub(super) async fn two_products_are_committed_together_or_not_at_all<S: Store>(store: &S) -> Outcome {
    let (before, after, lines) = two_products(store).await?;
    let overtaken = with_line(store, &before[1], &line(&unique("order"), before[1].sku().as_str(), 1)).await?;
    let refused = commit_all(store, SECOND, &both(&before, &after)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    for (line, product) in lines.iter().zip([&before[0], &overtaken]) {
        let found = find_line(store, line).await?;
        assert_eq!((found.parts_of(&line.id()), found.product(&line.sku)), (Vec::new(), Some(product)));
    }

    let before = [before[0].clone(), overtaken];
    let mut after = before.clone();
    for (product, line) in after.iter_mut().zip(&lines) {
        product.allocate(line, &[])?;
    }
    commit_all(store, SECOND, &both(&before, &after)).await?;
    for (line, product) in lines.iter().zip(after) {
        let found = find_line(store, line).await?;
        assert_eq!(found.parts_of(&line.id()).len(), 1);
        assert_eq!(found.products, [Stored { product: product.committed(), commit: SECOND, crowded_at: None }]);
    }
    Ok(())
}

pub(super) async fn a_refusal_hands_back_each_product_that_was_in_the_way<S: Store>(store: &S) -> Outcome {
    let (before, after, lines) = two_products(store).await?;
    let mut newer = Vec::new();
    for product in &before {
        // First one of them is in the way, then both are.
        let rival = line(&unique("order"), product.sku().as_str(), 1);
        newer.push(Stored { product: with_line(store, product, &rival).await?, commit: SECOND, crowded_at: None });
        match commit_all(store, FIRST, &both(&before, &after)).await {
            Err(StoreError::Conflict(told)) => assert_eq!(told, newer),
            other => anyhow::bail!("{other:?}"),
        }
    }
    // A line in the way besides, and nothing is told: what else was read may not be true.
    with_line(store, &newer[0].product, &lines[0]).await?;
    let refused = commit_all(store, FIRST, &both(&before, &after)).await;
    assert!(is_told_nothing(&refused), "{refused:?}");
    Ok(())
}

/// A container has batches of several SKUs, each with counters of its own.
pub(super) async fn a_reference_is_taken_once_by_each_sku<S: Store>(store: &S) -> Outcome {
    let (lamp, vase, shared) = (unique("LAMP"), unique("VASE"), unique("batch"));
    let lamps = with_batch(store, &lamp, &shared, 2).await?;
    let vases = with_batch(store, &vase, &shared, 3).await?;
    let lamps = with_line(store, &lamps, &line(&unique("order"), &lamp, 2)).await?;

    let found = find_batch(store, &shared).await?;
    let skus: BTreeSet<_> = found.batches.iter().map(|batch| batch.sku.as_str()).collect();
    assert_eq!(skus, [lamp.as_str(), vase.as_str()].into());
    assert_eq!((found.product(lamps.sku()), found.product(vases.sku())), (Some(&lamps), Some(&vases)), "one is full");

    // Who reads the head alone does not see the full one.
    let before = lamps.as_stored();
    let mut again = before.clone();
    again.create_batch(&new_batch(&shared, &lamp, 9))?;
    let refused = commit_all(store, SECOND, &[Changed { before: Some(&before), after: &again }]).await;
    assert!(is_told_nothing(&refused), "{refused:?}");
    Ok(())
}

pub(super) async fn lines_on_batches_that_share_a_reference_are_listed_apart<S: Store>(store: &S) -> Outcome {
    // The end of one SKU is the other one, with what might separate it from the reference.
    let (shared, vase) = (unique("batch"), unique("VASE"));
    let lamp = format!("LAMP#{vase}");
    let reference = BatchRef::try_from(shared.as_str())?;
    for (sku, qty) in [(&lamp, 2), (&vase, 3)] {
        let product = with_batch(store, sku, &shared, 9).await?;
        with_line(store, &product, &line("o1", sku, qty)).await?;
    }
    for (sku, qty) in [(&lamp, 2), (&vase, 3)] {
        let only = [on_batch(line("o1", sku, qty), &reference, 2)];
        assert_eq!(youngest(store, sku, &reference, 9, 98).await?, only);
        let all = Listing::OnBatch { sku: sku.as_str().try_into()?, batch: reference.clone(), allocated: qty };
        let listed = store.list(&all).await?;
        assert!(all.is_complete(&listed) && listed == only, "{listed:?}");
    }
    Ok(())
}
