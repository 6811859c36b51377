//! Each attribute of each kind of item, lost or of another type: the error names the item and the attribute.

use std::fmt::Write as _;
use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Batch, BatchRef, Budget, Held, LastPut, NewBatch, OrderVersion, Part, Place, Product, ProductState, Revision,
    Split, Tally, Version,
};
use proptest::prelude::*;
use service_layer::ports::{StoredBatch, Timestamp};
use service_layer::store::{Asking, AskingId, Commit, CommitId, Origins, Put, Stored};
use testing::{change, line};

use super::inbox;
use super::items::{
    AskingItem, BatchItem, CancelledItem, HeadItem, Item, Key, LastPutItem, LineItem, TurnItem, outbox_envelopes,
    read_asking, read_batch, read_cancelled, read_head, read_last_put, read_part, read_turn, to_item,
};

/// Reads an item of one kind, as the error or what was read.
type Read = fn(Item) -> Result<String, String>;

fn head(item: Item) -> Result<String, String> {
    // Which events a commit had matters to the relay alone, and their batches' counters to commands alone.
    let read = read_head(item.clone()).map_err(|error| error.to_string())?;
    let told = outbox_envelopes(item.into()).map_err(|error| error.to_string())?;
    Ok(format!("{read:?} {told:?}"))
}

fn batch(item: Item) -> Result<String, String> {
    read_batch(item).map(|read| format!("{read:?}")).map_err(|error| error.to_string())
}

fn line_item(item: Item) -> Result<String, String> {
    read_part(item).map(|read| format!("{read:?}")).map_err(|error| error.to_string())
}

fn cancelled(item: Item) -> Result<String, String> {
    read_cancelled(item).map(|read| format!("{read:?}")).map_err(|error| error.to_string())
}

fn last_put(item: Item) -> Result<String, String> {
    read_last_put(item).map(|read| format!("{read:?}")).map_err(|error| error.to_string())
}

fn asking_item(item: Item) -> Result<String, String> {
    read_asking(item).map(|read| format!("{read:?}")).map_err(|error| error.to_string())
}

fn turn(item: Item) -> Result<String, String> {
    read_turn(item).map(|read| format!("{read:?}")).map_err(|error| error.to_string())
}

fn asking() -> Asking {
    let (since, until) = (Timestamp(1_700_000_000_000), Timestamp(1_700_000_009_500));
    Asking { line: line("o1", "LAMP", 3), id: AskingId(7), since, until, correlation: "c1".try_into().unwrap() }
}

/// Of a commit whose events came of several requests.
fn shared_head() -> Item {
    let mut product = product().committed();
    for orderid in ["o7", "o8"] {
        product.allocate(&line(orderid, "LAMP", 1), &[]).unwrap();
    }
    let (correlation, at) = ("c1".try_into().unwrap(), Timestamp(1_700_000_000_000));
    let origins = Origins::from([(line("o8", "LAMP", 1).id(), "c8".try_into().unwrap())]);
    to_item(&HeadItem::new(&product, &Commit::new(CommitId(255), &correlation, &origins, at))).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "it is one of several readers")]
fn inbox_entry(item: Item) -> Result<String, String> {
    let read = inbox::refused(&Key::inbox("LAMP#1#1"), Some(&item));
    read.map(|read| format!("{read:?}")).map_err(|error| error.to_string())
}

fn new_batch() -> NewBatch {
    NewBatch { eta: Some("2011-01-02".to_owned().try_into().unwrap()), ..testing::new_batch("b1", "LAMP", 9) }
}

fn part(place: Place) -> Part {
    Part { line: line("o1", "LAMP", 3), split: None, place, age: Version(2), since: Version(3), held_until: None }
}

/// A product that has refused a line; its last commit took one off a batch and put it on another.
fn product() -> Product {
    let batch = |reference: &str, allocated: u32| Batch {
        allocated,
        reference: reference.try_into().unwrap(),
        revision: Some(Revision::AsOf(5)),
        ..new_batch().into()
    };
    let mut product = Product::restore(ProductState {
        sku: "LAMP".try_into().unwrap(),
        version: Version(7),
        batches: vec![batch("b1", 3), batch("b2", 0)],
        waiting: Tally::default(),
        held: Held { tally: Tally { count: 1, version_sum: 2, pieces: 4 }, due: Some(Timestamp(1_800_000_000_000)) },
        backlog: false,
        refused: Some(10.try_into().unwrap()),
    });
    let change = change("b1", 1, Revision::Version(1));
    let mut budget = Budget { items: 98, event_bytes: 100_000 };
    product.change_batch_quantity(&change, &[part(Place::Batch(change.reference.clone()))], &mut budget).unwrap();
    product
}

