//! Exports: jobs that write reports into files.
//!
//! `jobs` takes accepted jobs from the store and sees each to its end; `write` makes one file. Who may ask for what, and
//! downloads, are `http`'s; rows and the directory are `store`'s.

mod csv;
mod events;
mod given_up;
mod jobs;
mod pieces;
mod priority;
mod sink;
mod stamps;
mod turns;
mod usage;
mod watch;
mod xlsx;

use std::path::PathBuf;
use std::time::Duration;

pub use self::given_up::{REMOVED_AT_ONCE_MAX, remove_given_up};
pub use self::jobs::Exporter;
pub use self::priority::lower_priority;
pub use self::watch::{Stop, Watch};
use crate::error::Result;
use crate::model::{ExportFormat, ExportReport, ExportRequest, Timestamp};
use crate::store::Store;

/// The one at the database itself, as a file says for whom it was made.
pub const ADMINISTRATOR: &str = "the administrator";

/// `[exports]` of the settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Empty: `<database>.exports`, beside the database.
    pub directory: PathBuf,
    /// Threads that work on exports at one time.
    pub workers: usize,
    /// How long a file is kept.
    pub retention: Duration,
    /// What all files together may take; the oldest go first.
    pub bytes_max: u64,
    /// How long one attempt at a job may take.
    pub time_limit: Duration,
}

/// One file to be written.
#[derive(Clone, Debug)]
pub struct Assignment {
    pub request: ExportRequest,
    /// Events acknowledged later than this one are none of the file's (`log_event.seq`).
    pub log_seq: i64,
    /// Who asked for it, as a person reads it: "alice", "bob (the issuer)", "the administrator".
    pub made_for: String,
    pub made_at: Timestamp,
    /// An empty file that is there.
    pub file: PathBuf,
    /// Where what does not fit into memory may lie meanwhile; what is put there has no name, or goes with the process.
    pub scratch: PathBuf,
    /// The file may not become larger. Errors with `TooLarge` then.
    pub bytes_max: u64,
}

/// What a file came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// Data rows, headers apart.
    pub rows: u64,
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// Writes one file, whole; whether it is on the disk is the caller's business. Blocks; asks `watch` for each turn, tells
/// it how far it is, and ends with any error soon after it was told to stop. Memory does not grow with the file. Errors
/// with `StorageFull` if there is no room, `TooLarge` beyond [`Assignment::bytes_max`]; what was written is of no use then.
pub fn write(store: &Store, assignment: &Assignment, watch: &Watch) -> Result<Written> {
    match (&assignment.request.report, assignment.request.format) {
        (ExportReport::Events(filter), ExportFormat::Csv(options)) => {
            events::write_csv(store, assignment, filter, options, watch)
        }
        (ExportReport::Events(filter), ExportFormat::Xlsx) => xlsx::write_events(store, assignment, filter, watch),
        (ExportReport::Usage(usage), ExportFormat::Csv(options)) => {
            usage::write_csv(store, assignment, usage, options, watch)
        }
        (ExportReport::Usage(usage), ExportFormat::Xlsx) => xlsx::write_usage(store, assignment, usage, watch),
    }
}
