//! `POST /auth/login`: a name and a password for an access token and a refresh token.

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use serde::Deserialize;

use super::admit::Visit;
use super::attempt::Attempt;
use super::respond::Reply;
use super::service::Service;
use super::{oauth_token, strict_json};
use crate::auth::Denied;
use crate::error::{Error, Kind, Result};
use crate::model::{Id, Target, TargetKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogInBody {
    username: String,
    password: String,
}

/// Answers as the token endpoint does. Errors with `Unauthorized` if the pair does not hold, and does not say why.
pub async fn post<B: Body<Data = Bytes>>(service: &Service, head: &Parts, body: B, visit: &Visit) -> Result<Reply> {
    check_type(head)?;
    let received = service.receive_small(head, body).await?;
    let LogInBody { username, password } = strict_json::read_secret(&received.bytes)?;
    // What cannot be a name is nobody's: it is counted against the peer alone.
    let name = Id::new(username).ok();
    let holder = name.as_ref().map(|name| Target::new(TargetKind::Account, name.as_str()));
    let attempt = Attempt::new(service, visit, holder, "password");
    attempt.may_try()?;
    let Some(name) = name else { return Err(wrong(&attempt)) };
    let undecided = attempt.undecided();
    // Asked again at the head of argon2's line, and once the password is right: of many tries at once no more may count
    // than of as many one by one.
    let may_begin = || attempt.may_try().and_then(|()| attempt.take_token());
    let outcome = service.auth.issuer.log_in(name.as_str(), password, || attempt.may_try(), may_begin).await;
    undecided.decided();
    match outcome {
        Ok(answer) => oauth_token::given(&answer),
        Err(Denied::Failed(error)) => Err(error),
        Err(Denied::Client | Denied::Grant | Denied::Reused { .. } | Denied::Scope(_)) => Err(wrong(&attempt)),
    }
}

/// A form of a foreign page can post JSON, but not under its own name.
fn check_type(head: &Parts) -> Result<()> {
    let label = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = label.split(';').next().unwrap_or_default().trim();
    match essence.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => {
            Err(Error::new(Kind::UnsupportedMedia, "send the log-in as JSON, with Content-Type: application/json"))
        }
    }
}

fn wrong(attempt: &Attempt) -> Error {
    match attempt.failed() {
        Err(too_many) => too_many,
        Ok(()) => Error::new(Kind::Unauthorized, "wrong name or password"),
    }
}