fn head_item(product: &Product, id: CommitId) -> Item {
    let (correlation, at) = ("c1".try_into().unwrap(), Timestamp(1_700_000_000_000));
    to_item(&HeadItem::new(product, &Commit::new(id, &correlation, &Origins::new(), at))).unwrap()
}

fn item_of(part: &Part) -> Item {
    to_item(&LineItem::new(part, Timestamp(1_999), Duration::from_secs(10))).unwrap()
}

fn cancelled_item() -> Item {
    to_item(&CancelledItem::new(&"o1".try_into().unwrap(), Timestamp(1_999), Duration::from_secs(10))).unwrap()
}

fn last_put_item(version: Option<OrderVersion>) -> Item {
    let now = LastPut { version, content: "c0ffee".to_owned() };
    let put = Put { orderid: "o1".try_into().unwrap(), before: None, now };
    to_item(&LastPutItem::new(&put, CommitId(255), Timestamp(1_999), Duration::from_secs(10))).unwrap()
}

/// An older wish may come at any time; without versions, nobody could tell.
#[test]
fn what_was_wanted_with_a_version_is_kept_for_good() {
    assert_eq!(last_put_item(Some(OrderVersion(7))).get("expires_at"), None);
    assert_eq!(last_put_item(None)["expires_at"], AttributeValue::N("11".to_owned()));
}

/// Every kind of item, as the service writes it, and how it is read.
fn kinds() -> Vec<(&'static str, Item, Read)> {
    let full = Batch { allocated: 7, shipped: 2, revision: Some(Revision::AsOf(5)), ..new_batch().into() };
    let on_batch = part(Place::Batch("b1".try_into().unwrap()));
    let now = Timestamp(1_000);
    vec![
        ("SKU#LAMP/PRODUCT", head_item(&product(), CommitId(255)), head),
        ("BATCH#b1/SKU#LAMP", to_item(&BatchItem::new(&new_batch(), Some(&full))).unwrap(), batch),
        ("BATCH#b1/SKU#LAMP", to_item(&BatchItem::new(&new_batch(), None)).unwrap(), batch),
        ("ORDER#o1/LINE#LAMP\\u001f3", item_of(&on_batch), line_item),
        ("ORDER#o1/LINE#LAMP\\u001f3", item_of(&part(Place::Waiting)), line_item),
        ("ORDER#o1/LINE#LAMP\\u001f3", item_of(&Part { held_until: Some(now), ..on_batch.clone() }), line_item),
        ("ORDER#o1/LINE#LAMP\\u001f3", item_of(&part(Place::Shipped("b1".try_into().unwrap()))), line_item),
        ("ORDER#o1/LINE#LAMP\\u001f3", item_of(&part(Place::Cancelled)), line_item),
        (
            "ORDER#o1/LINE#LAMP\\u001f3\\u001f00000004",
            item_of(&Part { split: Some(Split { first: 4, of: 7.try_into().unwrap() }), ..on_batch.clone() }),
            line_item,
        ),
        ("SKU#LAMP/PRODUCT", shared_head(), head),
        ("ORDER#o1/LINE#LAMP\\u001f3", to_item(&AskingItem::new(&asking())).unwrap(), asking_item),
        ("TURN#LAMP/TURN", to_item(&TurnItem::new(&"LAMP".try_into().unwrap(), now)).unwrap(), turn),
        ("ORDER#o1/CANCELLED", cancelled_item(), cancelled),
        ("ORDER#o1/LAST-PUT", last_put_item(Some(OrderVersion(7))), last_put),
        ("ORDER#o1/LAST-PUT", last_put_item(None), last_put),
        ("EVENT#LAMP#1#1/INBOX", inbox::claimed("LAMP#1#1", 7, now, Duration::from_secs(40)), inbox_entry),
        ("EVENT#LAMP#1#1/INBOX", inbox::finished("LAMP#1#1", now), inbox_entry),
    ]
}

