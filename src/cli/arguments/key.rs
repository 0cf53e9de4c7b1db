use clap::{Args, Subcommand};

use super::grants::{Granted, with_scopes};
use super::id;
use crate::cli::duration;
use crate::model::{Id, Timestamp};

const KEY_EXAMPLES: &str = "\
Examples:
  analytics key create --owner grafana --scope read:analytics --expires-in 90d
  KEY=$(analytics key create --owner backend --scope write:events)
  analytics key create --owner finance --scope read:analytics --role report_admin
  analytics key list
  KEY=$(analytics key rotate 4fJ2kLm9QxYz --overlap 7d)
  analytics key revoke 4fJ2kLm9QxYz

These work while the server runs, which obeys at once, and while it does not.";

const ROTATE_EXAMPLES: &str = "\
The new key has the owner, scopes, roles and end of the old one. Both work until the
overlap ends, so that whoever uses the old one has time to change. To end a key at
once, as when it has leaked: `analytics key revoke`.

Examples:
  analytics key rotate 4fJ2kLm9QxYz
  KEY=$(analytics key rotate 4fJ2kLm9QxYz --overlap 7d)";

const REVOKE_EXAMPLES: &str = "\
A whole key works too, as it was found. Exit code 1 if one of them is unknown or
revoked already; the others are revoked all the same.

Examples:
  analytics key revoke 4fJ2kLm9QxYz
  analytics key revoke 4fJ2kLm9QxYz 8gH3lMn0RyZa";

#[derive(Subcommand, Debug)]
#[command(after_help = with_scopes(KEY_EXAMPLES))]
pub enum KeyCommand {
    /// Make an API key; it is shown once, on standard output
    #[command(after_help = with_scopes(KEY_EXAMPLES))]
    Create(KeyCreate),
    /// List the API keys, revoked ones too
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key in the place of another, which works for a while longer
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(KeyRotate),
    /// Revoke API keys at once
    #[command(after_help = REVOKE_EXAMPLES)]
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
    #[command(flatten)]
    pub granted: Granted,
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

#[derive(Args, Debug)]
pub struct KeyRotate {
    /// The key's id, as `key list` shows it
    pub id: String,
    /// So long the old key still works
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "24h")]
    pub overlap: duration::Seconds,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
