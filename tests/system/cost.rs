//! What a command costs, as DynamoDB Local counts it: round trips and capacity units.

use std::sync::{Arc, Mutex};

use adapters::dynamodb::DynamoDb;
use adapters::system::System;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents, SharedInterceptor};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use domain::{Command, Product, Waiting};
use service_layer::ports::{Commit, CommitId, Products};
use service_layer::{CorrelationId, MessageBus};

use crate::layers::{Layers, Outcome, add_tests};
use crate::names::{batch, line, soon, unique};
use crate::servers::{Servers, TABLE};

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(layers, "cost", [allocating_costs_the_same_whatever_the_history]);
}

/// Round trips and the units they took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cost {
    round_trips: u32,
    units: f64,
}

/// Asks for the consumed capacity of each call, and adds it up.
#[derive(Clone, Debug, Default)]
struct Meter(Arc<Mutex<Cost>>);

impl Meter {
    fn read(&self) -> Cost {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut();
        let wanted = Some(ReturnConsumedCapacity::Total);
        if let Some(input) = input.downcast_mut::<BatchGetItemInput>() {
            input.return_consumed_capacity = wanted;
        } else if let Some(input) = input.downcast_mut::<TransactWriteItemsInput>() {
            input.return_consumed_capacity = wanted;
        } else if let Some(input) = input.downcast_mut::<PutItemInput>() {
            input.return_consumed_capacity = wanted;
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Ok(output)) = context.output_or_error() else { return Ok(()) };
        let consumed: Vec<ConsumedCapacity> = if let Some(output) = output.downcast_ref::<BatchGetItemOutput>() {
            output.consumed_capacity().to_vec()
        } else if let Some(output) = output.downcast_ref::<TransactWriteItemsOutput>() {
            output.consumed_capacity().to_vec()
        } else if let Some(output) = output.downcast_ref::<PutItemOutput>() {
            output.consumed_capacity().cloned().into_iter().collect()
        } else {
            return Err("a call whose cost is not counted".into());
        };
        let mut cost = self.0.lock().unwrap();
        cost.round_trips += 1;
        cost.units += consumed.iter().filter_map(ConsumedCapacity::capacity_units).sum::<f64>();
        Ok(())
    }
}

async fn allocating_costs_the_same_whatever_the_history(servers: Arc<Servers>) -> Outcome {
    const BATCHES: u64 = 1_000;
    const LINES_EACH: u32 = 10;
    let meter = Meter::default();
    let config = aws_sdk_dynamodb::config::Builder::from(&servers.database().await?.sdk_config())
        .interceptor(SharedInterceptor::new(meter.clone()))
        .build();
    let store = DynamoDb::new(aws_sdk_dynamodb::Client::from_conf(config), TABLE.to_owned());
    let bus = MessageBus::new(&store, System::default(), ());
    let allocate = async |sku: &str, qty| -> anyhow::Result<Cost> {
        let order = line(&unique("order"), sku, qty);
        meter.read();
        bus.handle_command(Command::Allocate(order.clone()), &soon()).await?;
        let cost = meter.read();
        bus.handle_command(Command::Allocate(order), &soon()).await?;
        assert_eq!(meter.read().round_trips, if qty > 1_000 { 2 } else { 1 }, "asked again");
        Ok(cost)
    };

    let (fresh, old) = (unique("LAMP"), unique("LAMP"));
    let with_history = history(&store, &old, BATCHES, LINES_EACH).await?;
    for sku in [&fresh, &old] {
        let new = Command::CreateBatch(batch(&unique("batch"), sku, 1_000));
        bus.handle_command(new, &soon()).await?;
    }
    assert_eq!(with_history.version().0, BATCHES);

    let cost = allocate(&fresh, 1).await?;
    assert_eq!(allocate(&old, 1).await?, cost, "on a product with 1,000 full batches and 10,000 lines");
    assert_eq!(cost.round_trips, 2);
    let out_of_stock = allocate(&fresh, 2_000).await?;
    assert_eq!(allocate(&old, 2_000).await?, out_of_stock);
    println!("allocate: {cost:?}, out of stock: {out_of_stock:?}");
    Ok(())
}

/// A product whose batches all came and were filled. Each commit is a batch with all its lines.
async fn history(store: &DynamoDb, sku: &str, batches: u64, lines_each: u32) -> anyhow::Result<Product> {
    let (order, reference) = (unique("order"), unique("batch"));
    let mut before: Option<Product> = None;
    for number in 0..batches {
        let new = batch(&format!("{reference}-{number}"), sku, lines_each);
        let mut after = before.clone().unwrap_or_else(|| Product::new(new.sku.clone()));
        after.create_batch(&new)?;
        for of_batch in 0..lines_each {
            after.allocate(&line(&format!("{order}-{number}-{of_batch}"), sku, 1), None);
        }
        let commit = Commit {
            id: CommitId(number),
            before: before.as_ref(),
            after: &after,
            announced: Some(&new),
            absent: None,
            correlation: &CorrelationId::unknown(),
        };
        store.commit(commit).await?;
        // The next reader would not be shown a full batch.
        let (sku, version) = (after.sku().clone(), after.version());
        before = Some(Product::restore(sku, version, Vec::new(), Waiting::default(), false));
    }
    before.ok_or_else(|| anyhow::anyhow!("no batches"))
}
