//! What is asked for in an export: the body of the API, and the form in which a job keeps it.

use crate::error::Result;
use crate::model::{ExportRequest, Id};

/// Reads the body of `POST /reports/export`. Errors with `Invalid`, naming the field and what it may be.
pub fn export_request(json: &[u8]) -> Result<ExportRequest> {
    let _ = json;
    todo!()
}

/// The request as canonical JSON: equal requests are equal texts. The user that a usage report is filtered by is left out;
/// [`stored_export_request`] puts it back.
pub fn write_export_request(request: &ExportRequest) -> String {
    let _ = request;
    todo!()
}

/// Reads what [`write_export_request`] wrote. Errors with `Internal`: a fault of the database file.
pub fn stored_export_request(text: &str, user_id: Option<Id>) -> Result<ExportRequest> {
    let _ = (text, user_id);
    todo!()
}
