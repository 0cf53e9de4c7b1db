use super::page::Page;
use crate::error::Result;
use crate::model::{Day, EventCutoffs, Severity};
use crate::store::{StatsReading, Store};

/// How far back the database reaches.
#[derive(Clone, Copy, Default)]
pub struct RetentionReading {
    pub usage_horizon: Option<Day>,
    pub event_floors: EventCutoffs,
    pub log_bytes: u64,
}

impl RetentionReading {
    /// Errors if the database cannot be read.
    pub fn of(store: &Store) -> Result<RetentionReading> {
        let snapshot = store.snapshot()?;
        Ok(RetentionReading {
            usage_horizon: snapshot.usage_horizon()?,
            event_floors: snapshot.event_floors(),
            log_bytes: snapshot.log_size(),
        })
    }
}

pub fn render(page: &mut Page, store: &StatsReading, retention: &RetentionReading) {
    page.family("analytics_pruned_user_days_total", "counter", "User-days whose base facts retention has removed.");
    page.sample("", &[], store.pruned_user_days);
    page.family("analytics_retired_events_total", "counter", "System events that retention has removed.");
    page.sample("", &[], store.retired_events);
    page.family("analytics_log_bytes", "gauge", "What the log takes in the file.");
    page.sample("", &[], retention.log_bytes);
    let name = "analytics_log_floor_timestamp_seconds";
    page.family(name, "gauge", "From when on system events are kept, by severity; absent if from ever.");
    for severity in Severity::ALL {
        if let Some(at) = retention.event_floors.of(severity) {
            page.sample("", &[("severity", severity.as_str())], at.unix_micros() / 1_000_000);
        }
    }
    if let Some(day) = retention.usage_horizon {
        let name = "analytics_usage_horizon_timestamp_seconds";
        page.family(name, "gauge", "From when on usage events are taken; absent if from ever.");
        page.sample("", &[], day.start().unix_micros() / 1_000_000);
    }
    if let Some(at) = store.pruning_unix_micros {
        let name = "analytics_pruning_last_run_timestamp_seconds";
        page.family(name, "gauge", "When retention last looked what is too old.");
        page.sample("", &[], at / 1_000_000);
    }
}
