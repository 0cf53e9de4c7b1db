use super::page::Page;
use crate::error::Result;
use crate::model::Day;
use crate::store::{StatsReading, Store};

/// How far back the database reaches.
#[derive(Clone, Copy, Default)]
pub struct RetentionReading {
    pub usage_horizon: Option<Day>,
}

impl RetentionReading {
    /// Errors if the database cannot be read.
    pub fn of(store: &Store) -> Result<RetentionReading> {
        Ok(RetentionReading { usage_horizon: store.snapshot()?.usage_horizon()? })
    }
}

pub fn render(page: &mut Page, store: &StatsReading, retention: &RetentionReading) {
    page.family("analytics_pruned_user_days_total", "counter", "User-days whose base facts retention has removed.");
    page.sample("", &[], store.pruned_user_days);
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
