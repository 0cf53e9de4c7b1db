//! Errors as OAuth 2.0 tells them (RFC 6749, 5.2): `{"error":"invalid_client","error_description":".."}`.

use hyper::StatusCode;
use hyper::header::{self, HeaderName};
use serde::Serialize;

use super::respond::{self, Reply};
use crate::error::{Error, Kind};

const PATHS: &str = "/oauth/";

pub type Outcome<T> = std::result::Result<T, Refusal>;

/// Why the token endpoint gives no token.
#[derive(Debug)]
pub enum Refusal {
    OAuth(Code, String),
    /// For reasons that any endpoint may have.
    Failed(Error),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    UnsupportedGrantType,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// Whether a path's errors have this shape.
pub fn is_due_at(path: &str) -> bool {
    path.starts_with(PATHS)
}

impl Refusal {
    pub fn new(code: Code, description: impl Into<String>) -> Refusal {
        Refusal::OAuth(code, description.into())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Failed(error)
    }
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Code::InvalidRequest => "invalid_request",
            Code::InvalidClient => "invalid_client",
            Code::InvalidGrant => "invalid_grant",
            Code::InvalidScope => "invalid_scope",
            Code::UnsupportedGrantType => "unsupported_grant_type",
        }
    }

    /// The answer. A client that may have been meant to log in otherwise hears how (RFC 9110, 15.5.2).
    pub fn reply(self, description: &str) -> Reply {
        match self {
            Code::InvalidClient => reply(StatusCode::UNAUTHORIZED, self.as_str(), description)
                .with(header::WWW_AUTHENTICATE, "Basic realm=\"analytics\""),
            _ => reply(StatusCode::BAD_REQUEST, self.as_str(), description),
        }
    }
}

/// The answer for an error that any endpoint may have; the status stays what it is elsewhere.
pub fn refusal(error: &Error, request_id: &str) -> Reply {
    let code = match error.kind {
        Kind::Unauthorized => return Code::InvalidClient.reply(&error.message),
        Kind::Internal => "server_error",
        Kind::TooManyRequests { .. } | Kind::Busy { .. } | Kind::StorageFull => "temporarily_unavailable",
        Kind::Invalid
        | Kind::Forbidden
        | Kind::NotFound
        | Kind::MethodNotAllowed(_)
        | Kind::Timeout
        | Kind::Conflict
        | Kind::Gone
        | Kind::TooLarge
        | Kind::UnsupportedMedia
        | Kind::Unprocessable
        | Kind::RangeNotSatisfiable { .. }
        | Kind::HeadersTooLarge => Code::InvalidRequest.as_str(),
    };
    let reply = reply(respond::status(error.kind), code, &respond::message(error, request_id));
    respond::with_headers_of(error.kind, reply)
}

fn reply(status: StatusCode, code: &str, description: &str) -> Reply {
    let body = ErrorBody { error: code, error_description: &printable(description) };
    uncached(Reply::json(status, serde_json::to_vec(&body).expect("two strings make JSON")))
}

/// What every answer of the token endpoint carries (RFC 6749, 5.1).
pub fn uncached(reply: Reply) -> Reply {
    reply.with(header::CACHE_CONTROL, "no-store").with(HeaderName::from_static("pragma"), "no-cache")
}

/// A description holds printable ASCII without quotation marks and backslashes (RFC 6749, 5.2).
fn printable(text: &str) -> String {
    let kept = |character| match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    };
    text.chars().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(reply: &Reply) -> String {
        String::from_utf8(reply.body.to_vec()).unwrap()
    }

    #[test]
    fn an_error_has_the_exact_shape() {
        let reply = Code::InvalidClient.reply("unknown \"c\\\u{e9}\"");
        assert_eq!(reply.status, 401);
        assert_eq!(reply.headers[header::WWW_AUTHENTICATE], "Basic realm=\"analytics\"");
        assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(reply.headers["pragma"], "no-cache");
        assert_eq!(body(&reply), r#"{"error":"invalid_client","error_description":"unknown 'c/?'"}"#);
        assert_eq!(Code::InvalidScope.reply("").status, 400);
    }

    #[test]
    fn what_any_endpoint_may_answer_keeps_its_status_and_headers() {
        let table = [
            (Kind::TooManyRequests { retry_after_s: 7 }, 429, "temporarily_unavailable"),
            (Kind::Busy { retry_after_s: 7 }, 503, "temporarily_unavailable"),
            (Kind::TooLarge, 413, "invalid_request"),
            (Kind::Invalid, 400, "invalid_request"),
            (Kind::Internal, 500, "server_error"),
        ];
        for (kind, status, code) in table {
            let reply = refusal(&Error::new(kind, "SQLite"), "0123");
            assert_eq!(reply.status, status, "{kind:?}");
            assert!(body(&reply).contains(&format!("\"error\":\"{code}\"")), "{}", body(&reply));
            assert_eq!(reply.headers.contains_key(header::RETRY_AFTER), [429, 503].contains(&status), "{kind:?}");
            assert_eq!(body(&reply).contains("SQLite"), kind != Kind::Internal);
        }
    }
}
