//! Work that is done to its end, whoever waits for it.

use std::future::Future;

use crate::error::{Error, Result};

/// A client that hangs up drops the future of its request. A commit must not be parted from what follows it, in
/// memory or on the disk, or what was revoked would live on in a cache.
pub async fn unbroken<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.unwrap_or_else(|e| Err(Error::internal(format!("a change was not seen to its end: {e}"))))
}
