//! Reading a request's body: bounded in bytes, in time, and in what all requests together may hold.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::{self, HeaderMap};
use tokio::sync::Semaphore;

use super::budget::{Budget, Share};
use super::service;
use crate::error::{Error, Kind, Result};
use crate::ingest;

/// So many bodies of the largest size are held at once, or as many more smaller ones.
const BODIES_MAX: usize = 8;
/// Larger bodies are unpacked and decoded so many at once: what comes of one is known only afterwards.
const WORKED_ON_MAX: usize = 4;
/// A gzip body from so many bytes on is unpacked off the async workers.
const UNPACK_ELSEWHERE_FROM_BYTES: usize = 16 * 1024;

/// Types that no client means JSON by. Any other label is taken: tracking SDKs send JSON as a form.
const FOREIGN_TYPES: [&str; 6] =
    ["multipart/", "text/xml", "application/xml", "application/x-protobuf", "application/protobuf", "text/html"];

/// How long the rest of a short body is waited for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// What a body is allowed, by itself and together with those of all other requests.
pub struct Limits {
    bytes_max: usize,
    timeout: Duration,
    budget: Arc<Budget>,
    worked_on: Arc<Semaphore>,
}

/// A whole body, decompressed, and its share of what all may hold. Whoever keeps what the body held keeps the share.
pub struct Received {
    pub bytes: Bytes,
    pub share: Share,
}

impl Limits {
    pub fn new(bytes_max: usize, timeout: Duration) -> Limits {
        const REFUSAL: &str = "the server reads as much as it can; send the same request again after Retry-After";
        let budget = Budget::new(bytes_max.saturating_mul(BODIES_MAX), REFUSAL);
        Limits { bytes_max, timeout, budget, worked_on: Arc::new(Semaphore::new(WORKED_ON_MAX)) }
    }

    /// For requests that never need as much; what all bodies hold together stays one.
    pub fn up_to(&self, bytes_max: usize) -> Limits {
        Limits {
            bytes_max: bytes_max.min(self.bytes_max),
            timeout: self.timeout,
            budget: Arc::clone(&self.budget),
            worked_on: Arc::clone(&self.worked_on),
        }
    }

    /// A share of nothing yet of what all bodies may hold.
    pub fn share(&self) -> Share {
        self.budget.share()
    }

    /// Does the work on a large body off the async workers, beside that on a few others at most.
    pub async fn work<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.worked_on).acquire_owned().await;
        let permit = permit.map_err(|_| Error::internal("the permits for work on bodies are closed"))?;
        service::blocking(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
    }
}

/// Errors with `UnsupportedMedia` for a foreign type or encoding, `TooLarge`, `Timeout`, `Busy` if the budget is used up,
/// `Invalid` for a body that breaks off or is not the gzip it says.
pub async fn read<B>(headers: &HeaderMap, body: B, limits: &Limits) -> Result<Received>
where
    B: Body<Data = Bytes>,
{
    check_type(headers)?;
    let gzip = is_gzip(headers)?;
    if body.size_hint().lower() > limits.bytes_max as u64 {
        return Err(too_large(limits.bytes_max));
    }
    let mut share = limits.share();
    let collected = tokio::time::timeout(limits.timeout, collect(body, limits.bytes_max, &mut share));
    let bytes = collected.await.map_err(|_| {
        Error::new(Kind::Timeout, "the request's body did not arrive in time; send it in smaller batches")
    })??;
    if !gzip {
        return Ok(Received { bytes, share });
    }
    let unpacked = unpack(bytes, limits).await?;
    share.grow(unpacked.len())?;
    Ok(Received { bytes: unpacked, share })
}

fn check_type(headers: &HeaderMap) -> Result<()> {
    let label = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let label = label.to_ascii_lowercase();
    match FOREIGN_TYPES.iter().any(|foreign| label.starts_with(foreign)) {
        true => Err(Error::new(
            Kind::UnsupportedMedia,
            "the body must be JSON (application/json) or NDJSON (application/x-ndjson)",
        )),
        false => Ok(()),
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool> {
    let mut gzip = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        match value.as_bytes().trim_ascii() {
            coding if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") => {
                if gzip {
                    return Err(Error::new(Kind::UnsupportedMedia, "Content-Encoding stands more than once"));
                }
                gzip = true;
            }
            coding if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") => {}
            _ => return Err(Error::new(Kind::UnsupportedMedia, "Content-Encoding must be gzip, or left out")),
        }
    }
    Ok(gzip)
}

