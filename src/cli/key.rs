//! `key`: API keys, made, listed, rotated and revoked, in a stopped database or in a running server.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::{Collection, ask, day_or_never, state, with_admin, words};
use super::arguments::{Global, KeyCommand, KeyCreate, KeyRotate};
use super::output::{Failure, Outcome, print, print_json};
use super::pasted;
use super::report::{Align, table};
use crate::app::{Access, Admin, say};
use crate::clock::Clock;
use crate::model::Timestamp;

const KEYS: Collection = Collection { noun: "Key", known: "valid key", path: "/admin/keys", list: "key list" };

pub fn run(global: Global, command: KeyCommand) -> Outcome {
    let access = match command {
        KeyCommand::Create(_) => Access::MayCreate,
        KeyCommand::List { .. } | KeyCommand::Rotate(_) | KeyCommand::Revoke { .. } => Access::Existing,
    };
    with_admin(global, access, async |admin, clock| match command {
        KeyCommand::Create(arguments) => create(admin, clock, &arguments).await,
        KeyCommand::List { json } => list(admin, clock, json).await,
        KeyCommand::Rotate(arguments) => rotate(admin, &arguments).await,
        KeyCommand::Revoke { ids } => {
            let ids: Vec<String> = ids.iter().map(|id| pasted::key_id(id)).collect();
            KEYS.revoke(admin, &ids).await
        }
    })
}

#[derive(Deserialize)]
struct NewKey {
    id: String,
    key: String,
}

async fn create(admin: &Admin, clock: &Clock, arguments: &KeyCreate) -> Outcome {
    let KeyCreate { owner, granted, .. } = arguments;
    let expires_at = expiry(clock, arguments)?.map(|at| at.to_string());
    let mut told = json!({"owner": owner.as_str(), "scopes": granted.scopes(), "roles": granted.roles()});
    if let Some(at) = &expires_at {
        told["expires_at"] = json!(at);
    }
    let NewKey { id, key } = ask(admin, "POST", KEYS.path, &told).await?;
    if arguments.json {
        return print_json(&json!({
            "id": id, "key": key, "owner": owner.as_str(), "scopes": granted.scopes(), "roles": granted.roles(),
            "expires_at": expires_at,
        }));
    }
    let until = expires_at.map_or("until it is revoked".into(), |at| format!("until {at}"));
    say(&format!("Key {id} of {owner} for {}, {until}. It is shown this once:", granted.words()));
    print(&format!("{key}\n"))
}

/// Of `--expires-in`, the whole second that is not before it: nobody wants to read microseconds.
fn expiry(clock: &Clock, arguments: &KeyCreate) -> Outcome<Option<Timestamp>> {
    let now_s = clock.unix_micros().div_euclid(1_000_000) + 1;
    let at = match arguments.expires_in {
        None => return Ok(arguments.expires_at),
        Some(seconds) => Timestamp::from_unix_micros((now_s + i64::from(seconds.0)) * 1_000_000),
    };
    at.map(Some).ok_or_else(|| Failure::Usage("--expires-in reaches past the year 9999".into()))
}

#[derive(Deserialize, Serialize)]
struct Listed {
    id: String,
    owner: String,
    scopes: Vec<String>,
    roles: Vec<String>,
    created_at: Option<String>,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Keys {
    keys: Vec<Listed>,
}

async fn list(admin: &Admin, clock: &Clock, json: bool) -> Outcome {
    let keys: Keys = ask(admin, "GET", KEYS.path, &Value::Null).await?;
    if json {
        return print_json(&keys);
    }
    if keys.keys.is_empty() {
        say("There is no key yet; `analytics key create --owner me --scope read:analytics` makes one.");
        return Ok(());
    }
    let columns = ["id", "owner", "scopes and roles", "state", "created", "last used"].map(|head| (head, Align::Left));
    let rows: Vec<_> = keys.keys.iter().map(|key| row(key, clock.unix_micros())).collect();
    print(&table(&columns, &rows))
}

fn row(key: &Listed, now: i64) -> Vec<String> {
    let revoked = key.revoked_at.as_deref().map(|at| ("revoked", at));
    vec![
        key.id.clone(),
        key.owner.clone(),
        words(&key.scopes, &key.roles),
        state(revoked, key.expires_at.as_deref(), now),
        day_or_never(&key.created_at),
        day_or_never(&key.last_used_at),
    ]
}

/// What the server says of a rotation.
#[derive(Deserialize)]
struct Rotated {
    id: String,
    key: String,
    /// When the old key ends; RFC 3339.
    old_expires_at: Option<String>,
}

async fn rotate(admin: &Admin, arguments: &KeyRotate) -> Outcome {
    let old = pasted::key_id(&arguments.id);
    let path = format!("{}/rotate", KEYS.path_of(&old));
    let answer = ask(admin, "POST", &path, &json!({"overlap_s": arguments.overlap.0})).await;
    let Rotated { id, key, old_expires_at } = KEYS.found(&old, answer)?;
    if arguments.json {
        return print_json(&json!({"id": id, "key": key, "old_id": old, "old_expires_at": old_expires_at}));
    }
    let end = old_expires_at.unwrap_or_default();
    say(&format!("Key {old} works until {end}; key {id} has taken its place. It is shown this once:"));
    print(&format!("{key}\n"))
}
