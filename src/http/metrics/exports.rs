use super::page::Page;
use crate::error::Result;
use crate::model::JobState;
use crate::store::Store;

/// How exports stand.
#[derive(Clone, Copy, Default)]
pub struct ExportReading {
    /// In the order of [`JobState::ALL`].
    pub jobs: [u64; 4],
    pub failed: u64,
    pub file_bytes: u64,
}

impl ExportReading {
    /// Errors if the database cannot be read.
    pub fn of(store: &Store) -> Result<ExportReading> {
        let snapshot = store.snapshot()?;
        let (jobs, file_bytes) = (snapshot.export_counts()?, snapshot.export_bytes()?);
        Ok(ExportReading { jobs, failed: store.exports_failed(), file_bytes })
    }
}

pub fn render(page: &mut Page, exports: &ExportReading) {
    page.family("analytics_export_jobs", "gauge", "Export jobs known, by state; those of a year are.");
    for (state, count) in JobState::ALL.iter().zip(exports.jobs) {
        page.sample("", &[("state", state.as_str())], count);
    }
    page.family(
        "analytics_export_failures_total",
        "counter",
        "Export jobs that failed, other than by being cancelled.",
    );
    page.sample("", &[], exports.failed);
    page.family("analytics_export_file_bytes", "gauge", "Size of all files of exports that can be downloaded.");
    page.sample("", &[], exports.file_bytes);
}
