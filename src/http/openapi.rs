//! `GET /openapi.json`: the description of this API, embedded.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::CACHE_CONTROL;

use super::respond::Reply;

/// OpenAPI 3.1, as JSON.
pub const DOCUMENT: &str = include_str!("openapi.json");

pub fn get() -> Reply {
    let reply = Reply::json(StatusCode::OK, Bytes::from_static(DOCUMENT.as_bytes()));
    reply.with(CACHE_CONTROL, "public, max-age=300")
}
