//! Signature Version 4 for API Gateway.

use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::sync::Mutex;

/// What API Gateway is called where it is asked to invoke an API.
const SERVICE: &str = "execute-api";
/// Credentials are asked for anew so long before they end, so that none ends on its way.
const EARLY: Duration = Duration::from_mins(2);

/// Why a request can't be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// None were found, or they can't be renewed.
    #[error(
        "no AWS credentials to sign with. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with IAM \
         Identity Center: eval \"$(aws configure export-credentials --format env)\"); or give a token, if the API \
         takes those"
    )]
    Credentials(#[source] Option<aws_credential_types::provider::error::CredentialsError>),
    /// A header or an address that no signature can be made of.
    #[error("signing the request")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The region in the address that API Gateway gives to an API.
#[must_use]
pub fn region_of(host: &str) -> Option<String> {
    let name = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let (id, region) = name.split_once(".execute-api.")?;
    let is_name = |text: &str| !text.is_empty() && !text.contains('.');
    (is_name(id) && is_name(region)).then(|| region.to_owned())
}

/// Signs with the credentials that every AWS tool finds.
#[derive(Debug)]
pub(super) struct Signer {
    region: String,
    provider: SharedCredentialsProvider,
    /// Providers ask again each time, some of them over the network.
    current: Mutex<Option<Credentials>>,
}

impl Signer {
    /// Finds credentials now, so that a lack of them is told before anything else.
    pub(super) async fn load(region: String) -> Result<Self, SignError> {
        let config = aws_config::defaults(BehaviorVersion::latest());
        let config = config.region(aws_config::Region::new(region.clone())).load().await;
        let signer = Self::of(region, config.credentials_provider().ok_or(SignError::Credentials(None))?);
        signer.credentials().await?;
        Ok(signer)
    }

    fn of(region: String, provider: SharedCredentialsProvider) -> Self {
        Self { region, provider, current: Mutex::new(None) }
    }

    /// Adds the headers that let a request in.
    pub(super) async fn sign(
        &self,
        method: &Method,
        url: &str,
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> Result<(), SignError> {
        let credentials = self.credentials().await?;
        sign_at(now(), &self.region, credentials, (method, url, body), headers)
    }

    async fn credentials(&self) -> Result<Credentials, SignError> {
        let mut current = self.current.lock().await;
        let lasts = |kept: &&Credentials| kept.expiry().is_none_or(|end| end > now().checked_add(EARLY).unwrap_or(end));
        if let Some(kept) = current.as_ref().filter(lasts) {
            return Ok(kept.clone());
        }
        let found = self.provider.provide_credentials().await.map_err(|error| SignError::Credentials(Some(error)))?;
        *current = Some(found.clone());
        Ok(found)
    }
}

#[expect(clippy::disallowed_methods, reason = "AWS compares the time of a signature with its own")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// The library's settings are those of API Gateway: each part of the path is encoded once more than it is sent.
fn sign_at(
    time: SystemTime,
    region: &str,
    credentials: Credentials,
    (method, url, body): (&Method, &str, &[u8]),
    headers: &mut HeaderMap,
) -> Result<(), SignError> {
    let identity = credentials.into();
    let params = v4::SigningParams::builder().identity(&identity).region(region).name(SERVICE).time(time);
    let params = params.settings(SigningSettings::default()).build().map_err(unsigned)?;
    let signed = headers.iter().map(|(name, value)| Ok((name.as_str(), value.to_str().map_err(unsigned)?)));
    let signed: Vec<_> = signed.collect::<Result<_, SignError>>()?;
    let request = SignableRequest::new(method.as_str(), url, signed.into_iter(), SignableBody::Bytes(body));
    let output = sign(request.map_err(unsigned)?, &params.into()).map_err(unsigned)?;
    let (added, _) = output.into_parts().0.into_parts();
    for header in added {
        let mut value = HeaderValue::from_str(header.value()).map_err(unsigned)?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(header.name()), value);
    }
    Ok(())
}

fn unsigned(error: impl std::error::Error + Send + Sync + 'static) -> SignError {
    SignError::Request(Box::new(error))
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};

    use super::*;

    /// 2026-11-30T12:00:00Z.
    const NOON: Duration = Duration::from_hours(498_900);

    fn signature(method: &Method, path: &str, body: &[u8]) -> String {
        let (time, url) = (
            SystemTime::UNIX_EPOCH.checked_add(NOON).unwrap(),
            format!("https://abc.execute-api.eu-west-1.amazonaws.com{path}"),
        );
        let credentials = Credentials::new("AKIDEXAMPLE", "example-secret", Some("session".to_owned()), None, "test");
        let json = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::from_iter([(ACCEPT, json.clone()), (CONTENT_TYPE, json)]);
        sign_at(time, "eu-west-1", credentials, (method, &url, body), &mut headers).unwrap();
        assert_eq!(headers["x-amz-date"], "20261130T120000Z");
        assert_eq!(headers["x-amz-security-token"], "session");
        let told = headers[AUTHORIZATION].to_str().unwrap();
        let (scope, signature) = told.split_once(", Signature=").unwrap();
        assert_eq!(
            scope,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261130/eu-west-1/execute-api/aws4_request, \
             SignedHeaders=accept;content-type;host;x-amz-date;x-amz-security-token"
        );
        signature.to_owned()
    }

    /// What botocore 1.43 makes of the same requests, by `SigV4Auth`.
    #[test]
    fn signatures_are_those_of_another_signer_also_of_paths_with_escapes() {
        let escaped = "/orders/a%2Fb%3A%40%28%2B%20%C3%A9?limit=2&after=x%3D";
        let expected = "9ec3ac68779a34155e90ac9f7de46e1198d5f59bce38e8f6a087ac39d6158291";
        assert_eq!(signature(&Method::GET, escaped, b""), expected);
        let expected = "26381167a1bce9e7c80cec0d421a20fdc7b1174e950245a1982aeb5ae8061ac0";
        assert_eq!(signature(&Method::GET, "/orders/a:b@c(+d", b""), expected);
        let expected = "8e837fcf5343094ee7cbfb6e3a619e884135f3ef89ebbfb862a0bb53c6fa9c88";
        assert_eq!(signature(&Method::POST, "/batches", br#"{"ref":"b1"}"#), expected);
    }

    #[test]
    fn the_region_is_in_the_address_that_aws_gives() {
        let region = |host| region_of(host);
        assert_eq!(region("abc.execute-api.eu-west-1.amazonaws.com").as_deref(), Some("eu-west-1"));
        assert_eq!(region("abc.execute-api.cn-north-1.amazonaws.com.cn").as_deref(), Some("cn-north-1"));
        for other in
            ["localhost", "api.example.com", "execute-api.eu-west-1.amazonaws.com", "a.execute-api.x.y.amazonaws.com"]
        {
            assert_eq!(region(other), None, "{other}");
        }
        assert_eq!(region("abc.execute-api.eu-west-1.amazonaws.com.example.com"), None);
    }

    #[derive(Debug, Default)]
    struct Counting(std::sync::atomic::AtomicU32, Duration);

    impl aws_credential_types::provider::ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let times = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let key = format!("AKID{times}");
            let credentials = Credentials::new(key, "secret", None, now().checked_add(self.1), "test");
            aws_credential_types::provider::future::ProvideCredentials::ready(Ok(credentials))
        }
    }

    #[tokio::test]
    async fn credentials_are_asked_for_again_when_they_end_soon_and_not_before() {
        let keys = async |lasting| {
            let provider = SharedCredentialsProvider::new(Counting(0.into(), lasting));
            let signer = Signer::of("eu-west-1".to_owned(), provider);
            let first = signer.credentials().await.unwrap();
            (first.access_key_id().to_owned(), signer.credentials().await.unwrap().access_key_id().to_owned())
        };
        assert_eq!(keys(Duration::from_hours(1)).await, ("AKID0".to_owned(), "AKID0".to_owned()));
        assert_eq!(keys(Duration::from_mins(1)).await, ("AKID0".to_owned(), "AKID1".to_owned()));
    }
}
