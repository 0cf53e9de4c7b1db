//! A server elsewhere, asked with a token: the client of commands that are given an address.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response};

use crate::auth::{Address, HttpClient, http_client, with_causes};
use crate::error::{Error, Kind, Result};

/// The head of an answer, and the whole of a small one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// From one piece of a download to the next.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);
/// Answers that are read whole.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
const RETRY_AFTER_S: u64 = 1;
/// More of what a server says is of no use to a person.
const SAID_CHARS_MAX: usize = 1_000;

/// Made for one address and one token; the token is sent nowhere else, redirects are not followed.
pub struct Remote {
    base: String,
    authorization: HeaderValue,
    client: HttpClient,
    /// Whether the server has ever answered: what cannot be reached at all is told at once.
    reached: AtomicBool,
}

/// A good answer whose body is still to come.
pub struct Download {
    pub status: u16,
    headers: HeaderMap,
    body: Incoming,
}

impl Remote {
    /// Errors with `Invalid` if the address is not https, nor http on this machine, or the token is none that a header
    /// could hold; never with the token. Connects with the first request.
    pub fn new(address: &str, token: &str) -> Result<Remote> {
        let base = address.trim_end_matches('/');
        if base.contains(['?', '#']) {
            return Err(Error::invalid(format!("\"{address}\": give the address without ? and #")));
        }
        Address::parse(base).map_err(Error::invalid)?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Error::invalid("the token holds what no token may: line ends or control characters"))?;
        authorization.set_sensitive(true);
        let client = http_client().map_err(Error::internal)?;
        Ok(Remote { base: base.to_string(), authorization, client, reached: AtomicBool::new(false) })
    }

    /// Sends a request and reads a good answer whole. Errors with what the server said and the kind that its status
    /// stands for; with `Internal` if it cannot be reached at all, `Busy` if it does not answer any more.
    pub async fn send(
        &self,
        method: &str,
        path_and_query: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Bytes> {
        let request = self.request(method, path_and_query, headers, body.into())?;
        let answer = async { self.read(self.begin(request).await?).await };
        tokio::time::timeout(ANSWER_TIMEOUT, answer).await.unwrap_or_else(|_| Err(self.silent()))
    }

    /// Asks for a file. Errors as [`Remote::send`].
    pub async fn download(&self, path: &str, headers: &[(&str, &str)]) -> Result<Download> {
        let request = self.request("GET", path, headers, Bytes::new())?;
        let begun = tokio::time::timeout(ANSWER_TIMEOUT, self.begin(request)).await;
        let (head, body) = begun.unwrap_or_else(|_| Err(self.silent()))?.into_parts();
        Ok(Download { status: head.status.as_u16(), headers: head.headers, body })
    }

    fn request(
        &self,
        method: &str,
        path_and_query: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path_and_query}", self.base))
            .header(header::AUTHORIZATION, self.authorization.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body));
        request.map_err(|e| Error::internal(format!("{method} {path_and_query} is no request: {e}")))
    }

    /// The head of a good answer.
    async fn begin(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let response = self.client.request(request).await.map_err(|e| self.unreachable(&e))?;
        self.reached.store(true, Relaxed);
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = self.read(response).await?;
        Err(refusal(status, &headers, &body))
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Bytes> {
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok(body.map_err(|e| self.lost(&with_causes(&*e)))?.to_bytes())
    }

    fn unreachable(&self, error: &hyper_util::client::legacy::Error) -> Error {
        match self.reached.load(Relaxed) {
            true => self.lost(&with_causes(error)),
            false => Error::internal(format!("cannot reach {}: {}", self.base, with_causes(error))),
        }
    }

    fn lost(&self, reason: &str) -> Error {
        busy(format!("{} does not answer any more: {reason}", self.base))
    }

    fn silent(&self) -> Error {
        busy(format!("{} did not answer within {} s", self.base, ANSWER_TIMEOUT.as_secs()))
    }
}

