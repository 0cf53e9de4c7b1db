use clap::{Args, Subcommand};

use super::grants::{Granted, with_scopes};
use super::id;
use crate::model::Id;

const ACCOUNT_EXAMPLES: &str = "\
An account is a person who logs in here with a password (POST /auth/login). The
password, of 12 bytes or more, is asked for twice in the terminal, or read from standard
input; it is never an argument, which others on this machine could see.

Examples:
  analytics account create alice --scope read:analytics --role report_admin
  pass show analytics/bob | analytics account create bob --scope read:analytics --password-stdin
  analytics account list
  analytics account password alice
  analytics account role alice --scope read:analytics
  analytics account disable alice

These work while the server runs, which obeys at once, and while it does not. A new
password, other scopes or roles, and disabling end all log-ins and tokens of the account.";

const ROLE_EXAMPLES: &str = "\
What is given here replaces all that the account had. Its log-ins and tokens end at
once; it logs in again with the same password.

Examples:
  analytics account role alice --scope read:analytics --role report_admin
  analytics account role alice --scope read:analytics";

const PASSWORD_EXAMPLES: &str = "\
Log-ins and tokens of the account end at once.

Examples:
  analytics account password alice
  pass show analytics/alice | analytics account password alice --password-stdin";

#[derive(Subcommand, Debug)]
#[command(after_help = with_scopes(ACCOUNT_EXAMPLES))]
pub enum AccountCommand {
    /// Make an account for a person, with a password
    #[command(after_help = with_scopes(ACCOUNT_EXAMPLES))]
    Create(AccountCreate),
    /// List the accounts, disabled ones too
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Disable an account; its log-ins and tokens end at once
    Disable {
        #[command(flatten)]
        name: AccountName,
    },
    /// Enable a disabled account again; it has the password that it had
    Enable {
        #[command(flatten)]
        name: AccountName,
    },
    /// Set an account's password
    #[command(after_help = PASSWORD_EXAMPLES)]
    Password {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Replace what an account may do
    #[command(after_help = with_scopes(ROLE_EXAMPLES))]
    Role {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        granted: Granted,
    },
}

#[derive(Args, Debug)]
pub struct AccountCreate {
    #[command(flatten)]
    pub name: AccountName,
    #[command(flatten)]
    pub granted: Granted,
    #[command(flatten)]
    pub password: PasswordSource,
}

#[derive(Args, Debug)]
pub struct AccountName {
    /// The account's name, with which the person logs in
    #[arg(value_name = "NAME", value_parser = id)]
    pub name: Id,
}

#[derive(Args, Debug)]
pub struct PasswordSource {
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
}
