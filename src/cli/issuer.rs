//! `issuer`: the server's own OAuth 2.0 issuer, and its signing keys.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::{ask, with_admin};
use super::arguments::{Global, IssuerCommand};
use super::output::{Outcome, print, print_json};
use crate::app::{Access, Admin, say};
use crate::error::Result;

/// What the server says of its issuer.
#[derive(Deserialize, Serialize)]
pub struct Issuer {
    /// `iss` of its tokens.
    pub url: String,
    pub token_url: String,
    metadata_url: String,
    jwks_url: String,
    /// The ids of the keys that are published.
    kids: Vec<String>,
}

impl Issuer {
    pub async fn read(admin: &Admin) -> Result<Issuer> {
        ask(admin, "GET", "/admin/issuer", &Value::Null).await
    }
}

pub fn run(global: Global, command: IssuerCommand) -> Outcome {
    with_admin(global, Access::Existing, async |admin, _| match command {
        IssuerCommand::Show { json } => show(admin, json).await,
        IssuerCommand::Rotate { json } => rotate(admin, json).await,
    })
}

async fn show(admin: &Admin, json: bool) -> Outcome {
    let issuer = Issuer::read(admin).await?;
    if json {
        return print_json(&issuer);
    }
    let Issuer { url, token_url, metadata_url, jwks_url, kids } = issuer;
    let keys = match kids.is_empty() {
        true => "none yet; the first token makes one".to_string(),
        false => kids.join(" "),
    };
    print(&format!(
        "issuer    {url}\ntokens    {token_url}\nmetadata  {metadata_url}\njwks      {jwks_url}\nkeys      {keys}\n"
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
