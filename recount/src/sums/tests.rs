//! Rows that agree, and each way in which they may not.

use domain::{OrderLine, ProductState, Revision, Split};

use super::*;

fn sku() -> Sku {
    "LAMP".try_into().unwrap()
}

fn added(reference: &str, sku: &str, qty: u32) -> NewBatch {
    NewBatch {
        reference: reference.try_into().unwrap(),
        sku: sku.try_into().unwrap(),
        qty: qty.try_into().unwrap(),
        eta: None,
    }
}

fn counters(reference: &str, purchased: u32, allocated: u32) -> Batch {
    let revision = Some(Revision::Version(1));
    Batch { purchased, allocated, revision, ..Batch::from(added(reference, "LAMP", 1)) }
}

fn line(orderid: &str, qty: u32, place: Place, since: u64) -> Part {
    let line = OrderLine::unnamed(orderid.try_into().unwrap(), sku(), qty.try_into().unwrap());
    Part { line, split: None, place, age: Version(since), since: Version(since), held_until: None }
}

fn on(reference: &str) -> Place {
    Place::Batch(reference.try_into().unwrap())
}

/// A product at version 9: an open batch of 10 with 4 allocated, a full one of 3, a line of 7 that waits.
struct Rows {
    open: Vec<Batch>,
    items: Vec<(NewBatch, Option<Batch>)>,
    lines: Vec<Part>,
    waiting: Tally,
    held: Held,
    backlog: bool,
    refused: Option<u32>,
}

fn healthy() -> Rows {
    Rows {
        open: vec![counters("open", 10, 4)],
        items: vec![(added("open", "LAMP", 10), None), (added("full", "LAMP", 5), Some(counters("full", 3, 3)))],
        lines: vec![
            line("o1", 4, on("open"), 9),
            line("o2", 1, on("full"), 3),
            line("o3", 2, on("full"), 4),
            line("o4", 7, Place::Waiting, 6),
        ],
        waiting: Tally { count: 1, version_sum: 6, pieces: 7 },
        held: Held::default(),
        backlog: false,
        refused: Some(8),
    }
}

fn told(change: impl FnOnce(&mut Rows)) -> Vec<String> {
    let mut rows = healthy();
    change(&mut rows);
    let mut sums = Sums::default();
    let Rows { open: batches, waiting, held, backlog, .. } = rows;
    let refused = rows.refused.map(|pieces| pieces.try_into().unwrap());
    let version = Version(9);
    sums.add_head(Product::restore(ProductState { sku: sku(), version, batches, waiting, held, backlog, refused }));
    for (added, full) in rows.items {
        sums.add_batch(added, full);
    }
    sums.add_parts(&rows.lines);
    sums.drift().iter().map(ToString::to_string).collect()
}

#[test]
fn rows_that_agree_are_no_drift() {
    assert_eq!(told(|_| {}), [""; 0]);
    assert_eq!(told(|rows| rows.backlog = true), [""; 0], "a backlog that is not settled yet");
}

#[test]
fn counters_and_lines() {
    assert_eq!(
        told(|rows| rows.open[0].allocated = 5),
        ["batch open: 5 pieces are counted as allocated, but its 1 lines hold 4"]
    );
    assert_eq!(
        told(|rows| drop(rows.lines.remove(2))),
        ["batch full: 3 pieces are counted as allocated, but its 1 lines hold 1"]
    );
    assert_eq!(told(|rows| rows.open[0].purchased = 3), ["batch open is oversold: 4 allocated or shipped of 3"]);
    assert_eq!(told(|rows| rows.open[0].shipped = 7), ["batch open is oversold: 11 allocated or shipped of 10"]);
    assert_eq!(told(|rows| rows.open[0].shipped = 5), [""; 0], "shipped lines may have expired");
    let ended = |place| told(|rows| rows.lines.push(line("o5", 100, place, 9)));
    let shipped = Place::Shipped("open".try_into().unwrap());
    assert_eq!([ended(shipped), ended(Place::Cancelled)], [[""; 0]; 2], "they are counted nowhere");
    assert_eq!(
        told(|rows| rows.lines[0].since = Version(10)),
        ["a line got to its place at version 10, but the product is at 9"]
    );
}

#[test]
fn waiting_lines() {
    assert_eq!(
        told(|rows| rows.waiting.count = 2),
        ["the head counts 2 waiting lines (7 pieces, sum of versions 6), but 1 wait (7, 6)"]
    );
    assert_eq!(
        told(|rows| rows.lines[3].since = Version(7)),
        ["the head counts 1 waiting lines (7 pieces, sum of versions 6), but 1 wait (7, 7)"]
    );
    assert_eq!(
        told(|rows| rows.waiting.pieces = 8),
        ["the head counts 1 waiting lines (8 pieces, sum of versions 6), but 1 wait (7, 6)"]
    );
    assert_eq!(
        told(|rows| rows.open[0].purchased = 11),
        ["a line that takes 7 waits beside batch open, which has 7 free, and nothing is owed"]
    );
    let nobody_waits = |rows: &mut Rows| {
        rows.lines.pop();
        (rows.waiting, rows.backlog) = (Tally::default(), true);
    };
    assert_eq!(told(nobody_waits), ["stock is owed to waiting lines, but none waits"]);
}

