//! The service's HTTP API, as somebody outside calls it: requests go out let in the way that its address wants, and
//! answers come back whole, whatever they say.

mod sign;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Response};
use reqwest::Url;
use sign::Signer;
pub use sign::{SignError, region_of};

/// API Gateway waits for 30 seconds, so whoever waits a little longer hears whatever there is to hear.
const PATIENCE: Duration = Duration::from_secs(35);
/// Until there is a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// An answer of Lambda has 6 MB at most. What has more does not come from the service.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How requests are let in.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Entry {
    /// A bearer token, if the API asks for one (JWT). Better given as `API_TOKEN` in the environment: options can be read
    /// in the list of processes
    #[arg(long, env = "API_TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// Sign requests for this AWS region, if the API has a domain of its own. Not needed for addresses of
    /// `execute-api.REGION.amazonaws.com`, which are signed for unless there is a token
    #[arg(long, value_name = "REGION")]
    pub sign: Option<String>,
}

/// The API at one address. Cheap to clone: clones share their connections and credentials.
#[derive(Clone, Debug)]
pub struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Without a slash at the end.
    base: String,
    http: reqwest::Client,
    pass: Pass,
}

/// What a request shows to be let in.
#[derive(Debug)]
enum Pass {
    /// Nothing: the local stack asks for nothing.
    Open,
    Token(HeaderValue),
    Signature(Signer),
}

