//! Reading a request's body: bounded in bytes, in time, and in what all requests together may hold.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::{self, HeaderMap};
use tokio::sync::Semaphore;

use super::service;
use crate::error::{Error, Kind, Result};
use crate::ingest;

/// Larger gzip bodies are unpacked so many at once: what one will hold is known only afterwards.
const UNPACKING_MAX: usize = 4;
/// A gzip body from so many bytes on is unpacked off the async workers.
const UNPACK_ELSEWHERE_FROM_BYTES: usize = 16 * 1024;
/// A full budget empties as soon as the bodies under way are stored.
const RETRY_AFTER_S: u64 = 1;

/// Types that no client means JSON by. Any other label is taken: tracking SDKs send JSON as a form.
const FOREIGN_TYPES: [&str; 6] =
    ["multipart/", "text/xml", "application/xml", "application/x-protobuf", "application/protobuf", "text/html"];

/// What a body is allowed.
pub struct Limits {
    pub bytes_max: usize,
    pub timeout: Duration,
    pub budget: Arc<Budget>,
}

/// A whole body, decompressed, and its share of the budget.
pub struct Received {
    pub bytes: Bytes,
    _share: Share,
}

/// Bytes that the bodies of all requests may hold at once.
pub struct Budget {
    left: AtomicUsize,
    unpacking: Arc<Semaphore>,
}

/// A part of the budget, given back when dropped.
struct Share {
    budget: Arc<Budget>,
    bytes: usize,
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
    let mut share = Share { budget: Arc::clone(&limits.budget), bytes: 0 };
    let collected = tokio::time::timeout(limits.timeout, collect(body, limits.bytes_max, &mut share));
    let bytes = collected.await.map_err(|_| {
        Error::new(Kind::Timeout, "the request's body did not arrive in time; send it in smaller batches")
    })??;
    if !gzip {
        return Ok(Received { bytes, _share: share });
    }
    let unpacked = unpack(bytes, limits).await?;
    share.grow(unpacked.len())?;
    Ok(Received { bytes: unpacked, _share: share })
}

impl Budget {
    pub fn new(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget { left: AtomicUsize::new(bytes), unpacking: Arc::new(Semaphore::new(UNPACKING_MAX)) })
    }
}

impl Share {
    fn grow(&mut self, bytes: usize) -> Result<()> {
        let taken = self.budget.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes));
        if taken.is_err() {
            let message = "the server reads as much as it can; send the same request again after Retry-After";
            return Err(Error::new(Kind::Busy { retry_after_s: RETRY_AFTER_S }, message));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Relaxed);
    }
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
        if share.bytes > bytes_max {
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
    let permit = Arc::clone(&limits.budget.unpacking).acquire_owned().await;
    let permit = permit.map_err(|_| Error::internal("the permits for unpacking are closed"))?;
    service::blocking(move || {
        let unpacked = ingest::gunzip(&bytes, bytes_max).map(Bytes::from);
        drop(permit);
        unpacked
    })
    .await
}

fn too_large(bytes_max: usize) -> Error {
    Error::new(
        Kind::TooLarge,
        format!("the body may hold at most {bytes_max} bytes, decompressed; send it in smaller batches"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use hyper::header::HeaderValue;

    fn limits(bytes_max: usize, budget: usize) -> Limits {
        Limits { bytes_max, timeout: Duration::from_secs(5), budget: Budget::new(budget) }
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
