//! `token`: access tokens for scripts, issued, listed and revoked.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::{Collection, ask, day_or_never, state, with_admin, words};
use super::arguments::{Global, TokenCommand, TokenIssue};
use super::issuer::Issuer;
use super::output::{Outcome, print, print_json};
use super::pasted;
use super::report::{Align, table};
use crate::app::{Access, Admin, say};
use crate::clock::Clock;

const TOKENS: Collection =
    Collection { noun: "Token", known: "valid token", path: "/admin/tokens", list: "token list" };

pub fn run(global: Global, command: TokenCommand) -> Outcome {
    match command {
        TokenCommand::Issue(arguments) => {
            with_admin(global, Access::MayCreate, async |admin, _| issue(admin, &arguments).await)
        }
        TokenCommand::List { json } => {
            with_admin(global, Access::Existing, async |admin, clock| list(admin, clock, json).await)
        }
        TokenCommand::Revoke { ids } => {
            let ids: Vec<String> = ids.iter().map(|id| pasted::issued_token_id(id)).collect::<Outcome<_>>()?;
            with_admin(global, Access::Existing, async |admin, _| TOKENS.revoke(admin, &ids).await)
        }
    }
}

#[derive(Deserialize)]
struct NewToken {
    id: String,
    token: String,
    expires_at: String,
}

async fn issue(admin: &Admin, arguments: &TokenIssue) -> Outcome {
    let TokenIssue { subject, granted, ttl, json } = arguments;
    // Before anything is made: a failure after it would lose the token.
    let issuer = Issuer::read(admin).await?.url;
    let told = json!({
        "subject": subject.as_str(), "scopes": granted.scopes(), "roles": granted.roles(), "ttl_s": ttl.0,
    });
    let NewToken { id, token, expires_at } = ask(admin, "POST", TOKENS.path, &told).await?;
    if *json {
        return print_json(&json!({
            "id": id, "token": token, "subject": subject.as_str(), "scopes": granted.scopes(),
            "roles": granted.roles(), "expires_at": expires_at,
        }));
    }
    if admin.store().is_some() {
        say(&format!("No server runs; the token will be good where the server's address is {issuer}."));
    }
    say(&format!("Token {id} of {subject} for {}, until {expires_at}. It is shown this once:", granted.words()));
    print(&format!("{token}\n"))
}

#[derive(Deserialize, Serialize)]
struct Listed {
    id: String,
    subject: String,
    scopes: Vec<String>,
    roles: Vec<String>,
    created_at: Option<String>,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Tokens {
    tokens: Vec<Listed>,
}

async fn list(admin: &Admin, clock: &Clock, json: bool) -> Outcome {
    let tokens: Tokens = ask(admin, "GET", TOKENS.path, &Value::Null).await?;
    if json {
        return print_json(&tokens);
    }
    if tokens.tokens.is_empty() {
        say("No issued token is left; `analytics token issue --subject me --scope read:analytics` issues one.");
        return Ok(());
    }
    let columns = ["id", "subject", "scopes and roles", "state", "created"].map(|head| (head, Align::Left));
    let rows: Vec<_> = tokens.tokens.iter().map(|token| row(token, clock.unix_micros())).collect();
    print(&table(&columns, &rows))
}

fn row(token: &Listed, now: i64) -> Vec<String> {
    let revoked = token.revoked_at.as_deref().map(|at| ("revoked", at));
    vec![
        token.id.clone(),
        token.subject.clone(),
        words(&token.scopes, &token.roles),
        state(revoked, token.expires_at.as_deref(), now),
        day_or_never(&token.created_at),
    ]
}
