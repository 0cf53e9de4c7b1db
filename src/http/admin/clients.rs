//! Clients of the embedded issuer.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::LOCATION;
use serde::{Deserialize, Serialize};

use super::{done, note, read_grants, read_id, role_words, scope_words, time};
use crate::error::Result;
use crate::http::respond::Reply;
use crate::http::service::Service;
use crate::http::strict_json;
use crate::store::Client;

/// `POST /admin/clients`. At least one scope or role: the most that its tokens may hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewClientBody {
    /// For people; need not be unique.
    name: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Serialize)]
struct CreatedBody<'a> {
    /// The client_id.
    id: &'a str,
    /// The client_secret, shown this once.
    secret: &'a str,
}

#[derive(Serialize)]
struct ClientsBody {
    clients: Vec<ClientBody>,
}

/// A client without its secret. Times are RFC 3339.
#[derive(Serialize)]
struct ClientBody {
    id: String,
    name: String,
    scopes: Vec<&'static str>,
    roles: Vec<&'static str>,
    created_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
}

/// 201 with the id and the secret, which is shown this once.
pub async fn create(service: &Service, json: &Bytes) -> Result<Reply> {
    let asked: NewClientBody = strict_json::read(json)?;
    let name = read_id("name", asked.name)?;
    let grants = read_grants(&asked.scopes, &asked.roles)?;
    let made = service.auth.issuer.create_client(name.as_str(), grants).await?;
    note(service, "client", "created", &made.id, name.as_str());
    let reply = Reply::json_of(StatusCode::CREATED, &CreatedBody { id: &made.id, secret: &made.secret })?;
    Ok(reply.with(LOCATION, &format!("/admin/clients/{}", made.id)))
}

/// Every client, revoked ones too, oldest first.
pub fn list(service: &Service) -> Result<Reply> {
    let clients = service.auth.issuer.clients()?.into_iter().map(ClientBody::from).collect();
    Reply::json_of(StatusCode::OK, &ClientsBody { clients })
}

/// 204; the client and its tokens are refused from then on.
pub async fn revoke(service: &Service, id: &str) -> Result<Reply> {
    let revoked = service.auth.issuer.revoke_client(id).await?;
    if revoked {
        note(service, "client", "revoked", id, "");
    }
    done(revoked, "there is no such client, or it is revoked already")
}

impl From<Client> for ClientBody {
    fn from(client: Client) -> ClientBody {
        ClientBody {
            id: client.id,
            name: client.name,
            scopes: scope_words(client.grants),
            roles: role_words(client.grants),
            created_at: time(client.created_at),
            revoked_at: client.revoked_at.and_then(time),
            last_used_at: client.last_used_at.and_then(time),
        }
    }
}
