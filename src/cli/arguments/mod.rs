//! What may be typed, and its help.

mod account;
mod backup;
mod client;
mod export;
mod grants;
mod issuer;
mod jobs;
mod key;
mod limit;
mod prune;
mod token;
mod user;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub use self::account::{AccountCommand, AccountCreate, PasswordSource};
pub use self::backup::{Backup, Restore};
pub use self::client::{ClientCommand, ClientCreate};
pub use self::export::{Days, ExportCommand, ExportFile, FormatName, RemoteServer, SystemEvents, UsageSummary};
pub use self::issuer::IssuerCommand;
pub use self::jobs::JobsCommand;
pub use self::key::{KeyCommand, KeyCreate, KeyRotate};
pub use self::limit::{Amount, Amounts, LimitCommand, Whom};
pub use self::prune::{Prune, PruneKind};
pub use self::token::{TokenCommand, TokenIssue};
pub use self::user::{HistoryName, UserCommand, UserErase, UserShow};
use super::import::Kind;
use super::report::{GroupName, IntervalName, NamedRange};
use crate::model::{Day, Id};

const EXAMPLES: &str = "\
Examples:
  analytics serve --demo                                    try it on sample data
  analytics serve --database /var/lib/analytics/usage.db    run it
  analytics key create --owner grafana --scope read:analytics
  analytics account create alice --scope read:analytics --role report_admin
  analytics import usage events.ndjson.gz
  analytics report --range last-month --group-by team
  analytics export usage-summary --range last-month -o last-month.xlsx

Exit codes: 0 done, 1 failed, 2 not understood. `analytics help COMMAND` tells more about each.";

/// A reporting and analytics server in one binary and one SQLite file.
#[derive(Parser, Debug)]
#[command(name = "analytics", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

const EVERYWHERE: &str = "Options of every command";