/// One step from an item to an attribute, or from an attribute to one inside of it.
#[derive(Clone, Debug)]
enum Step {
    Field(String),
    Element(usize),
}

/// Where all attributes are, also those inside of others.
fn paths(item: &Item) -> Vec<Vec<Step>> {
    fn below(path: &[Step], attribute: &AttributeValue) -> Vec<Vec<Step>> {
        let inner: Vec<(Step, &AttributeValue)> = match attribute {
            AttributeValue::M(fields) => {
                fields.iter().map(|(name, value)| (Step::Field(name.clone()), value)).collect()
            }
            AttributeValue::L(elements) => {
                elements.iter().enumerate().map(|(at, value)| (Step::Element(at), value)).collect()
            }
            _ => Vec::new(),
        };
        let mut found = vec![path.to_vec()];
        for (step, value) in inner {
            found.extend(below(&[path, &[step]].concat(), value));
        }
        found
    }
    let fields = item.iter().map(|(name, value)| below(&[Step::Field(name.clone())], value));
    let mut paths: Vec<_> = fields.flatten().collect();
    paths.sort_by_key(|path| shown(path));
    paths
}

fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(name) if text.is_empty() => text.push_str(name),
            Step::Field(name) => write!(text, ".{name}").unwrap(),
            Step::Element(at) => write!(text, "[{at}]").unwrap(),
        }
    }
    text
}

/// The item with this attribute replaced, or lost.
fn changed(item: &Item, path: &[Step], replacement: Option<&AttributeValue>) -> Item {
    fn change(attribute: &mut AttributeValue, path: &[Step], replacement: Option<&AttributeValue>) {
        match (attribute, path, replacement) {
            (AttributeValue::M(fields), [Step::Field(name)], None) => drop(fields.remove(name)),
            (AttributeValue::L(elements), [Step::Element(at)], None) => drop(elements.remove(*at)),
            (AttributeValue::M(fields), [Step::Field(name), rest @ ..], _) => {
                change(fields.get_mut(name).unwrap(), rest, replacement);
            }
            (AttributeValue::L(elements), [Step::Element(at), rest @ ..], _) => {
                change(&mut elements[*at], rest, replacement);
            }
            (attribute, [], Some(replacement)) => *attribute = replacement.clone(),
            (attribute, path, _) => panic!("{attribute:?} has no {path:?}"),
        }
    }
    let mut attributes = AttributeValue::M(item.clone());
    change(&mut attributes, path, replacement);
    match attributes {
        AttributeValue::M(item) => item,
        _ => panic!("still an item"),
    }
}

/// One of each type.
fn types() -> Vec<AttributeValue> {
    vec![
        AttributeValue::S("text".to_owned()),
        AttributeValue::S(String::new()),
        AttributeValue::N("-1".to_owned()),
        AttributeValue::N("1.5".to_owned()),
        AttributeValue::N("1E+100".to_owned()),
        AttributeValue::Bool(true),
        AttributeValue::Null(true),
        AttributeValue::B(Blob::new([1, 2])),
        AttributeValue::L(vec![AttributeValue::Null(true)]),
        AttributeValue::M(Item::from([("odd".to_owned(), AttributeValue::Null(true))])),
        AttributeValue::Ss(vec!["a".to_owned()]),
        AttributeValue::Ns(vec!["1".to_owned()]),
        AttributeValue::Bs(vec![Blob::new([1])]),
    ]
}

/// Whether an attribute may be absent (or null, which is how events say it).
fn is_optional(key: &str, path: &[Step]) -> bool {
    let is_head = key.ends_with("/PRODUCT");
    matches!(path.last(), Some(Step::Field(name)) if ["eta", "revision", "full", "refused"].contains(&name.as_str()))
        || (is_head && ["correlation", "correlations"].contains(&shown(path).as_str()))
        || shown(path) == "full.shipped"
        || (shown(path) == "expires_at" && (key.contains("/LINE#") || key.ends_with("/LAST-PUT")))
        || (shown(path) == "version" && key.ends_with("/LAST-PUT"))
}

