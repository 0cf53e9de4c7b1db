//! `PUT /users/{user_id}` registers one user, `DELETE /users/{user_id}` erases one.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::http::request::Parts;

use super::metrics::Intake;
use super::query::Query;
use super::respond::Reply;
use super::service::Service;
use crate::auth::unbroken;
use crate::error::{Error, Kind, Result};
use crate::ingest;
use crate::model::{History, Id};

/// The body is one registration without `user_id`, or with the same one; none at all registers with what is known. 204.
pub async fn register<B: Body<Data = Bytes>>(service: &Service, head: &Parts, body: B, id: Id) -> Result<Reply> {
    let received = service.receive(head, body).await?;
    let registration = ingest::registration_of(id, &received.bytes, &service.settings.bounds)?;
    let rejected = service.store.register(vec![registration]).await?.pop();
    service.metrics.took_in(Intake::Users, usize::from(rejected.is_none()), usize::from(rejected.is_some()));
    match rejected {
        Some(rejected) => Err(Error::invalid(rejected.message)),
        None => Ok(Reply::empty(StatusCode::NO_CONTENT)),
    }
}

/// `history=keep` (the default) leaves past counts as they were, without the id; `history=remove` takes the user out of
/// them. 204, or `NotFound` if there is no such user. Errors with `Invalid` for a body: whoever says there what is to
/// become of the history must not find it treated otherwise.
pub async fn erase<B: Body<Data = Bytes>>(
    service: &Service,
    head: &Parts,
    body: B,
    query: &Query,
    id: Id,
) -> Result<Reply> {
    const HISTORIES: [(&str, History); 2] = [("keep", History::Anonymize), ("remove", History::Remove)];
    let history = query.choice("history", &HISTORIES)?.unwrap_or(History::Anonymize);
    if !service.receive(head, body).await?.bytes.trim_ascii().is_empty() {
        return Err(Error::invalid(
            "this takes no body; what becomes of the history is said by ?history=keep or remove",
        ));
    }
    let store = service.store.clone();
    // Whoever removes files hears of it at once, whether the client still waits for the answer or not.
    match unbroken(async move { store.erase(id, history).await }).await? {
        true => Ok(Reply::empty(StatusCode::NO_CONTENT)),
        false => Err(Error::new(Kind::NotFound, "there is no such user; nothing was erased")),
    }
}
