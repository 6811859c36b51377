//! All kinds of commands, one after another.

use std::collections::BTreeSet;

use adapters::in_memory::InMemoryStore;
use adapters::system::System;
use domain::{EventType, IfShort, OrderId, OrderLine, OrderVersion, Product, Revision, Terms, Timestamp};
use service_layer::{MessageBus, PutOrder};
use testing::{Command, Reply, allocations, comes, found_product, holds, line, new_batch, whole};

use super::Store;
use crate::layers::Outcome;
use crate::names::{soon, unique};

/// A story with every kind of command, told to this store and, as the reference, to one in memory.
pub(super) async fn the_same_commands_have_the_same_answers_and_the_same_ends<S: Store>(store: &S) -> Outcome {
    let (sku, prefix) = (unique("LAMP"), unique("x"));
    let bus = MessageBus::new(store, System::default(), ());
    let reference = MessageBus::new(InMemoryStore::default(), System::default(), ());
    let commands = commands(&sku, &prefix)?;
    for (number, command) in commands.into_iter().enumerate() {
        let (answer, expected): (Reply, Reply) =
            (bus.handle(&command, &soon()).await?, reference.handle(&command, &soon()).await?);
        assert_eq!(answer, expected, "command {number}: {command:?}");
        let sorted = |product: Option<Product>| {
            let product = product.map(|product| product.as_stored())?;
            let mut batches = product.batches().to_vec();
            batches.sort_by(|one, other| one.reference.cmp(&other.reference));
            Some((product.version(), product.refused(), batches))
        };
        let found = sorted(found_product(store, &sku).await?);
        let expected = sorted(found_product(reference.store(), &sku).await?);
        assert_eq!(found, expected, "command {number}: {command:?}");
    }
    let told: BTreeSet<_> = reference.store().outbox().iter().map(|envelope| envelope.event.event_type()).collect();
    assert_eq!(told, EventType::ALL.iter().copied().collect(), "the story has events of every type");
    let large = reference.store().outbox().into_iter().filter_map(|envelope| {
        let line = envelope.event.line().filter(|line| line.qty.get() > 400)?;
        Some((line.orderid.as_str().chars().last(), line.qty.get()))
    });
    assert_eq!(large.collect::<Vec<_>>(), [(Some('a'), 500), (Some('c'), 499), (Some('a'), 500)]);
    for order in (0..24).map(|number| format!("{prefix}-o{number:02}")) {
        let orderid = OrderId::try_from(order)?;
        assert_eq!(allocations(store, &orderid).await?, allocations(reference.store(), &orderid).await?);
    }
    Ok(())
}

