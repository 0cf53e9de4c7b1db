use clap::{Args, Subcommand, ValueEnum};

use super::id;
use crate::model::{Day, Id};

const USER_EXAMPLES: &str = "\
Examples:
  analytics user show u-001
  analytics user show u-001 --start 2025-01-01 --end 2025-01-31
  analytics user show u-001 | jq '.days[].day'
  analytics user erase u-001
  analytics user erase u-001 --history remove

These work while the server runs and while it does not. An id that begins with a
hyphen stands behind two of them: analytics user show -- -u1";

const SHOW_HELP: &str = "\
It prints indented JSON: the registration, the first day in each team and service,
and for each day the quarters of an hour (UTC) with events and the sessions that
start there, as far back as base facts are kept (facts_from; null: all are). Ids of
sessions are not kept. Exit code 1 if there is no such user.";

const ERASE_HELP: &str = "\
It asks nothing. The id is gone from every answer at once, and from the files within
a minute. Messages and attributes of system events are not searched. Exit code 1 if
there is no such user.";

#[derive(Subcommand, Debug)]
#[command(after_help = USER_EXAMPLES)]
pub enum UserCommand {
    /// Print all that is held of a user, as JSON
    Show(UserShow),
    /// Erase a person for good, as DELETE /users/{user_id} does
    Erase(UserErase),
}

#[derive(Args, Debug)]
#[command(after_help = SHOW_HELP)]
pub struct UserShow {
    /// The user, exactly as it was sent
    #[arg(value_parser = id)]
    pub user_id: Id,
    /// First of the days to show [default: the first there is]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = Day::parse)]
    pub start: Option<Day>,
    /// Last of the days to show, inclusive [default: the last there is]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = Day::parse)]
    pub end: Option<Day>,
}

#[derive(Args, Debug)]
#[command(after_help = ERASE_HELP)]
pub struct UserErase {
    /// The user, exactly as it was sent
    #[arg(value_parser = id)]
    pub user_id: Id,
    /// What becomes of the counts of the past
    #[arg(long, value_enum, default_value_t = HistoryName::Keep)]
    pub history: HistoryName,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum HistoryName {
    /// They stay as they were, nobody's any more
    Keep,
    /// They become what they would be had the user never been
    Remove,
}
