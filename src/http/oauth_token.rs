//! `POST /oauth/token`: the token endpoint of the embedded issuer (RFC 6749, 4.4 and 6).

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::http::request::Parts;

use super::admit::Visit;
use super::attempt::Attempt;
use super::oauth_error::{Code, Outcome, Refusal, uncached};
use super::oauth_form::{self, ClientSecret, TokenForm};
use super::respond::Reply;
use super::service::Service;
use crate::audit::Entry;
use crate::auth::{Denied, TokenAnswer};
use crate::error::Result;
use crate::model::{Id, Target, TargetKind};
use crate::store::Client;

/// Answers errors of OAuth by itself; those that any endpoint may have are made into the same shape where they leave.
pub async fn post<B: Body<Data = Bytes>>(service: &Service, head: &Parts, body: B, visit: &Visit) -> Result<Reply> {
    match give(service, head, body, visit).await {
        Ok(answer) => given(&answer),
        Err(Refusal::OAuth(code, description)) => Ok(code.reply(&description)),
        Err(Refusal::Failed(error)) => Err(error),
    }
}

/// The answer that holds a token; log-ins have the same.
pub fn given(answer: &TokenAnswer) -> Result<Reply> {
    Ok(uncached(Reply::json_of(StatusCode::OK, answer)?))
}

async fn give<B: Body<Data = Bytes>>(service: &Service, head: &Parts, body: B, visit: &Visit) -> Outcome<TokenAnswer> {
    const GRANT_TYPES: &str = "grant_type must be client_credentials or refresh_token";
    oauth_form::check_type(&head.headers)?;
    let received = service.receive_small(head, body).await?;
    let form = TokenForm::parse(&received.bytes)?;
    let client = form.client(&head.headers)?;
    match form.grant_type.as_deref() {
        Some("client_credentials") => by_client(service, client, form.scope.as_deref(), visit).await,
        Some("refresh_token") => by_refresh_token(service, client, &form, visit).await,
        Some(_) => Err(Refusal::new(Code::UnsupportedGrantType, GRANT_TYPES)),
        None => Err(Refusal::new(Code::InvalidRequest, GRANT_TYPES)),
    }
}

async fn by_client(
    service: &Service,
    client: Option<ClientSecret>,
    scope: Option<&str>,
    visit: &Visit,
) -> Outcome<TokenAnswer> {
    const MISSING: &str = "send client_id and client_secret, by Basic or in the form";
    let client = client.ok_or_else(|| Refusal::new(Code::InvalidClient, MISSING))?;
    let (attempt, client) = verify_client(service, client, visit).await?;
    attempt.take_token()?;
    let answer = service.auth.issuer.client_token(&client, scope).await;
    answer.map_err(|denied| refuse(service, denied, &attempt, visit))
}

/// No client is needed: the log-in belongs to none. One that says it is one must be it.
async fn by_refresh_token(
    service: &Service,
    client: Option<ClientSecret>,
    form: &TokenForm,
    visit: &Visit,
) -> Outcome<TokenAnswer> {
    if let Some(client) = client {
        verify_client(service, client, visit).await?;
    }
    let missing = || Refusal::new(Code::InvalidRequest, "refresh_token is missing");
    let token = form.refresh_token.as_deref().ok_or_else(missing)?;
    let account = service.auth.issuer.account_of(token)?;
    let holder = account.map(|name| Target::new(TargetKind::Account, name));
    // No guess hits 256 bits, and a good one is never held up: so the limits are asked only when it has failed.
    let attempt = Attempt::new(service, visit, holder, "refresh token");
    let answer = service.auth.issuer.refresh(token, form.scope.as_deref(), || attempt.take_token()).await;
    answer.map_err(|denied| refuse(service, denied, &attempt, visit))
}

async fn verify_client<'s>(
    service: &'s Service,
    ClientSecret { id, secret }: ClientSecret,
    visit: &'s Visit,
) -> Outcome<(Attempt<'s>, Client)> {
    // What cannot be an id is nobody's: it is counted against the peer alone.
    let id = Id::new(id).ok();
    let holder = id.as_ref().map(|id| Target::new(TargetKind::Client, id.as_str()));
    // A wrong secret costs a digest, and nobody guesses one: so the limits are asked only when it has failed, and whoever
    // knows a client's id cannot hold the client up.
    let attempt = Attempt::new(service, visit, holder, "client secret");
    let verified = match &id {
        Some(id) => service.auth.issuer.verify_client(id.as_str(), &secret).await,
        None => Err(Denied::Client),
    };
    match verified {
        Ok(client) => Ok((attempt, client)),
        Err(denied) => Err(refuse(service, denied, &attempt, visit)),
    }
}

/// What the issuer denies, told to the client; a credential that did not hold is counted.
fn refuse(service: &Service, denied: Denied, attempt: &Attempt, visit: &Visit) -> Refusal {
    const CLIENT: &str = "the client is unknown or revoked, or its secret is wrong";
    const GRANT: &str = "the refresh token is unknown, expired, used or revoked; log in again";
    let (code, told) = match denied {
        Denied::Client => (Code::InvalidClient, CLIENT),
        Denied::Grant => (Code::InvalidGrant, GRANT),
        Denied::Reused { account } => {
            service.audit.note(Entry::RefreshTokenReused { account, source: visit.address });
            (Code::InvalidGrant, GRANT)
        }
        Denied::Scope(message) => return Refusal::new(Code::InvalidScope, message),
        Denied::Failed(error) => return Refusal::Failed(error),
    };
    match attempt.failed() {
        Ok(()) => Refusal::new(code, told),
        Err(too_many) => Refusal::Failed(too_many),
    }
}
