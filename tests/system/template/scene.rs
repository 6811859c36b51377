//! Each function at work on one store, everybody else on another, so that only its calls are recorded.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::dynamodb::{DynamoDb, HistoryTable};
use adapters::http::Route;
use adapters::system::System;
use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents, SharedInterceptor};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemInput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemInput;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemInput;
use aws_sdk_dynamodb::operation::get_item::GetItemInput;
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use domain::{Event, IfShort, OrderLine, Revision, SkuLines, Terms, Version};
use service_layer::history::Past;
use service_layer::outbox::envelopes;
use service_layer::ports::{Environment as _, Holds as _, Inbox as _, Timestamp};
use service_layer::store::{Asking, AskingId, Asks as _, Changed, Commit, CommitId, Origins, Products as _, ReadSet};
use service_layer::{
    Allocate, AllocateLines, ChangeBatch, CorrelationId, ExpireHolds, MessageBus, PutOrder, Views, Wanted,
};
use testing::{Command, found_product, line, new_batch, whole};

use super::rights::{Right, right};
use crate::names::{soon, unique};
use crate::servers::{Servers, TABLE};

/// Notes the rights that calls to DynamoDB need. A transaction needs those to its parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(pub(super) Arc<Mutex<BTreeSet<Right>>>);

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "Recorder"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input();
        let mut rights = self.0.lock().unwrap();
        let mut on_table = |action: &str| rights.insert(right(action, "Table.Arn"));
        let history = local::history_table(TABLE);
        if let Some(input) = input.downcast_ref::<BatchWriteItemInput>() {
            let tables: Vec<&String> = input.request_items().into_iter().flat_map(|items| items.keys()).collect();
            assert_eq!(tables, [&history], "only the history is written in this way");
            rights.insert(right("dynamodb:BatchWriteItem", "HistoryTable.Arn"));
        } else if input.downcast_ref::<BatchGetItemInput>().is_some() {
            on_table("dynamodb:BatchGetItem");
        } else if input.downcast_ref::<GetItemInput>().is_some() {
            on_table("dynamodb:GetItem");
        } else if input.downcast_ref::<PutItemInput>().is_some() {
            on_table("dynamodb:PutItem");
        } else if input.downcast_ref::<DeleteItemInput>().is_some() {
            on_table("dynamodb:DeleteItem");
        } else if let Some(input) = input.downcast_ref::<QueryInput>() {
            match input.index_name() {
                None if input.table_name() == Some(history.as_str()) => {
                    rights.insert(right("dynamodb:Query", "HistoryTable.Arn"))
                }
                None => on_table("dynamodb:Query"),
                Some(index) => rights.insert(right("dynamodb:Query", &format!("${{Table.Arn}}/index/{index}"))),
            };
        } else if let Some(input) = input.downcast_ref::<TransactWriteItemsInput>() {
            for part in input.transact_items() {
                let parts = [
                    ("dynamodb:ConditionCheckItem", part.condition_check().is_some()),
                    ("dynamodb:DeleteItem", part.delete().is_some()),
                    ("dynamodb:PutItem", part.put().is_some()),
                    ("dynamodb:UpdateItem", part.update().is_some()),
                ];
                for (action, _) in parts.into_iter().filter(|(_, is_part)| *is_part) {
                    on_table(action);
                }
            }
        } else {
            return Err("a call whose right is not known here".into());
        }
        Ok(())
    }
}

/// The function under test on one store, everybody else on another, so that only its calls are recorded.
pub(super) struct Scene {
    others: MessageBus<DynamoDb, System>,
    recorded: MessageBus<DynamoDb, System>,
    history: HistoryTable,
    pub(super) recorder: Recorder,
    /// The routes whose calls were recorded.
    pub(super) played: Mutex<BTreeSet<Route>>,
}

const SPLIT: Terms = Terms { if_short: IfShort::Refuse, hold_until: None, may_split: true };

/// A line that lies on several batches, where there is none that has all of it.
fn split(line: &OrderLine) -> Command {
    Command::PutOrder(PutOrder { terms: SPLIT, ..whole(line.orderid.as_str(), vec![line.clone()]) })
}

