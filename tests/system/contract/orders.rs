//! Orders that are cancelled, and all their lines.

use std::collections::BTreeSet;

use domain::{LastPut, OrderId, OrderLine, OrderVersion, Part, Place, Product, SkuLines, Terms};
use service_layer::CorrelationId;
use service_layer::ports::Timestamp;
use service_layer::store::{Changed, Commit, CommitId, Found, Origins, Put, ReadSet, StoreError, StoredPut};
use testing::{line, new_batch, youngest};

use super::{SECOND, Store, ample, commit, stored, with_batch, with_line};
use crate::layers::Outcome;
use crate::names::unique;

/// Commits a mark, alone or with products.
pub(super) async fn cancel<S: Store>(store: &S, orderid: &OrderId, products: &[Changed<'_>]) -> Outcome {
    let (correlation, origins, at) = (CorrelationId::unknown(), Origins::new(), Timestamp(4_102_444_800_000));
    let cancelled = std::slice::from_ref(orderid);
    store.commit(Commit { products, cancelled, ..Commit::new(SECOND, &correlation, &origins, at) }).await?;
    Ok(())
}

async fn find_order<S: Store>(store: &S, orderid: &OrderId) -> anyhow::Result<Found> {
    Ok(store.find(&ReadSet::of_order(orderid)).await?)
}

pub(super) async fn an_order_is_cancelled_with_its_line_or_alone_and_more_than_once<S: Store>(store: &S) -> Outcome {
    let sku = unique("LAMP");
    let before = with_batch(store, &sku, &unique("batch"), 9).await?;
    let [with_a_line, unheard_of, another] = [(); 3].map(|()| line(&unique("order"), &sku, 2));
    let product = with_line(store, &before, &with_a_line).await?;
    let part = find_order(store, &with_a_line.orderid).await?.parts.pop().expect("a line");
    let mut after = product.clone();
    after.cancel(&[&part], &mut ample()).expect("room for one line")?;
    cancel(store, &with_a_line.orderid, &[Changed { before: Some(&product), after: &after }]).await?;
    for _ in 0..2 {
        cancel(store, &unheard_of.orderid, &[]).await?;
    }
    let lines = [&with_a_line, &unheard_of, &another];
    let found = store.find(&ReadSet::of_lines(before.sku(), lines)).await?;
    let cancelled: BTreeSet<_> = found.cancelled.iter().collect();
    assert_eq!(cancelled, BTreeSet::from([&with_a_line.orderid, &unheard_of.orderid]));
    assert_eq!(stored(store, &another).await?.product, after.committed(), "the product went with the mark");
    Ok(())
}

pub(super) async fn a_commit_that_is_refused_cancels_no_order<S: Store>(store: &S) -> Outcome {
    let sku = unique("LAMP");
    let before = with_batch(store, &sku, &unique("batch"), 9).await?;
    let [first, second] = [(); 2].map(|()| line(&unique("order"), &sku, 2));
    with_line(store, &before, &first).await?;
    let mut late = before.clone();
    late.allocate(&second, &[])?;
    let refused = cancel(store, &second.orderid, &[Changed { before: Some(&before), after: &late }]).await;
    assert!(refused.is_err());
    assert!(find_order(store, &second.orderid).await?.cancelled.is_empty());
    Ok(())
}

/// More than a page of a query, and more products than one call reads: each line has a name of a thousand bytes, on a
/// product of its own.
pub(super) async fn an_order_is_read_with_all_its_lines_and_what_they_name<S: Store>(store: &S) -> Outcome {
    let orderid = OrderId::try_from(unique("order"))?;
    let mut expected = BTreeSet::new();
    for number in 0..102 {
        let sku = unique(&format!("LAMP-{number}"));
        let before = with_batch(store, &sku, &unique("batch"), 1).await?;
        let of_order = line(orderid.as_str(), &sku, 1);
        with_line(store, &before, &of_order).await?;
        expected.insert(of_order.id());
    }
    // On one product, by the hundred.
    let sku = unique("DESK");
    let mut product = with_batch(store, &sku, &unique("batch"), 2_000).await?;
    let long = |number: usize| format!("{number:04}-{}", "🪑".repeat(225));
    for numbers in (0..1_000).collect::<Vec<_>>().chunks(90) {
        let of_order = |number: &usize| OrderLine {
            name: long(*number).try_into().expect("a name"),
            ..line(orderid.as_str(), &sku, 1)
        };
        let lines: Vec<OrderLine> = numbers.iter().map(of_order).collect();
        expected.extend(lines.iter().map(OrderLine::id));
        let mut after = product.clone();
        let lines = SkuLines::of(lines).pop().expect("lines");
        assert_eq!(after.allocate_each(&lines, |_| Vec::new(), &[], &mut ample()).lines, numbers.len());
        commit(store, &product, &after).await?;
        product = after.committed();
    }
    cancel(store, &orderid, &[]).await?;

    let found = find_order(store, &orderid).await?;
    assert_eq!(found.parts.len(), expected.len());
    assert_eq!(found.parts.iter().map(|part| part.line.id()).collect::<BTreeSet<_>>(), expected);
    assert_eq!(found.cancelled, [orderid]);
    assert!(found.is_closed() && found.products.len() == 103, "{} products", found.products.len());
    Ok(())
}

pub(super) async fn a_shipped_line_of_a_whole_order_names_its_batch<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let before = with_batch(store, &sku, &reference, 2).await?;
    let shipped = line(&unique("order"), &sku, 2);
    let product = with_line(store, &before, &shipped).await?;
    let part: Part = find_order(store, &shipped.orderid).await?.parts.pop().expect("a line");
    let mut after = product.clone();
    after.ship(&[&part])?;
    commit(store, &product, &after).await?;
    let found = find_order(store, &shipped.orderid).await?;
    let batch = new_batch(&reference, &sku, 2).reference;
    assert!(found.product(before.sku()).is_some_and(|product| product.batch(&batch).is_some()), "though it is full");
    let alone = store.find(&ReadSet::of_line(&shipped.id())).await?;
    assert!(alone.product(before.sku()).is_some_and(|product| product.batch(&batch).is_none()), "no other read does");
    Ok(())
}

