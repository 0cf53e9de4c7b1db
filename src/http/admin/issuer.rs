//! The embedded issuer itself.

use hyper::StatusCode;
use serde::Serialize;

use super::note;
use crate::error::Result;
use crate::http::respond::Reply;
use crate::http::service::Service;
use crate::http::well_known::Addresses;

/// `GET /admin/issuer`.
#[derive(Serialize)]
struct IssuerBody<'a> {
    /// `iss` of its tokens.
    url: &'a str,
    token_url: String,
    metadata_url: String,
    jwks_url: String,
    /// The ids of the keys that it publishes; retired ones stay while tokens that they signed may live.
    kids: Vec<String>,
}

/// `POST /admin/issuer/rotate`.
#[derive(Serialize)]
struct RotatedBody {
    /// The new key's id.
    kid: String,
}

pub fn show(service: &Service) -> Result<Reply> {
    let issuer = &service.auth.issuer;
    let jwks = issuer.jwks()?;
    let keys = jwks["keys"].as_array().into_iter().flatten();
    let kids = keys.filter_map(|key| key["kid"].as_str().map(str::to_string)).collect();
    let Addresses { token, metadata, jwks } = Addresses::of(service);
    let body = IssuerBody { url: issuer.url(), token_url: token, metadata_url: metadata, jwks_url: jwks, kids };
    Reply::json_of(StatusCode::OK, &body)
}

/// A new key signs from now on; the old one stays published.
pub async fn rotate(service: &Service) -> Result<Reply> {
    let kid = service.auth.issuer.rotate().await?;
    note(service, "signing key", "made", &kid, "");
    Reply::json_of(StatusCode::OK, &RotatedBody { kid })
}
