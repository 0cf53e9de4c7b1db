//! What the commands of administration share: the way in, how what they make reads, and how it ends.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::arguments::Global;
use super::output::{Failure, Outcome};
use crate::app::{Access, Admin, say};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::http::percent_encode;
use crate::model::Timestamp;

/// Nearer than so, the end of a credential is shown to the minute: its day alone would say too little.
const NEAR_MICROS: i64 = 2 * 86_400 * 1_000_000;

/// Does a command's work on the database: by the server that holds it, or in this process where none does.
pub fn with_admin(global: Global, access: Access, work: impl AsyncFnOnce(&Admin, &Clock) -> Outcome) -> Outcome {
    let settings = super::settings(global, vec![])?;
    super::block_on(async {
        let clock = Clock::system();
        let admin = Admin::open(&settings, access, clock.clone()).await?;
        let outcome = work(&admin, &clock).await;
        admin.close().await;
        outcome
    })
}

/// Asks, and reads the answer. Errors as [`Admin::send`].
pub async fn ask<T: DeserializeOwned>(admin: &Admin, method: &str, path: &str, body: &Value) -> Result<T> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = admin.send(method, path, body).await?;
    serde_json::from_slice(&answer.body).map_err(|e| Error::internal(format!("an unexpected answer: {e}")))
}

/// What there are many of, to speak of one of them.
pub struct Collection {
    /// Such as "Key".
    pub noun: &'static str,
    /// What of it can be changed, such as "valid key".
    pub known: &'static str,
    /// Such as "/admin/keys".
    pub path: &'static str,
    /// Such as "key list".
    pub list: &'static str,
}

impl Collection {
    pub fn path_of(&self, id: &str) -> String {
        format!("{}/{}", self.path, percent_encode(id))
    }

    /// Says of an answer "not found" where to look.
    pub fn found<T>(&self, id: &str, answer: Result<T>) -> Result<T> {
        answer.map_err(|error| match error.kind {
            Kind::NotFound => Error::new(Kind::NotFound, self.missing(id)),
            _ => error,
        })
    }

    /// Revokes each. Goes on after an id that is not there: the others must not stay valid because of it.
    pub async fn revoke(&self, admin: &Admin, ids: &[String]) -> Outcome {
        let mut all = true;
        for id in ids {
            match self.found(id, admin.send("DELETE", &self.path_of(id), "").await) {
                Ok(_) => say(&format!("{} {id} is revoked.", self.noun)),
                Err(Error { kind: Kind::NotFound, message }) => {
                    all = false;
                    say(&format!("error: {message}"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if all { Ok(()) } else { Err(Failure::Told) }
    }

    fn missing(&self, id: &str) -> String {
        format!("there is no {} {id}; `analytics {}` shows all", self.known, self.list)
    }
}

/// Scopes and roles, with blanks between.
pub fn words(scopes: &[String], roles: &[String]) -> String {
    [scopes, roles].concat().join(" ")
}

/// Whether a credential is good now. `ended`: the word for it, and when. Times are RFC 3339.
pub fn state(ended: Option<(&str, &str)>, expires_at: Option<&str>, now_unix_micros: i64) -> String {
    if let Some((word, at)) = ended {
        return format!("{word} {}", date(at));
    }
    let Some(text) = expires_at else { return "valid".into() };
    match Timestamp::parse(text).map(|at| at.unix_micros() - now_unix_micros) {
        Ok(..=0) => format!("expired {}", date(text)),
        Ok(..NEAR_MICROS) => format!("until {} {}Z", date(text), text.get(11..16).unwrap_or_default()),
        _ => format!("until {}", date(text)),
    }
}

/// The day of an RFC 3339 time; "never" if there was none.
pub fn day_or_never(at: &Option<String>) -> String {
    at.as_deref().map_or("never", date).into()
}

fn date(at: &str) -> &str {
    at.get(..10).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credentials_state_is_what_it_is_now() {
        let now = Timestamp::parse("2025-06-01T00:00:00Z").unwrap().unix_micros();
        let revoked = Some(("revoked", "2025-05-01T00:00:00Z"));
        let cases = [
            (None, None, "valid"),
            (None, Some("2025-07-01T00:00:00Z"), "until 2025-07-01"),
            (None, Some("2025-06-01T01:30:00Z"), "until 2025-06-01 01:30Z"),
            (None, Some("2025-06-01T00:00:00Z"), "expired 2025-06-01"),
            (revoked, Some("2025-07-01T00:00:00Z"), "revoked 2025-05-01"),
        ];
        for (ended, expires_at, shown) in cases {
            assert_eq!(state(ended, expires_at, now), shown);
        }
    }
}
