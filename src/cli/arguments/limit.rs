use clap::{ArgGroup, Args, Subcommand};

use super::id;
use crate::model::{Id, Target, TargetKind};

const LIMIT_EXAMPLES: &str = "\
Everybody is under the limits of the settings ([limits]); these are exceptions for one
token, key, client, account (owner), or subject of a trusted issuer. Each token and each key
counts by itself, those of one client or account too.

Examples:
  analytics limit set --key 4fJ2kLm9QxYz --requests-per-minute 600
  analytics limit set --account alice --exports-per-day 50 --tokens-per-hour none
  analytics limit set --subject 00u1ab2c --issuer https://id.example.com --requests-per-minute 300
  analytics limit list
  analytics limit clear --key 4fJ2kLm9QxYz

These work while the server runs, which obeys at once, and while it does not.";

const SET_HELP: &str = "\
A limit is a number above 0, `none` for no limit, or `default` for what the settings
say. Limits that are not named here stay as they are.

Examples:
  analytics limit set --key 4fJ2kLm9QxYz --requests-per-minute 600
  analytics limit set --client 9aBcDeFgHiJk --requests-per-minute 600 --tokens-per-minute 30
  analytics limit set --account alice --exports-per-day none
  analytics limit set --subject 00u1ab2c --issuer https://id.example.com --requests-per-minute 300";

const CLEAR_HELP: &str = "\
Exit code 1 if there was no exception for it.

Examples:
  analytics limit clear --key 4fJ2kLm9QxYz
  analytics limit clear --subject 00u1ab2c --issuer https://id.example.com";

#[derive(Subcommand, Debug)]
#[command(after_help = LIMIT_EXAMPLES)]
pub enum LimitCommand {
    /// Set limits for one token, key, client, account or subject
    #[command(after_help = SET_HELP, override_usage = "analytics limit set <FOR WHOM> <LIMITS>..")]
    Set {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        amounts: Amounts,
    },
    /// List the exceptions from the settings' limits
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Clear the exceptions for one of them: it is under the settings' limits again
    #[command(after_help = CLEAR_HELP, override_usage = "analytics limit clear <FOR WHOM>")]
    Clear {
        #[command(flatten)]
        whom: Whom,
    },
}

/// Whom a limit is for: exactly one of them.
#[derive(Args, Debug)]
#[group(skip)]
#[command(next_help_heading = "For whom, one of them", group(ArgGroup::new("whom").required(true).args(["token", "key", "client", "account", "subject"])))]
pub struct Whom {
    /// A token by its id (`jti`)
    #[arg(long, value_name = "ID")]
    pub token: Option<String>,
    /// An API key by its id
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,
    /// A client by its id
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
    /// A user by name: an account, the owner of keys, the subject of issued tokens
    #[arg(long, value_name = "NAME", value_parser = id)]
    pub account: Option<Id>,
    /// A subject (`sub`) of a trusted issuer
    #[arg(long, value_name = "SUB", requires = "issuer", value_parser = id)]
    pub subject: Option<Id>,
    /// The trusted issuer of --subject, as its tokens name it
    #[arg(long, value_name = "URL", requires = "subject", conflicts_with_all = ["token", "key", "client", "account"])]
    pub issuer: Option<String>,
}

impl Whom {
    /// The target as it was typed; None if none was named, which the command line refuses.
    pub fn target(&self) -> Option<Target> {
        let subject = self.subject.as_ref().zip(self.issuer.as_ref());
        let named = [
            (TargetKind::Token, self.token.clone()),
            (TargetKind::Key, self.key.clone()),
            (TargetKind::Client, self.client.clone()),
            (TargetKind::Account, self.account.as_ref().map(Id::to_string)),
            (TargetKind::Subject, subject.map(|(subject, issuer)| format!("{issuer} {subject}"))),
        ];
        named.into_iter().find_map(|(kind, name)| name.map(|name| Target::new(kind, name)))
    }
}

/// At least one of them. N is a number above 0, none, or default.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
#[command(next_help_heading = "Limits, at least one of them")]
pub struct Amounts {
    /// Requests of each token or key
    #[arg(long, value_name = "N", value_parser = Amount::parse)]
    pub requests_per_minute: Option<Amount>,
    /// Requests that send events or users, of each token or key
    #[arg(long, value_name = "N", value_parser = Amount::parse)]
    pub ingest_requests_per_minute: Option<Amount>,
    /// Exports that are accepted, per UTC day
    #[arg(long, value_name = "N", value_parser = Amount::parse)]
    pub exports_per_day: Option<Amount>,
    /// Access tokens that a client or an account gets in a minute
    #[arg(long, value_name = "N", value_parser = Amount::parse)]
    pub tokens_per_minute: Option<Amount>,
    /// Access tokens that a client or an account gets in an hour
    #[arg(long, value_name = "N", value_parser = Amount::parse)]
    pub tokens_per_hour: Option<Amount>,
}

/// How often something is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Amount {
    /// As the settings say.
    Default,
    Unlimited,
    Times(u32),
}

impl Amount {
    /// Errors with what it may be.
    pub fn parse(text: &str) -> Result<Amount, &'static str> {
        const RULE: &str = "must be a number above 0, `none` for no limit, or `default` for what the settings say";
        match text {
            "default" => Ok(Amount::Default),
            "none" => Ok(Amount::Unlimited),
            // Zero would read as "nothing at all" to some and as "no limit" to others.
            _ => text.parse().ok().filter(|times| *times > 0).map(Amount::Times).ok_or(RULE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_number_or_a_word() {
        let good = [("1", Amount::Times(1)), ("none", Amount::Unlimited), ("default", Amount::Default)];
        for (text, amount) in good {
            assert_eq!(Amount::parse(text), Ok(amount), "{text}");
        }
        for text in ["", "0", "-1", "1.5", "None", "unlimited", "4294967296", "1 "] {
            assert!(Amount::parse(text).is_err(), "{text:?}");
        }
    }
}
