//! `GET /healthz`: the process answers. `GET /readyz`: it can do its work, and is not about to stop.

use hyper::StatusCode;

use super::respond::Reply;
use super::service::Service;
use crate::error::{Error, Kind, Result};

/// By then a stopping server is gone, and another may answer.
const RETRY_AFTER_S: u64 = 5;

pub fn health() -> Reply {
    Reply::json(StatusCode::OK, r#"{"status":"ok"}"#)
}

/// Errors with `Busy` while the server stops, and as the database does if it cannot be read.
pub fn ready(service: &Service) -> Result<Reply> {
    if service.is_stopping() {
        return Err(Error::new(Kind::Busy { retry_after_s: RETRY_AFTER_S }, "the server is about to stop"));
    }
    service.store.snapshot()?;
    Ok(Reply::json(StatusCode::OK, r#"{"status":"ready"}"#))
}
