//! Retention: removes what has grown older than the settings keep it, behind the back of requests.
//!
//! The store removes in slices, each a job of its one writer. Between two of them there is a pause as long as the slice
//! took, and none is asked for while much waits for the writer already.

mod cutoffs;
mod leap;

use std::io::Write as _;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::cutoffs::Cutoffs;
use self::leap::{Judgement, Leap, Time};
use crate::audit::{Audit, Entry};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{Day, EventCutoffs, Severity, Timestamp};
use crate::store::Store;

/// User-days that one slice looks at: some milliseconds of the writer's time.
pub const USER_DAYS_PER_SLICE: usize = 2_000;
/// System events that one slice removes, with all that leads to them.
pub const EVENTS_PER_SLICE: usize = 1_000;
/// The shortest pause between two slices; so long we wait, too, until folding has come further.
pub const PAUSE_MIN: Duration = Duration::from_millis(5);
/// With more items than this before the writer, a slice waits, but no longer than so.
const QUEUE_ITEMS_MAX: usize = 1_000;
const WAIT_MAX: Duration = Duration::from_secs(1);
/// After the start, requests come first.
const FIRST_AFTER: Duration = Duration::from_secs(10);
/// After a failure, or where it waits for an export, it is tried again so soon, or after the interval, whichever is shorter.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// `[retention]` of the settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The age beyond which system events go, in the order of [`Severity::ALL`]; None: they stay.
    pub log_ages: [Option<Duration>; Severity::ALL.len()],
    /// What the log may take in the file.
    pub log_bytes_max: Option<u64>,
    /// The age beyond which base facts of usage go.
    pub usage_facts_age: Option<Duration>,
    /// How often to look.
    pub interval: Duration,
    /// `exports.time_limit`: an export of the log under way is spared for so long.
    pub exports_time_limit: Duration,
}

/// Removes what is too old until it is stopped or dropped.
pub struct Maintenance {
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Maintenance {
    /// Must be called within the runtime.
    pub fn start(store: Store, settings: Settings, audit: Audit, clock: Clock) -> Maintenance {
        let (stopping, stopped) = watch::channel(false);
        let sweeper = Sweeper::new(store, settings, audit, clock, stopped);
        Maintenance { stopping, task: tokio::spawn(sweeper.run()) }
    }

    /// Ends after the slice that is under way.
    pub async fn stop(self) {
        self.stopping.send_replace(true);
        let _ = self.task.await;
    }
}

struct Sweeper {
    store: Store,
    settings: Settings,
    audit: Audit,
    clock: Clock,
    stopped: watch::Receiver<bool>,
    leap: Leap,
    /// What has to go for the log's size, while it waits for an export: finding it out reads all of it.
    waiting: Option<EventCutoffs>,
    /// The failure that the operator has been told of.
    told: String,
}

impl Sweeper {
    fn new(store: Store, settings: Settings, audit: Audit, clock: Clock, stopped: watch::Receiver<bool>) -> Sweeper {
        let (leap, waiting, told) = (Leap::default(), None, String::new());
        Sweeper { store, settings, audit, clock, stopped, leap, waiting, told }
    }

    async fn run(mut self) {
        let mut wait = FIRST_AFTER.min(self.settings.interval);
        while self.pause(wait).await {
            let swept = self.sweep().await;
            wait = match &swept {
                Ok(true) => self.settings.interval,
                Ok(false) | Err(_) => self.settings.interval.min(AGAIN_AFTER),
            };
            self.tell(swept.err());
        }
    }

    /// Removes all that is too old now, or as much as was gone when it was stopped. False if something has to wait.
    async fn sweep(&mut self) -> Result<bool> {
        let now = self.clock.unix_micros();
        let is_believed = self.believes(now).await?;
        // What was begun goes on, and the log's size needs no clock.
        let by_age = if is_believed { Cutoffs::of(&self.settings, now) } else { Cutoffs::default() };
        let cutoffs = by_age.sparing_month_of(self.store.snapshot()?.last_usage_day()?);
        let usage = self.sweep_usage(cutoffs.usage_before.unwrap_or(Day::MIN)).await;
        let events = self.sweep_events(cutoffs.events, now).await;
        self.store.note_pruning(now);
        usage.and(events).map(|is_done| is_done && is_believed)
    }

