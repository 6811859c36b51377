//! DynamoDB for the tests and the inner loop: dynoxide, in this process and in memory; or one that runs already.

use anyhow::{Context as _, Result, anyhow};
use dynoxide::server;
use serde_json::json;
use tokio::runtime::{self, Runtime};

use local::port::{self, Listeners};
use local::{Template, TemplateTable, aws};

/// A running DynamoDB. One that was started here has nothing in it at first, stops on drop, and forgets everything.
pub struct Database {
    endpoint: String,
    /// Its own, so that it answers however busy its callers are. Taken on drop. None: it was not started here.
    runtime: Option<Runtime>,
}

impl Database {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start() -> Result<Self> {
        let database =
            dynoxide::Database::memory().map_err(|error| anyhow!("opening a database in memory: {error}"))?;
        let Listeners { port, ipv4, ipv6 } = Listeners::new(None)?;

        let mut runtime = runtime::Builder::new_multi_thread();
        // It does one call after the other anyway.
        let runtime = runtime.worker_threads(1).thread_name("dynamodb").enable_all().build();
        let runtime = runtime.context("starting a thread for DynamoDB")?;
        for listener in [Some(ipv4), ipv6].into_iter().flatten() {
            let _entered = runtime.enter();
            runtime.spawn(server::serve_on(port::asynchronous(listener)?, database.clone()));
        }
        Ok(Self { endpoint: format!("http://localhost:{port}"), runtime: Some(runtime) })
    }

    /// One that somebody else has started, such as DynamoDB Local, at an address such as `http://localhost:8000`.
    #[must_use]
    pub fn at(endpoint: &str) -> Self {
        Self { endpoint: endpoint.trim_end_matches('/').to_owned(), runtime: None }
    }

    /// Where it answers.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A configuration for SDK clients.
    #[must_use]
    pub fn sdk_config(&self) -> aws_types::SdkConfig {
        aws::sdk_config(&self.endpoint)
    }

    /// Creates a table as template.yaml describes it, and the one of its history.
    ///
    /// # Errors
    /// When there is a table of such a name.
    pub async fn create_tables(&self, template: &Template, name: &str) -> Result<()> {
        for (table, name) in tables(name) {
            template.create_table(&self.endpoint, table, &name).await?;
        }
        Ok(())
    }

    /// Creates the same tables, as far as there are none of their names.
    ///
    /// # Errors
    /// When the database can't be reached, or refuses for another reason.
    pub async fn ensure_tables(&self, template: &Template, name: &str) -> Result<()> {
        for (table, name) in tables(name) {
            match template.create_table(&self.endpoint, table, &name).await {
                Err(error) if !format!("{error:#}").contains("ResourceInUse") => {
                    return Err(error).with_context(|| format!("creating table {name} at {}", self.endpoint));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Deletes these tables and all in them.
    ///
    /// # Errors
    /// When one is not there, or the database refuses.
    pub async fn delete_tables(&self, name: &str) -> Result<()> {
        for (_, name) in tables(name) {
            let request = json!({ "TableName": name });
            aws::call(&aws::http_client()?, &self.endpoint, "DynamoDB_20120810.DeleteTable", &request).await?;
        }
        Ok(())
    }
}

/// The tables that go by a name.
fn tables(name: &str) -> [(TemplateTable, String); 2] {
    [(TemplateTable::Stock, name.to_owned()), (TemplateTable::History, local::history_table(name))]
}

impl Drop for Database {
    fn drop(&mut self) {
        // Without waiting for it, which a thread of another runtime must not do.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
