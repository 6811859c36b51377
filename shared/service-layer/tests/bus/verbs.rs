//! What happens to a shop, in a word each.

use adapters::in_memory::{InMemoryEnvironment, InMemoryMailer, InMemoryStore};
use domain::{Revision, Version};
use service_layer::{Error, MessageBus};
use testing::{Command, Reply, holds, line, new_batch};

use crate::common::{self, call};

pub(crate) type Bus = MessageBus<InMemoryStore, InMemoryEnvironment, InMemoryMailer>;

pub(crate) fn bus() -> Bus {
    MessageBus::new(InMemoryStore::default(), InMemoryEnvironment::default(), InMemoryMailer::default())
}

pub(crate) async fn create_batch(
    bus: &Bus,
    reference: &str,
    sku: &str,
    qty: u32,
    eta: Option<&str>,
) -> Result<Reply, Error> {
    let mut new = new_batch(reference, sku, qty);
    new.eta = eta.map(|eta| eta.to_owned().try_into().unwrap());
    bus.handle(&Command::CreateBatch(new), &call()).await
}

pub(crate) async fn allocate(bus: &Bus, orderid: &str, sku: &str, qty: u32) -> Result<Reply, Error> {
    bus.handle(&Command::Allocate(line(orderid, sku, qty)), &call()).await
}

pub(crate) async fn change_quantity(bus: &Bus, reference: &str, qty: u32, as_of: u64) -> Result<Reply, Error> {
    let change = holds(reference, qty, Revision::AsOf(as_of));
    bus.handle(&Command::ChangeBatch(change), &call()).await
}

pub(crate) async fn batch_of(bus: &Bus, orderid: &str) -> Option<String> {
    common::batch_of(bus.store(), orderid).await
}

pub(crate) fn version(bus: &Bus) -> Version {
    bus.store().outbox().last().map_or(Version(0), |envelope| envelope.version)
}