    /// Whether the clock goes as time does, or has stood where it stands for a day.
    async fn believes(&mut self, now: i64) -> Result<bool> {
        let kept = self.store.snapshot()?.retention_believed_at()?;
        let time = Time { unix_micros: now, monotonic_micros: self.clock.monotonic_micros() };
        match self.leap.judge(time, kept) {
            Judgement::Believed { is_to_be_kept: true } => self.store.keep_retention_believed_at(now).await?,
            Judgement::Believed { is_to_be_kept: false } => {}
            Judgement::Doubted { leap_micros, is_new } => {
                if is_new {
                    warn_of_leap(leap_micros);
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What was begun is brought to its end even where the settings keep everything.
    async fn sweep_usage(&mut self, before: Day) -> Result<()> {
        let (mut removed, mut swept) = (0, Ok(()));
        while swept.is_ok() && self.store.snapshot()?.is_usage_pruning_due(before)? {
            let slice = |store: Store| async move { store.prune_usage(before, USER_DAYS_PER_SLICE).await };
            match self.slice(slice).await {
                Ok(Some(pruned)) => removed += pruned.removed,
                Ok(None) => break,
                Err(error) => swept = Err(error),
            }
        }
        if removed > 0 {
            let horizon = self.store.snapshot()?.usage_horizon()?.unwrap_or(Day::MIN);
            self.audit.note(Entry::Pruned { what: "user-days", removed, before: horizon.to_string() });
        }
        swept
    }

    /// False if it has to wait for an export of the log.
    async fn sweep_events(&mut self, by_age: EventCutoffs, now: i64) -> Result<bool> {
        let by_size = match self.waiting.take() {
            Some(by_size) => by_size,
            None => self.by_size(now).await?,
        };
        let cutoffs = by_age.or(by_size);
        let nothing = EventCutoffs::default();
        if cutoffs == nothing && self.store.snapshot()?.event_floors() == nothing {
            return Ok(true);
        }
        let exports_since = exports_since(&self.settings, now);
        let slice = |store: Store| async move { store.retire_events(cutoffs, exports_since, EVENTS_PER_SLICE).await };
        let (mut removed, mut swept) = (0, None);
        while swept.is_none() {
            match self.slice(slice).await {
                Ok(Some(retired)) => {
                    removed += retired.removed;
                    let waits = retired.waits_for_exports && retired.removed == 0;
                    self.waiting = waits.then_some(by_size);
                    swept = (retired.is_done || waits).then_some(Ok(retired.is_done));
                }
                Ok(None) => swept = Some(Ok(true)),
                Err(error) => swept = Some(Err(error)),
            }
        }
        if removed > 0 {
            let floors = self.store.snapshot()?.event_floors();
            self.audit.note(Entry::Pruned { what: "system events", removed, before: floors.to_string() });
        }
        swept.unwrap_or(Ok(true))
    }

    /// What has to go for the log's size. Never what has yet to come: where that alone is too much, all else goes.
    async fn by_size(&self, now: i64) -> Result<EventCutoffs> {
        let Some(bytes_max) = self.settings.log_bytes_max else { return Ok(EventCutoffs::default()) };
        let (store, stopped) = (self.store.clone(), self.stopped.clone());
        let goes_on = move || !*stopped.borrow();
        let cutoff = tokio::task::spawn_blocking(move || store.log_cutoff_for(bytes_max, goes_on)).await;
        let cutoff = cutoff.map_err(|e| Error::internal(format!("a thread of retention ended: {e}")))??;
        Ok(cutoff.min(Timestamp::from_unix_micros(now)).map(EventCutoffs::all).unwrap_or_default())
    }

    /// One slice and a pause as long, once the writer has room. None if it is time to end.
    async fn slice<T, F: Future<Output = Result<T>>>(&mut self, work: impl Fn(Store) -> F) -> Result<Option<T>> {
        while self.wait_for_room().await {
            let begun = self.clock.monotonic();
            let done = work(self.store.clone()).await;
            let took = self.clock.monotonic() - begun;
            self.pause(took.max(PAUSE_MIN)).await;
            match done {
                Err(Error { kind: Kind::Busy { .. }, .. }) => {}
                done => return done.map(Some),
            }
        }
        Ok(None)
    }

    /// Until the writer has little before it, within reason. False if it is time to end.
    async fn wait_for_room(&mut self) -> bool {
        let begun = self.clock.monotonic();
        while self.store.queue_items() > QUEUE_ITEMS_MAX && self.clock.monotonic() - begun < WAIT_MAX {
            if !self.pause(PAUSE_MIN).await {
                return false;
            }
        }
        !*self.stopped.borrow()
    }

    /// False if it is time to end.
    async fn pause(&mut self, time: Duration) -> bool {
        tokio::select! {
            // A sender that is gone says the same: nobody holds the server any more.
            _ = self.stopped.wait_for(|stopped| *stopped) => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// The operator hears of a failure once, and of the next one when it is another.
    fn tell(&mut self, failed: Option<Error>) {
        let message = failed.map(|error| error.message).unwrap_or_default();
        if !message.is_empty() && message != self.told {
            let _ = writeln!(std::io::stderr(), "warning: retention is not kept for now: {message}");
        }
        self.told = message;
    }
}

/// An export of the log that was begun earlier has run out of time.
pub fn exports_since(settings: &Settings, now_unix_micros: i64) -> Timestamp {
    let limit = i64::try_from(settings.exports_time_limit.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_unix_micros(now_unix_micros.saturating_sub(limit)).unwrap_or(Timestamp::MIN)
}

fn warn_of_leap(micros: i64) {
    let days = micros / 86_400_000_000;
    let _ = writeln!(
        std::io::stderr(),
        "warning: the clock stands {days} days later than retention has seen it go: set it right if it is wrong; what has \
         an age stays until the server has run for a day"
    );
}

#[cfg(test)]
mod tests;
