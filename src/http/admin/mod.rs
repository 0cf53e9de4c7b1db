//! The routes of administration, behind the local socket only. Bodies are strict JSON; no answer shows a hash or a tag,
//! and a secret stands in the one answer that follows its making.

mod accounts;
mod clients;
mod exports;
mod issuer;
mod keys;
mod limits;
mod path;
mod prune;
mod tokens;
mod user_record;

pub use path::{AdminRoute, TEMPLATES};
pub use prune::{EventsToPrune, Prunable, Slice, UsageToPrune};

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::http::request::Parts;
use serde::Serialize;

use super::query::Query;
use super::respond::Reply;
use super::service::Service;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};
use crate::model::{Grants, Id, Role, Roles, Scope, Scopes, Timestamp};
use crate::store::Store;

/// Answers the administrator.
pub async fn answer<B: Body<Data = Bytes>>(
    service: &Arc<Service>,
    route: AdminRoute,
    head: &Parts,
    body: B,
    query: &Query,
) -> Result<Reply> {
    let body = service.receive(head, body).await?;
    let json = &body.bytes;
    match route {
        AdminRoute::CreateKey => keys::create(service, json).await,
        AdminRoute::ListKeys => keys::list(service),
        AdminRoute::RevokeKey(id) => keys::revoke(service, &id).await,
        AdminRoute::RotateKey(id) => keys::rotate(service, &id, json).await,
        AdminRoute::CreateClient => clients::create(service, json).await,
        AdminRoute::ListClients => clients::list(service),
        AdminRoute::RevokeClient(id) => clients::revoke(service, &id).await,
        AdminRoute::CreateAccount => accounts::create(service, json).await,
        AdminRoute::ListAccounts => accounts::list(service),
        AdminRoute::ChangeAccount(name) => accounts::change(service, &name, json).await,
        AdminRoute::IssueToken => tokens::issue(service, json).await,
        AdminRoute::ListTokens => tokens::list(service),
        AdminRoute::RevokeToken(id) => tokens::revoke(service, &id).await,
        AdminRoute::ShowIssuer => issuer::show(service),
        AdminRoute::RotateIssuer => issuer::rotate(service).await,
        AdminRoute::ListLimits => limits::list(service),
        AdminRoute::SetLimit => limits::set(service, json).await,
        AdminRoute::ClearLimit => limits::clear(service, query).await,
        AdminRoute::Check => check(service).await,
        AdminRoute::ShowPrunable => prune::show(service, query).await,
        AdminRoute::PruneUsage => prune::usage(service, json).await,
        AdminRoute::PruneEvents => prune::events(service, json).await,
        AdminRoute::ShowUser(id) => user_record::show(service, query, id).await,
        AdminRoute::EndExportLinks(id) => exports::end_links(service, &id).await,
    }
}

#[derive(Serialize)]
struct CheckBody {
    differs: Vec<String>,
    /// The day from which on usage was recomputed from base facts, where those from before have gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_facts_from: Option<String>,
}

/// `POST /admin/check`: recomputes every rollup from the base facts; one line for each thing that differs.
async fn check(service: &Arc<Service>) -> Result<Reply> {
    let check = |store: &Store| {
        let snapshot = store.snapshot()?;
        Ok((snapshot.check()?, snapshot.usage_facts_from()?))
    };
    let (differs, from) = service.long_read(check).await?;
    Reply::json_of(StatusCode::OK, &CheckBody { differs, usage_facts_from: from.map(|day| day.to_string()) })
}

/// Reads what a new credential may do: at least one scope or role.
fn read_grants(scopes: &[String], roles: &[String]) -> Result<Grants> {
    let scopes: Scopes = read_words("scope", scopes, &Scope::ALL, Scope::as_str)?.into_iter().collect();
    let roles: Roles = read_words("role", roles, &Role::ALL, Role::as_str)?.into_iter().collect();
    if scopes.is_empty() && roles.is_empty() {
        let (scopes, roles) = (Scopes::ALL.iter().map(Scope::as_str), Role::ALL.map(Role::as_str));
        let known: Vec<&str> = scopes.chain(roles).collect();
        let message = format!("\"scopes\" and \"roles\" must name at least one of {}", known.join(", "));
        return Err(Error::invalid(message));
    }
    Ok(Grants { scopes, roles })
}

fn read_words<T: Copy>(what: &str, words: &[String], all: &[T], name: fn(T) -> &'static str) -> Result<Vec<T>> {
    let known = || all.iter().map(|one| name(*one)).collect::<Vec<_>>().join(", ");
    let read = |word: &String| {
        let found = all.iter().copied().find(|one| name(*one) == word);
        found.ok_or_else(|| Error::invalid(format!("unknown {what} {word:?}; known: {}", known())))
    };
    words.iter().map(read).collect()
}

fn read_id(field: &str, text: String) -> Result<Id> {
    Id::new(text).map_err(|rule| Error::invalid(format!("\"{field}\" {rule}")))
}

fn scope_words(grants: Grants) -> Vec<&'static str> {
    grants.scopes.iter().map(Scope::as_str).collect()
}

fn role_words(grants: Grants) -> Vec<&'static str> {
    grants.roles.iter().map(Role::as_str).collect()
}

/// Scopes and roles in one line, for the audit trail.
fn described(grants: Grants) -> String {
    [scope_words(grants), role_words(grants)].concat().join(" ")
}

/// RFC 3339.
fn time(unix_micros: i64) -> Option<String> {
    Timestamp::from_unix_micros(unix_micros).map(|at| at.to_string())
}

/// 204 for a change that was made, `NotFound` with this message if there was nothing to change.
fn done(changed: bool, otherwise: &str) -> Result<Reply> {
    match changed {
        true => Ok(Reply::empty(StatusCode::NO_CONTENT)),
        false => Err(Error::new(Kind::NotFound, otherwise)),
    }
}

/// Notes in the audit trail what the administrator has changed.
fn note(service: &Service, what: &'static str, how: &'static str, name: &str, detail: impl Into<String>) {
    service.audit.note(Entry::Changed { what, how, name: name.to_string(), detail: detail.into() });
}
