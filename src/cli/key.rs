//! `key`: API keys, made, listed and revoked, in a stopped database or in a running server.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::arguments::{Global, KeyCommand, KeyCreate};
use super::output::{Failure, Outcome, print, print_json};
use super::report::{Align, table};
use crate::app::{Access, Admin, say};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::http::percent_encode;
use crate::model::Timestamp;

pub fn run(global: Global, command: KeyCommand) -> Outcome {
    let settings = super::settings(global, vec![])?;
    let access = match command {
        KeyCommand::Create(_) => Access::MayCreate,
        KeyCommand::List { .. } | KeyCommand::Revoke { .. } => Access::Existing,
    };
    super::block_on(async {
        let clock = Clock::system();
        let admin = Admin::open(&settings, access, clock.clone()).await?;
        let outcome = match command {
            KeyCommand::Create(arguments) => create(&admin, &clock, &arguments).await,
            KeyCommand::List { json } => list(&admin, &clock, json).await,
            KeyCommand::Revoke { ids } => revoke(&admin, &ids).await,
        };
        admin.close().await;
        outcome
    })
}

#[derive(Deserialize)]
struct NewKey {
    id: String,
    key: String,
}

async fn create(admin: &Admin, clock: &Clock, arguments: &KeyCreate) -> Outcome {
    let expires_at = expiry(clock, arguments)?;
    let scopes: Vec<&str> = arguments.scopes.iter().map(|scope| scope.as_str()).collect();
    let mut request = json!({"owner": arguments.owner.as_str(), "scopes": scopes});
    if let Some(at) = expires_at {
        request["expires_at"] = json!(at.to_string());
    }
    let made: NewKey = decode(&admin.send("POST", "/admin/keys", request.to_string()).await?.body)?;
    let NewKey { id, key } = &made;
    if arguments.json {
        let expires_at = expires_at.map(|at| at.to_string());
        return print_json(
            &json!({"id": id, "key": key, "owner": arguments.owner.as_str(), "scopes": scopes, "expires_at": expires_at}),
        );
    }
    let until = expires_at.map_or("until it is revoked".into(), |at| format!("until {at}"));
    say(&format!("Key {id} of {} for {}, {until}. It is shown this once:", arguments.owner, scopes.join(" ")));
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
    let keys: Keys = decode(&admin.send("GET", "/admin/keys", "").await?.body)?;
    if json {
        return print_json(&keys);
    }
    if keys.keys.is_empty() {
        say("There is no key yet; `analytics key create --owner me --scope read:analytics` makes one.");
        return Ok(());
    }
    let columns = ["id", "owner", "scopes", "state", "created", "last used"].map(|head| (head, Align::Left));
    let rows: Vec<_> = keys.keys.iter().map(|key| row(key, clock.unix_micros())).collect();
    print(&table(&columns, &rows))
}

fn row(key: &Listed, now: i64) -> Vec<String> {
    let date = |at: &str| at.get(..10).unwrap_or(at).to_string();
    let state = match (&key.revoked_at, &key.expires_at) {
        (Some(at), _) => format!("revoked {}", date(at)),
        (None, Some(at)) if Timestamp::parse(at).is_ok_and(|at| at.unix_micros() <= now) => {
            format!("expired {}", date(at))
        }
        (None, Some(at)) => format!("until {}", date(at)),
        (None, None) => "valid".into(),
    };
    let created = key.created_at.as_deref().map_or("?".into(), date);
    let last_used = key.last_used_at.as_deref().map_or("never".into(), date);
    vec![key.id.clone(), key.owner.clone(), key.scopes.join(" "), state, created, last_used]
}

/// Goes on after an id that is not there: the others must not stay valid because of it.
async fn revoke(admin: &Admin, ids: &[String]) -> Outcome {
    let mut all = true;
    for id in ids {
        let id = id_of(id);
        match admin.send("DELETE", &format!("/admin/keys/{}", percent_encode(id)), "").await {
            Ok(_) => say(&format!("Key {id} is revoked.")),
            Err(Error { kind: Kind::NotFound, .. }) => {
                all = false;
                say(&format!("error: there is no valid key {id}; `analytics key list` shows all"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if all { Ok(()) } else { Err(Failure::Told) }
}

/// Whoever has found a leaked key has the key, not its id: `ak_<id>_<secret>` will do.
fn id_of(text: &str) -> &str {
    text.strip_prefix("ak_").and_then(|rest| rest.split('_').next()).unwrap_or(text)
}

fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|e| Error::internal(format!("an unexpected answer: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(expires_at: Option<&str>, revoked_at: Option<&str>) -> Listed {
        Listed {
            id: "abc".into(),
            owner: "me".into(),
            scopes: vec!["admin".into(), "write:events".into()],
            created_at: Some("2025-01-02T03:04:05.678Z".into()),
            expires_at: expires_at.map(String::from),
            revoked_at: revoked_at.map(String::from),
            last_used_at: None,
        }
    }

    #[test]
    fn a_keys_state_is_what_it_is_now() {
        let now = Timestamp::parse("2025-06-01T00:00:00Z").unwrap().unix_micros();
        let cases = [
            (listed(None, None), "valid"),
            (listed(Some("2025-07-01T00:00:00Z"), None), "until 2025-07-01"),
            (listed(Some("2025-06-01T00:00:00Z"), None), "expired 2025-06-01"),
            (listed(Some("2025-07-01T00:00:00Z"), Some("2025-05-01T00:00:00Z")), "revoked 2025-05-01"),
        ];
        for (key, state) in cases {
            assert_eq!(row(&key, now), ["abc", "me", "admin write:events", state, "2025-01-02", "never"]);
        }
    }

    #[test]
    fn a_whole_key_stands_for_its_id() {
        let cases = [("4fJ2kLm9QxYz", "4fJ2kLm9QxYz"), ("ak_4fJ2kLm9QxYz_secret", "4fJ2kLm9QxYz")];
        for (text, id) in cases {
            assert_eq!(id_of(text), id);
        }
    }
}
