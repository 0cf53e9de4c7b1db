//! Tokens that the administrator issues, for scripts.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::LOCATION;
use serde::{Deserialize, Serialize};

use super::{done, note, read_grants, read_id, role_words, scope_words, time};
use crate::error::{Error, Result};
use crate::http::respond::Reply;
use crate::http::service::Service;
use crate::http::strict_json;
use crate::store::IssuedToken;

/// `POST /admin/tokens`. At least one scope or role.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTokenBody {
    subject: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    /// Seconds: from a minute to ten years.
    ttl_s: u32,
}

#[derive(Serialize)]
struct IssuedBody {
    /// The token's `jti`.
    id: String,
    /// Shown this once.
    token: String,
    /// RFC 3339.
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct TokensBody {
    tokens: Vec<TokenBody>,
}

/// What is known of an issued token. Times are RFC 3339.
#[derive(Serialize)]
struct TokenBody {
    id: String,
    subject: String,
    scopes: Vec<&'static str>,
    roles: Vec<&'static str>,
    created_at: Option<String>,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

/// 201 with the token, which is shown this once.
pub async fn issue(service: &Service, json: &Bytes) -> Result<Reply> {
    let asked: NewTokenBody = strict_json::read(json)?;
    let subject = read_id("subject", asked.subject)?;
    let grants = read_grants(&asked.scopes, &asked.roles)?;
    // No server runs, and the settings let it listen on any port: who could say whose token it is?
    if service.auth.issuer.url().is_empty() {
        let message = "a token names its issuer, and server.listen leaves the port open; set issuer.url or server.public_url, \
            or start the server first";
        return Err(Error::invalid(message));
    }
    let made = service.auth.issuer.issue_token(subject.as_str(), grants, asked.ttl_s).await?;
    note(service, "token", "issued", &made.id, subject.as_str());
    let location = format!("/admin/tokens/{}", made.id);
    let body = IssuedBody { id: made.id, token: made.token, expires_at: time(made.expires_at) };
    Ok(Reply::json_of(StatusCode::CREATED, &body)?.with(LOCATION, &location))
}

/// Every issued token that has not expired, revoked ones too, oldest first.
pub fn list(service: &Service) -> Result<Reply> {
    let tokens = service.auth.issuer.issued_tokens()?.into_iter().map(TokenBody::from).collect();
    Reply::json_of(StatusCode::OK, &TokensBody { tokens })
}

/// 204; the token is refused from then on.
pub async fn revoke(service: &Service, id: &str) -> Result<Reply> {
    let revoked = service.auth.issuer.revoke_token(id).await?;
    if revoked {
        note(service, "token", "revoked", id, "");
    }
    done(revoked, "there is no such issued token, or it is revoked already")
}

impl From<IssuedToken> for TokenBody {
    fn from(token: IssuedToken) -> TokenBody {
        TokenBody {
            id: token.id,
            subject: token.subject,
            scopes: scope_words(token.grants),
            roles: role_words(token.grants),
            created_at: time(token.created_at),
            expires_at: time(token.expires_at),
            revoked_at: token.revoked_at.and_then(time),
        }
    }
}