async fn collect<B>(body: B, bytes_max: usize, share: &mut Share) -> Result<Bytes>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut collected: Vec<u8> = Vec::new();
    let mut first: Option<Bytes> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::invalid("the request's body broke off, or its chunks are malformed"))?;
        let Ok(piece) = frame.into_data() else { continue };
        share.grow(piece.len())?;
        if share.bytes() > bytes_max {
            return Err(too_large(bytes_max));
        }
        // A body in one piece, as most are, is not copied.
        match first.take() {
            None if collected.is_empty() => first = Some(piece),
            only => {
                collected.extend_from_slice(only.as_deref().unwrap_or_default());
                collected.extend_from_slice(&piece);
            }
        }
    }
    Ok(first.unwrap_or_else(|| collected.into()))
}

async fn unpack(bytes: Bytes, limits: &Limits) -> Result<Bytes> {
    let bytes_max = limits.bytes_max;
    if bytes.len() < UNPACK_ELSEWHERE_FROM_BYTES {
        return ingest::gunzip(&bytes, bytes_max).map(Bytes::from);
    }
    limits.work(move || ingest::gunzip(&bytes, bytes_max).map(Bytes::from)).await
}

fn too_large(bytes_max: usize) -> Error {
    Error::new(
        Kind::TooLarge,
        format!(
            "the body may hold at most {bytes_max} bytes, decompressed (limits.body_bytes_max); send it in smaller batches"
        ),
    )
}

/// Reads away what a refused request left unread; only for bodies that are known to be short. False if it does not end
/// soon. Often the body is in a packet behind the head's, and the refusal would be faster than it.
pub async fn drain<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> bool {
    let rest = async {
        while !body.is_end_stream() {
            match body.frame().await {
                None => return true,
                Some(Ok(_)) => {}
                Some(Err(_)) => return false,
            }
        }
        true
    };
    tokio::time::timeout(DRAIN_TIMEOUT, rest).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use hyper::header::HeaderValue;

    fn limits(bytes_max: usize, budget: usize) -> Limits {
        let budget = Budget::new(budget, "full");
        Limits { budget, ..Limits::new(bytes_max, Duration::from_secs(5)) }
    }

    async fn read_with(name: header::HeaderName, value: &'static str, limits: &Limits) -> Result<Bytes> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        read(&headers, Full::new(Bytes::from_static(b"12345")), limits).await.map(|received| received.bytes)
    }

    #[tokio::test]
    async fn types_and_encodings_that_cannot_be_json_are_refused() {
        let limits = limits(100, 1000);
        for label in ["application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-8", "nonsense"]
        {
            assert_eq!(read_with(header::CONTENT_TYPE, label, &limits).await.unwrap(), "12345", "{label}");
        }
        for label in ["multipart/form-data; boundary=x", "application/xml", "Application/X-Protobuf"] {
            let error = read_with(header::CONTENT_TYPE, label, &limits).await.unwrap_err();
            assert_eq!(error.kind, Kind::UnsupportedMedia, "{label}");
        }
        for coding in ["br", "zstd", "gzip, gzip", "deflate"] {
            let error = read_with(header::CONTENT_ENCODING, coding, &limits).await.unwrap_err();
            assert_eq!(error.kind, Kind::UnsupportedMedia, "{coding}");
        }
        assert!(read_with(header::CONTENT_ENCODING, "identity", &limits).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_is_bounded_by_itself_and_with_all_others() {
        let json = "application/json";
        let error = read_with(header::CONTENT_TYPE, json, &limits(4, 1000)).await.unwrap_err();
        assert_eq!(error.kind, Kind::TooLarge);
        let limits = limits(100, 9);
        let held = read(&HeaderMap::new(), Full::new(Bytes::from_static(b"12345")), &limits).await.unwrap();
        let error = read_with(header::CONTENT_TYPE, json, &limits).await.unwrap_err();
        assert!(matches!(error.kind, Kind::Busy { .. }), "{error:?}");
        drop(held);
        assert!(read_with(header::CONTENT_TYPE, json, &limits).await.is_ok());
    }
}