pub(super) async fn an_order_is_put_in_one_commit_or_not_at_all<S: Store>(store: &S) -> Outcome {
    let skus = ["LAMP", "DESK"].map(unique);
    let order = unique("order");
    let wanted = skus.each_ref().map(|sku| line(&order, sku, 2));
    let mut products = Vec::new();
    for sku in &skus {
        products.push(with_batch(store, sku, &unique("batch"), 9).await?);
    }
    let arranged = |products: &[Product]| {
        let arrange = |(before, wanted): (&Product, &OrderLine)| {
            let mut after = before.clone();
            after.arrange(std::slice::from_ref(wanted), &[], &Terms::default()).expect("room for it");
            after
        };
        products.iter().zip(&wanted).map(arrange).collect::<Vec<_>>()
    };
    let (stale, rival) = (products.clone(), line(&unique("rival"), &skus[1], 1));
    products[1] = with_line(store, &products[1], &rival).await?;
    let after = arranged(&stale);
    let refused = put(store, &stale, &after).await.expect_err("the second product is in the way");
    assert!(matches!(&refused, StoreError::Conflict(newer) if newer.len() == 1), "{refused:?}");
    let orderid = wanted[0].orderid.clone();
    assert!(find_order(store, &orderid).await?.parts.is_empty());
    put(store, &products, &arranged(&products)).await?;
    let found = find_order(store, &orderid).await?;
    let placed: BTreeSet<_> = found.parts.iter().map(|part| &part.line).collect();
    assert_eq!(placed, wanted.iter().collect());
    // Products that are named are read beside the order, and those that its lines name after it.
    let one = store.find(&ReadSet { skus: vec![wanted[0].sku.clone()], ..ReadSet::of_order(&orderid) }).await?;
    assert!(one.is_closed() && one.products.len() == 2 && one.parts.len() == 2);
    Ok(())
}

async fn put<S: Store>(store: &S, before: &[Product], after: &[Product]) -> Result<(), StoreError> {
    let changed = |(before, after)| Changed { before: Some(before), after };
    let products: Vec<_> = before.iter().zip(after).map(changed).collect();
    let (correlation, origins) = (CorrelationId::unknown(), Origins::new());
    store.commit(Commit { products: &products, ..Commit::new(SECOND, &correlation, &origins, Timestamp(0)) }).await
}