/// Nobody reads the key of an entry in the inbox or of a turn, nor the sort key of a head or batch: they are what was asked for.
fn is_read(key: &str, path: &[Step]) -> bool {
    let is_key = matches!(path, [Step::Field(name)] if name == "PK" || name == "SK");
    !(is_key && (key.starts_with("EVENT#") || key.starts_with("TURN#")))
}

fn assert_names(outcome: Result<String, String>, key: &str, path: &[Step]) {
    let place = shown(path);
    let Err(error) = outcome else { panic!("{key} is read although {place} is not what it should be") };
    let (partition, sort) = key.split_once('/').unwrap();
    let key = match place.as_str() {
        "PK" => sort,
        "SK" => partition,
        _ => key,
    };
    assert!(error.starts_with("item ") && error.contains(key), "{place}: {error}");
    assert!(error.contains(" of the table can't be read: ") && error.len() < 400, "{place}: {error}");
    let (last, parents) = path.split_last().unwrap();
    let last = match last {
        // A revision has one of two fields, and how a line ended one or none.
        Step::Field(_) if shown(parents).ends_with(".revision") || shown(parents) == "ended" => String::new(),
        Step::Field(name) => name.clone(),
        Step::Element(at) => format!("[{at}]"),
    };
    assert!(error.contains(&shown(parents)) && error.contains(&last), "{place} is not named in: {error}");
}

#[test]
fn each_item_is_read_as_it_was_written() {
    for (key, item, read) in kinds() {
        let outcome = read(item);
        assert!(outcome.is_ok(), "{key}: {outcome:?}");
    }
}

#[test]
fn a_lost_attribute_is_named() {
    let mut lost = 0;
    for (key, item, read) in kinds() {
        for path in paths(&item).into_iter().filter(|path| is_read(key, path)) {
            if matches!(path.last(), Some(Step::Element(_))) {
                continue;
            }
            let outcome = read(changed(&item, &path, None));
            if is_optional(key, &path) {
                assert!(outcome.is_ok(), "{}: {outcome:?}", shown(&path));
            } else {
                assert_names(outcome, key, &path);
                lost += 1;
            }
        }
    }
    assert!(lost > 50, "only {lost} attributes were tried");
}

#[test]
fn an_attribute_of_another_type_is_named() {
    let mut replaced = 0;
    for (key, item, read) in kinds() {
        for path in paths(&item).into_iter().filter(|path| is_read(key, path)) {
            for other in types() {
                let outcome = read(changed(&item, &path, Some(&other)));
                match (&other, shown(&path).as_str()) {
                    // Of a name, any text is one.
                    (AttributeValue::S(text), place) if !text.is_empty() && takes_text(place) => {}
                    (AttributeValue::S(_), "SK")
                        if ["/PRODUCT", "/CANCELLED", "/LAST-PUT"].iter().any(|end| key.ends_with(end)) => {}
                    (AttributeValue::N(_), _) if key.starts_with("EVENT#") => {}
                    (AttributeValue::Bool(_), "backlog") => {}
                    (AttributeValue::Null(_), _) if is_optional(key, &path) => {}
                    _ => {
                        assert_names(outcome, key, &path);
                        replaced += 1;
                    }
                }
            }
        }
    }
    assert!(replaced > 700, "only {replaced} were tried");
}

fn takes_text(place: &str) -> bool {
    ["ref", "sku", "orderid", "line", "batchref", "correlation", "content", "ended.shipped"]
        .iter()
        .any(|name| place.ends_with(name))
        && place != "full.ref"
        || place.starts_with("correlations[")
}