/// Why an API can't be called as it was given.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each says itself what it means")]
pub enum ConnectError {
    #[error(
        "{0:?} is no address of an API: expected http:// or https:// and a host, such as the stack's output ApiUrl"
    )]
    Address(String),
    #[error("the token has characters that no HTTP header can carry: expected one line of visible ASCII characters")]
    Token,
    #[error("a token or a signature would be sent to {0} where everybody on the way can read it: use https://")]
    Unencrypted(String),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("setting up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nobody listens there, or the name is not known. Nothing was sent.
    #[error("no connection to {api}")]
    Unreachable {
        /// The API's address.
        api: String,
        /// What the connection came to.
        #[source]
        source: reqwest::Error,
    },
    /// The answer was lost, or did not come in time: the request may be carried out or not.
    #[error("no answer from {api}")]
    NoAnswer {
        /// The API's address.
        api: String,
        /// What became of the request.
        #[source]
        source: reqwest::Error,
    },
    /// More than the service ever answers.
    #[error("the answer has more than {ANSWER_BYTES} bytes: is this the API's address?")]
    TooLarge,
    /// The path would not arrive as it is.
    #[error("{0:?} is no path that can be sent as it is: its parts must be percent-encoded, and none may be . or ..")]
    Path(String),
    /// The request could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Api {
    /// The API at `url`. A token that was given lets requests in; without one, they are signed if `entry` or the
    /// address names a region; else they go as they are. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none, the token can't be sent, or there are no credentials to sign with.
    pub async fn connect(url: &str, entry: &Entry) -> Result<Self, ConnectError> {
        let wrong = || ConnectError::Address(url.to_owned());
        let parsed = Url::parse(url.trim()).map_err(|_| wrong())?;
        let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let is_plain = parsed.username().is_empty() && parsed.query().is_none() && parsed.fragment().is_none();
        if !matches!(parsed.scheme(), "http" | "https") || !is_plain {
            return Err(wrong());
        }
        let is_local = is_local(host);
        let region = entry.sign.clone().or_else(|| region_of(host));
        let pass = match (entry.token.as_deref().map(str::trim).filter(|token| !token.is_empty()), region) {
            (Some(_), _) | (None, Some(_)) if parsed.scheme() == "http" && !is_local => {
                return Err(ConnectError::Unencrypted(host.to_owned()));
            }
            (Some(token), _) => Pass::Token(bearer(token)?),
            (None, Some(region)) => Pass::Signature(Signer::load(region).await?),
            (None, None) => Pass::Open,
        };
        let http = client(is_local).map_err(ConnectError::Client)?;
        let base = parsed.as_str().trim_end_matches('/').to_owned();
        Ok(Self(Arc::new(Inner { base, http, pass })))
    }

    /// The address, as errors and pages show it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.base
    }

    /// Sends one request, once. `path_and_query` begins with a slash, its parts percent-encoded.
    ///
    /// # Errors
    /// When there is no answer. An answer that refuses is none of these errors.
    pub async fn send(
        &self,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, SendError> {
        let url = self.address(path_and_query)?;
        let headers = self.let_in(&method, &url, headers, &body).await?;
        let request = self.0.http.request(method, url).headers(headers).body(body);
        let mut answer = request.send().await.map_err(|error| self.lost(error))?;
        let mut whole = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.lost(error))? {
            if whole.len().saturating_add(chunk.len()) > ANSWER_BYTES {
                return Err(SendError::TooLarge);
            }
            whole.extend_from_slice(&chunk);
        }
        let mut response = Response::new(whole.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// A URL's parser takes dots for steps, and escapes what must have been: then another path would be asked for.
    fn address(&self, path_and_query: &str) -> Result<Url, SendError> {
        let wanted = format!("{}{path_and_query}", self.0.base);
        match Url::parse(&wanted) {
            Ok(url) if path_and_query.starts_with('/') && url.as_str() == wanted => Ok(url),
            Ok(_) | Err(_) => Err(SendError::Path(path_and_query.to_owned())),
        }
    }

    async fn let_in(
        &self,
        method: &Method,
        url: &Url,
        mut headers: HeaderMap,
        body: &[u8],
    ) -> Result<HeaderMap, SignError> {
        match &self.0.pass {
            Pass::Open => {}
            Pass::Token(token) => {
                headers.insert(AUTHORIZATION, token.clone());
            }
            Pass::Signature(signer) => signer.sign(method, url.as_str(), &mut headers, body).await?,
        }
        Ok(headers)
    }

    fn lost(&self, source: reqwest::Error) -> SendError {
        let (api, source) = (self.0.base.clone(), source.without_url());
        if source.is_connect() { SendError::Unreachable { api, source } } else { SendError::NoAnswer { api, source } }
    }
}

fn is_local(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn bearer(token: &str) -> Result<HeaderValue, ConnectError> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ConnectError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

fn client(is_local: bool) -> reqwest::Result<reqwest::Client> {
    // A redirection would carry what lets in to somebody else; the API makes none.
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(PATIENCE);
    // No proxy knows the way to this machine.
    if is_local { client.no_proxy() } else { client }.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Entry {
        Entry { token: Some(text.to_owned()), sign: None }
    }

    async fn refused(url: &str, entry: &Entry) -> String {
        Api::connect(url, entry).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn an_address_is_one_of_http_with_a_host() {
        let wrong = ["", "localhost:8000", "ftp://localhost", "http://", "http://h/?a=1", "http://me@h", "http://h#x"];
        for url in wrong {
            assert!(refused(url, &Entry::default()).await.contains("is no address of an API"), "{url}");
        }
        let api = Api::connect("http://localhost:8000/_aws/execute-api/id/", &Entry::default()).await.unwrap();
        assert_eq!(api.url(), "http://localhost:8000/_aws/execute-api/id");
    }

    #[tokio::test]
    async fn a_token_does_not_go_where_others_can_read_it() {
        assert!(refused("http://api.example.com", &token("t")).await.contains("use https://"));
        assert!(Api::connect("http://127.0.0.1:1", &token("t")).await.is_ok());
        assert!(Api::connect("http://[::1]:1", &token("t")).await.is_ok());
        assert!(refused("https://api.example.com", &token("a\nb")).await.contains("no HTTP header can carry"));
    }

    #[tokio::test]
    async fn a_token_goes_before_a_signature_and_is_not_shown() {
        let url = "https://abc.execute-api.eu-west-1.amazonaws.com";
        let api = Api::connect(url, &token("secret")).await.unwrap();
        let asked = api.address("/orders/o1").unwrap();
        let headers = api.let_in(&Method::GET, &asked, HeaderMap::new(), b"").await.unwrap();
        assert_eq!(headers[AUTHORIZATION], "Bearer secret");
        assert!(!format!("{api:?}").contains("secret"), "{api:?}");
    }

    #[tokio::test]
    async fn a_path_is_sent_as_it_is_or_not_at_all() {
        let api = Api::connect("http://localhost:1/base", &Entry::default()).await.unwrap();
        for path in ["/orders/a%2Fb%3A%40(+%20", "/orders/o1?limit=2&after=x", "/orders/a..b/waiting"] {
            assert_eq!(api.address(path).unwrap().as_str(), format!("http://localhost:1/base{path}"));
        }
        for path in ["orders", "/orders/..", "/orders/%2e%2E", "/orders/a b", "/orders/é", "/orders/x#y\n"] {
            assert!(matches!(api.address(path), Err(SendError::Path(_))), "{path}");
        }
    }
}
