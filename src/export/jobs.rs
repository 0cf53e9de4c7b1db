//! From the queue to the file: begins jobs, sees to them, ends them, and clears files away.

use super::Settings;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::error::Result;
use crate::store::{ExportDirectory, Store};

/// Works on accepted jobs until it is stopped.
pub struct Exporter {}

impl Exporter {
    /// Takes the directory, takes up what an ended process has left, removes files that no job has a right to, and begins
    /// to work. Errors as [`ExportDirectory::prepare`].
    pub async fn start(
        store: Store,
        directory: ExportDirectory,
        settings: Settings,
        audit: Audit,
        clock: Clock,
    ) -> Result<Exporter> {
        let _ = (store, directory, settings, audit, clock);
        Ok(Exporter {})
    }

    /// Puts what is under way back into the queue, and ends.
    pub async fn stop(self) {}
}
