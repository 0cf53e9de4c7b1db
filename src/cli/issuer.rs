//! `issuer`: the server's own OAuth 2.0 issuer, and its signing keys.

use serde::Deserialize;
use serde_json::{Value, json};

use super::admin::{ask, with_admin};
use super::arguments::{Global, IssuerCommand};
use super::output::{Outcome, print, print_json};
use crate::app::{Access, Admin, say};
use crate::error::Result;

/// What the issuer tells everybody of itself (RFC 8414), as far as the command line needs it.
#[derive(Deserialize)]
pub struct Metadata {
    pub issuer: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
}

impl Metadata {
    pub const PATH: &str = "/.well-known/oauth-authorization-server";

    pub async fn read(admin: &Admin) -> Result<Metadata> {
        ask(admin, "GET", Metadata::PATH, &Value::Null).await
    }
}

pub fn run(global: Global, command: IssuerCommand) -> Outcome {
    with_admin(global, Access::Existing, async |admin, _| match command {
        IssuerCommand::Show { json } => show(admin, json).await,
        IssuerCommand::Rotate { json } => rotate(admin, json).await,
    })
}

#[derive(Deserialize)]
struct Keys {
    kids: Vec<String>,
}

async fn show(admin: &Admin, json: bool) -> Outcome {
    let Metadata { issuer, token_endpoint, jwks_uri } = Metadata::read(admin).await?;
    let Keys { kids } = ask(admin, "GET", "/admin/issuer", &Value::Null).await?;
    let metadata_url = format!("{}{}", token_endpoint.trim_end_matches("/oauth/token"), Metadata::PATH);
    if json {
        return print_json(&json!({
            "issuer": issuer, "metadata_url": metadata_url, "token_url": token_endpoint, "jwks_url": jwks_uri,
            "kids": kids,
        }));
    }
    let keys = match kids.is_empty() {
        true => "none yet; the first token makes one".to_string(),
        false => kids.join(" "),
    };
    print(&format!(
        "issuer    {issuer}\nmetadata  {metadata_url}\ntokens    {token_endpoint}\njwks      {jwks_uri}\nkeys      {keys}\n"
    ))
}

#[derive(Deserialize)]
struct Rotated {
    kid: String,
}

async fn rotate(admin: &Admin, json: bool) -> Outcome {
    let Rotated { kid } = ask(admin, "POST", "/admin/issuer/rotate", &Value::Null).await?;
    if json {
        return print_json(&json!({"kid": kid}));
    }
    say(&format!("Tokens are signed with key {kid} from now on; those signed before stay good until they expire."));
    Ok(())
}
