//! AWS's side of the wire: the SDK's HTTP client, answered by a small service in memory, with failures in between.
//!
//! Below the SDK, because what matters here is what it makes of real bytes and of silence: its own retries, time-outs
//! and parsing of errors are part of each outcome.

use std::sync::{Arc, Mutex, MutexGuard};

use adapters::bootstrap;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_dynamodb::config::{Credentials, SharedAsyncSleep, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::origin::Origin;

use crate::clock::Clock;

/// A service behind the wire.
pub(crate) trait Service: Send + 'static {
    /// Carries out an operation, and tells status and body.
    fn answer(&mut self, operation: &str, body: &[u8]) -> (u16, String);
}

/// What comes back over the wire in place of the service's answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Says(u16, String),
    /// Nothing, until the SDK's patience ends.
    Hangs,
    /// The connection breaks.
    Breaks,
}

#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The service never got the request, or refused it.
    Before(Reply),
    /// The service did as it was asked, and nobody hears of it.
    After(Reply),
}

/// How often a failure strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strikes {
    Once,
    Twice,
    Always,
}

struct State<S> {
    service: S,
    failures: Vec<(&'static str, Failure, u32)>,
    calls: Vec<String>,
}

pub(crate) struct Wire<S>(Arc<Mutex<State<S>>>);

impl<S> Clone for Wire<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> std::fmt::Debug for Wire<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Wire")
    }
}

impl<S: Service> Wire<S> {
    pub(crate) fn to(service: S) -> Self {
        Self(Arc::new(Mutex::new(State { service, failures: Vec::new(), calls: Vec::new() })))
    }

    /// From now on, calls of this operation fail so.
    pub(crate) fn fails(&self, operation: &'static str, failure: &Failure, strikes: Strikes) {
        let strikes = match strikes {
            Strikes::Once => 1,
            Strikes::Twice => 2,
            Strikes::Always => u32::MAX,
        };
        self.state().failures.push((operation, failure.clone(), strikes));
    }

    pub(crate) fn recovers(&self) {
        self.state().failures.clear();
    }

    /// Looks at the service, or changes it.
    pub(crate) fn service<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        look(&mut self.state().service)
    }

    /// How many requests for this operation came over the wire.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.state().calls.iter().filter(|call| *call == operation).count()
    }

    pub(crate) fn forget_calls(&self) {
        self.state().calls.clear();
    }

    /// As in production, apart from time.
    pub(crate) fn config(&self, clock: &Clock) -> SdkConfig {
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKID", "secret", None, None, "test",
            )))
            .timeout_config(bootstrap::timeouts())
            .retry_config(bootstrap::retries())
            .sleep_impl(SharedAsyncSleep::new(clock.clone()))
            .http_client(SharedHttpClient::new(self.clone()));
        // As aws-config does: from a configuration that is nobody's, DynamoDB's client would make four tries.
        config.insert_origin("retry_config", Origin::shared_config());
        config.build()
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.0.lock().unwrap()
    }

    fn exchange(&self, request: &HttpRequest) -> Reply {
        let mut state = self.state();
        let body = request.body().bytes().unwrap_or_default();
        let operation = operation(request, body);
        state.calls.push(operation.clone());
        let works = |state: &mut State<S>| {
            let (status, body) = state.service.answer(&operation, body);
            Reply::Says(status, body)
        };
        let failing = |failure: &&mut (&str, Failure, u32)| failure.0 == operation && failure.2 > 0;
        let failure = state.failures.iter_mut().find(failing).map(|(_, failure, strikes)| {
            *strikes -= 1;
            failure.clone()
        });
        match failure {
            None => works(&mut state),
            Some(Failure::Before(reply)) => reply,
            Some(Failure::After(reply)) => {
                works(&mut state);
                reply
            }
        }
    }
}

/// Each protocol names its operation elsewhere.
fn operation(request: &HttpRequest, body: &[u8]) -> String {
    if let Some(target) = request.headers().get("x-amz-target") {
        return target.split('.').next_back().unwrap_or_default().to_owned();
    }
    let form = std::str::from_utf8(body).unwrap();
    let (_, action) = form.split_once("Action=").unwrap();
    action.split('&').next().unwrap_or_default().to_owned()
}

impl<S: Service> HttpConnector for Wire<S> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.exchange(&request) {
            Reply::Says(status, body) => {
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
            }
            Reply::Hangs => HttpConnectorFuture::new(std::future::pending()),
            Reply::Breaks => HttpConnectorFuture::ready(Err(ConnectorError::io("connection reset by peer".into()))),
        }
    }
}

impl<S: Service> HttpClient for Wire<S> {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Clients of one partition share a budget of retries; each test is to have its own.
#[expect(clippy::disallowed_methods, reason = "a name of its own, which no outcome depends on")]
pub(crate) fn own_budget() -> RetryPartition {
    RetryPartition::new(format!("test {}", fastrand::u64(..)))
}
