//! What the embedded issuer publishes about itself: its metadata (RFC 8414) and its public keys (RFC 7517).

use hyper::StatusCode;
use hyper::header::CACHE_CONTROL;
use serde::Serialize;

use super::respond::Reply;
use super::service::Service;
use crate::error::Result;
use crate::model::{Role, Scope};

/// How long others may go by what they read: a new key is published before this long has passed for anybody.
const CACHING: &str = "public, max-age=300";

/// Where the embedded issuer answers.
pub struct Addresses {
    pub token: String,
    pub metadata: String,
    pub jwks: String,
}

impl Addresses {
    /// Under the server's public address, whatever its tokens say in `iss`.
    pub fn of(service: &Service) -> Addresses {
        let at = |path: &str| format!("{}{path}", service.public_url());
        Addresses {
            token: at("/oauth/token"),
            metadata: at("/.well-known/oauth-authorization-server"),
            jwks: at("/.well-known/jwks.json"),
        }
    }
}

#[derive(Serialize)]
struct MetadataBody<'a> {
    issuer: &'a str,
    token_endpoint: String,
    jwks_uri: String,
    scopes_supported: Vec<&'static str>,
    /// Required, and empty: there is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    grant_types_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: [&'static str; 2],
}

/// `GET /.well-known/oauth-authorization-server`
pub fn metadata(service: &Service) -> Result<Reply> {
    let Addresses { token, jwks, .. } = Addresses::of(service);
    let scopes = Scope::ALL.map(Scope::as_str);
    let body = MetadataBody {
        issuer: service.auth.issuer.url(),
        token_endpoint: token,
        jwks_uri: jwks,
        scopes_supported: [scopes.as_slice(), &Role::ALL.map(Role::as_str)].concat(),
        response_types_supported: [],
        grant_types_supported: ["client_credentials", "refresh_token"],
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
    };
    Ok(Reply::json_of(StatusCode::OK, &body)?.with(CACHE_CONTROL, CACHING))
}

/// `GET /.well-known/jwks.json`
pub fn keys(service: &Service) -> Result<Reply> {
    let jwks = service.auth.issuer.jwks()?;
    Ok(Reply::json_of(StatusCode::OK, &jwks)?.with(CACHE_CONTROL, CACHING))
}
