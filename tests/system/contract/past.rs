//! What every history keeps to.

use std::ops::RangeInclusive;

use domain::{CancellationReason, Event, LineId, OrderLine, Quantity, Sku, Version};
use service_layer::CorrelationId;
use service_layer::history::{History, Mention, Mentioned, Recorded};
use service_layer::outbox::{Envelope, envelopes};
use service_layer::ports::Timestamp;
use testing::{hear, line};

use crate::layers::Outcome;
use crate::names::unique;

const ALL: RangeInclusive<Version> = Version(0)..=Version(u64::MAX);

fn sku() -> Sku {
    unique("SKU").as_str().try_into().unwrap()
}

/// What a version has to tell of these lines.
fn told(sku: &Sku, version: u64, lines: &[OrderLine]) -> Vec<Envelope> {
    let refused = |line: &OrderLine| Event::OutOfStock { line: line.clone(), waiting: false, line_qty: None };
    let correlation = CorrelationId::try_from("order-7").ok();
    let events = lines.iter().map(|line| (refused(line), correlation.clone())).collect();
    envelopes(sku, Version(version), Timestamp(1_925_035_200_678), events)
}

fn places(events: &[Recorded]) -> Vec<(u64, u32)> {
    events.iter().map(|event| (event.version.0, event.number)).collect()
}

pub(super) async fn events_are_kept_once_and_listed_by_version_and_number<H: History>(history: &H) -> Outcome {
    let (sku, other) = (sku(), sku());
    let order = unique("order");
    let lines = [1, 2, 3].map(|qty| line(&order, sku.as_str(), qty));
    let mut all: Vec<Envelope> = [9, 255, 256, 2, 10].iter().flat_map(|version| told(&sku, *version, &lines)).collect();
    hear(history, &told(&other, 3, &[line(&order, other.as_str(), 1)])).await;
    for _ in 0..2 {
        all.reverse();
        hear(history, &all).await;
    }
    let by_version = |versions: &[u64]| -> Vec<(u64, u32)> {
        versions.iter().flat_map(|version| (1..=3).map(|number| (*version, number))).collect()
    };
    let found = history.of_product(&sku, ALL, 100).await?;
    assert_eq!(places(&found), by_version(&[2, 9, 10, 255, 256]));
    let [first, ..] = &found[..] else { anyhow::bail!("nothing") };
    assert_eq!((first.of, first.orderid.as_ref().map(ToString::to_string)), (3, Some(order)));
    assert!(first.text.ends_with(r#""at":"2031-01-01T12:00:00.678Z","correlation_id":"order-7"}"#), "{}", first.text);
    let some = history.of_product(&sku, Version(9)..=Version(255), 100).await?;
    assert_eq!(places(&some), by_version(&[9, 10, 255]), "the ends too");
    let few = history.of_product(&sku, Version(3)..=Version(255), 4).await?;
    assert_eq!(places(&few), by_version(&[9, 10])[..4]);
    assert_eq!(history.of_product(&other, Version(4)..=Version(9), 9).await?.len(), 0);
    Ok(())
}

pub(super) async fn what_no_line_leads_to_is_mentioned_of_its_order<H: History>(history: &H) -> Outcome {
    let sku = sku();
    let [one, other] = [1, 2].map(|qty| line(&unique("order"), sku.as_str(), qty));
    let cancelled =
        |line: &OrderLine| Event::Cancelled { line: line.clone(), batchref: None, reason: CancellationReason::Asked };
    // Two lines of one order in one version.
    let twin = OrderLine { name: "twin".try_into()?, ..one.clone() };
    let events = [&one, &twin, &other].map(|line| (cancelled(line), None)).to_vec();
    hear(history, &told(&sku, 3, std::slice::from_ref(&one))).await;
    hear(history, &envelopes(&sku, Version(4), Timestamp(1), events)).await;
    let mention = |line: &OrderLine, version, what| Mention { line: line.id(), version: Version(version), what };
    let expected = [
        mention(&one, 3, Mentioned::Refused),
        mention(&one, 4, Mentioned::Cancelled),
        mention(&twin, 4, Mentioned::Cancelled),
    ];
    assert_eq!(history.mentions(&one.orderid).await?, expected);
    assert_eq!(history.mentions(&unique("order").as_str().try_into()?).await?, []);
    Ok(())
}

/// The longest names that a line can have, and those that look like parts of keys.
pub(super) async fn any_name_is_recorded_as_it_is<H: History>(history: &H) -> Outcome {
    let start = unique("");
    let long = |length: usize| -> String {
        let seats = "🪑".repeat((length - start.len()) / 4);
        format!("{start}{seats}")
    };
    for (sku, name) in [(long(1_000), "1".to_owned()), (format!("{start}#1#%\"\\"), format!("#{start}\u{301}"))] {
        let orderid = long(1_000);
        let id = LineId::named(
            orderid.as_str().try_into()?,
            sku.as_str().try_into()?,
            Some(name.as_str().try_into()?),
            None,
        );
        let LineId { orderid, sku, name } = id.map_err(anyhow::Error::msg)?;
        let line = OrderLine { orderid, sku, name, qty: Quantity::try_from(1)? };
        hear(history, &told(&line.sku, u64::MAX, std::slice::from_ref(&line))).await;
        assert_eq!(places(&history.of_product(&line.sku, ALL, 9).await?), [(u64::MAX, 1)], "{line:?}");
        let mentions = history.mentions(&line.orderid).await?;
        let expected = Mention { line: line.id(), version: Version(u64::MAX), what: Mentioned::Refused };
        assert!(mentions.contains(&expected), "{line:?}: {mentions:?}");
    }
    Ok(())
}
