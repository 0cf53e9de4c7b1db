//! The routes of administration, behind the local socket only: keys, and the check of every rollup.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::header::LOCATION;
use hyper::http::request::Parts;
use serde::{Deserialize, Serialize};

use super::respond::Reply;
use super::service::Service;
use crate::error::{Error, Kind, Result};
use crate::model::{Grants, Id, Roles, Scope, Scopes, Timestamp};
use crate::store::{ApiKey, Store};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKeyBody {
    owner: String,
    scopes: Vec<String>,
    /// RFC 3339; absent or null for ever.
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct CreatedBody<'a> {
    id: &'a str,
    key: &'a str,
}

#[derive(Serialize)]
struct KeysBody {
    keys: Vec<KeyBody>,
}

/// A key without its secret. Times are RFC 3339.
#[derive(Serialize)]
struct KeyBody {
    id: String,
    owner: String,
    scopes: Vec<&'static str>,
    created_at: Option<String>,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
}

#[derive(Serialize)]
struct CheckBody {
    differs: Vec<String>,
}

/// `POST /admin/keys`: 201 with the key, which is shown this once.
pub async fn create_key<B: Body<Data = Bytes>>(service: &Service, head: &Parts, body: B) -> Result<Reply> {
    let received = service.receive(head, body).await?;
    let asked: NewKeyBody =
        serde_json::from_slice(&received.bytes).map_err(|e| Error::invalid(format!("the body: {e}")))?;
    let owner = Id::new(asked.owner).map_err(|rule| Error::invalid(format!("\"owner\" {rule}")))?;
    let scopes = read_scopes(&asked.scopes)?;
    let expires_at = match asked.expires_at.as_deref().map(Timestamp::parse) {
        Some(Ok(at)) if at <= service.now()? => return Err(Error::invalid("\"expires_at\" must lie in the future")),
        Some(at) => Some(at.map_err(|rule| Error::invalid(format!("\"expires_at\" {rule}")))?.unix_micros()),
        None => None,
    };
    let made = service.auth.keys.create(owner.as_str(), Grants { scopes, roles: Roles::default() }, expires_at).await?;
    let reply = json(StatusCode::CREATED, &CreatedBody { id: &made.id, key: &made.key })?;
    Ok(reply.with(LOCATION, &format!("/admin/keys/{}", made.id)))
}

/// `GET /admin/keys`: every key, revoked ones too, oldest first.
pub fn list_keys(service: &Service) -> Result<Reply> {
    let keys = service.auth.keys.list()?.into_iter().map(KeyBody::from).collect();
    json(StatusCode::OK, &KeysBody { keys })
}

/// `DELETE /admin/keys/{id}`: 204; the key is refused from then on.
pub async fn revoke_key(service: &Service, id: &str) -> Result<Reply> {
    match service.auth.keys.revoke(id).await? {
        true => Ok(Reply::empty(StatusCode::NO_CONTENT)),
        false => Err(Error::new(Kind::NotFound, "there is no such key, or it is revoked already")),
    }
}

/// `POST /admin/check`: recomputes every rollup from the base facts; one line for each thing that differs.
pub async fn check(service: &Arc<Service>) -> Result<Reply> {
    let differs = service.long_read(|store: &Store| store.snapshot()?.check()).await?;
    json(StatusCode::OK, &CheckBody { differs })
}

fn read_scopes(words: &[String]) -> Result<Scopes> {
    let known = || Scope::ALL.map(Scope::as_str).join(", ");
    let scopes = words.iter().map(|word| {
        Scope::parse(word).ok_or_else(|| Error::invalid(format!("unknown scope {word:?}; known: {}", known())))
    });
    let scopes: Scopes = scopes.collect::<Result<_>>()?;
    if scopes.is_empty() {
        return Err(Error::invalid(format!("\"scopes\" must name at least one of {}", known())));
    }
    Ok(scopes)
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> KeyBody {
        let time = |micros: i64| Timestamp::from_unix_micros(micros).map(|at| at.to_string());
        KeyBody {
            id: key.id,
            owner: key.owner,
            scopes: key.grants.scopes.iter().map(Scope::as_str).collect(),
            created_at: time(key.created_at),
            expires_at: key.expires_at.and_then(time),
            revoked_at: key.revoked_at.and_then(time),
            last_used_at: key.last_used_at.and_then(time),
        }
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Reply> {
    let json = serde_json::to_vec(body).map_err(|e| Error::internal(format!("JSON: {e}")))?;
    Ok(Reply::json(status, json))
}
