//! What a request is answered that gets no answer.

use std::time::Duration;

use hyper::http::request::Parts;
use hyper::{Response, header};

use super::file_body::ResponseBody;
use super::guard::Violation;
use super::respond::Reply;
use super::service::{RETRY_AFTER_S, Service, seal};
use super::{credentials, oauth_error};
use crate::error::{Error, Kind};

impl Service {
    /// The answer to a request that broke a rule of the protocol and was never parsed.
    pub(super) fn refuse(&self, violation: Violation) -> Response<ResponseBody> {
        let error = match violation {
            Violation::Malformed(rule) => Error::invalid(rule),
            Violation::TooLarge => Error::new(
                Kind::HeadersTooLarge,
                "the request's head may hold at most 16 KiB and 64 headers; shorten the URL or send fewer headers",
            ),
            Violation::Slow => Error::new(Kind::Timeout, "the request's head did not arrive in time"),
        };
        self.refuse_unread(&error).into_response()
    }

    /// The answer to a connection beyond what its peer may hold.
    pub(super) fn turn_away(&self) -> Reply {
        let message = "too many connections from this address; close some, or keep one open and use it again";
        self.refuse_unread(&Error::new(Kind::Busy { retry_after_s: RETRY_AFTER_S }, message))
    }

    pub(super) fn refusal(&self, error: &Error, head: &Parts, request_id: &str) -> Reply {
        if oauth_error::is_due_at(head.uri.path()) {
            return oauth_error::refusal(error, request_id);
        }
        Reply::refusal(error, request_id, credentials::was_sent(&head.headers))
    }

    /// Where only the operator can help, the answer says who that is.
    pub(super) fn naming_contact(&self, mut error: Error) -> Error {
        let contact = &self.settings.contact;
        let kinds =
            matches!(error.kind, Kind::Forbidden | Kind::TooLarge | Kind::TooManyRequests { .. } | Kind::StorageFull);
        if kinds && !contact.is_empty() {
            error.message += &format!(" (contact: {contact})");
        }
        error
    }

    fn refuse_unread(&self, error: &Error) -> Reply {
        let request_id = self.request_ids.next();
        let reply = Reply::refusal(error, &request_id, false).with(header::CONNECTION, "close");
        self.metrics.answered(None, reply.status, Duration::ZERO);
        seal(reply, &request_id)
    }
}
