//! Products with a past: many lines, many batches, nearly all of them full.

use std::collections::HashMap;

use adapters::dynamodb::DynamoDb;
use anyhow::ensure;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::{NewBatch, OrderLine, Product};
use service_layer::CorrelationId;
use service_layer::ports::Timestamp;
use service_layer::store::{Changed, Commit, CommitId, Origins, Products as _};
use testing::{found_product, line, new_batch};

use crate::names::unique;
use crate::servers::TABLE;

/// Most lines in one commit, beside the head and two batches.
const LINES: usize = 97;

/// A name that no other test uses, always as long: sizes are compared here.
pub(crate) fn name(kind: &str) -> String {
    format!("{kind}{:0>10}", unique("").trim_start_matches('-'))
}

/// A product of this SKU, whose batches all came and are full. These many lines together filled the first ones; those
/// without a line were shrunk to nothing.
pub(crate) async fn full_batches(
    store: &DynamoDb,
    client: &Client,
    sku: &str,
    lines: usize,
    batches: usize,
) -> anyhow::Result<()> {
    let with_lines = batches.min(10);
    let mut product = None;
    for number in 0..with_lines {
        let count = lines / with_lines + usize::from(number < lines % with_lines);
        let new = new_batch(&name("batch"), sku, u32::try_from(count)?);
        product = Some(filled(store, product, &new, &orders(sku, count)).await?);
    }
    let rows: Vec<_> = (with_lines..batches).map(|_| shrunk_to_nothing(sku)).collect();
    for rows in rows.chunks(25) {
        let output = client.batch_write_item().request_items(TABLE, rows.to_vec()).send().await?;
        ensure!(output.unprocessed_items().is_none_or(HashMap::is_empty), "unprocessed rows");
    }
    Ok(())
}

/// A full batch's row, as docs/data-model.md shows it: one commit each would take a minute.
fn shrunk_to_nothing(sku: &str) -> WriteRequest {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let number = |value: &str| AttributeValue::N(value.to_owned());
    let map = |attributes: Vec<(&str, AttributeValue)>| -> HashMap<_, _> {
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    let reference = name("batch");
    let revision = AttributeValue::M(map(vec![("as_of", number("1"))]));
    let full =
        [("ref", text(&reference)), ("purchased", number("0")), ("allocated", number("0")), ("revision", revision)];
    let row = map(vec![
        ("PK", text(&format!("BATCH#{reference}"))),
        ("SK", text(&format!("SKU#{sku}"))),
        ("qty", number("5")),
        ("full", AttributeValue::M(map(full.into()))),
    ]);
    WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(row)).build().unwrap()).build()
}

/// Lines of one piece, an order each.
pub(crate) fn orders(sku: &str, count: usize) -> Vec<OrderLine> {
    let order = name("order");
    (0..count).map(|number| line(&format!("{order}{number:06}"), sku, 1)).collect()
}

/// Adds a batch and puts these lines on it, many in a commit. The product is `before`, or as it is stored.
pub(crate) async fn filled(
    store: &DynamoDb,
    before: Option<Product>,
    new: &NewBatch,
    lines: &[OrderLine],
) -> anyhow::Result<Product> {
    let mut before = match before {
        Some(product) => Some(product),
        None => found_product(store, new.sku.as_str()).await?,
    };
    let mut is_added = false;
    for chunk in lines.chunks(LINES) {
        let mut after = before.clone().unwrap_or_else(|| Product::new(new.sku.clone()));
        if !std::mem::replace(&mut is_added, true) {
            after.create_batch(new)?;
        }
        for line in chunk {
            after.allocate(line, &[])?;
        }
        let (correlation, origins) = (CorrelationId::unknown(), Origins::new());
        let commit = Commit {
            products: &[Changed { before: before.as_ref(), after: &after }],
            ..Commit::new(CommitId(after.version().0), &correlation, &origins, Timestamp(1))
        };
        store.commit(commit).await?;
        // The next reader would not be shown a full batch.
        before = Some(after.as_stored());
    }
    before.ok_or_else(|| anyhow::anyhow!("no commit"))
}
