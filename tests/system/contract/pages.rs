//! Lines in pages.

use domain::{LineName, OrderLine, Part, Place, Product};
use service_layer::ports::{OrderLines, Rank};
use testing::{line, new_batch};

use super::{Store, ample, change, commit, with_batch, with_line};
use crate::layers::Outcome;
use crate::names::unique;

fn named(orderid: &str, sku: &str, name: &str) -> OrderLine {
    OrderLine { name: LineName::try_from(name).unwrap(), ..line(orderid, sku, 1) }
}

fn names(parts: &[Part]) -> Vec<String> {
    parts.iter().map(|part| format!("{} of {}", part.line.name, part.line.orderid)).collect()
}

/// All of a list, in pages of so many lines.
async fn in_pages<P, E>(
    page: impl AsyncFn(Option<&P>) -> Result<Vec<Part>, E>,
    position: fn(&Part) -> P,
) -> Result<Vec<Part>, E> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let parts = page(after.as_ref()).await?;
        let Some(last) = parts.last() else { return Ok(all) };
        after = Some(position(last));
        all.extend(parts);
    }
}

pub(super) async fn lines_of_an_order_come_by_sku_and_name<S: Store>(store: &S) -> Outcome {
    let (order, start) = (unique("order"), unique("LAMP"));
    let mut expected = Vec::new();
    // A blank and an exclamation mark come before most characters that could separate names.
    for sku in [start.clone(), format!("{start} 2"), format!("{start}!"), format!("{start}#3"), format!("{start}-4")] {
        let mut product = with_batch(store, &sku, &unique("batch"), 10).await?;
        for name in ["10", "10 a", "2", "a", "a#1", "ä"] {
            let line = named(&order, &sku, name);
            product = with_line(store, &product, &line).await?;
            expected.push(line);
        }
    }
    let orderid = &expected[0].orderid;
    for at_most in [1, 2, 7, 25, 1_000] {
        let page =
            async |after: Option<&_>| Ok::<_, anyhow::Error>(store.of_order(orderid, after, at_most).await?.parts);
        let listed = in_pages(page, |part| part.line.id()).await?;
        let lines: Vec<_> = listed.into_iter().map(|part| part.line).collect();
        assert_eq!(lines, expected, "{at_most} a page");
    }
    let gone = named(&order, &format!("{start}!"), "3").id();
    let after = store.of_order(orderid, Some(&gone), 1).await?.parts;
    assert_eq!(after[0].line, named(&order, &format!("{start}!"), "a"), "a line that there is not has its place, too");
    Ok(())
}

pub(super) async fn that_an_order_is_cancelled_is_told_beside_its_first_lines<S: Store>(store: &S) -> Outcome {
    let product = with_batch(store, &unique("LAMP"), &unique("batch"), 10).await?;
    let line = line(&unique("order"), product.sku().as_str(), 1);
    assert_eq!(store.of_order(&line.orderid, None, 9).await?, OrderLines::default());
    with_line(store, &product, &line).await?;
    let of_order = async |after| store.of_order(&line.orderid, after, 1).await;
    assert!(!of_order(None).await?.is_cancelled);
    super::orders::cancel(store, &line.orderid, &[]).await?;
    let OrderLines { is_cancelled, parts } = of_order(None).await?;
    assert!(is_cancelled && parts.len() == 1 && parts[0].line == line, "{parts:?}");
    assert_eq!(of_order(Some(&line.id())).await?, OrderLines::default());
    Ok(())
}

/// A batch with four lines of one age and one that is younger.
async fn with_five_lines<S: Store>(store: &S) -> anyhow::Result<(Product, Vec<OrderLine>)> {
    let (sku, order) = (unique("LAMP"), unique("order"));
    let before = with_batch(store, &sku, &unique("batch"), 100).await?;
    let lines = ["d", "b", "c", "a", "e"].map(|name| named(&order, &sku, name));
    let mut after = before.clone();
    for line in &lines[..4] {
        after.allocate(line, &[])?;
    }
    commit(store, &before, &after).await?;
    Ok((with_line(store, &after.committed(), &lines[4]).await?, lines.to_vec()))
}

pub(super) async fn lines_on_a_batch_come_in_pages_the_youngest_first<S: Store>(store: &S) -> Outcome {
    let (product, lines) = with_five_lines(store).await?;
    let (sku, reference) = (product.sku(), &product.batches()[0].reference);
    let order = &lines[0].orderid;
    for at_most in 1..7 {
        let page = async |after: Option<&_>| store.on_batch(sku, reference, after, at_most).await;
        let listed = in_pages(page, Rank::of).await?;
        assert_eq!(
            names(&listed),
            ["e", "a", "b", "c", "d"].map(|name| format!("{name} of {order}")),
            "{at_most} a page"
        );
    }
    Ok(())
}

