//! Links to exported files, which the administrator may end.

use super::{done, note};
use crate::error::Result;
use crate::http::respond::Reply;
use crate::http::service::Service;

/// `POST /admin/exports/{job_id}/unlink`: 204; no link of this job that was made before is good any more.
pub async fn end_links(service: &Service, id: &str) -> Result<Reply> {
    let ended = service.store.end_export_links(id).await?;
    if ended {
        note(service, "export", "unlinked", id, "");
    }
    done(ended, "there is no export job of this id")
}