impl Download {
    /// None if the header is absent or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next piece; None at the end. Errors with `Busy` if the connection breaks, or nothing comes for a minute.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let frame = tokio::time::timeout(PIECE_TIMEOUT, self.body.frame()).await;
            let frame = frame.map_err(|_| busy("the download came to a halt".into()))?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|e| busy(format!("the download broke off: {}", with_causes(&e))))?;
            if let Ok(piece) = frame.into_data() {
                return Ok(Some(piece));
            }
        }
    }
}

fn busy(message: String) -> Error {
    Error::new(Kind::Busy { retry_after_s: RETRY_AFTER_S }, message)
}

fn refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let retry_after_s = text(header::RETRY_AFTER).and_then(|text| text.parse().ok()).unwrap_or(RETRY_AFTER_S);
    let kind = match status {
        400 => Kind::Invalid,
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        410 => Kind::Gone,
        413 => Kind::TooLarge,
        422 => Kind::Unprocessable,
        429 => Kind::TooManyRequests { retry_after_s },
        // What a proxy says of a server that it cannot reach just now, too.
        408 | 502 | 503 | 504 => Kind::Busy { retry_after_s },
        507 => Kind::StorageFull,
        _ => Kind::Internal,
    };
    let message = match (status, text(header::LOCATION)) {
        (300..400, Some(location)) => {
            format!("the server answered {status} and points to {}; give that address", harmless(location))
        }
        _ => refusal_message(status, body),
    };
    Error::new(kind, message)
}

/// What a server says of a refusal, from the body of an answer that is no good one.
pub fn refusal_message(status: u16, body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => harmless(&refusal.message),
        Err(_) => format!("the server answered {status} without a word"),
    }
}

/// What a server elsewhere says, for a terminal, which would obey what control characters tell it; not without a bound.
pub fn harmless(text: &str) -> String {
    text.chars().take(SAID_CHARS_MAX).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, token: &str) -> String {
        Remote::new(address, token).err().expect("it is refused").message
    }

    #[test]
    fn a_token_is_not_sent_in_the_clear() {
        let refused = refused("http://stats.example.com", "secret");
        assert!(refused.contains("https://") && !refused.contains("secret"), "{refused}");
        for address in
            ["https://stats.example.com", "https://stats.example.com/a/", "http://127.0.0.1:8080", "http://[::1]"]
        {
            assert!(Remote::new(address, "secret").is_ok(), "{address}");
        }
    }

    #[test]
    fn what_is_no_address_or_token_is_refused_without_showing_the_token() {
        for address in ["", "stats.example.com", "ftp://a", "https://a:b@stats.example.com", "https://a/?x=1"] {
            assert!(!refused(address, "secret").contains("secret"), "{address}");
        }
        assert!(!refused("https://a", "sec\nret").contains("ret\""));
    }

    #[test]
    fn a_refusal_tells_what_the_server_said_and_when_to_come_back() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        let error = refusal(429, &headers, br#"{"error":"Too Many Requests","message":"wait"}"#);
        assert_eq!((error.kind, error.message.as_str()), (Kind::TooManyRequests { retry_after_s: 7 }, "wait"));
        assert_eq!(refusal(502, &HeaderMap::new(), b"<html>").kind, Kind::Busy { retry_after_s: 1 });
        assert_eq!(refusal(400, &headers, br#"{"message":"a\u001b]0;b\u0007\u009b\r\n"}"#).message, "a ]0;b    ");
        let long = format!(r#"{{"message":"{}"}}"#, "é".repeat(100_000));
        assert_eq!(refusal(400, &headers, long.as_bytes()).message, "é".repeat(SAID_CHARS_MAX));
        headers.insert(header::LOCATION, HeaderValue::from_static("https://elsewhere"));
        assert!(refusal(301, &headers, b"").message.contains("https://elsewhere"));
    }
}
