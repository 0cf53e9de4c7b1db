//! `prune`: what has grown too old goes, or is shown.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::admin::ask;
use super::arguments::{Global, Prune, PruneKind};
use super::output::{Outcome, print, print_json, size};
use super::report::grouped;
use crate::app::settings::Settings;
use crate::app::{Access, Admin, say};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::http::{EventsToPrune, Prunable, Slice, UsageToPrune, percent_encode};
use crate::maintenance::{Cutoffs, EVENTS_PER_SLICE, PAUSE_MIN, USER_DAYS_PER_SLICE, exports_since};
use crate::model::{EventCutoffs, Severity};

pub fn run(global: Global, arguments: &Prune) -> Outcome {
    let settings = super::settings(global, vec![])?;
    super::block_on(async {
        let clock = Clock::system();
        let path = path(&settings, arguments, &clock);
        let admin = Admin::open(&settings, Access::Existing, clock.clone()).await?;
        let asked = ask(&admin, "GET", &path, &Value::Null).await;
        let outcome = match asked {
            Ok(prunable) if arguments.dry_run => show(&prunable, arguments.json),
            Ok(prunable) => prune(&admin, &settings, &prunable, &clock, arguments.json).await,
            Err(error) => Err(error.into()),
        };
        admin.close().await;
        outcome
    })
}

/// Where to ask what would go.
fn path(settings: &Settings, arguments: &Prune, clock: &Clock) -> String {
    let mut parameters = vec![];
    let cutoffs = match arguments.before {
        None => {
            parameters.extend(settings.retention.log_bytes_max.map(|bytes| format!("log_bytes_max={bytes}")));
            Cutoffs::of(&settings.retention, clock.unix_micros())
        }
        Some(before) => {
            let named = |kind| arguments.only.contains(&kind);
            let events = [PruneKind::Info, PruneKind::Warning, PruneKind::Error];
            Cutoffs {
                usage_before: Some(before).filter(|_| named(PruneKind::Usage)),
                events: EventCutoffs(events.map(|kind| named(kind).then(|| before.start()))),
            }
        }
    };
    parameters.extend(cutoffs.usage_before.map(|day| format!("usage_before={day}")));
    for severity in Severity::ALL {
        let at = cutoffs.events.of(severity).map(|at| percent_encode(&at.to_string()));
        parameters.extend(at.map(|at| format!("{severity}_before={at}")));
    }
    format!("/admin/prune?{}", parameters.join("&"))
}

fn show(prunable: &Prunable, json: bool) -> Outcome {
    if json {
        return print_json(prunable);
    }
    let mut text: String = prunable.events.iter().map(events_line).collect();
    text += &prunable.usage.as_ref().map_or("usage: all base facts stay\n".into(), usage_line);
    let bytes = prunable.events_bytes + prunable.usage.as_ref().map_or(0, |usage| usage.bytes);
    text += &format!("about {} of {} would be free\n", size(bytes), size(prunable.file_bytes));
    print(&text)
}

fn events_line(events: &EventsToPrune) -> String {
    let EventsToPrune { severity, count, .. } = events;
    match (&events.before, &events.oldest, &events.newest) {
        (None, ..) => format!("{severity}: all events stay\n"),
        (Some(before), Some(oldest), Some(newest)) => {
            format!("{severity} before {before}: {} events would go, {oldest} to {newest}\n", grouped(*count))
        }
        (Some(before), ..) => format!("{severity} before {before}: nothing would go\n"),
    }
}

fn usage_line(usage: &UsageToPrune) -> String {
    let UsageToPrune { before, days, user_days, .. } = usage;
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
    events: u64,
}

/// Goes by what the server has said that it would remove.
async fn prune(admin: &Admin, settings: &Settings, prunable: &Prunable, clock: &Clock, json: bool) -> Outcome {
    let mut pruned = Pruned { usage: 0, events: 0 };
    // First what waits for nobody: an export of the log that is under way ends the command.
    if let Some(usage) = &prunable.usage {
        let body = json!({"before": usage.before, "user_days_max": USER_DAYS_PER_SLICE});
        pruned.usage = prune_all(admin, clock, "/admin/prune/usage", &body).await?;
    }
    if prunable.events.iter().any(|events| events.before.is_some()) {
        let since = exports_since(&settings.retention, clock.unix_micros());
        let mut body = json!({"exports_since": since.to_string(), "events_max": EVENTS_PER_SLICE});
        for events in &prunable.events {
            body[format!("{}_before", events.severity)] = json!(events.before);
        }
        pruned.events = prune_all(admin, clock, "/admin/prune/events", &body).await?;
    }
    if json {
        return print_json(&pruned);
    }
    say(&format!("{} system events are gone", grouped(pruned.events)));
    match &prunable.usage {
        None => say("all base facts of usage stay"),
        Some(UsageToPrune { before, .. }) => say(&format!(
            "the base facts of {} user-days are gone; usage events before {before} are rejected",
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
                if slice.waits_for_exports && slice.removed == 0 {
                    let message = "an export of the log is under way, which is spared; try again when it has ended \
                                   (`analytics jobs list` shows it)";
                    return Err(Error::new(Kind::Conflict, message));
                }
                tokio::time::sleep((clock.monotonic() - begun).max(PAUSE_MIN)).await;
            }
            Err(Error { kind: Kind::Busy { .. }, .. }) => tokio::time::sleep(PAUSE_WHEN_BUSY).await,
            Err(error) => return Err(error),
        }
    }
}
