//! Many writers on one product, over dynoxide: nothing is oversold, and every race is won in the end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use adapters::dynamodb::DynamoDb;
use adapters::system::System;
use domain::{OrderId, Revision};
use service_layer::MessageBus;
use service_layer::store::{Commit, Found, Products, ReadSet, StoreError};
use testing::{Command, Hooked, Hooks, Reply, allocations, found_product, holds, line, new_batch, waiting_lines};
use tokio::task::JoinSet;

use crate::layers::{Layers, Outcome, add_tests};
use crate::names::{soon, unique};
use crate::servers::Servers;

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "concurrency",
        [
            eight_writers_never_oversell_and_count_every_commit,
            a_lost_race_is_won_on_the_next_try_without_reading_again,
            the_same_line_asked_for_by_many_is_allocated_once,
            the_same_batch_asked_for_by_many_is_added_once,
            a_shrink_of_250_lines_ends_while_others_allocate,
        ]
    );
}

/// Counts what is asked of a store.
#[derive(Default)]
pub(crate) struct Counts {
    /// Somebody else's command, which comes first at the first commit.
    rival: Mutex<Option<Command>>,
    finds: AtomicU32,
    marks: AtomicU32,
    commits: AtomicU32,
    conflicts: AtomicU32,
}

pub(crate) fn counted<S>(store: S, rival: Option<Command>) -> Hooked<S, Counts> {
    Hooked { store, hooks: Counts { rival: Mutex::new(rival), ..Counts::default() } }
}

impl Counts {
    /// How often it was asked to find, how often to commit, and how many commits came too late.
    pub(crate) fn read(&self) -> [u32; 3] {
        [&self.finds, &self.commits, &self.conflicts].map(|counter| counter.load(Ordering::Relaxed))
    }

    /// How often it was asked beside a commit whether an order is cancelled, and for nothing else.
    pub(crate) fn marks(&self) -> u32 {
        self.marks.load(Ordering::Relaxed)
    }
}

impl<S: Products> Hooks<S> for Counts {
    async fn find(&self, store: &S, wanted: &ReadSet) -> Result<Found, StoreError> {
        let is_beside_a_commit = wanted.skus.is_empty() && !wanted.orders.is_empty();
        let counter = if is_beside_a_commit { &self.marks } else { &self.finds };
        counter.fetch_add(1, Ordering::Relaxed);
        store.find(wanted).await
    }

