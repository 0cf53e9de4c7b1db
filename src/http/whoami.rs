//! `GET /auth/whoami`: what the server takes a credential for. Any good one may ask.

use hyper::StatusCode;
use serde::Serialize;

use super::respond::Reply;
use crate::error::Result;
use crate::model::{Caller, Grants, LOCAL_ISSUER, Role, Scope, Timestamp};

#[derive(Serialize)]
struct WhoAmIBody<'a> {
    /// "local", or a trusted issuer by its address.
    issuer: &'a str,
    subject: &'a str,
    scopes: Vec<&'static str>,
    roles: Vec<&'static str>,
    /// RFC 3339; null: until it is revoked.
    expires_at: Option<String>,
}

/// `caller`: None behind the local socket, where everybody is the administrator.
pub fn get(caller: Option<&Caller>) -> Result<Reply> {
    let (issuer, subject, grants) = match caller.map(|caller| &caller.principal) {
        Some(principal) => (principal.issuer.as_str(), principal.subject.as_str(), principal.grants),
        None => (LOCAL_ISSUER, "administrator", Grants::ALL),
    };
    let expires_at = caller.and_then(|caller| caller.expires_at).and_then(Timestamp::from_unix_micros);
    let body = WhoAmIBody {
        issuer,
        subject,
        scopes: grants.scopes.iter().map(Scope::as_str).collect(),
        roles: grants.roles.iter().map(Role::as_str).collect(),
        expires_at: expires_at.map(|at| at.to_string()),
    };
    Reply::json_of(StatusCode::OK, &body)
}
