//! Recounts the table's rows against its counters, on a table that is in use.
//!
//! Invariants:
//! - nothing is written;
//! - no false alarm, unless the index lags for more than a second: what looks like drift is looked at again, product by
//!   product, until its head is the same before and after; only what is found in each of several such looks is
//!   reported;
//! - an item that can't be read is reported, and stops nothing.

#![expect(clippy::disallowed_methods, reason = "an operator waits in real time")]

mod sums;

use std::collections::BTreeSet;
use std::time::Duration;

use adapters::dynamodb::DynamoDb;
use adapters::report::chain;
use domain::{BatchRef, Place, Product, Sku};
use service_layer::store::StoreError;
pub use sums::Drift;
use sums::{Products, Sums};
use tokio::time::sleep;

/// How often a product that seems to drift must show the same, looked at while it stands still.
const LOOKS: usize = 3;
/// How often a product that changes all the time is looked at before it counts as unchecked.
const TRIES: u32 = 30;
/// Between two looks. The index may lag behind the table, as a rule for far less.
const PAUSE: Duration = Duration::from_millis(300);

/// How fast to read.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Items in one page.
    pub items: i32,
    /// Read capacity units in a second.
    pub units: f64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Items that were read.
    pub items: u64,
    /// Products that they belong to.
    pub products: usize,
    /// Products that were looked at again, because the rows of a table in use come from different moments.
    pub looked_again: usize,
    /// What does not agree, by product.
    pub drift: Vec<(Sku, Drift)>,
    /// Items that are not what this version of the service writes: key, attribute and reason.
    pub unreadable: Vec<String>,
    /// Products that seemed to drift, but changed too often, or can't be read, to tell.
    pub undecided: Vec<(Sku, String)>,
}

/// Recounts the whole table. `progress` is told after each page.
///
/// # Errors
/// When the table can't be read.
pub async fn whole_table(
    store: &DynamoDb,
    pace: &Pace,
    mut progress: impl FnMut(&Report),
) -> Result<Report, StoreError> {
    let (mut report, mut products, mut from) = (Report::default(), Products::default(), None);
    loop {
        let found = store.page(from, pace.items).await?;
        for row in found.rows {
            report.items = report.items.saturating_add(1);
            match row {
                Ok(row) => products.add(row),
                Err(error) => report.unreadable.push(error.to_string()),
            }
        }
        report.products = products.len();
        progress(&report);
        if found.next.is_none() {
            break;
        }
        from = found.next;
        sleep(Duration::try_from_secs_f64(found.units / pace.units).unwrap_or_default()).await;
    }
    for (sku, references) in products.suspects() {
        look_again(store, sku, references, &mut report).await;
    }
    Ok(report)
}

/// Recounts one product: the batches that its head names, and the lines that wait.
pub async fn one_product(store: &DynamoDb, sku: Sku) -> Report {
    let mut report = Report { products: 1, ..Report::default() };
    look_again(store, sku, BTreeSet::new(), &mut report).await;
    report
}

async fn look_again(store: &DynamoDb, sku: Sku, references: BTreeSet<BatchRef>, report: &mut Report) {
    report.looked_again = report.looked_again.saturating_add(1);
    let (mut looks, mut doubt) = (Vec::<Vec<Drift>>::new(), String::new());
    for _ in 0..TRIES {
        match look(store, &sku, &references).await {
            Ok(Look::Still(drift)) if drift.is_empty() => return,
            Ok(Look::Still(drift)) => {
                looks.push(drift);
                if looks.len() == LOOKS {
                    // Only what was there every time: the index may have caught up with the rest.
                    let last = looks.pop().unwrap_or_default();
                    let confirmed = last.into_iter().filter(|drift| looks.iter().all(|look| look.contains(drift)));
                    report.drift.extend(confirmed.map(|drift| (sku.clone(), drift)));
                    return;
                }
            }
            Ok(Look::Changing) => "it changes all the time".clone_into(&mut doubt),
            Err(error) => doubt = chain(&error),
        }
        sleep(PAUSE).await;
    }
    report.undecided.push((sku, doubt));
}

/// What a look at one product came to.
enum Look {
    /// Its head was the same before and after.
    Still(Vec<Drift>),
    Changing,
}

async fn look(store: &DynamoDb, sku: &Sku, references: &BTreeSet<BatchRef>) -> Result<Look, StoreError> {
    let mut sums = Sums::default();
    let head = store.head_row(sku).await?;
    let version = head.as_ref().map(Product::version);
    if let Some(head) = head {
        sums.add_head(head);
    }
    for reference in sums.references().union(references) {
        if let Some((added, full)) = store.batch_row(sku, reference).await? {
            sums.add_batch(added, full);
        }
        let parts = store.parts_at(&Place::Batch(reference.clone()), sku).await?;
        sums.add_parts(parts.iter().filter(|part| part.line.sku == *sku));
    }
    sums.add_parts(&store.parts_at(&Place::Waiting, sku).await?);
    let after = store.head_row(sku).await?.map(|head| head.version());
    Ok(if after == version { Look::Still(sums.drift()) } else { Look::Changing })
}