impl Scene {
    pub(super) async fn new(servers: &Servers) -> anyhow::Result<Self> {
        let recorder = Recorder::default();
        let config = aws_sdk_dynamodb::config::Builder::from(&servers.database().await?.sdk_config())
            .interceptor(SharedInterceptor::new(recorder.clone()))
            .build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        let history = HistoryTable::new(client.clone(), local::history_table(TABLE));
        let store = DynamoDb::new(client, TABLE.to_owned());
        let others = MessageBus::new(servers.store().await?, System::default(), ());
        let played = Mutex::default();
        Ok(Self { others, recorded: MessageBus::new(store, System::default(), ()), history, recorder, played })
    }

    async fn before(&self, command: Command) -> anyhow::Result<()> {
        self.others.handle(&command, &soon()).await?;
        Ok(())
    }

    async fn does(&self, command: Command) -> anyhow::Result<()> {
        let (route, _) = command.request();
        self.played.lock().unwrap().insert(route);
        self.recorded.handle(&command, &soon()).await?;
        Ok(())
    }

    /// A product with a backlog: whoever added two batches stopped before they were offered to the line that waits, for
    /// which they have room once what is due is given back. Both that and the one that waits may be split.
    async fn with_backlog(&self) -> anyhow::Result<String> {
        let (sku, lost) = (unique("LAMP"), unique("batch"));
        self.before(Command::CreateBatch(new_batch(&lost, &sku, 2))).await?;
        self.before(split(&line(&unique("order"), &sku, 2))).await?;
        self.before(change(&lost, 0)).await?;
        let before = found_product(self.others.store(), &sku).await?.expect("the product");
        let mut after = before.clone();
        for _ in 0..2 {
            after.create_batch(&new_batch(&unique("batch"), &sku, 1))?;
        }
        // An order holds their pieces, until a time that is over.
        let holds = line(&unique("order"), &sku, 2);
        after.arrange(&[holds], &[], &Terms { hold_until: Some(Timestamp(1)), ..SPLIT })?;
        let (correlation, origins) = (CorrelationId::unknown(), Origins::new());
        let commit = Commit {
            products: &[Changed { before: Some(&before), after: &after }],
            ..Commit::new(CommitId(1), &correlation, &origins, Timestamp(1))
        };
        self.others.store().commit(commit).await?;
        Ok(sku)
    }

    /// A line that fills two batches, and is held until a time that is over.
    async fn hold(&self, sku: &str) -> anyhow::Result<()> {
        let orderid = unique("order");
        for _ in 0..2 {
            self.before(Command::CreateBatch(new_batch(&unique("batch"), sku, 1))).await?;
        }
        let held = PutOrder {
            terms: Terms { hold_until: Some(Timestamp(1)), ..SPLIT },
            ..whole(&orderid, vec![line(&orderid, sku, 2)])
        };
        self.before(Command::PutOrder(held)).await
    }

    /// A line that fills a batch.
    async fn with_line(&self) -> anyhow::Result<OrderLine> {
        let line = line(&unique("order"), &unique("LAMP"), 1);
        self.before(Command::CreateBatch(new_batch(&unique("batch"), line.sku.as_str(), 1))).await?;
        self.before(Command::Allocate(line.clone())).await?;
        Ok(line)
    }

    /// Changes of a batch: one line gives way, the batch is opened, changed in the head alone, and delayed.
    async fn changes(&self) -> anyhow::Result<Vec<Command>> {
        let (sku, reference) = (unique("LAMP"), unique("batch"));
        self.before(Command::CreateBatch(new_batch(&reference, &sku, 2))).await?;
        self.before(Command::CreateBatch(new_batch(&unique("batch"), &sku, 1))).await?;
        self.before(Command::Allocate(line(&unique("order"), &sku, 2))).await?;
        self.hold(&sku).await?;
        let delayed = testing::comes(&reference, Some("2031-01-02"), Revision::AsOf(System::default().now().0));
        let of_sku = ChangeBatch { sku: Some(sku.as_str().try_into()?), ..delayed };
        let quantities = [1, 5, 7].map(|qty| change(&reference, qty));
        Ok(quantities.into_iter().chain([Command::ChangeBatch(of_sku)]).collect())
    }

    /// Three lines were committed together a moment ago, so that this one asks, and commits for another one, which fits
    /// nowhere and is dismissed.
    async fn ask_beside_others(&self, sku: &str) -> anyhow::Result<()> {
        self.before(Command::CreateBatch(new_batch(&unique("batch"), sku, 9))).await?;
        let lines = SkuLines::of([1, 1, 1].map(|qty| line(&unique("order"), sku, qty))).pop().expect("lines");
        self.others.handle(&AllocateLines::of(lines), &soon()).await?;
        let now = System::default().now();
        let until = now.plus(Duration::from_secs(9));
        let (line, correlation) = (line(&unique("order"), sku, 99), CorrelationId::unknown());
        self.others.store().ask(&Asking { line, id: AskingId(1), since: now, until, correlation }).await?;
        let asks = Allocate(testing::line(&unique("order"), sku, 1));
        self.recorded.allocate(&asks, &soon()).await?.expect("a place");
        Ok(())
    }

