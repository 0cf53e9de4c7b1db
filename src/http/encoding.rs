//! gzip for those who accept it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{self, HeaderMap, HeaderValue};

use super::respond::Reply;
use super::service;
use crate::error::{Error, Result};

/// Below it the packet is no smaller, and the work is for nothing.
const COMPRESS_FROM_BYTES: usize = 1024;

/// From it on the work is done off the async workers.
const COMPRESS_ELSEWHERE_FROM_BYTES: usize = 256 * 1024;

/// Compresses a reply that is worth it, if the request's headers allow.
pub async fn compress(mut reply: Reply, request: &HeaderMap) -> Reply {
    if reply.body.len() < COMPRESS_FROM_BYTES || !accepts_gzip(request) {
        return reply;
    }
    let body = reply.body.clone();
    let compressed = match body.len() < COMPRESS_ELSEWHERE_FROM_BYTES {
        true => gzip(&body),
        false => service::blocking(move || gzip(&body)).await,
    };
    // If it failed, the reply would go out as it is.
    if let Ok(compressed) = compressed {
        if let Some(share) = &mut reply.share {
            share.shrink_to(compressed.len());
        }
        reply.body = compressed.into();
        reply.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    reply
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    let compressed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    compressed.map_err(|e| Error::internal(format!("gzip: {e}")))
}

/// Whether gzip (or anything) is listed and not weighed 0 (RFC 9110, 12.5.3).
fn accepts_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut any = false;
    for item in values.flat_map(|value| value.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let weight = parts.filter_map(|part| part.strip_prefix(['q', 'Q'])?.strip_prefix('='));
        let wanted = !weight.into_iter().any(|q| q.parse::<f32>() == Ok(0.0));
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            return wanted;
        }
        any |= coding == "*" && wanted;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;

    async fn compressed(accept: Option<&'static str>, len: usize) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
        }
        let reply = compress(Reply::json(StatusCode::OK, "a".repeat(len)), &headers).await;
        reply.headers.contains_key(header::CONTENT_ENCODING)
    }

    #[tokio::test]
    async fn long_answers_are_compressed_for_those_who_accept_it() {
        for accept in ["gzip", "GZIP;q=0.5", "br, gzip", "*", "deflate, *;q=0.1"] {
            assert!(compressed(Some(accept), 2000).await && compressed(Some(accept), 2_000_000).await, "{accept}");
        }
        for accept in ["", "br", "gzip;q=0", "gzip;Q=0", "gzip; q=0.000, *", "identity"] {
            assert!(!compressed(Some(accept), 2000).await, "{accept}");
        }
        assert!(!compressed(None, 2000).await && !compressed(Some("gzip"), 100).await);
    }
}