/// Taken by every command.
#[derive(Args, Debug, Default)]
pub struct Global {
    /// The database file [default: analytics.db, or database.path of the settings]
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    pub database: Option<String>,
    /// The settings file [default: $ANALYTICS_CONFIG, or analytics.toml here if there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    pub config: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the server
    Serve(Serve),
    /// Take in files of usage events, system events or users
    Import(Import),
    /// Show a usage summary
    Report(Report),
    /// Write a report into a file: CSV or XLSX
    Export {
        #[command(subcommand)]
        command: ExportCommand,
    },
    /// List, show, cancel and remove export jobs
    Jobs {
        #[command(subcommand)]
        command: JobsCommand,
    },
    /// Make, list, rotate and revoke API keys
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Make, list and revoke clients: applications that get access tokens by OAuth 2.0
    Client {
        #[command(subcommand)]
        command: ClientCommand,
    },
    /// Make, list and change accounts: people who log in with a password
    Account {
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// Issue, list and revoke access tokens for scripts
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Show the server's own OAuth 2.0 issuer, or change its signing key
    Issuer {
        #[command(subcommand)]
        command: IssuerCommand,
    },
    /// Set, list and clear exceptions from the limits
    Limit {
        #[command(subcommand)]
        command: LimitCommand,
    },
    /// Show what is held of a user, or erase a person
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Write a copy of the database into a file, while the server goes on
    Backup(Backup),
    /// Put a backup in the place of the database
    Restore(Restore),
    /// Remove what is older than the settings keep it, or show what would go
    Prune(Prune),
    /// Recompute every rollup and count from the base facts, and say what differs
    Check(Check),
    /// Show the settings in effect, and where each comes from
    Config(Config),
    /// Print the API's description (OpenAPI 3.1, JSON)
    Openapi,
    /// Print a completion script for a shell
    Completions(Completions),
}

const SERVE_EXAMPLES: &str = "\
Examples:
  analytics serve
  analytics serve --listen 0.0.0.0:8080 --database /var/lib/analytics/usage.db
  analytics serve --demo          sample data, a token, and curl lines to paste
  analytics serve --ephemeral     for test suites

An ephemeral server prints one line of JSON on standard output when it is ready:
{\"url\":..,\"token\":..,\"api_key\":..}. Everything is gone at exit.

SIGTERM or Ctrl-C stops it once requests under way have ended; a second one stops it
at once.";

#[derive(Args, Debug)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct Serve {
    /// Where to listen; port 0 takes any free port [default: 127.0.0.1:8080, or server.listen of the settings]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Serve sample data from a temporary database that is removed at exit
    #[arg(long, conflicts_with = "ephemeral")]
    pub demo: bool,
    /// Serve an empty temporary database on any free port; it is removed at exit
    #[arg(long)]
    pub ephemeral: bool,
}

const IMPORT_EXAMPLES: &str = "\
Files are NDJSON (one JSON object a line), a JSON array, or CSV whose first line
names the fields; plain or gzip. Fields are those of the API:
  usage    user_id, timestamp, team_id, service, session_id, event_id
  events   timestamp, severity, message, service, event_id, attributes
  users    user_id, team_id, registered_at, deactivated_at

Examples:
  analytics import usage usage-2025-01.ndjson.gz usage-2025-02.ndjson.gz
  analytics import events --strict system.csv
  zcat *.gz | analytics import users -

It may run while the server does. Usage events, and system events with an event_id,
may be imported twice: the second time changes nothing. Ctrl-C stops it and says how
far it came. Exit code 1 if anything was rejected.";

#[derive(Args, Debug)]
#[command(after_help = IMPORT_EXAMPLES)]
pub struct Import {
    /// What the files hold
    pub kind: Kind,
    /// The files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Stop at the first item that cannot be taken
    #[arg(long)]
    pub strict: bool,
    /// Print the outcome as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

const REPORT_EXAMPLES: &str = "\
Examples:
  analytics report --range last-month
  analytics report --start 2025-01-01 --end 2025-01-31 --interval week
  analytics report --range last-30-days --group-by team --limit 10
  analytics report --range last-month --compare --json
  0 6 1 * * analytics report --range last-month --csv > last-month.csv

The last one is a line for cron. Days are UTC days.";

#[derive(Args, Debug)]
#[command(after_help = REPORT_EXAMPLES)]
pub struct Report {
    /// First day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = Day::parse, requires = "end")]
    pub start: Option<Day>,
    /// Last day, inclusive
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = Day::parse, requires = "start")]
    pub end: Option<Day>,
    /// The days, told by their relation to today [default: last-30-days]
    #[arg(long, value_name = "RANGE", conflicts_with_all = ["start", "end"])]
    pub range: Option<NamedRange>,
    /// Only this user
    #[arg(long, value_name = "USER_ID", value_parser = id)]
    pub user: Option<Id>,
    /// Only this team
    #[arg(long, value_name = "TEAM_ID", value_parser = id)]
    pub team: Option<Id>,
    /// Only this service
    #[arg(long, value_name = "SERVICE", value_parser = id)]
    pub service: Option<Id>,
    /// Also show the figures of each day, week (from Monday) or month
    #[arg(long)]
    pub interval: Option<IntervalName>,
    /// Also show the figures of each team, service or user
    #[arg(long)]
    pub group_by: Option<GroupName>,
    /// Show at most so many groups, the most active ones
    #[arg(long, value_name = "N", requires = "group_by", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Also show the period of equal length just before
    #[arg(long)]
    pub compare: bool,
    /// Print JSON, as the API answers
    #[arg(long)]
    pub json: bool,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

const CHECK_HELP: &str = "\
It reads the whole database and changes nothing; a running server goes on meanwhile.
With --repair it first makes anew all that follows from the base facts, in one
transaction; the server must be stopped. Exit code 1 if anything differs.";

#[derive(Args, Debug)]
#[command(after_help = CHECK_HELP)]
pub struct Check {
    /// Make every rollup and count anew from the base facts first; the server must be stopped
    #[arg(long)]
    pub repair: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const CONFIG_HELP: &str = "\
A setting comes from a flag, else from the environment, else from the settings file,
else it has its default. The environment's name for server.listen is
ANALYTICS_SERVER_LISTEN.

Example:
  analytics config > new.toml     a settings file with everything as it is now";

#[derive(Args, Debug)]
#[command(after_help = CONFIG_HELP)]
pub struct Config {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  analytics completions bash > ~/.local/share/bash-completion/completions/analytics
  analytics completions zsh  > ~/.zfunc/_analytics
  analytics completions fish > ~/.config/fish/completions/analytics.fish";

#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

fn id(text: &str) -> Result<Id, &'static str> {
    Id::new(text)
}

#[cfg(test)]
mod tests;