    /// Each of them opens, or keeps full, the batches that it was on.
    async fn end_lines(&self) -> anyhow::Result<()> {
        for end in [Command::Ship, Command::Deallocate] {
            let ended = self.with_split_line(&unique("LAMP")).await?;
            self.does(end(ended.id())).await?;
        }
        Ok(())
    }

    /// A line that fills two batches.
    async fn with_split_line(&self, sku: &str) -> anyhow::Result<OrderLine> {
        for _ in 0..2 {
            self.before(Command::CreateBatch(new_batch(&unique("batch"), sku, 1))).await?;
        }
        let line = line(&unique("order"), sku, 2);
        self.before(split(&line)).await?;
        Ok(line)
    }

    async fn play_batches(&self) -> anyhow::Result<()> {
        let sku = self.with_backlog().await?;
        let new = new_batch(&unique("batch"), &sku, 1);
        self.does(Command::CreateBatch(new.clone())).await?;
        self.does(Command::CreateBatch(new.clone())).await?;
        self.does(Command::CreateBatch(new_batch(&unique("batch"), &unique("LAMP"), 1))).await?;
        let of_another = new_batch(new.reference.as_str(), &unique("LAMP"), 1);
        self.does(Command::CreateBatch(of_another)).await?;
        for change in self.changes().await? {
            self.does(change).await?;
        }
        Ok(())
    }

    /// One that is refused beside a backlog, tried out, and placed; changed so that a line stays and one leaves a full batch;
    /// and told that a line is short.
    async fn put_orders(&self) -> anyhow::Result<()> {
        let (sku, orderid) = (self.with_backlog().await?, unique("order"));
        let order = |lines: &[u32]| whole(&orderid, lines.iter().map(|qty| line(&orderid, &sku, *qty)).collect());
        self.does(Command::PutOrder(order(&[2]))).await?;
        self.before(Command::CreateBatch(new_batch(&unique("batch"), &sku, 3))).await?;
        self.recorded.dry_run(&order(&[1, 2]), &soon()).await?;
        self.does(Command::PutOrder(order(&[1, 2]))).await?;
        self.does(Command::PutOrder(order(&[1]))).await?;
        let short = PutOrder { terms: Terms { if_short: IfShort::Partial, ..Terms::default() }, ..order(&[1, 9]) };
        self.does(Command::PutOrder(short)).await
    }

    /// One that has lines on full batches, for which others wait; the same again; and one that nobody has heard of.
    async fn cancel_orders(&self) -> anyhow::Result<()> {
        let (sku, lost) = (unique("LAMP"), unique("batch"));
        let order = line(&unique("order"), &sku, 1);
        for name in ["one", "other"] {
            self.before(Command::CreateBatch(new_batch(&unique("batch"), &sku, 1))).await?;
            self.before(Command::Allocate(OrderLine { name: name.try_into()?, ..order.clone() })).await?;
        }
        self.before(Command::CreateBatch(new_batch(&lost, &sku, 1))).await?;
        self.before(Command::Allocate(line(&unique("order"), &sku, 1))).await?;
        self.before(change(&lost, 0)).await?;
        for _ in 0..2 {
            self.does(Command::CancelOrder(order.orderid.clone())).await?;
        }
        self.does(Command::CancelOrder(unique("order").as_str().try_into()?)).await
    }

    /// Each question once, about a line on a full batch whose reference another SKU has too, and about nothing.
    async fn ask(&self) -> anyhow::Result<()> {
        let line = self.with_line().await?;
        let views = Views { store: self.recorded.store(), environment: &System::default() };
        let call = &soon();
        let first = Wanted::first(9);
        let order = views.order(&line.orderid, &first, call).await?;
        let reference = order.entries[0].parts[0].part.place.batch().expect("its batch");
        self.before(Command::CreateBatch(new_batch(reference.as_str(), &unique("LAMP"), 1))).await?;
        views.allocations(&line.orderid, (0, usize::MAX), call).await?;
        views.product(&line.sku, call).await?;
        views.waiting(&line.sku, &Wanted::first(9), call).await?;
        views.batches(reference, call).await?;
        views.on_batches(reference, None, &Wanted::first(9), call).await?;
        let unknown = views.order(&unique("order").as_str().try_into()?, &first, call).await;
        anyhow::ensure!(unknown.is_err(), "{unknown:?}");
        let past = Past { views, history: &self.history };
        past.of_product(&line.sku, &Wanted::first(9), call).await?;
        past.of_order(&line.orderid, &Wanted::first(9), call).await?;
        let asked = Route::ALL.iter().filter(|route| route.method() == "GET");
        self.played.lock().unwrap().extend(asked);
        Ok(())
    }

