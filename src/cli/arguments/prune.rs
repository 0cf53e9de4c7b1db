use clap::{Args, ValueEnum};

use crate::model::Day;

const PRUNE_EXAMPLES: &str = "\
It removes what is older than the settings under [retention] keep it, as the server does
by itself every hour. --before says so here and now instead, for what --only names.

Of usage the base facts go, by whole months: no summary changes, but usage events from
before are rejected for good. System events go as they are. Removing is not undone.

Examples:
  analytics prune --dry-run
  analytics prune
  analytics prune --before 2024-01-01 --only usage --dry-run
  analytics prune --before 2024-01-01 --only info,warning

It works while the server runs and while it does not; Ctrl-C leaves the rest for the
next time.";

#[derive(Args, Debug)]
#[command(after_help = PRUNE_EXAMPLES)]
pub struct Prune {
    /// Show what would go, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What lies before this UTC day goes, whatever the settings say
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = Day::parse, requires = "only")]
    pub before: Option<Day>,
    /// What it is about; separated by commas
    #[arg(long, value_enum, value_delimiter = ',', requires = "before")]
    pub only: Vec<PruneKind>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PruneKind {
    /// Base facts of usage
    Usage,
    /// System events of severity info
    Info,
    /// System events of severity warning
    Warning,
    /// System events of severity error
    Error,
}