    async fn commit(&self, store: &S, commit: Commit<'_>) -> Result<(), StoreError> {
        let rival = self.rival.lock().unwrap().take();
        if let Some(command) = rival {
            bus(store).handle(&command, &soon()).await.unwrap();
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        let result = store.commit(commit).await;
        if let Err(StoreError::Conflict(_)) = result {
            self.conflicts.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

fn bus<S>(store: S) -> MessageBus<S, System> {
    MessageBus::new(store, System::default(), ())
}

async fn do_it<S: Products>(store: S, command: Command) -> anyhow::Result<Reply> {
    Ok(bus(store).handle(&command, &soon()).await?)
}

async fn version<S: Products>(store: &S, sku: &str) -> anyhow::Result<u64> {
    Ok(found_product(store, sku).await?.map_or(0, |product| product.version().0))
}

async fn batch_of(store: &DynamoDb, orderid: &str) -> anyhow::Result<Option<String>> {
    let shown = allocations(store, &OrderId::try_from(orderid)?).await?;
    Ok(shown.first().map(|(_, batchref)| batchref.to_string()))
}

async fn eight_writers_never_oversell_and_count_every_commit(servers: Arc<Servers>) -> Outcome {
    const WRITERS: u32 = 8;
    const LINES_EACH: u32 = 10;
    let store = Arc::new(counted(servers.store().await?, None));
    let (sku, order) = (unique("LAMP"), unique("order"));
    // Room for 50 of 80 lines, on two batches, one of which fills up on the way.
    for qty in [20, 30] {
        do_it(&*store, Command::CreateBatch(new_batch(&unique("batch"), &sku, qty))).await?;
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, sku, order) = (Arc::clone(&store), sku.clone(), order.clone());
        writers.spawn(async move {
            let mut replies = Vec::new();
            for number in 0..LINES_EACH {
                let line = line(&format!("{order}-{writer}-{number}"), &sku, 1);
                replies.push(do_it(&*store, Command::Allocate(line)).await?);
            }
            anyhow::Ok(replies)
        });
    }
    let mut allocated = 0;
    while let Some(replies) = writers.join_next().await {
        allocated += replies??.iter().filter(|reply| matches!(reply, Reply::Allocated(_))).count();
    }
    assert_eq!(allocated, 50);
    let [_, commits, conflicts] = store.hooks.read();
    assert!(conflicts > 0, "eight writers never met in {commits} commits");
    // Each line with a place is one commit, after the two batches, and so is the first one without: the others are no news.
    assert_eq!(version(&*store, &sku).await?, 2 + 50 + 1);
    assert_eq!(commits - conflicts, 2 + 50 + 1);

    let mut kept = 0;
    for (writer, number) in (0..WRITERS).flat_map(|writer| (0..LINES_EACH).map(move |number| (writer, number))) {
        kept += u32::from(batch_of(&store.store, &format!("{order}-{writer}-{number}")).await?.is_some());
    }
    assert_eq!(kept, 50);
    Ok(())
}

async fn a_lost_race_is_won_on_the_next_try_without_reading_again(servers: Arc<Servers>) -> Outcome {
    let store = servers.store().await?;
    let (sku, reference) = (unique("LAMP"), unique("batch"));
    do_it(&store, Command::CreateBatch(new_batch(&reference, &sku, 10))).await?;
    let rival = line(&unique("order"), &sku, 4);
    let raced = counted(store.clone(), Some(Command::Allocate(rival)));
    let reply = do_it(&raced, Command::Allocate(line(&unique("order"), &sku, 5))).await?;
    assert_eq!(reply, Reply::Allocated(reference.as_str().try_into()?));
    assert_eq!(raced.hooks.read(), [1, 2, 1], "finds, commits, conflicts");
    assert_eq!(version(&store, &sku).await?, 3);

    // The rival may also have taken the last piece, or given this very line its place.
    let rival = line(&unique("order"), &sku, 1);
    let raced = counted(store.clone(), Some(Command::Allocate(rival)));
    let reply = do_it(&raced, Command::Allocate(line(&unique("order"), &sku, 1))).await?;
    assert!(matches!(reply, Reply::OutOfStock), "{reply:?}");
    assert_eq!(raced.hooks.read(), [1, 2, 1], "finds, commits, conflicts");
    do_it(&store, Command::CreateBatch(new_batch(&unique("batch"), &sku, 10))).await?;
    let same = line(&unique("order"), &sku, 2);
    let raced = counted(store.clone(), Some(Command::Allocate(same.clone())));
    let reply = do_it(&raced, Command::Allocate(same)).await?;
    assert!(matches!(reply, Reply::Allocated(_)), "{reply:?}");
    assert_eq!(raced.hooks.read(), [2, 1, 1], "the line was in the way, so it was read again, and had its place");
    Ok(())
}

async fn the_same_line_asked_for_by_many_is_allocated_once(servers: Arc<Servers>) -> Outcome {
    let store = servers.store().await?;
    let sku = unique("LAMP");
    do_it(&store, Command::CreateBatch(new_batch(&unique("batch"), &sku, 100))).await?;
    let line = line(&unique("order"), &sku, 7);
    let replies = all_at_once(&store, (0..8).map(|_| Command::Allocate(line.clone()))).await?;
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    assert_eq!(version(&store, &sku).await?, 2);
    let product = found_product(&store, &sku).await?;
    assert_eq!(product.map(|product| product.batches()[0].allocated), Some(7));
    Ok(())
}

async fn the_same_batch_asked_for_by_many_is_added_once(servers: Arc<Servers>) -> Outcome {
    let store = servers.store().await?;
    let (sku, new) = (unique("LAMP"), unique("batch"));
    let new = new_batch(&new, &sku, 5);
    let replies = all_at_once(&store, (0..8).map(|_| Command::CreateBatch(new.clone()))).await?;
    assert_eq!(replies, vec![Reply::Done; 8]);
    assert_eq!(version(&store, &sku).await?, 1);
    Ok(())
}

async fn all_at_once(store: &DynamoDb, commands: impl Iterator<Item = Command>) -> anyhow::Result<Vec<Reply>> {
    let mut writers = JoinSet::new();
    for command in commands {
        let store = store.clone();
        writers.spawn(async move { do_it(store, command).await });
    }
    writers.join_all().await.into_iter().collect()
}

async fn a_shrink_of_250_lines_ends_while_others_allocate(servers: Arc<Servers>) -> Outcome {
    const VICTIMS: u32 = 250;
    let store = servers.store().await?;
    let (sku, order) = (unique("SPOON"), unique("order"));
    let (small, large) = (unique("batch"), unique("batch"));
    do_it(&store, Command::CreateBatch(new_batch(&small, &sku, VICTIMS + 10))).await?;
    for number in 0..VICTIMS + 10 {
        do_it(&store, Command::Allocate(line(&format!("{order}-{number:03}"), &sku, 1))).await?;
    }
    // Room for all but 20 of those that give way, if the ten that come meanwhile come in time for the rest.
    do_it(&store, Command::CreateBatch(new_batch(&large, &sku, VICTIMS - 20 + 10))).await?;
    let before = version(&store, &sku).await?;

    let newcomers = async {
        for number in 0..10 {
            do_it(&store, Command::Allocate(line(&format!("{order}-new-{number}"), &sku, 1))).await?;
        }
        anyhow::Ok(())
    };
    let counting = counted(store.clone(), None);
    let change = holds(&small, 10, Revision::AsOf(1));
    let shrink = do_it(&counting, Command::ChangeBatch(change.clone()));
    let (newcomers, shrink) = tokio::join!(newcomers, shrink);
    newcomers?;
    assert_eq!(shrink?, Reply::Done);
    let [_, commits, conflicts] = counting.hooks.read();
    assert_eq!(commits - conflicts, 3, "250 lines, at 98 a commit");
    let after = version(&store, &sku).await?;

    let (mut stayed, mut moved, mut waiting) = (0, 0, 0);
    for number in 0..VICTIMS + 10 {
        match batch_of(&store, &format!("{order}-{number:03}")).await? {
            Some(batchref) if batchref == small => stayed += 1,
            Some(batchref) if batchref == large => moved += 1,
            Some(batchref) => anyhow::bail!("{number} is on {batchref}"),
            None => waiting += 1,
        }
    }
    let mut came_in_time = 0;
    for number in 0..10 {
        came_in_time += u32::from(batch_of(&store, &format!("{order}-new-{number}")).await?.is_some());
    }
    let told_to_come_late = u64::from(came_in_time < 10);
    assert_eq!(after, before + 3 + u64::from(came_in_time) + told_to_come_late);
    assert_eq!((stayed, moved + came_in_time, moved + waiting), (10, VICTIMS - 20 + 10, VICTIMS));
    assert_eq!(waiting_lines(&store, &sku.as_str().try_into()?).await?.len(), usize::try_from(waiting)?);
    for oldest in 0..10 {
        assert_eq!(batch_of(&store, &format!("{order}-{oldest:03}")).await?.as_deref(), Some(small.as_str()));
    }

    // A repeated message changes nothing; new stock goes to those who wait.
    let version_then = version(&store, &sku).await?;
    do_it(&store, Command::ChangeBatch(change)).await?;
    assert_eq!(version(&store, &sku).await?, version_then);
    do_it(&store, Command::CreateBatch(new_batch(&unique("batch"), &sku, waiting))).await?;
    assert!(waiting_lines(&store, &sku.as_str().try_into()?).await?.is_empty());
    Ok(())
}
