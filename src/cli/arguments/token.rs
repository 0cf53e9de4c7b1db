use clap::{Args, Subcommand};

use super::grants::{Granted, with_scopes};
use super::id;
use crate::cli::duration;
use crate::model::Id;

const TOKEN_EXAMPLES: &str = "\
A token is an access token for a script, signed by the server. It is shown once; a
client (`analytics client create`) gets new ones by itself.

Examples:
  TOKEN=$(analytics token issue --subject ci --scope read:analytics)
  TOKEN=$(analytics token issue --subject ci --scope read:analytics --role report_admin --ttl 30d)
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/auth/whoami
  analytics token list
  analytics token revoke 7cQw2nVbT5xYk1ZrJ8mDpa

These work while the server runs, which obeys at once, and while it does not. A token
names the server's address as its issuer: set issuer.url or server.public_url before it
changes, or tokens made earlier will not be accepted.";

const REVOKE_EXAMPLES: &str = "\
A whole token works too, as it was found. Exit code 1 if one of them is unknown or
revoked already; the others are revoked all the same.

Examples:
  analytics token revoke 7cQw2nVbT5xYk1ZrJ8mDpa
  analytics token revoke eyJ0eXAiOiJhdCtqd3QiLCJhbGciOi..";

#[derive(Subcommand, Debug)]
#[command(after_help = with_scopes(TOKEN_EXAMPLES))]
pub enum TokenCommand {
    /// Issue an access token; it is shown once, on standard output
    #[command(after_help = with_scopes(TOKEN_EXAMPLES))]
    Issue(TokenIssue),
    /// List the issued tokens that have not expired, revoked ones too
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke issued tokens at once
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke {
        /// The tokens' ids, as `token list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Args, Debug)]
pub struct TokenIssue {
    /// Who will use it: a script, a person, a service
    #[arg(long, value_name = "NAME", value_parser = id)]
    pub subject: Id,
    #[command(flatten)]
    pub granted: Granted,
    /// It stops working after so long, such as 30m, 12h or 90d
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "1h")]
    pub ttl: duration::Seconds,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