#[test]
fn held_lines() {
    let due = |seconds: u64| Timestamp(seconds * 1_000);
    let held = |rows: &mut Rows| {
        rows.lines[0].held_until = Some(due(60));
        rows.held = Held { tally: Tally { count: 1, version_sum: 9, pieces: 4 }, due: Some(due(50)) };
    };
    assert_eq!(told(held), [""; 0], "the head may look for it too early");
    let too_late = |rows: &mut Rows| {
        held(rows);
        rows.held.due = Some(due(70));
    };
    let [told_late] = told(too_late).try_into().unwrap();
    assert!(told_late.starts_with("a line is due at Timestamp(60000), before the head looks for one"), "{told_late}");
    let uncounted = |rows: &mut Rows| {
        held(rows);
        rows.held.tally.count = 2;
    };
    assert_eq!(told(uncounted), ["the head counts 2 held lines (4 pieces, sum of versions 9), but 1 are held (4, 9)"]);
}

#[test]
fn what_counts_as_refused_must_fit_nowhere() {
    assert_eq!(
        told(|rows| rows.refused = Some(6)),
        ["a line of 6 counts as refused, but batch open has 6 free: a refusal would not be told"]
    );
    assert_eq!(told(|rows| rows.refused = None), [""; 0]);
}

#[test]
fn batches_in_the_head_and_by_themselves() {
    assert_eq!(
        told(|rows| rows.items[0].1 = Some(counters("open", 10, 4))),
        ["batch open is in the head, but its item says that it is full"]
    );
    assert_eq!(told(|rows| rows.items[1].1 = None), ["batch full is neither in the head nor full"]);
    assert_eq!(
        told(|rows| drop(rows.items.remove(0))),
        ["batch open is in the head, but has no item", "1 lines stand on batch open, which does not exist"]
    );
    assert_eq!(
        told(|rows| rows.items[1].1 = Some(counters("full", 4, 3))),
        ["batch full is kept as full, but has 1 free"]
    );
    assert_eq!(told(|rows| rows.open[0].purchased = 4), ["batch open is in the head, but has no free stock"]);
    assert_eq!(told(|rows| rows.open.push(rows.open[0].clone())), ["batch open is in the head twice"]);
}

#[test]
fn a_batch_that_never_changed_is_as_it_was_added() {
    let otherwise = "batch open was added otherwise than its counters say: reference, ETA or first quantity differ";
    assert_eq!(told(|rows| rows.open[0].revision = None), [""; 0]);
    let other_eta = |rows: &mut Rows| rows.open[0].eta = Some("2011-01-02".to_owned().try_into().unwrap());
    assert_eq!(told(other_eta), [otherwise]);
    let changed_eta = |rows: &mut Rows| {
        other_eta(rows);
        rows.open[0].eta_revision = Some(Revision::Version(1));
    };
    assert_eq!(told(changed_eta), [""; 0]);
    let other_qty = |rows: &mut Rows| {
        rows.open[0].revision = None;
        rows.items[0].0.qty = 11.try_into().unwrap();
    };
    assert_eq!(told(other_qty), [otherwise]);
}

#[test]
fn rows_without_a_head() {
    let mut sums = Sums::default();
    assert_eq!(sums.drift(), []);
    sums.add_part(&line("o1", 1, on("b"), 1));
    sums.add_batch(added("b", "LAMP", 1), None);
    assert_eq!(sums.drift(), [Drift::NoHead { batches: 1, lines: 1 }]);
}

#[test]
fn parts_of_a_line() {
    let of_ten = |first: u32, qty: u32, place: Place, since: u64| {
        let split = Some(Split { first, of: 10.try_into().unwrap() });
        let part = line("o6", qty, place, since);
        Part { split, line: OrderLine { name: "10".try_into().unwrap(), ..part.line }, ..part }
    };
    let told = |parts: Vec<Part>| {
        let pieces = parts.iter().map(|part| part.line.qty.get()).sum::<u32>();
        told(|rows| {
            rows.open[0].allocated += pieces;
            rows.open[0].purchased += pieces;
            rows.lines.extend(parts);
        })
    };
    assert_eq!(told(vec![of_ten(0, 4, on("open"), 5), of_ten(4, 6, on("open"), 6)]), [""; 0]);
    assert_eq!(
        told(vec![of_ten(0, 4, on("open"), 5), of_ten(5, 5, on("open"), 6)]),
        [r#"line "10" of order "o6" has 10 pieces, but its 2 parts have 9, or have one twice"#]
    );
    assert_eq!(
        told(vec![of_ten(0, 5, on("open"), 5), of_ten(4, 5, on("open"), 6)]),
        [r#"line "10" of order "o6" has 10 pieces, but its 2 parts have 10, or have one twice"#]
    );
}

#[test]
fn a_line_that_may_be_split_waits_beside_no_more_than_is_of_no_use_to_it() {
    let waits = |pieces: u32, all: u32| {
        told(|rows| {
            let split = Some(Split { first: 0, of: all.try_into().unwrap() });
            rows.lines[3] = Part { split, ..line("o4", pieces, Place::Waiting, 6) };
            rows.waiting.pieces = pieces.into();
            rows.refused = None;
            rows.lines.extend((pieces < all).then(|| Part {
                split: Some(Split { first: pieces, of: all.try_into().unwrap() }),
                line: OrderLine {
                    name: pieces.to_string().as_str().try_into().unwrap(),
                    ..line("o4", all - pieces, on("full"), 3).line
                },
                ..line("o4", all - pieces, on("full"), 3)
            }));
            rows.items[1].1 = Some(counters("full", 3 + all - pieces, 3 + all - pieces));
        })
    };
    // Six are free.
    assert_eq!(waits(100, 100), [""; 0], "a sixteenth is seven");
    assert_eq!(waits(7, 100), [""; 0], "no part is smaller than that");
    assert_eq!(waits(96, 96), ["a line that takes 6 waits beside batch open, which has 6 free, and nothing is owed"]);
}
