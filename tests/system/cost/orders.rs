//! What whole orders cost, beside their lines one by one.

use std::sync::Arc;
use std::time::Duration;

use adapters::system::System;
use domain::{OrderLine, Terms};
use service_layer::ports::{Environment as _, Timestamp};
use service_layer::{MessageBus, PutOrder};
use testing::{Command, line, new_batch, whole};

use super::meter::Cost;
use super::past::name;
use super::{do_it, metered};
use crate::layers::Outcome;
use crate::names::soon;
use crate::servers::Servers;

const HOUR: Duration = Duration::from_hours(1);

/// Each line is of a SKU of its own.
pub(super) async fn an_order_takes_two_round_trips_however_many_skus_it_has(servers: Arc<Servers>) -> Outcome {
    let ((store, meter), plain) = (metered(&servers).await?, servers.store().await?);
    for lines in [1_u32, 3, 10, 30] {
        let skus: Vec<String> = (0..lines).map(|_| name("SKU")).collect();
        for sku in &skus {
            do_it(&plain, Command::CreateBatch(new_batch(&name("batch"), sku, 10))).await?;
        }
        let of = |orderid: &str| -> Vec<OrderLine> { skus.iter().map(|sku| line(orderid, sku, 1)).collect() };
        let orderid = name("order");
        let order = whole(&orderid, of(&orderid));
        meter.read();
        MessageBus::new(&store, System::default(), ()).dry_run(&order, &soon()).await?;
        let tried_out = meter.read();
        do_it(&store, Command::PutOrder(order)).await?;
        let together = meter.read();
        let orderid = name("order");
        let held = PutOrder {
            terms: Terms { hold_until: Some(System::default().now().plus(HOUR)), ..Terms::default() },
            ..whole(&orderid, of(&orderid))
        };
        do_it(&store, Command::PutOrder(held.clone())).await?;
        let for_a_while = meter.read();
        do_it(&store, Command::PutOrder(PutOrder { terms: Terms { hold_until: None, ..Terms::default() }, ..held }))
            .await?;
        let confirmed = meter.read();
        for line in of(&name("order")) {
            do_it(&store, Command::Allocate(line)).await?;
        }
        let one_by_one = meter.read();
        println!("{lines} lines of as many SKUs: together {together:?}, one by one {one_by_one:?}");
        println!("held {for_a_while:?}, confirmed {confirmed:?}");

        // The lines of the order, and the head of each SKU.
        let read_units = f64::from(1 + lines);
        assert_eq!(tried_out, Cost { round_trips: 1, writes: 0, read_units, write_units: [0.0, 0.0] });
        let write_units = [f64::from(2 + 4 * lines), f64::from(lines)];
        assert_eq!(together, Cost { round_trips: 2, writes: 1, read_units, write_units });
        // The index of holds has each line, and each product, whose first held line it is.
        let write_units = [f64::from(2 + 4 * lines), f64::from(3 * lines)];
        assert_eq!(for_a_while, Cost { round_trips: 2, writes: 1, read_units, write_units });
        // It loses both; and where lines stand changes with since when they do. Thirty lines are more than four KB.
        let write_units = [f64::from(2 + 4 * lines), f64::from(4 * lines)];
        let read_units = read_units + f64::from(u8::from(lines == 30));
        assert_eq!(confirmed, Cost { round_trips: 2, writes: 1, read_units, write_units });
        assert_eq!(one_by_one.round_trips, 2 * lines);
        assert!(together.round_trips * lines <= 2 * one_by_one.round_trips);
    }
    Ok(())
}

/// Beside what a line takes: each further part, each batch that is filled, and in the index each part. Who ends it reads its
/// first part, and then the others.
pub(super) async fn a_split_line_takes_two_units_for_each_part_and_two_for_each_batch_that_it_fills(
    servers: Arc<Servers>,
) -> Outcome {
    let ((store, meter), plain) = (metered(&servers).await?, servers.store().await?);
    for parts in [2_u32, 5, 30] {
        let (sku, orderid) = (name("SKU"), name("order"));
        for _ in 0..parts {
            do_it(&plain, Command::CreateBatch(new_batch(&name("batch"), &sku, 2))).await?;
        }
        let of_order = line(&orderid, &sku, 2 * parts - 1);
        let terms = Terms { may_split: true, ..Terms::default() };
        meter.read();
        do_it(&store, Command::PutOrder(PutOrder { terms, ..whole(&orderid, vec![of_order.clone()]) })).await?;
        let placed = meter.read();
        do_it(&store, Command::Ship(of_order.id())).await?;
        let shipped = meter.read();
        println!("a line in {parts} parts: placed {placed:?}, shipped {shipped:?}");

        assert_eq!((placed.round_trips, placed.writes), (2, 1));
        // What was last wanted, the head, the parts, and all batches but the last, which has a piece left.
        let written = f64::from(2 + 2 + 2 * parts + 2 * (parts - 1));
        // Of thirty parts, the events alone are more than three KB of the head.
        let written = if parts == 30 { written + 6.0 } else { written };
        assert_eq!(placed.write_units[0], written);
        assert_eq!(placed.write_units[1], f64::from(parts));
        // The line and the head, its other parts, and the batches that are full.
        assert_eq!((shipped.round_trips, shipped.writes), (4, 1));
        assert_eq!(shipped.write_units[0], written - 2.0, "all but what was wanted");
    }
    Ok(())
}

/// What is held, a commit, and all anew.
pub(super) async fn giving_back_what_is_due_takes_three_round_trips_more(servers: Arc<Servers>) -> Outcome {
    let ((store, meter), plain) = (metered(&servers).await?, servers.store().await?);
    let sku = name("SKU");
    do_it(&plain, Command::CreateBatch(new_batch(&name("batch"), &sku, 1_000))).await?;
    for lines in [1_u32, 3] {
        let orderid = name("order");
        let order = whole(&orderid, (1..=lines).map(|qty| line(&orderid, &sku, qty)).collect());
        do_it(
            &plain,
            Command::PutOrder(PutOrder {
                terms: Terms { hold_until: Some(Timestamp(1)), ..Terms::default() },
                ..order
            }),
        )
        .await?;
        meter.read();
        do_it(&store, Command::Allocate(line(&name("order"), &sku, 1))).await?;
        let settled_and_allocated = meter.read();
        println!("{lines} are given back before an allocation: {settled_and_allocated:?}");

        // Beside what the allocation takes: the head and each line; in the indices, each line twice, and the product.
        let write_units = [f64::from(4 + 2 + 2 * lines), f64::from(1 + 2 * lines + 1)];
        assert_eq!(settled_and_allocated, Cost { round_trips: 5, writes: 2, read_units: 6.5, write_units });
    }
    Ok(())
}
