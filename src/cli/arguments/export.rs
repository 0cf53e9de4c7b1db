use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::id;
use crate::cli::report::{GroupName, IntervalName, NamedRange};
use crate::model::{Day, Id, Severity};

const EXPORT_EXAMPLES: &str = "\
Examples:
  analytics export usage-summary --range last-month
  analytics export usage-summary --start 2025-01-01 --end 2025-01-31 -o january.xlsx
  analytics export system-events --severity warning,error -o - | less
  0 6 1 * * analytics export usage-summary --range last-month -o /srv/reports/

The last one is a line for cron, which wants the program's whole path where that is not
/usr/bin. `analytics export REPORT --help` tells all options.

Of a database on this machine, be it served or not, no token is needed. Of a server
elsewhere, its address and a token or API key with the scope read:analytics and the
role report_admin:

  export ANALYTICS_TOKEN=..           or --token-file FILE; never on the command line
  analytics export usage-summary --range last-month --url https://stats.example.com";

const OUTPUT_HELP: &str = "\
The file gets its name when it is whole and on the disk; Ctrl-C leaves nothing behind. Only
its owner can read it. Exit code 1 if it could not be made.";

const USAGE_HELP: &str = "\
Columns: start_date, end_date, the group's if there is one, total_users, active_users,
total_sessions; they equal what `analytics report` shows. Days are UTC days.

Examples:
  analytics export usage-summary --range last-month
  analytics export usage-summary --range last-year --interval month -o year.xlsx
  analytics export usage-summary --start 2025-01-01 --end 2025-01-31 --group-by team -o -";

const EVENTS_HELP: &str = "\
Columns: timestamp, severity, service, message, attributes; oldest first. Without days or
instants it is the whole log. Days are UTC days.

Examples:
  analytics export system-events --range yesterday --severity warning,error
  analytics export system-events --from 2025-05-21T10:00:00Z --to 2025-05-21T11:00:00Z -o hour.csv
  analytics export system-events --service billing -o billing.csv.gz";

#[derive(Subcommand, Debug)]
#[command(after_help = EXPORT_EXAMPLES)]
pub enum ExportCommand {
    /// Usage figures: a row for each day, week or month, or for each team, service or user
    #[command(after_help = format!("{USAGE_HELP}\n\n{OUTPUT_HELP}"))]
    UsageSummary(UsageSummary),
    /// System events: a row for each
    #[command(after_help = format!("{EVENTS_HELP}\n\n{OUTPUT_HELP}"))]
    SystemEvents(SystemEvents),
}

#[derive(Args, Debug)]
pub struct UsageSummary {
    #[command(flatten)]
    pub days: Days,
    /// Only this user
    #[arg(long, value_name = "USER_ID", value_parser = id)]
    pub user: Option<Id>,
    /// Only this team
    #[arg(long, value_name = "TEAM_ID", value_parser = id)]
    pub team: Option<Id>,
    /// Only this service
    #[arg(long, value_name = "SERVICE", value_parser = id)]
    pub service: Option<Id>,
    /// A row for each day, week (from Monday) or month [default: day]
    #[arg(long)]
    pub interval: Option<IntervalName>,
    /// A row for each team, service or user of the whole range
    #[arg(long, conflicts_with = "interval")]
    pub group_by: Option<GroupName>,
    #[command(flatten)]
    pub file: ExportFile,
}

#[derive(Args, Debug)]
pub struct SystemEvents {
    #[command(flatten)]
    pub days: Days,
    /// First instant: a date or an RFC 3339 time
    #[arg(long, value_name = "TIME", conflicts_with_all = ["start", "end", "range"])]
    pub from: Option<String>,
    /// The instant before which the events end: a date or an RFC 3339 time
    #[arg(long, value_name = "TIME", conflicts_with_all = ["start", "end", "range"])]
    pub to: Option<String>,
    /// Only of these severities: info, warning, error
    #[arg(long, value_delimiter = ',', value_name = "SEVERITY", value_parser = severity)]
    pub severity: Vec<Severity>,
    /// Only of this service
    #[arg(long, value_name = "SERVICE", value_parser = id)]
    pub service: Option<Id>,
    #[command(flatten)]
    pub file: ExportFile,
}

#[derive(Args, Debug)]
pub struct Days {
    /// First day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = Day::parse, requires = "end")]
    pub start: Option<Day>,
    /// Last day, inclusive
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = Day::parse, requires = "start")]
    pub end: Option<Day>,
    /// The days, told by their relation to today
    #[arg(long, value_name = "RANGE", conflicts_with_all = ["start", "end"])]
    pub range: Option<NamedRange>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum FormatName {
    Csv,
    Xlsx,
}

/// What kind of file, where to, and from where.
#[derive(Args, Debug)]
pub struct ExportFile {
    /// CSV, or an Excel workbook [default: what the file's name ends with, else csv]
    #[arg(long)]
    pub format: Option<FormatName>,
    /// CSV: cells as they are, even where a spreadsheet would take them for formulas
    #[arg(long)]
    pub raw: bool,
    /// CSV: a byte order mark in front, by which Excel knows UTF-8
    #[arg(long)]
    pub bom: bool,
    /// CSV: compressed; a name that ends with .csv.gz says so, too
    #[arg(long)]
    pub gzip: bool,
    /// The file, or a directory for it; - is standard output [default: named by report and days, here]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<String>,
    /// Overwrite the file if it is there already
    #[arg(long)]
    pub force: bool,
    /// Print the outcome as JSON on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub remote: RemoteServer,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Of a server elsewhere")]
pub struct RemoteServer {
    /// The server's address: https, or http for this very machine
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// A file with the token or API key alone [default: $ANALYTICS_TOKEN]
    #[arg(long, value_name = "FILE", requires = "url")]
    pub token_file: Option<PathBuf>,
    /// Remove the job and its file from the server once the file is here
    #[arg(long, requires = "url")]
    pub remove: bool,
}

fn severity(text: &str) -> Result<Severity, &'static str> {
    Severity::parse(text).ok_or("must be info, warning or error")
}