/// Counters that would be lost at the next commit, or that sell what is not there.
#[test]
fn counters_that_contradict_each_other_are_named() {
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let kinds = kinds();
    let [(_, stored_head, _), (_, full, _), _, (_, stored_line, _), ..] = kinds.as_slice() else {
        panic!("head, full batch, new batch and line come first")
    };
    let field = |name: &str| Step::Field(name.to_owned());
    let in_head = [field("batches"), Step::Element(0), field("allocated")];
    for allocated in ["9", "10"] {
        let error = head(changed(stored_head, &in_head, Some(&number(allocated)))).unwrap_err();
        assert!(error.ends_with("batches[0].allocated: must be less than purchased, with shipped"), "{error}");
    }
    let error = batch(changed(full, &[field("full"), field("allocated")], Some(&number("10")))).unwrap_err();
    assert!(error.ends_with("full.allocated: must be at most purchased, with shipped"), "{error}");
    let error = batch(changed(full, &[field("full"), field("ref")], Some(&text("b2")))).unwrap_err();
    assert!(error.ends_with("full.ref: must be b1, not b2"), "{error}");
    let error = head(changed(stored_head, &[field("events")], Some(&AttributeValue::L(Vec::new())))).unwrap_err();
    assert!(error.ends_with("events: must not be empty"), "{error}");
    let mut both = stored_line.clone();
    both.insert("ended".to_owned(), text("cancelled"));
    let ended = line_item(both).unwrap_err();
    assert!(ended.ends_with("place: must not be there beside ended"), "{ended}");
    let nowhere = line_item(changed(stored_line, &[field("place")], None)).unwrap_err();
    assert!(nowhere.ends_with("missing field `place` or `ended`"), "{nowhere}");
}

#[test]
fn an_entry_that_was_not_handed_back_is_not_taken_for_finished() {
    assert!(inbox::refused(&Key::inbox("LAMP#1#1"), None).is_err());
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Z0-9-]{1,12}", "\\PC{1,250}", "[#/%🪑 ]{1,250}"]
        .prop_filter("is a name", |text| BatchRef::try_from(text.as_str()).is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_are_read_as_they_were_written(
        orderid in name(), sku in name(), qty in 1..=u32::MAX, all in proptest::option::of(1..=u32::MAX),
        first: u32, named in proptest::option::of("[a#/]{1,18}"),
        batch in proptest::option::of(name()), has_ended: bool, age: u64, since: u64,
    ) {
        let mut line = line(&orderid, &sku, qty);
        if let Some(name) = named {
            line.name = name.try_into().unwrap();
        }
        let place = match (batch, has_ended) {
            (Some(batch), false) => Place::Batch(batch.try_into().unwrap()),
            (Some(batch), true) => Place::Shipped(batch.try_into().unwrap()),
            (None, false) => Place::Waiting,
            (None, true) => Place::Cancelled,
        };
        let split = all.map(|all| {
            let of = qty.max(all);
            Split { first: of.saturating_sub(qty).min(first), of: of.try_into().unwrap() }
        });
        let part = Part { line, split, place, age: Version(age), since: Version(since), held_until: None };
        prop_assert_eq!(read_part(item_of(&part)).unwrap(), part);
    }

    #[test]
    fn batches_are_read_as_they_were_written(
        reference in name(), sku in name(), qty in 1..=u32::MAX, is_expected: bool, taken in 0..=u32::MAX,
        revision in proptest::option::of(prop_oneof![
            any::<u64>().prop_map(Revision::AsOf), any::<u64>().prop_map(Revision::Version),
        ]),
        refused in proptest::option::of(1..=u32::MAX),
        due in proptest::option::of(any::<u64>()),
    ) {
        let new = NewBatch {
            reference: reference.try_into().unwrap(),
            sku: sku.try_into().unwrap(),
            qty: qty.try_into().unwrap(),
            eta: is_expected.then(|| "2011-01-02".to_owned().try_into().unwrap()),
        };
        let full = Batch { allocated: qty, revision, ..new.clone().into() };
        let item = to_item(&BatchItem::new(&new, Some(&full))).unwrap();
        prop_assert_eq!(read_batch(item).unwrap(), StoredBatch { added: new.clone(), full: Some(full.clone()) });

        let open = Batch { allocated: taken.min(qty.saturating_sub(1)), ..full };
        let waiting = Tally { count: 2, version_sum: 5, pieces: 9 };
        let held = due.map_or(Held::default(), |due| Held { tally: waiting, due: Some(Timestamp(due)) });
        let (version, batches) = (Version(3), vec![open]);
        let refused = refused.map(|pieces| pieces.try_into().unwrap());
        let state = ProductState { sku: new.sku, version, batches, waiting, held, backlog: true, refused };
        let (product, commit) = (Product::restore(state), CommitId(u64::from(qty)));
        prop_assert_eq!(read_head(head_item(&product, commit)).unwrap(), Stored { product, commit, crowded_at: None });
    }
}
