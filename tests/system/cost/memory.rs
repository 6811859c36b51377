//! When does it pay that a process remembers products? The real unit of work, on a store that counts what each call
//! would take on AWS.

use std::sync::Arc;

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};
use domain::Revision;
use service_layer::ports::{Environment as _, Timestamp};
use service_layer::{MessageBus, Remembering, VAIN_READS};
use testing::{Command, holds, line, new_batch};

use crate::concurrency::counted;
use crate::layers::Outcome;

use crate::servers::Servers;

const REQUESTS: u32 = 4_000;

/// Who asks for what.
#[derive(Clone, Copy)]
struct Traffic {
    what: &'static str,
    /// Processes, each of which a request may come to.
    processes: u64,
    skus: u32,
    /// Of a hundred commits, those by other functions.
    others: u32,
    /// Of a hundred requests, those that ask for the line before once more.
    repeated: u32,
}

const TRAFFIC: [Traffic; 8] = [
    Traffic { what: "one process", processes: 1, skus: 10, others: 0, repeated: 0 },
    Traffic { what: "one, and others commit 5 of 100", processes: 1, skus: 10, others: 5, repeated: 0 },
    Traffic { what: "one, and others commit 20 of 100", processes: 1, skus: 10, others: 20, repeated: 0 },
    Traffic { what: "one, and 5 of 100 ask twice", processes: 1, skus: 10, others: 0, repeated: 5 },
    Traffic { what: "one, 1,000 SKUs", processes: 1, skus: 1_000, others: 0, repeated: 0 },
    Traffic { what: "two processes", processes: 2, skus: 10, others: 0, repeated: 0 },
    Traffic { what: "four processes", processes: 4, skus: 10, others: 0, repeated: 0 },
    Traffic { what: "sixteen processes", processes: 16, skus: 10, others: 0, repeated: 0 },
];

/// Milliseconds of a request, and dollars of a million.
#[derive(Clone, Copy, Debug)]
struct Price {
    milliseconds: f64,
    dollars: f64,
}

/// Reads take 4 ms and 3 RCU, commits 8 ms and 5 WCU, refused ones 8 ms, 4 WCU and the wait before the next try. Where
/// nothing else is read, one RCU beside the commit tells whether the order is cancelled.
async fn price(traffic: Traffic, vain_reads: u32) -> anyhow::Result<Price> {
    let counted = counted(InMemoryStore::default(), None);
    let mut random = fastrand::Rng::with_seed(1);
    let call = call_until(Timestamp(u64::MAX));
    let plain = MessageBus::new(&counted.store, InMemoryEnvironment::default(), ());
    for sku in 0..traffic.skus {
        let new = new_batch(&format!("b{sku}"), &format!("S{sku}"), 1_000_000);
        plain.handle(&Command::CreateBatch(new), &call).await?;
    }
    // Each with a chance of its own: by that, commits tell whose they are.
    let process = |number: u64| {
        let environment = InMemoryEnvironment::starting_at(number.wrapping_mul(0xd134_2543_de82_ef95));
        MessageBus::new(Remembering::new(&counted, vain_reads), environment, ())
    };
    let processes: Vec<_> = (1..=traffic.processes).map(process).collect();
    let mut asked = line("first", "S0", 1);
    for number in 0..REQUESTS {
        let sku = random.u32(..traffic.skus);
        if random.u32(..100) < traffic.others {
            let change = holds(&format!("b{sku}"), 1_000_000 + number, Revision::Version(number.into()));
            plain.handle(&Command::ChangeBatch(change), &call).await?;
        }
        if random.u32(..100) >= traffic.repeated {
            asked = line(&format!("o{number}"), &format!("S{sku}"), 1);
        }
        let process = &processes[random.usize(..processes.len())];
        process.handle(&Command::Allocate(asked.clone()), &call).await?;
    }
    let [finds, commits, conflicts] = counted.hooks.read();
    let each = |count: u32| f64::from(count) / f64::from(REQUESTS);
    let (reads, commits, refusals) = (each(finds), each(commits - conflicts), each(conflicts));
    let waits: u64 = processes.iter().map(|process| process.environment().now().0).sum();
    let waits = f64::from(u32::try_from(waits)?) / f64::from(REQUESTS);
    Ok(Price {
        milliseconds: reads * 4.0 + (commits + refusals) * 8.0 + waits,
        dollars: (reads * 3.0 + each(counted.hooks.marks())) * 0.125 + (commits * 5.0 + refusals * 4.0) * 0.625,
    })
}

pub(super) async fn remembering_pays_where_one_process_has_a_product_to_itself(_: Arc<Servers>) -> Outcome {
    println!(
        "| traffic | reads always | remembers always | after 2 | after {VAIN_READS} |\n| --- | --- | --- | --- | --- |"
    );
    for traffic in TRAFFIC {
        let never = price(traffic, u32::MAX).await?;
        let [always, after_2, trusted] =
            [price(traffic, 0).await?, price(traffic, 2).await?, price(traffic, VAIN_READS).await?];
        let shown = |price: Price| format!("{:.1} ms, ${:.2}", price.milliseconds, price.dollars);
        println!(
            "| {} | {} | {} | {} | {} |",
            traffic.what,
            shown(never),
            shown(always),
            shown(after_2),
            shown(trusted)
        );
        assert!(trusted.milliseconds <= never.milliseconds * 1.01, "{}: {trusted:?}", traffic.what);
        assert!(trusted.dollars <= never.dollars * 1.02, "{}: {trusted:?}", traffic.what);
        if traffic.what == "one process" {
            assert!(trusted.milliseconds <= never.milliseconds * 0.7 && trusted.dollars <= never.dollars * 0.94);
        }
    }
    Ok(())
}
