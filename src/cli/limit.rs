//! `limit`: the administrator's exceptions from the limits of the settings.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::{ask, with_admin};
use super::arguments::{Amount, Amounts, Global, LimitCommand, Whom};
use super::output::{Failure, Outcome, print, print_json};
use super::pasted;
use super::report::{Align, table};
use crate::app::{Access, Admin, say};
use crate::error::{Error, Kind};
use crate::http::percent_encode;
use crate::model::{Target, TargetKind};

const PATH: &str = "/admin/limits";

pub fn run(global: Global, command: LimitCommand) -> Outcome {
    match command {
        LimitCommand::Set { whom, amounts } => {
            let target = target(&whom)?;
            with_admin(global, Access::Existing, async |admin, _| set(admin, &target, &amounts).await)
        }
        LimitCommand::List { json } => with_admin(global, Access::Existing, async |admin, _| list(admin, json).await),
        LimitCommand::Clear { whom } => {
            let target = target(&whom)?;
            with_admin(global, Access::Existing, async |admin, _| clear(admin, &target).await)
        }
    }
}

/// Whom the limit is for; of a whole secret, its id.
fn target(whom: &Whom) -> Outcome<Target> {
    let target = whom.target().ok_or_else(|| Failure::Usage("name whom the limit is for, such as --key ID".into()))?;
    let name = match target.kind {
        TargetKind::Token => pasted::token_id(&target.name)?,
        TargetKind::Key => pasted::key_id(&target.name),
        TargetKind::Client => pasted::client_id(&target.name),
        TargetKind::Account | TargetKind::Subject => target.name,
    };
    Ok(Target { name, ..target })
}

/// The exceptions for one target: null is what the settings say, 0 is no limit.
#[derive(Clone, Deserialize, Serialize)]
struct Limit {
    kind: String,
    name: String,
    requests_per_minute: Option<u32>,
    ingest_requests_per_minute: Option<u32>,
    exports_per_day: Option<u32>,
    tokens_per_minute: Option<u32>,
    tokens_per_hour: Option<u32>,
}

#[derive(Deserialize, Serialize)]
struct Limits {
    limits: Vec<Limit>,
}

/// Keeps what is not named. Where nothing is left that differs from the settings, no exception is left either.
async fn set(admin: &Admin, target: &Target, amounts: &Amounts) -> Outcome {
    must_exist(admin, target).await?;
    let limits: Limits = ask(admin, "GET", PATH, &Value::Null).await?;
    let old = limits.limits.into_iter().find(|limit| limit.is_for(target));
    let is_new = old.is_none();
    let new = old.unwrap_or_else(|| Limit::none(target)).with(amounts);
    if new.fields().iter().any(|(_, amount)| amount.is_some()) {
        admin.send("PUT", PATH, json!(new).to_string()).await?;
    } else if !is_new {
        admin.send("DELETE", &path_of(target), "").await?;
    }
    say(&format!("{}: {}.", shown(target), new.words()));
    Ok(())
}

/// A limit for a mistyped id would limit nobody, in silence. Of a pasted token and of subjects only their issuers know.
async fn must_exist(admin: &Admin, target: &Target) -> Outcome {
    // Where such a name may stand: path, list, field.
    let (places, what): (&[(&str, &str, &str)], &str) = match target.kind {
        TargetKind::Key => (&[("/admin/keys", "keys", "id")], "key {}; `analytics key list` shows all"),
        TargetKind::Client => (&[("/admin/clients", "clients", "id")], "client {}; `analytics client list` shows all"),
        TargetKind::Account => (
            &[
                ("/admin/accounts", "accounts", "name"),
                ("/admin/keys", "keys", "owner"),
                ("/admin/tokens", "tokens", "subject"),
            ],
            "account {}, nor a key or token of that owner; `analytics account list` and `key list` show all",
        ),
        TargetKind::Token | TargetKind::Subject => return Ok(()),
    };
    for (path, list, field) in places {
        let all: Value = ask(admin, "GET", path, &Value::Null).await?;
        if all[list].as_array().is_some_and(|all| all.iter().any(|one| one[field] == target.name.as_str())) {
            return Ok(());
        }
    }
    let message = format!("there is no {}", what.replace("{}", &target.name));
    Err(Failure::Failed(Error::new(Kind::NotFound, message)))
}

async fn list(admin: &Admin, json: bool) -> Outcome {
    let limits: Limits = ask(admin, "GET", PATH, &Value::Null).await?;
    if json {
        return print_json(&limits);
    }
    if limits.limits.is_empty() {
        say("There is no exception; everybody is under the limits that `analytics config` shows.");
        return Ok(());
    }
    let columns = [
        ("for", Align::Left),
        ("name", Align::Left),
        ("requests/min", Align::Right),
        ("ingest/min", Align::Right),
        ("exports/day", Align::Right),
        ("tokens/min", Align::Right),
        ("tokens/h", Align::Right),
    ];
    let rows: Vec<_> = limits.limits.iter().map(Limit::row).collect();
    print(&table(&columns, &rows))
}

