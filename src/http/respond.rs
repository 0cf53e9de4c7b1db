//! From an outcome to a response: the only map from an error's kind to a status, and what every response carries.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::budget::{Budget, Share};
use super::file_body::{FileBody, FilePart, ResponseBody};
use crate::error::{Error, Kind, Result};

/// Smaller answers are not counted: all connections together hold little of them.
const COUNTED_FROM_BYTES: usize = 64 * 1024;

/// An answer before it is dressed for the wire.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Sent in the place of `body`, which is empty then.
    pub file: Option<FilePart>,
    /// What the body holds of a budget until the client has read it.
    pub share: Option<Share>,
}

/// The shape of every error: the status by its standard name, and a message that says what to do.
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    message: &'a str,
}

impl Reply {
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
        Reply::new(status, "application/json", body.into())
    }

    pub fn new(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Reply { status, headers, body, file: None, share: None }
    }

    /// Errors with `Internal` if the value makes no JSON.
    pub fn json_of(status: StatusCode, body: &impl Serialize) -> Result<Reply> {
        let json = serde_json::to_vec(body).map_err(|e| Error::internal(format!("JSON: {e}")))?;
        Ok(Reply::json(status, json))
    }

    /// Neither a body nor a type of one.
    pub fn empty(status: StatusCode) -> Reply {
        Reply { status, headers: HeaderMap::with_capacity(8), body: Bytes::new(), file: None, share: None }
    }

    /// Counts a large body against the budget of all. Errors with `Busy` if that is used up.
    pub fn within(mut self, budget: &Arc<Budget>) -> Result<Reply> {
        if self.body.len() >= COUNTED_FROM_BYTES {
            let mut share = budget.share();
            share.grow(self.body.len())?;
            self.share = Some(share);
        }
        Ok(self)
    }

    /// `value` is text of ours; one that no header can hold is left out.
    pub fn with(mut self, name: HeaderName, value: &str) -> Reply {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The answer for an error; a fault of ours is logged, see [`message`].
    pub fn refusal(error: &Error, request_id: &str, had_credential: bool) -> Reply {
        let reply = Reply::error(status(error.kind), &message(error, request_id));
        match error.kind {
            Kind::Unauthorized if had_credential => {
                reply.with(header::WWW_AUTHENTICATE, "Bearer realm=\"analytics\", error=\"invalid_token\"")
            }
            Kind::Unauthorized => reply.with(header::WWW_AUTHENTICATE, "Bearer realm=\"analytics\""),
            kind => with_headers_of(kind, reply),
        }
    }

    fn error(status: StatusCode, message: &str) -> Reply {
        let body = ErrorBody { error: reason(status), message };
        Reply::json(status, serde_json::to_vec(&body).expect("two strings make JSON"))
    }

    /// How many bytes are sent.
    pub fn len(&self) -> u64 {
        self.file.as_ref().map_or(self.body.len() as u64, FilePart::bytes)
    }

    pub fn into_response(self) -> Response<ResponseBody> {
        let body = match (self.file, self.share) {
            (Some(part), _) => ResponseBody::File(FileBody::new(part)),
            (None, Some(share)) => ResponseBody::Full(Full::new(share.hold(self.body))),
            (None, None) => ResponseBody::Full(Full::new(self.body)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if Some(reason(self.status)) != self.status.canonical_reason() {
            response.extensions_mut().insert(ReasonPhrase::from_static(reason(self.status).as_bytes()));
        }
        response
    }

    /// As HTTP/1.1 writes it, for where hyper has no part in it.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} {}\r\n", self.status.as_str(), reason(self.status)).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// What the client is told. A fault of ours is written to the server's log, once and here, under the request's id; the
/// client learns only the id.
pub fn message<'e>(error: &'e Error, request_id: &str) -> Cow<'e, str> {
    if error.kind != Kind::Internal {
        return Cow::Borrowed(&error.message);
    }
    // `eprintln!` would panic, and so end the server, once nobody reads its log any more.
    let _ = writeln!(std::io::stderr(), "error: request {request_id}: {error}");
    Cow::Owned(format!("something went wrong on the server; tell its operator the request id {request_id}"))
}

/// Headers that belong to an error of this kind, whatever the shape of the body.
pub fn with_headers_of(kind: Kind, reply: Reply) -> Reply {
    match kind {
        Kind::MethodNotAllowed(methods) => reply.with(header::ALLOW, methods),
        Kind::TooManyRequests { retry_after_s } | Kind::Busy { retry_after_s } => {
            reply.with(header::RETRY_AFTER, &retry_after_s.to_string())
        }
        Kind::RangeNotSatisfiable { bytes } => reply.with(header::CONTENT_RANGE, &format!("bytes */{bytes}")),
        _ => reply,
    }
}

pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Gone => StatusCode::GONE,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
        Kind::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
        Kind::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Kind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
    }
}

/// The status's name in RFC 9110; two differ from what the library remembers of older RFCs.
fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: Kind, message: &str) -> Reply {
        Reply::refusal(&Error::new(kind, message), "0123", true)
    }

    #[test]
    fn an_error_has_the_exact_shape() {
        let reply = refusal(Kind::Forbidden, "You do not have access to this resource.");
        assert_eq!(reply.status, 403);
        assert_eq!(
            reply.body,
            r#"{"error":"Forbidden","message":"You do not have access to this resource."}"#.as_bytes()
        );
        assert_eq!(refusal(Kind::TooLarge, "").body, r#"{"error":"Content Too Large","message":""}"#.as_bytes());
    }

    #[test]
    fn a_fault_of_ours_tells_the_request_id_and_nothing_else() {
        let reply = refusal(Kind::Internal, "SQLite: no such table: secret");
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(text.contains("0123") && !text.contains("SQLite") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn statuses_carry_the_headers_that_belong_to_them() {
        assert_eq!(refusal(Kind::MethodNotAllowed("GET"), "").headers[header::ALLOW], "GET");
        assert_eq!(refusal(Kind::Busy { retry_after_s: 2 }, "").headers[header::RETRY_AFTER], "2");
        let challenge = &refusal(Kind::Unauthorized, "").headers[header::WWW_AUTHENTICATE];
        assert_eq!(challenge, "Bearer realm=\"analytics\", error=\"invalid_token\"");
    }
}
