//! `prune`: what has grown too old goes, or is shown.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::ask;
use super::arguments::{Global, Prune, PruneKind};
use super::output::{Outcome, print, print_json, size};
use super::report::grouped;
use crate::app::settings::Settings;
use crate::app::{Access, Admin, say};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::maintenance::{Cutoffs, PAUSE_MIN, USER_DAYS_PER_SLICE};

pub fn run(global: Global, arguments: &Prune) -> Outcome {
    let settings = super::settings(global, vec![])?;
    super::block_on(async {
        let clock = Clock::system();
        let cutoffs = cutoffs(&settings, arguments, &clock);
        let admin = Admin::open(&settings, Access::Existing, clock.clone()).await?;
        let outcome = match arguments.dry_run {
            true => show(&admin, &cutoffs, arguments.json).await,
            false => prune(&admin, &cutoffs, &clock, arguments.json).await,
        };
        admin.close().await;
        outcome
    })
}

fn cutoffs(settings: &Settings, arguments: &Prune, clock: &Clock) -> Cutoffs {
    let Some(before) = arguments.before else { return Cutoffs::of(&settings.retention, clock.unix_micros()) };
    let named = |kind| arguments.only.contains(&kind);
    Cutoffs { usage_before: Some(before.month_start()).filter(|_| named(PruneKind::Usage)), ..Cutoffs::default() }
}

/// As `GET /admin/prune` answers.
#[derive(Deserialize, Serialize)]
struct Prunable {
    usage: Option<PrunableUsage>,
    file_bytes: u64,
}

#[derive(Deserialize, Serialize)]
struct PrunableUsage {
    before: String,
    horizon: Option<String>,
    days: u64,
    user_days: u64,
    start_date: Option<String>,
    end_date: Option<String>,
    bytes: u64,
}

async fn show(admin: &Admin, cutoffs: &Cutoffs, json: bool) -> Outcome {
    let parameters: Vec<String> = cutoffs.usage_before.map(|day| format!("usage_before={day}")).into_iter().collect();
    let path = format!("/admin/prune?{}", parameters.join("&"));
    let prunable: Prunable = ask(admin, "GET", &path, &Value::Null).await?;
    if json {
        return print_json(&prunable);
    }
    let mut text = String::new();
    match &prunable.usage {
        None => text += "usage: base facts are kept for ever\n",
        Some(usage) => text += &described(usage),
    }
    let bytes = prunable.usage.iter().map(|usage| usage.bytes).sum();
    text += &format!("about {} of {} would be free\n", size(bytes), size(prunable.file_bytes));
    print(&text)
}

fn described(usage: &PrunableUsage) -> String {
    let PrunableUsage { before, days, user_days, .. } = usage;
    match (&usage.start_date, &usage.end_date) {
        (Some(start), Some(end)) => format!(
            "usage before {before}: the base facts of {} user-days on {} days would go, {start} to {end}\n",
            grouped(*user_days),
            grouped(*days)
        ),
        _ => format!("usage before {before}: nothing would go\n"),
    }
}

/// What went.
#[derive(Serialize)]
struct Pruned {
    /// User-days.
    usage: u64,
}

#[derive(Deserialize)]
struct Slice {
    removed: u64,
    is_done: bool,
}

async fn prune(admin: &Admin, cutoffs: &Cutoffs, clock: &Clock, json: bool) -> Outcome {
    let mut pruned = Pruned { usage: 0 };
    if let Some(before) = cutoffs.usage_before {
        let body = json!({"before": before.to_string(), "user_days_max": USER_DAYS_PER_SLICE});
        pruned.usage = prune_all(admin, clock, "/admin/prune/usage", &body).await?;
    }
    if json {
        return print_json(&pruned);
    }
    match cutoffs.usage_before {
        None => say("usage: base facts are kept for ever (retention.usage_facts)"),
        Some(before) => say(&format!(
            "usage: the base facts of {} user-days are gone; events before {before} are rejected",
            grouped(pruned.usage)
        )),
    }
    Ok(())
}

/// Slice after slice, with pauses as long as they took, so that whoever else writes comes between.
async fn prune_all(admin: &Admin, clock: &Clock, path: &str, body: &Value) -> Result<u64> {
    /// A server that takes in as much as it can is asked again after so long.
    const PAUSE_WHEN_BUSY: Duration = Duration::from_millis(500);
    let mut removed = 0;
    loop {
        let begun = clock.monotonic();
        match ask::<Slice>(admin, "POST", path, body).await {
            Ok(slice) => {
                removed += slice.removed;
                if slice.is_done {
                    return Ok(removed);
                }
                tokio::time::sleep((clock.monotonic() - begun).max(PAUSE_MIN)).await;
            }
            Err(Error { kind: Kind::Busy { .. }, .. }) => tokio::time::sleep(PAUSE_WHEN_BUSY).await,
            Err(error) => return Err(error),
        }
    }
}
