//! Where lines stand: the lists of the index.

use domain::{BatchRef, Part, Tally, Version};
use testing::{allocations, line, new_batch, on_batch, waiting, waiting_lines, youngest};

use super::{Store, ample, change, commit, stored, with_batch, with_line};
use crate::layers::Outcome;
use crate::names::unique;

pub(super) async fn lines_of_a_batch_come_youngest_first_and_no_more_than_needed<S: Store>(store: &S) -> Outcome {
    let (sku, reference, order) = (unique("LAMP"), unique("batch"), unique("order"));
    let mut product = with_batch(store, &sku, &reference, 100).await?;
    for number in 0..5 {
        product = with_line(store, &product, &line(&format!("{order}-{number}"), &sku, 2)).await?;
    }
    let reference = BatchRef::try_from(reference.as_str())?;
    let numbers = async |pieces, at_most| -> anyhow::Result<Vec<String>> {
        let lines = youngest(store, &sku, &reference, pieces, at_most).await?;
        Ok(lines.iter().map(|part| part.line.orderid.as_str()[order.len() + 1..].to_owned()).collect())
    };
    assert_eq!(numbers(1, 98).await?, ["4"]);
    assert_eq!(numbers(3, 98).await?, ["4", "3"]);
    assert_eq!(numbers(100, 98).await?, ["4", "3", "2", "1", "0"]);
    assert_eq!(numbers(100, 3).await?, ["4", "3", "2"]);
    let youngest = youngest(store, &sku, &reference, 1, 98).await?;
    assert_eq!(youngest, [on_batch(line(&format!("{order}-4"), &sku, 2), &reference, 6)]);
    Ok(())
}

pub(super) async fn waiting_lines_are_those_of_the_sku<S: Store>(store: &S) -> Outcome {
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    let line = line(&unique("order"), &sku, 10);
    let before = with_batch(store, &sku, &reference, 10).await?;
    let before = with_line(store, &before, &line).await?;
    let batch = BatchRef::try_from(reference.as_str())?;
    let victims = youngest(store, &sku, &batch, 10, 98).await?;
    let mut after = before.clone();
    after.change_batch_quantity(&change(&reference, 0, 1), &victims, &mut ample())?;
    commit(store, &before, &after).await?;

    assert_eq!(waiting_lines(store, &line.sku).await?, [Part { age: Version(2), ..waiting(line.clone(), 3) }]);
    assert_eq!(stored(store, &line).await?.product.waiting(), Tally { count: 1, version_sum: 3, pieces: 10 });
    assert!(youngest(store, &sku, &batch, 10, 98).await?.is_empty());
    assert!(allocations(store, &line.orderid).await?.is_empty());
    Ok(())
}

/// An old promise that comes to a batch later than young ones is listed after them, and moved from where it is.
pub(super) async fn a_line_that_moves_keeps_its_age<S: Store>(store: &S) -> Outcome {
    let (sku, first, second, order) = (unique("LAMP"), unique("batch"), unique("batch"), unique("order"));
    let [old, young] = ["old", "young"].map(|name| line(&format!("{order}-{name}"), &sku, 1));
    let product = with_batch(store, &sku, &first, 1).await?;
    let product = with_line(store, &product, &old).await?;
    let mut after = product.clone();
    after.create_batch(&new_batch(&second, &sku, 5))?;
    commit(store, &product, &after).await?;
    let product = with_line(store, &after.committed(), &young).await?;

    let (first, second) = (BatchRef::try_from(first)?, BatchRef::try_from(second)?);
    let mut after = product.clone();
    after.change_batch_quantity(
        &change(first.as_str(), 0, 1),
        &youngest(store, &sku, &first, 1, 98).await?,
        &mut ample(),
    )?;
    commit(store, &product, &after).await?;
    let moved = Part { age: Version(2), ..on_batch(old.clone(), &second, 5) };
    assert_eq!(youngest(store, &sku, &second, 5, 98).await?, [on_batch(young, &second, 4), moved.clone()]);
    assert_eq!(stored(store, &old).await?.product.version(), Version(5));

    let product = after.committed();
    let mut after = product.clone();
    after.change_batch_quantity(
        &change(second.as_str(), 0, 1),
        &youngest(store, &sku, &second, 5, 98).await?,
        &mut ample(),
    )?;
    commit(store, &product, &after).await?;
    let waits = waiting_lines(store, &old.sku).await?;
    assert_eq!(waits.first(), Some(&Part { age: Version(2), ..waiting(old, 6) }), "the oldest promise is the first");
    Ok(())
}