fn commands(sku: &str, prefix: &str) -> anyhow::Result<Vec<Command>> {
    let mut commands = Vec::new();
    for number in 0..4 {
        commands.push(Command::CreateBatch(new_batch(&format!("{prefix}-b{number}"), sku, 12)));
    }
    for number in 0..24 {
        commands.push(Command::Allocate(line(&format!("{prefix}-o{number:02}"), sku, 1 + number % 4)));
    }
    for (as_of, (batch, qty)) in (1..).zip([(0, 5), (1, 0), (0, 3), (2, 30), (3, 11), (1, 12)]) {
        commands.push(Command::ChangeBatch(holds(&format!("{prefix}-b{batch}"), qty, Revision::AsOf(as_of))));
        commands.push(Command::Allocate(line(&format!("{prefix}-p{as_of}"), sku, 2)));
    }
    for (as_of, (batch, day)) in (10..).zip([(2, Some("2031-02-03")), (1, Some("2031-01-02")), (2, None)]) {
        commands.push(Command::ChangeBatch(comes(&format!("{prefix}-b{batch}"), day, Revision::AsOf(as_of))));
        commands.push(Command::Allocate(line(&format!("{prefix}-q{as_of}"), sku, 2)));
    }
    for number in 0..6 {
        let id = line(&format!("{prefix}-o{number:02}"), sku, 1 + number % 4).id();
        commands.push(Command::Ship(id.clone()));
        let next = line(&format!("{prefix}-o{:02}", number + 6), sku, 1 + (number + 6) % 4).id();
        commands.push(Command::Deallocate(next.clone()));
        commands.extend([Command::Ship(id), Command::Deallocate(next)]);
    }
    // More than there ever is: the first one is told, and again one that asks for less, or after stock came free.
    let large = |order: &str, qty| Command::Allocate(line(&format!("{prefix}-large-{order}"), sku, qty));
    let refusals = [large("a", 500), large("a", 500), large("b", 501), large("c", 499), large("a", 500)];
    commands.extend(refusals);
    commands.push(Command::CreateBatch(new_batch(&format!("{prefix}-late"), sku, 2)));
    commands.extend([large("a", 500), large("c", 500)]);
    // Two lines that are new beside one that came by itself; one of them exchanged, and one given back; one short, under
    // each policy; all given back, and again what was cancelled.
    let orderid = format!("{prefix}-o13");
    let named = |name: &str, qty| OrderLine { name: name.try_into().unwrap(), ..line(&orderid, sku, qty) };
    let put = |lines: &[OrderLine], if_short, version: Option<u64>| {
        let version = version.map(OrderVersion);
        let terms = Terms { if_short, ..Terms::default() };
        Command::PutOrder(PutOrder { terms, version, ..whole(&orderid, lines.to_vec()) })
    };
    commands.push(Command::CreateBatch(new_batch(&format!("{prefix}-c"), sku, 6)));
    let (left, right) = (named("left", 2), named("right", 1));
    commands.push(put(&[line(&orderid, sku, 2), left.clone(), right.clone()], IfShort::Refuse, None));
    commands.push(put(&[named("left", 3), right.clone()], IfShort::Refuse, None));
    for if_short in [IfShort::Refuse, IfShort::Partial, IfShort::Wait, IfShort::Refuse] {
        commands.push(put(&[named("left", 1), named("huge", 300)], if_short, None));
    }
    // Held, confirmed, and held again.
    let soon = Timestamp(4_102_444_800_000);
    let later = Timestamp(4_102_444_900_000);
    for hold_until in [Some(soon), Some(later), None, Some(soon)] {
        let held = whole(&format!("{prefix}-held"), vec![line(&format!("{prefix}-held"), sku, 1)]);
        commands.push(Command::PutOrder(PutOrder { terms: Terms { hold_until, ..Terms::default() }, ..held }));
    }
    for (lines, version) in [(&[][..], 1), (&[left, right][..], 2), (&[][..], 3), (&[][..], 3)] {
        commands.push(put(lines, IfShort::Refuse, Some(version)));
    }
    commands.extend(of_a_split_line(sku, prefix)?);
    for number in [0, 6, 12, 18, 12, 99] {
        commands.push(Command::CancelOrder(format!("{prefix}-o{number:02}").try_into()?));
    }
    commands.push(Command::Allocate(line(&format!("{prefix}-o12"), sku, 1)));
    Ok(commands)
}

/// Split over what there is, the rest waits; and again; served, shrunk, edited, shipped, and given back.
fn of_a_split_line(sku: &str, prefix: &str) -> anyhow::Result<Vec<Command>> {
    let orderid = format!("{prefix}-split");
    let named = |name: &str, qty| OrderLine { name: name.try_into().unwrap(), ..line(&orderid, sku, qty) };
    let split = |qty| {
        let terms = Terms { if_short: IfShort::Wait, hold_until: None, may_split: true };
        Command::PutOrder(PutOrder { terms, ..whole(&orderid, vec![named("left", qty), named("right", qty)]) })
    };
    let create = |number: u32, qty| Command::CreateBatch(new_batch(&format!("{prefix}-s{number}"), sku, qty));
    let shrink = Command::ChangeBatch(holds(&format!("{prefix}-s1"), 4, Revision::AsOf(50)));
    let ship = Command::Ship(named("left", 1).id());
    let placed = [create(1, 7), split(12), split(12), create(2, 5), shrink, split(12), split(5), create(3, 90)];
    let ended = [ship.clone(), ship, Command::CancelOrder(orderid.as_str().try_into()?)];
    Ok(placed.into_iter().chain(ended).collect())
}