    async fn record(&self) -> anyhow::Result<()> {
        let (sku, at) = (unique("LAMP"), Timestamp(1));
        let event = Event::BatchCreated {
            batchref: unique("batch").as_str().try_into()?,
            sku: sku.as_str().try_into()?,
            qty: 1.try_into()?,
            eta: None,
        };
        let told = envelopes(&sku.as_str().try_into()?, Version(1), at, vec![(event, None)]);
        testing::hear(&self.history, &told).await;
        Ok(())
    }

    /// Of a product with a backlog, and of one for which nobody else comes by.
    async fn expire_holds(&self) -> anyhow::Result<()> {
        let (sku, alone) = (self.with_backlog().await?, unique("LAMP"));
        self.hold(&alone).await?;
        // As where the list of what is held ends within a line.
        let line = self.with_split_line(&unique("LAMP")).await?;
        self.recorded.store().find(&ReadSet::of_line(&line.id())).await?;
        self.recorded.store().due(System::default().now(), 9).await?;
        for sku in [sku, alone] {
            self.recorded.handle(&ExpireHolds(sku.as_str().try_into()?), &soon()).await?;
        }
        Ok(())
    }

    /// All that a function does to the table: each way through its code that makes a call of its own.
    pub(super) async fn play(&self, function: &str) -> anyhow::Result<()> {
        match function {
            "allocate" => {
                let sku = self.with_backlog().await?;
                let too_many = line(&unique("order"), &sku, 2);
                self.does(Command::Allocate(too_many)).await?;
                self.before(Command::CreateBatch(new_batch(&unique("batch"), &sku, 2))).await?;
                self.does(Command::Allocate(line(&unique("order"), &sku, 1))).await?;
                let last = Command::Allocate(line(&unique("order"), &sku, 1));
                self.does(last.clone()).await?;
                self.does(last).await?;
                self.ask_beside_others(&sku).await?;
                self.end_lines().await
            }
            "allocate-queued" => {
                let sku = self.with_backlog().await?;
                let lines =
                    |qty| AllocateLines::of(SkuLines::of([line(&unique("order"), &sku, qty)]).pop().expect("a line"));
                self.recorded.handle(&lines(2), &soon()).await?;
                self.before(Command::CreateBatch(new_batch(&unique("batch"), &sku, 2))).await?;
                self.recorded.handle(&lines(1), &soon()).await?;
                let last = lines(1);
                self.recorded.handle(&last, &soon()).await?;
                self.recorded.handle(&last, &soon()).await?;
                let known = SkuLines::of([self.with_split_line(&unique("LAMP")).await?]).pop().expect("a line");
                self.recorded.handle(&AllocateLines::of(known), &soon()).await?;
                Ok(())
            }
            "batches" => self.play_batches().await,
            "orders" => {
                self.put_orders().await?;
                self.cancel_orders().await
            }
            "change-batch-quantity" => {
                for change in self.changes().await? {
                    self.recorded.handle(&change, &soon()).await?;
                }
                let shipped = self.with_split_line(&unique("LAMP")).await?;
                self.recorded.handle(&Command::Ship(shipped.id()), &soon()).await?;
                Ok(())
            }
            "expire-holds" => self.expire_holds().await,
            "allocations-view" => self.ask().await,
            "handle-events" => {
                let (id, now) = (unique("event"), System::default().now());
                self.recorded.store().claim(&id, 1, now, Duration::from_secs(1)).await?;
                self.recorded.store().finish(&id, now).await?;
                Ok(())
            }
            "publish-events" => Ok(()),
            "record-history" => self.record().await,
            other => anyhow::bail!("what {other} does is not known here"),
        }
    }
}

fn change(reference: &str, qty: u32) -> Command {
    Command::ChangeBatch(testing::holds(reference, qty, Revision::AsOf(System::default().now().0)))
}
