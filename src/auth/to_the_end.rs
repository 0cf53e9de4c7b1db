use std::future::Future;

use crate::error::{Error, Result};

/// Runs work to its end even if whoever asked for it hangs up meanwhile: where a commit revokes something, what is
/// remembered of it must be forgotten.
pub async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.unwrap_or_else(|e| Err(Error::internal(format!("a change was not seen to its end: {e}"))))
}
