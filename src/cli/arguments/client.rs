use clap::{Args, Subcommand};

use super::grants::{Granted, with_scopes};
use super::id;
use crate::model::Id;

const CLIENT_EXAMPLES: &str = "\
A client is an application that gets short-lived access tokens with its id and its
secret (OAuth 2.0 client credentials). Its scopes and roles are the most that a token
of its may hold.

Examples:
  analytics client create --name nightly-report --scope read:analytics --role report_admin
  eval \"$(analytics client create --name ci --scope read:analytics)\"
  curl -u \"$client_id:$client_secret\" -d grant_type=client_credentials \\
    http://127.0.0.1:8080/oauth/token
  analytics client list
  analytics client revoke 4fJ2kLm9QxYz

These work while the server runs, which obeys at once, and while it does not.";

const REVOKE_EXAMPLES: &str = "\
Its access tokens end with it, at once. A whole secret works too, as it was found. Exit
code 1 if one of them is unknown or revoked already; the others are revoked all the same.

Example:
  analytics client revoke 4fJ2kLm9QxYz";

#[derive(Subcommand, Debug)]
#[command(after_help = with_scopes(CLIENT_EXAMPLES))]
pub enum ClientCommand {
    /// Make a client; its id and secret are shown once, on standard output
    #[command(after_help = with_scopes(CLIENT_EXAMPLES))]
    Create(ClientCreate),
    /// List the clients, revoked ones too
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke clients and their tokens at once
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke {
        /// The clients' ids, as `client list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Args, Debug)]
pub struct ClientCreate {
    /// What it is: an application, a job
    #[arg(long, value_name = "NAME", value_parser = id)]
    pub name: Id,
    #[command(flatten)]
    pub granted: Granted,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