pub(super) async fn waiting_lines_come_in_pages_the_oldest_first<S: Store>(store: &S) -> Outcome {
    let (before, lines) = with_five_lines(store).await?;
    let reference = before.batches()[0].reference.clone();
    let youngest = testing::youngest(store, before.sku().as_str(), &reference, 5, 98).await?;
    let mut after = before.clone();
    after.change_batch_quantity(&change(reference.as_str(), 0, 1), &youngest, &mut ample())?;
    commit(store, &before, &after).await?;
    let order = &lines[0].orderid;
    for at_most in 1..7 {
        let page = async |after: Option<&_>| store.waiting(before.sku(), after, at_most).await;
        let listed = in_pages(page, Rank::of).await?;
        assert_eq!(
            names(&listed),
            ["a", "b", "c", "d", "e"].map(|name| format!("{name} of {order}")),
            "{at_most} a page"
        );
        assert!(listed.iter().all(|part| part.since == after.version() && part.place == Place::Waiting));
    }
    assert_eq!(store.on_batch(before.sku(), &reference, None, 9).await?, []);
    Ok(())
}

/// A change of quantity, committed.
async fn with_quantity<S: Store>(
    store: &S,
    before: &Product,
    reference: &str,
    qty: u32,
    version: u64,
) -> anyhow::Result<Product> {
    let youngest = testing::youngest(store, before.sku().as_str(), &reference.try_into()?, 98, 98).await?;
    let mut after = before.clone();
    after.change_batch_quantity(&change(reference, qty, version), &youngest, &mut ample())?;
    commit(store, before, &after).await?;
    Ok(after.committed())
}

/// It has stood there since another version then, by which an index may list it elsewhere.
pub(super) async fn a_line_that_leaves_and_comes_back_between_two_pages_is_listed_once<S: Store>(store: &S) -> Outcome {
    let (before, _) = with_five_lines(store).await?;
    let (sku, reference) = (before.sku().clone(), before.batches()[0].reference.clone());
    let other = new_batch(&unique("other"), sku.as_str(), 1);
    let mut after = before.clone();
    after.create_batch(&other)?;
    commit(store, &before, &after).await?;

    let first = store.on_batch(&sku, &reference, None, 1).await?;
    let product = with_quantity(store, &after.committed(), reference.as_str(), 4, 1).await?;
    assert_eq!(store.on_batch(&sku, &other.reference, None, 9).await?[0].line, first[0].line, "it has left");
    let mut product = with_quantity(store, &product, reference.as_str(), 100, 2).await?;
    product.include(domain::Batch { allocated: 1, ..other.clone().into() });
    with_quantity(store, &product, other.reference.as_str(), 0, 1).await?;
    let rest = store.on_batch(&sku, &reference, Some(&Rank::of(&first[0])), 9).await?;
    let told: Vec<_> = first.iter().chain(&rest).map(|part| part.line.name.to_string()).collect();
    assert_eq!(told, ["e", "a", "b", "c", "d"]);
    let all = store.on_batch(&sku, &reference, None, 9).await?;
    assert_eq!((all.len(), all[0].line == first[0].line, all[0].since > first[0].since), (5, true, true), "it is back");
    Ok(())
}

pub(super) async fn batches_of_a_reference_are_listed_by_sku<S: Store>(store: &S) -> Outcome {
    let (reference, nobodys) = (unique("batch"), unique("batch"));
    let mut skus = [unique("TABLE"), unique("LAMP")];
    let mut products = Vec::new();
    for sku in &skus {
        products.push(with_batch(store, sku, &reference, 1).await?);
    }
    skus.sort();
    let full = with_line(store, &products[0], &line(&unique("order"), products[0].sku().as_str(), 1)).await?;
    let reference = &reference.as_str().try_into()?;
    let listed = store.batches_of(reference, None, 9).await?;
    let told: Vec<_> = listed.iter().map(|batch| (batch.added.sku.as_str(), batch.full.is_some())).collect();
    let expected = skus.each_ref().map(|sku| (sku.as_str(), sku.as_str() == full.sku().as_str()));
    assert_eq!(told, expected, "a full one tells its counters");
    let some = async |from: usize, at_most| {
        anyhow::Ok(store.batches_of(reference, Some(&listed[from].added.sku), at_most).await?)
    };
    assert_eq!((some(0, 1).await?, some(1, 9).await?), (listed[..1].to_vec(), listed[1..].to_vec()));
    assert_eq!(store.batches_of(&nobodys.as_str().try_into()?, None, 9).await?, []);
    Ok(())
}