pub(super) async fn a_line_that_is_to_keep_its_place_must_have_it_still<S: Store>(store: &S) -> Outcome {
    let [sku, other] = ["LAMP", "DESK"].map(unique);
    let before = with_batch(store, &sku, &unique("batch"), 9).await?;
    let desks = with_batch(store, &other, &unique("batch"), 9).await?;
    let kept = line(&unique("order"), &sku, 2);
    let product = with_line(store, &before, &kept).await?;
    let stale = find_order(store, &kept.orderid).await?.parts;
    let mut shipped = product.clone();
    shipped.ship(&[&stale[0]])?;
    commit(store, &product, &shipped).await?;
    // A line of another product is put, as long as this one is where it was.
    let mut after = desks.clone();
    after.arrange(&[line(kept.orderid.as_str(), &other, 3)], &[], &Terms::default())?;
    let changed = [Changed { before: Some(&desks), after: &after }];
    let (correlation, origins) = (CorrelationId::unknown(), Origins::new());
    let keeping =
        |kept| Commit { products: &changed, kept, ..Commit::new(SECOND, &correlation, &origins, Timestamp(0)) };
    let refused = store.commit(keeping(&stale)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(newer)) if newer.is_empty()), "it is shipped");
    let parts = find_order(store, &kept.orderid).await?.parts;
    assert_eq!(parts.len(), 1, "nothing was changed");
    store.commit(keeping(&parts)).await?;
    let found = find_order(store, &kept.orderid).await?.parts;
    assert!(found.len() == 2 && found.contains(&parts[0]), "what is kept is not written: {found:?}");
    Ok(())
}

pub(super) async fn a_line_is_exchanged_for_one_of_another_quantity<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let before = with_batch(store, &sku, &reference, 5).await?;
    let order = unique("order");
    let named = |qty| OrderLine { name: "left".try_into().expect("a name"), ..line(&order, &sku, qty) };
    let product = with_line(store, &before, &named(3)).await?;
    let parts = find_order(store, &named(3).orderid).await?.parts;
    let mut after = product.clone();
    after.arrange(&[named(5)], &parts, &Terms::default())?;
    commit(store, &product, &after).await?;
    let exchanged = find_order(store, &named(3).orderid).await?.parts;
    let batch = new_batch(&reference, &sku, 5).reference;
    let [part] = &exchanged[..] else { anyhow::bail!("{exchanged:?}") };
    assert_eq!((&part.line, &part.place, part.age), (&named(5), &Place::Batch(batch.clone()), parts[0].age));
    let listed = youngest(store, &sku, &batch, 5, 10).await?;
    assert_eq!(listed, exchanged, "the index has it once, with all its pieces");
    Ok(())
}

pub(super) async fn what_was_last_wanted_of_an_order_is_in_the_way_of_what_was_decided_before<S: Store>(
    store: &S,
) -> Outcome {
    let sku = unique("LAMP");
    let before = with_batch(store, &sku, &unique("batch"), 9).await?;
    let orderid = OrderId::try_from(unique("order"))?;
    let wanted = |version| LastPut { version, content: format!("content of {version:?}") };
    let put =
        |before, version: Option<u64>| Put { orderid: orderid.clone(), before, now: wanted(version.map(OrderVersion)) };
    assert_eq!(find_order(store, &orderid).await?.last_put, None);
    // Alone, and twice from nothing.
    let [first, second, third] = [11, 12, u64::MAX].map(CommitId);
    note(store, first, &put(None, Some(3)), &[]).await?;
    assert!(matches!(note(store, second, &put(None, Some(4)), &[]).await, Err(StoreError::Conflict(_))));
    let stored = StoredPut { put: wanted(Some(OrderVersion(3))), commit: first };
    assert_eq!(find_order(store, &orderid).await?.last_put, Some(stored));
    // With a line, or without both.
    let of_order = line(orderid.as_str(), &sku, 2);
    let mut after = before.clone();
    after.arrange(std::slice::from_ref(&of_order), &[], &Terms::default())?;
    let changed = [Changed { before: Some(&before), after: &after }];
    assert!(matches!(note(store, third, &put(Some(second), None), &changed).await, Err(StoreError::Conflict(_))));
    assert!(find_order(store, &orderid).await?.parts.is_empty());
    note(store, third, &put(Some(first), None), &changed).await?;
    let found = find_order(store, &orderid).await?;
    assert_eq!(found.last_put, Some(StoredPut { put: wanted(None), commit: third }));
    assert_eq!(found.parts.len(), 1);
    // It is no line.
    let listed = store.of_order(&orderid, None, 1).await?;
    assert!(listed.parts.len() == 1 && !listed.is_cancelled);
    Ok(())
}

async fn note<S: Store>(store: &S, id: CommitId, put: &Put, products: &[Changed<'_>]) -> Result<(), StoreError> {
    let (correlation, origins) = (CorrelationId::unknown(), Origins::new());
    store.commit(Commit { products, put: Some(put), ..Commit::new(id, &correlation, &origins, Timestamp(0)) }).await
}
