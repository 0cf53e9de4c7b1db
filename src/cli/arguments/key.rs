use clap::{Args, Subcommand};

use super::id;
use crate::cli::duration;
use crate::model::{Id, Scope, Timestamp};

const KEY_EXAMPLES: &str = "\
Scopes, none of which includes another:
  read:analytics   reports and logs
  read:metrics     /metrics
  write:events     send events, register users
  admin            erase users

Examples:
  analytics key create --owner grafana --scope read:analytics --expires-in 90d
  KEY=$(analytics key create --owner backend --scope write:events)
  analytics key list
  analytics key revoke 4fJ2kLm9QxYz

These work while the server runs, which obeys at once, and while it does not.";

#[derive(Subcommand, Debug)]
#[command(after_help = KEY_EXAMPLES)]
pub enum KeyCommand {
    /// Make an API key; it is shown once, on standard output
    #[command(after_help = KEY_EXAMPLES)]
    Create(KeyCreate),
    /// List the API keys, revoked ones too
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke API keys at once
    Revoke {
        /// The keys' ids, as `key list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Args, Debug)]
pub struct KeyCreate {
    /// Who will use it: a person, a service, a dashboard
    #[arg(long, value_name = "NAME", value_parser = id)]
    pub owner: Id,
    /// What it may do; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = scope)]
    pub scopes: Vec<Scope>,
    /// It stops working after so long, such as 12h, 90d or 52w [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration::parse, conflicts_with = "expires_at")]
    pub expires_in: Option<duration::Seconds>,
    /// It stops working at this instant, such as 2026-01-01T00:00:00Z
    #[arg(long, value_name = "RFC 3339 TIME", value_parser = Timestamp::parse)]
    pub expires_at: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("a scope is one of {}", known.join(", "))
    })
}
