//! Lines that are split: their parts are stored, found, listed and done away with each by itself, and read together.

use domain::{IfShort, OrderLine, Part, Place, Product, Terms};
use service_layer::store::{Listing, ReadSet};
use testing::{line, new_batch, waiting_lines, youngest};

use super::{Store, ample, commit, find_line, is_told_nothing, with_batch, with_line};
use crate::layers::Outcome;
use crate::names::unique;

const SPLIT: Terms = Terms { if_short: IfShort::Wait, hold_until: None, may_split: true };

/// A line of nine on two batches of four and three, two pieces of which wait; and its product, committed.
async fn with_split_line<S: Store>(store: &S) -> anyhow::Result<(Product, OrderLine, Vec<Part>)> {
    let sku = unique("LAMP");
    let before = with_batch(store, &sku, &unique("b1"), 4).await?;
    let mut after = before.clone();
    after.create_batch(&new_batch(&unique("b2"), &sku, 3))?;
    commit(store, &before, &after).await?;
    let before = after.committed();
    let split = line(&unique("order"), &sku, 9);
    let mut after = before.clone();
    after.arrange(std::slice::from_ref(&split), &[], &SPLIT)?;
    commit(store, &before, &after).await?;
    let parts: Vec<Part> = after.moves().iter().filter_map(|moved| moved.part_at(after.version())).collect();
    assert_eq!(parts.iter().map(|part| part.line.qty.get()).collect::<Vec<_>>(), [4, 3, 2]);
    Ok((after.committed(), split, parts))
}

fn all(parts: &[Part]) -> Vec<&Part> {
    parts.iter().collect()
}

pub(super) async fn a_split_line_is_found_with_all_its_parts<S: Store>(store: &S) -> Outcome {
    let (product, split, parts) = with_split_line(store).await?;
    let by_name = find_line(store, &split).await?;
    let by_order = store.find(&ReadSet::of_order(&split.orderid)).await?;
    for found in [by_name, by_order] {
        assert_eq!(found.parts_of(&split.id()), all(&parts));
        // Both batches are full, and named by parts alone.
        assert!(found.is_closed(), "{found:?}");
        assert_eq!(found.product(product.sku()).map(|product| product.batches().len()), Some(2));
    }
    let beside = OrderLine { name: "9 a".try_into()?, ..split.clone() };
    assert!(find_line(store, &beside).await?.parts.is_empty(), "they are no parts of another line");
    Ok(())
}

pub(super) async fn a_page_of_an_order_has_all_parts_of_its_lines<S: Store>(store: &S) -> Outcome {
    let (product, split, parts) = with_split_line(store).await?;
    let mut after = product.clone();
    after.create_batch(&new_batch(&unique("b3"), product.sku().as_str(), 9))?;
    commit(store, &product, &after).await?;
    let mut product = after.committed();
    for name in ["0", "9 a", "a"] {
        product =
            with_line(store, &product, &OrderLine { name: name.try_into()?, qty: 1.try_into()?, ..split.clone() })
                .await?;
    }
    let page = async |after, at_most| {
        let parts = store.of_order(&split.orderid, after, at_most).await?.parts;
        Ok::<_, anyhow::Error>(
            parts.iter().map(|part| format!("{}/{}", part.line.name, part.first())).collect::<Vec<_>>(),
        )
    };
    let of_line = parts.iter().map(|part| format!("9/{}", part.first()));
    let expected: Vec<String> =
        ["0/0".to_owned()].into_iter().chain(of_line).chain(["9 a/0".to_owned(), "a/0".to_owned()]).collect();
    assert_eq!(page(None, 1).await?, expected[..1]);
    assert_eq!(page(None, 2).await?, expected[..4], "the second of them has three parts");
    assert_eq!(page(None, 9).await?, expected);
    assert_eq!(page(Some(&split.id()), 1).await?, expected[4..5], "after all parts of it");
    Ok(())
}

pub(super) async fn parts_are_listed_where_they_stand<S: Store>(store: &S) -> Outcome {
    let (product, split, parts) = with_split_line(store).await?;
    for part in &parts[..2] {
        let batch = part.place.batch().expect("its batch");
        let on_batch =
            Listing::OnBatch { sku: split.sku.clone(), batch: batch.clone(), allocated: part.line.qty.get() };
        let listed = store.list(&on_batch).await?;
        assert_eq!(listed, std::slice::from_ref(part));
        assert!(on_batch.is_complete(&listed));
        assert_eq!(youngest(store, split.sku.as_str(), batch, 1, 9).await?, std::slice::from_ref(part));
        assert_eq!(store.on_batch(&split.sku, batch, None, 9).await?, std::slice::from_ref(part));
    }
    assert_eq!(waiting_lines(store, product.sku()).await?, parts[2..]);
    assert_eq!(store.waiting(product.sku(), None, 9).await?, parts[2..]);
    Ok(())
}

pub(super) async fn a_line_that_is_given_back_leaves_one_mark_and_comes_back_as_it_is_wanted<S: Store>(
    store: &S,
) -> Outcome {
    let (product, split, parts) = with_split_line(store).await?;
    let mut after = product.clone();
    after.cancel(&all(&parts), &mut ample()).expect("room for its parts")?;
    commit(store, &product, &after).await?;
    let found = find_line(store, &split).await?;
    let [mark] = found.parts_of(&split.id())[..] else { anyhow::bail!("{found:?}") };
    assert_eq!((&mark.line, &mark.place, mark.split), (&split, &Place::Cancelled, None));
    assert!(waiting_lines(store, product.sku()).await?.is_empty());

    let (before, mark) = (after.committed(), mark.clone());
    let mut again = before.clone();
    again.arrange(std::slice::from_ref(&split), &[mark], &SPLIT)?;
    commit(store, &before, &again).await?;
    let found = find_line(store, &split).await?;
    assert_eq!(found.parts_of(&split.id()).len(), 3);
    Ok(())
}

pub(super) async fn a_part_that_moved_meanwhile_is_in_the_way<S: Store>(store: &S) -> Outcome {
    let (product, split, parts) = with_split_line(store).await?;
    // The part that waits gets a place.
    let mut served = product.clone();
    served.create_batch(&new_batch(&unique("b3"), product.sku().as_str(), 2))?;
    let waiting = domain::AllWaiting::checked(&parts[2..], product.waiting()).expect("all that wait");
    served.offer(&waiting, &mut ample());
    commit(store, &product, &served).await?;
    let served = served.committed();
    // Whoever read it before can neither give the line back nor make other parts of it.
    let mut cancelled = served.clone();
    cancelled.cancel(&all(&parts), &mut ample()).expect("room for its parts")?;
    assert!(is_told_nothing(&commit(store, &served, &cancelled).await));
    let mut edited = served.clone();
    edited.arrange(&[OrderLine { qty: 5.try_into()?, ..split.clone() }], &parts, &SPLIT)?;
    assert!(is_told_nothing(&commit(store, &served, &edited).await));
    let found = find_line(store, &split).await?;
    let now = found.parts_of(&split.id());
    assert!(now.len() == 3 && now.iter().all(|part| part.place.batch().is_some()), "{now:?}");
    let mut shipped = served.clone();
    shipped.ship(&now)?;
    commit(store, &served, &shipped).await?;
    assert!(find_line(store, &split).await?.parts.iter().all(|part| part.place.is_shipped()));
    Ok(())
}
