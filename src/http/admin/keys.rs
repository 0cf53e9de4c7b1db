//! API keys.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::LOCATION;
use serde::{Deserialize, Serialize};

use super::{done, note, read_grants, read_id, role_words, scope_words, time};
use crate::error::{Error, Kind, Result};
use crate::http::respond::Reply;
use crate::http::service::Service;
use crate::http::strict_json;
use crate::model::Timestamp;
use crate::store::ApiKey;

/// How long a key may go on beside the one in its place: 90 days.
const OVERLAP_MAX_S: u32 = 90 * 24 * 3600;

/// `POST /admin/keys`. At least one scope or role.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKeyBody {
    owner: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    /// RFC 3339; absent or null for ever.
    expires_at: Option<String>,
}

/// `POST /admin/keys/{id}/rotate`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotationBody {
    /// Seconds that the old key goes on; at most [`OVERLAP_MAX_S`], 0 ends it at once.
    overlap_s: u32,
}

/// The answer to both. Times are RFC 3339, null for never.
#[derive(Serialize)]
struct CreatedBody {
    id: String,
    /// The whole key, shown this once.
    key: String,
    expires_at: Option<String>,
    /// When the key that was rotated ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_expires_at: Option<String>,
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
    roles: Vec<&'static str>,
    created_at: Option<String>,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
}

/// 201 with the key, which is shown this once.
pub async fn create(service: &Service, json: &Bytes) -> Result<Reply> {
    let asked: NewKeyBody = strict_json::read(json)?;
    let owner = read_id("owner", asked.owner)?;
    let grants = read_grants(&asked.scopes, &asked.roles)?;
    let expires_at = match asked.expires_at.as_deref().map(Timestamp::parse) {
        Some(Ok(at)) if at <= service.now()? => return Err(Error::invalid("\"expires_at\" must lie in the future")),
        Some(at) => Some(at.map_err(|rule| Error::invalid(format!("\"expires_at\" {rule}")))?.unix_micros()),
        None => None,
    };
    let made = service.auth.keys.create(owner.as_str(), grants, expires_at).await?;
    note(service, "key", "created", &made.id, owner.as_str());
    let expires_at = made.expires_at.and_then(time);
    created(CreatedBody { id: made.id, key: made.key, expires_at, old_expires_at: None })
}

/// 201 with a key in the place of another, which goes on for a while. `NotFound` if there is no valid one of that id.
pub async fn rotate(service: &Service, id: &str, json: &Bytes) -> Result<Reply> {
    let RotationBody { overlap_s } = strict_json::read(json)?;
    if overlap_s > OVERLAP_MAX_S {
        return Err(Error::invalid(format!("\"overlap_s\" must be from 0 to {OVERLAP_MAX_S} (90 days)")));
    }
    let overlap_until = service.clock.unix_micros() + i64::from(overlap_s) * 1_000_000;
    let made = service.auth.keys.rotate(id, overlap_until).await?;
    let made = made.ok_or_else(|| Error::new(Kind::NotFound, "there is no valid key of this id"))?;
    note(service, "key", "rotated", id, format!("its place is taken by {}", made.id));
    let old_end = made.expires_at.map_or(overlap_until, |end| end.min(overlap_until));
    let expires_at = made.expires_at.and_then(time);
    created(CreatedBody { id: made.id, key: made.key, expires_at, old_expires_at: time(old_end) })
}

/// Every key, revoked ones too, oldest first.
pub fn list(service: &Service) -> Result<Reply> {
    let keys = service.auth.keys.list()?.into_iter().map(KeyBody::from).collect();
    Reply::json_of(StatusCode::OK, &KeysBody { keys })
}

/// 204; the key is refused from then on.
pub async fn revoke(service: &Service, id: &str) -> Result<Reply> {
    let revoked = service.auth.keys.revoke(id).await?;
    if revoked {
        note(service, "key", "revoked", id, "");
    }
    done(revoked, "there is no such key, or it is revoked already")
}

fn created(body: CreatedBody) -> Result<Reply> {
    let location = format!("/admin/keys/{}", body.id);
    Ok(Reply::json_of(StatusCode::CREATED, &body)?.with(LOCATION, &location))
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> KeyBody {
        KeyBody {
            id: key.id,
            owner: key.owner,
            scopes: scope_words(key.grants),
            roles: role_words(key.grants),
            created_at: time(key.created_at),
            expires_at: key.expires_at.and_then(time),
            revoked_at: key.revoked_at.and_then(time),
            last_used_at: key.last_used_at.and_then(time),
        }
    }
}
