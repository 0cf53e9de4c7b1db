//! A small HTTP client. A failure to get any answer at all ends the test; every status is an answer.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use ureq::http::{HeaderMap, Request};

/// A bound on waiting for what should take milliseconds; reached only by a server that hangs.
const TIMEOUT: Duration = Duration::from_secs(120);
const ANSWER_BYTES_MAX: u64 = 1 << 30;

pub const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
pub const GZIP: (&str, &str) = ("content-encoding", "gzip");

/// Speaks to one server with one key.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    key: Option<String>,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Client {
    /// `base`: `http://address:port`.
    pub fn new(base: &str, key: Option<&str>) -> Client {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).build();
        Client { agent: config.into(), base: base.to_string(), key: key.map(str::to_string) }
    }

    /// The same server with another key, or none.
    pub fn with_key(&self, key: Option<&str>) -> Client {
        Client::new(&self.base, key)
    }

    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub fn get(&self, path_and_query: &str) -> Answer {
        self.send("GET", path_and_query, &[], b"")
    }

    /// GET that must be 200; gives the JSON.
    pub fn json(&self, path_and_query: &str) -> Value {
        let answer = self.get(path_and_query);
        assert_eq!(answer.status, 200, "{path_and_query}: {}", answer.text());
        answer.json()
    }

    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send("POST", path, &[], body.as_ref())
    }

    /// POST of a batch of which every item must be accepted.
    pub fn post_all(&self, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>, items: usize) {
        let answer = self.send("POST", path, headers, body.as_ref());
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.json(), serde_json::json!({"accepted": items, "rejected": []}), "{path}");
    }

    pub fn send(&self, method: &str, path_and_query: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path_and_query, headers, body)
            .unwrap_or_else(|e| panic!("{method} {path_and_query}: {e}"))
    }

    /// As [`Client::send`], for servers that may be killed meanwhile.
    pub fn try_send(
        &self,
        method: &str,
        path_and_query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path_and_query}", self.base));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            [] if method != "POST" && method != "PUT" => self.agent.run(request.body(())?)?,
            _ => self.agent.run(request.body(body)?)?,
        };
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("header values are ASCII"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all")
}

/// `path?name=value&..` with every value percent-encoded.
pub fn url(path: &str, parameters: &[(&str, &str)]) -> String {
    let parameters: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    if parameters.is_empty() { path.to_string() } else { format!("{path}?{}", parameters.join("&")) }
}

pub fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
