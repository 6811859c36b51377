//! Lines that are held for a while, and products that have some.

use domain::{IfShort, OrderLine, Part, Product, Sku, Tally, Terms};
use service_layer::ports::Timestamp;
use service_layer::store::{Listing, ReadSet};
use testing::{line, waiting_lines, youngest};

use super::{Store, ample, commit, found_product, with_batch};
use crate::layers::Outcome;
use crate::names::unique;

/// The product with this line held until then, committed; and the line's part.
async fn hold<S: Store>(
    store: &S,
    before: &Product,
    line: &OrderLine,
    until: u64,
    if_short: IfShort,
) -> anyhow::Result<(Product, Part)> {
    let mut after = before.clone();
    after.arrange(
        std::slice::from_ref(line),
        &[],
        &Terms { if_short, hold_until: Some(Timestamp(until)), may_split: false },
    )?;
    commit(store, before, &after).await?;
    let part = after.moves()[0].part_at(after.version()).expect("a promise");
    Ok((after.committed(), part))
}

async fn held<S: Store>(store: &S, sku: &Sku) -> anyhow::Result<Vec<Part>> {
    Ok(store.list(&Listing::Held { sku: sku.clone(), at_most: 2 }).await?)
}

pub(super) async fn held_lines_are_listed_by_when_they_are_due_and_where_they_stand_too<S: Store>(
    store: &S,
) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let before = with_batch(store, &sku, &reference, 5).await?;
    let [late, early, waits] = [1, 2, 9].map(|qty| line(&unique("order"), &sku, qty));
    let (product, late) = hold(store, &before, &late, 2_000, IfShort::Refuse).await?;
    let (product, early) = hold(store, &product, &early, 1_000, IfShort::Refuse).await?;
    let (product, waits) = hold(store, &product, &waits, 3_000, IfShort::Wait).await?;
    // And one that is promised for good.
    let product = super::with_line(store, &product, &line(&unique("order"), &sku, 1)).await?;

    assert_eq!(held(store, product.sku()).await?, [early.clone(), late.clone()], "the first two");
    assert_eq!(product.held().tally, Tally::of([&early, &late, &waits]));
    let found = store.find(&ReadSet::of_lines(product.sku(), [&early.line])).await?;
    assert_eq!((found.parts_of(&early.line.id()), found.product(product.sku())), (vec![&early], Some(&product)));
    let on_batch = youngest(store, &sku, &reference.as_str().try_into()?, 9, 98).await?;
    assert_eq!(on_batch[1..], [early, late], "they give way as others do");
    assert_eq!(waiting_lines(store, product.sku()).await?, [waits]);
    Ok(())
}

pub(super) async fn a_held_line_that_is_confirmed_or_expires_is_listed_no_more<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let before = with_batch(store, &sku, &reference, 2).await?;
    let [confirmed, expires] = [(); 2].map(|()| line(&unique("order"), &sku, 1));
    let (product, part) = hold(store, &before, &confirmed, 1_000, IfShort::Refuse).await?;
    let (product, other) = hold(store, &product, &expires, 1_000, IfShort::Refuse).await?;
    let mut after = product.clone();
    after.allocate(&confirmed, &[&part])?;
    commit(store, &product, &after).await?;
    let product = after.committed();
    assert_eq!(held(store, product.sku()).await?, std::slice::from_ref(&other));
    let mut after = product.clone();
    after.expire(&[other], Timestamp(1_000), &mut ample());
    commit(store, &product, &after).await?;
    assert!(held(store, product.sku()).await?.is_empty());
    assert_eq!(found_product(store, &sku).await?.map(|product| product.held()), Some(domain::Held::default()));
    Ok(())
}

pub(super) async fn products_are_listed_from_when_their_first_held_line_is_due<S: Store>(store: &S) -> Outcome {
    // Other tests may run on the same table, whose products are due much later.
    let (first, second) = (unique("LAMP"), unique("DESK"));
    for (sku, until) in [(&first, 20), (&second, 10)] {
        let before = with_batch(store, sku, &unique("batch"), 5).await?;
        let (product, _) = hold(store, &before, &line(&unique("order"), sku, 1), until, IfShort::Refuse).await?;
        hold(store, &product, &line(&unique("order"), sku, 1), until + 5, IfShort::Refuse).await?;
    }
    let ours = async |now: u64| -> anyhow::Result<Vec<String>> {
        let due = store.due(Timestamp(now), 1_000).await?;
        let names = due.iter().map(Sku::to_string);
        Ok(names.filter(|sku| *sku == first || *sku == second).collect())
    };
    assert!(ours(9).await?.is_empty());
    assert_eq!(ours(10).await?, std::slice::from_ref(&second));
    assert_eq!(ours(30).await?, [second, first]);
    assert_eq!(store.due(Timestamp(30), 1).await?.len(), 1);
    Ok(())
}
