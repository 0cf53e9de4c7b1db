//! Asking issuers over HTTP: only addresses that the operator or a trusted issuer named, no redirects, bounded in time
//! and size.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::Fetches;

/// For all that belongs together: a document of metadata and the keys that it names; one introspection.
pub const TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 256 * 1024;
const IDLE_CONNECTIONS_MAX: usize = 16;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Speaks HTTP/1.1, over TLS where the address says https; trusts the system's roots.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// An address that may be asked: https, or http on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address(Uri);

impl Address {
    /// Errors with what is wrong, for the operator.
    pub fn parse(text: &str) -> Result<Address, String> {
        let uri: Uri = text.parse().map_err(|_| format!("\"{text}\" is no address"))?;
        let has_name = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        match uri.scheme_str() {
            _ if has_name => Err("an address must not hold a name or password".into()),
            Some("https") => Ok(Address(uri)),
            Some("http") if is_loopback(uri.host().unwrap_or_default()) => Ok(Address(uri)),
            _ => Err(format!(
                "\"{text}\" does not begin with https:// (http:// is for this machine's own addresses only)"
            )),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || literal.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Default)]
pub struct Fetcher {
    /// Made when first needed: it reads the system's root certificates.
    client: OnceLock<Result<HttpClient, String>>,
    keys: AtomicU64,
    introspections: AtomicU64,
}

impl Fetcher {
    /// Fetches a document of metadata or keys. Errors with what went wrong, for the operator.
    pub async fn document(&self, address: &Address) -> Result<Bytes, String> {
        self.keys.fetch_add(1, Relaxed);
        let request = Request::get(address.0.clone()).header(ACCEPT, "application/json").body(Full::default());
        match self.send(request.map_err(|e| e.to_string())?).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(format!("{} answered {status}", address.0)),
        }
    }

    /// Posts a form with a name and a password (RFC 6749, 2.3.1). Errors with what went wrong, for the operator; never
    /// with what was sent.
    pub async fn introspection(
        &self,
        address: &Address,
        credential: (&str, &str),
        form: String,
    ) -> Result<(StatusCode, Bytes), String> {
        self.introspections.fetch_add(1, Relaxed);
        let request = Request::post(address.0.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, basic(credential))
            .body(Full::from(form));
        self.send(request.map_err(|e| e.to_string())?).await
    }

    pub fn counts(&self) -> Fetches {
        Fetches { keys: self.keys.load(Relaxed), introspections: self.introspections.load(Relaxed) }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
        let client = self.client.get_or_init(http_client).as_ref()?;
        let address = request.uri().clone();
        let answer = async {
            let answer = client.request(request).await.map_err(|e| format!("{address}: {}", with_causes(&e)))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|e| format!("{address}: {}", with_causes(&*e)))?;
            Ok((head.status, body.to_bytes()))
        };
        let in_time = tokio::time::timeout(TIMEOUT, answer).await;
        in_time.unwrap_or_else(|_| Err(format!("{address} did not answer within {} s", TIMEOUT.as_secs())))
    }
}

/// Errors with what is wrong with the system's root certificates, for the operator.
pub fn http_client() -> Result<HttpClient, String> {
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|e| format!("the system's root certificates cannot be read: {e}"))?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .build(connector))
}

/// Both parts are encoded as in a form first, or a colon or umlaut in them would read otherwise at the other end.
fn basic((id, secret): (&str, &str)) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

/// The outer error alone ("client error") says little.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
