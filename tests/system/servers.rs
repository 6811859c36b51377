//! The servers that tests share. Each starts when it is first asked for; a failure is kept and told to all.

use adapters::dynamodb::{DynamoDb, HistoryTable};
use anyhow::{Context as _, Result, anyhow};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use inner_loop::Database;
use local::{CargoLambdaWatch, Functions, Stack, Template, Tools, WatchLog, history_table};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::OnceCell;

/// The table that tests share.
pub(crate) const TABLE: &str = "allocation-test";
/// The variable that names a running DynamoDB for the tests of the store, instead of the one that they start. Its
/// tables whose names begin with `allocation-test` are theirs: they are deleted first.
const DYNAMODB: &str = "ALLOCATION_TEST_DYNAMODB";

type Shared<T> = OnceCell<Result<T, String>>;

pub(crate) struct Servers {
    runtime: Runtime,
    tools: Shared<Tools>,
    functions: Shared<Functions>,
    database: Shared<Database>,
    emulated: Shared<Database>,
    watch: Shared<CargoLambdaWatch>,
    stack: Shared<Stack>,
}

impl Servers {
    pub(crate) fn new() -> Self {
        Self {
            runtime: Runtime::new().expect("a runtime"),
            tools: OnceCell::new(),
            functions: OnceCell::new(),
            database: OnceCell::new(),
            emulated: OnceCell::new(),
            watch: OnceCell::new(),
            stack: OnceCell::new(),
        }
    }

    pub(crate) fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    pub(crate) async fn tools(&self) -> Result<&Tools> {
        share(&self.tools, Tools::install().boxed()).await
    }

    async fn functions(&self) -> Result<&Functions> {
        let start = async { Functions::build(self.tools().await?).await };
        share(&self.functions, start.boxed()).await
    }

    /// A DynamoDB in memory, with the template's table.
    pub(crate) async fn database(&self) -> Result<&Database> {
        let start = async {
            let template = Template::read(self.tools().await?).await?;
            let database = running().map_or_else(Database::start, |url| Ok(Database::at(&url)))?;
            let created = create_anew(&database, &template, TABLE).await;
            created.with_context(|| format!("a DynamoDB at {} is needed", database.endpoint()))?;
            Ok(database)
        };
        share(&self.database, start.boxed()).await
    }

    /// The store on that table.
    pub(crate) async fn store(&self) -> Result<DynamoDb> {
        Ok(store_on(self.database().await?))
    }

    /// The history beside it.
    pub(crate) async fn history(&self) -> Result<HistoryTable> {
        Ok(history_on(self.database().await?))
    }

    /// The same store on the DynamoDB of the emulator that the stack runs on.
    pub(crate) async fn emulated_store(&self) -> Result<DynamoDb> {
        Ok(store_on(self.emulated().await?))
    }

    /// The history beside that.
    pub(crate) async fn emulated_history(&self) -> Result<HistoryTable> {
        Ok(history_on(self.emulated().await?))
    }

    async fn emulated(&self) -> Result<&Database> {
        let start = async {
            let database = Database::at(self.stack().await?.endpoint());
            database.create_tables(&Template::read(self.tools().await?).await?, TABLE).await?;
            Ok(database)
        };
        share(&self.emulated, start.boxed()).await
    }

    /// The functions under `cargo lambda watch`, on that table.
    pub(crate) async fn watch(&self) -> Result<&CargoLambdaWatch> {
        let start = async {
            // Built before, they start at once; and two compilers at a time would only be in each other's way.
            self.functions().await?;
            let database = self.database().await?.endpoint();
            CargoLambdaWatch::start(self.tools().await?, database, TABLE, None, WatchLog::File).await
        };
        share(&self.watch, start.boxed()).await
    }

    /// The deployed template.
    pub(crate) async fn stack(&self) -> Result<&Stack> {
        let start = async {
            let functions = self.functions().await?;
            Stack::start(self.tools().await?, functions, None).await
        };
        share(&self.stack, start.boxed()).await
    }

    /// The same for one test alone.
    pub(crate) async fn another_stack(&self) -> Result<Stack> {
        let functions = self.functions().await?;
        Stack::start(self.tools().await?, functions, None).boxed().await
    }
}

fn store_on(database: &Database) -> DynamoDb {
    DynamoDb::new(aws_sdk_dynamodb::Client::new(&database.sdk_config()), TABLE.to_owned())
}

fn history_on(database: &Database) -> HistoryTable {
    HistoryTable::new(aws_sdk_dynamodb::Client::new(&database.sdk_config()), history_table(TABLE))
}

#[expect(clippy::disallowed_methods, reason = "how a running database is pointed at")]
fn running() -> Option<String> {
    std::env::var(DYNAMODB).ok().filter(|url| !url.is_empty())
}

/// Creates a table of the tests' own. A running database may still have it, of an earlier run.
pub(crate) async fn create_anew(database: &Database, template: &Template, name: &str) -> Result<()> {
    if running().is_some() {
        // Mostly there is none.
        let _ = database.delete_tables(name).await;
    }
    database.create_tables(template, name).await
}

/// Boxed, because futures of servers that start servers would not fit a thread's stack.
async fn share<'a, T>(cell: &'a Shared<T>, start: BoxFuture<'_, Result<T>>) -> Result<&'a T> {
    let shared = cell.get_or_init(|| async { start.await.map_err(|error| format!("{error:#}")) }).await;
    shared.as_ref().map_err(|error| anyhow!("a server that this test needs did not start: {error}"))
}
