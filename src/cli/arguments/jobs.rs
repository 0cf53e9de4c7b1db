use clap::Subcommand;

use crate::model::JobState;

const JOBS_EXAMPLES: &str = "\
Examples:
  analytics jobs list --status failed
  analytics jobs show 7cQw2nVbT5xYk3R8sLm4Hd
  analytics jobs cancel 7cQw2nVbT5xYk3R8sLm4Hd
  analytics jobs unlink 7cQw2nVbT5xYk3R8sLm4Hd

These work while the server runs, which obeys at once, and while it does not. Jobs are
made by `POST /reports/export`; `analytics export` writes a file without one.";

const CANCEL_HELP: &str = "\
A job that is finished stays as it is; `analytics jobs remove` removes it. Exit code 1 if
one of them is unknown or finished; the others are cancelled all the same.";

const REMOVE_HELP: &str = "\
The job's row and its file go at once, and with them its links; one that is under way is
cancelled first. Exit code 1 if one of them is unknown; the others go all the same.";

const UNLINK_HELP: &str = "\
Whoever has a signed link to the job's file cannot download it by that any more. The file
stays, and new links can be asked for.";

#[derive(Subcommand, Debug)]
#[command(after_help = JOBS_EXAMPLES)]
pub enum JobsCommand {
    /// List the export jobs, newest first
    List {
        /// Only those that are queued, processing, completed or failed
        #[arg(long, value_parser = status)]
        status: Option<JobState>,
        /// List at most so many
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000))]
        limit: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a job: how far it is, what it came to, until when its file is kept
    Show {
        /// The job's id
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Cancel jobs that are not finished
    #[command(after_help = CANCEL_HELP)]
    Cancel {
        /// The jobs' ids, as `jobs list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Remove jobs and their files
    #[command(after_help = REMOVE_HELP)]
    Remove {
        /// The jobs' ids, as `jobs list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// End every signed link to a job's file
    #[command(after_help = UNLINK_HELP)]
    Unlink {
        /// The job's id
        id: String,
    },
}

fn status(text: &str) -> Result<JobState, String> {
    let known = || JobState::ALL.map(JobState::as_str).join(", ");
    JobState::parse(text).ok_or_else(|| format!("must be one of {}", known()))
}