async fn clear(admin: &Admin, target: &Target) -> Outcome {
    match admin.send("DELETE", &path_of(target), "").await {
        Ok(_) => {
            say(&format!("{}: the limits of the settings.", shown(target)));
            Ok(())
        }
        Err(Error { kind: Kind::NotFound, .. }) => {
            let kind = target.kind.as_str();
            let message = format!("{kind} {} has no limits of its own; `analytics limit list` shows all", target.name);
            Err(Failure::Failed(Error::new(Kind::NotFound, message)))
        }
        Err(error) => Err(error.into()),
    }
}

impl Limit {
    fn none(target: &Target) -> Limit {
        Limit {
            kind: target.kind.as_str().into(),
            name: target.name.clone(),
            requests_per_minute: None,
            ingest_requests_per_minute: None,
            exports_per_day: None,
            tokens_per_minute: None,
            tokens_per_hour: None,
        }
    }

    fn is_for(&self, target: &Target) -> bool {
        self.kind == target.kind.as_str() && self.name == target.name
    }

    fn with(self, amounts: &Amounts) -> Limit {
        let pick = |old, amount| match amount {
            None => old,
            Some(Amount::Default) => None,
            Some(Amount::Unlimited) => Some(0),
            Some(Amount::Times(times)) => Some(times),
        };
        Limit {
            requests_per_minute: pick(self.requests_per_minute, amounts.requests_per_minute),
            ingest_requests_per_minute: pick(self.ingest_requests_per_minute, amounts.ingest_requests_per_minute),
            exports_per_day: pick(self.exports_per_day, amounts.exports_per_day),
            tokens_per_minute: pick(self.tokens_per_minute, amounts.tokens_per_minute),
            tokens_per_hour: pick(self.tokens_per_hour, amounts.tokens_per_hour),
            ..self
        }
    }

    fn fields(&self) -> [(&'static str, Option<u32>); 5] {
        [
            ("requests per minute", self.requests_per_minute),
            ("ingest requests per minute", self.ingest_requests_per_minute),
            ("exports per day", self.exports_per_day),
            ("tokens per minute", self.tokens_per_minute),
            ("tokens per hour", self.tokens_per_hour),
        ]
    }

    /// Such as "requests per minute 600, exports per day none; all else as the settings say".
    fn words(&self) -> String {
        let set = self.fields().into_iter().filter_map(|(name, amount)| Some((name, amount?)));
        let set: Vec<String> = set.map(|(name, amount)| format!("{name} {}", amount_word(Some(amount)))).collect();
        match set.len() {
            0 => "the limits of the settings".into(),
            5 => set.join(", "),
            _ => format!("{}; all else as the settings say", set.join(", ")),
        }
    }

    fn row(&self) -> Vec<String> {
        let amounts = self.fields().map(|(_, amount)| amount_word(amount));
        [self.kind.clone(), self.name.clone()].into_iter().chain(amounts).collect()
    }
}

/// As it is typed.
fn amount_word(amount: Option<u32>) -> String {
    match amount {
        None => "default".into(),
        Some(0) => "none".into(),
        Some(times) => times.to_string(),
    }
}

/// Such as "Key 4fJ2kLm9QxYz".
fn shown(target: &Target) -> String {
    let kind = match target.kind {
        TargetKind::Token => "Token",
        TargetKind::Key => "Key",
        TargetKind::Client => "Client",
        TargetKind::Account => "Account",
        TargetKind::Subject => "Subject",
    };
    format!("{kind} {}", target.name)
}

fn path_of(target: &Target) -> String {
    format!("{PATH}?kind={}&name={}", target.kind.as_str(), percent_encode(&target.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Amounts = Amounts {
        requests_per_minute: None,
        ingest_requests_per_minute: None,
        exports_per_day: None,
        tokens_per_minute: None,
        tokens_per_hour: None,
    };

    #[test]
    fn a_limit_that_is_not_named_stays_as_it_is() {
        let target = Target::new(TargetKind::Key, "abc");
        let first = Amounts { requests_per_minute: Some(Amount::Times(600)), ..NOTHING };
        let second = Amounts { exports_per_day: Some(Amount::Unlimited), ..NOTHING };
        let limit = Limit::none(&target).with(&first).with(&second);
        assert_eq!(limit.words(), "requests per minute 600, exports per day none; all else as the settings say");
        assert_eq!(limit.row(), ["key", "abc", "600", "default", "none", "default", "default"]);

        let third = Amounts { requests_per_minute: Some(Amount::Default), ..NOTHING };
        assert_eq!(limit.with(&third).words(), "exports per day none; all else as the settings say");
    }
}
