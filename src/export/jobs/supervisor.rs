//! The thread that sees to all jobs: which begin, which have to stop, how far they are, which files have to go.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Office, attempt, pause_after, spawn};
use crate::error::{Error, Kind, Result};
use crate::export::given_up::{REMOVED_AT_ONCE_MAX, remove_given_up};
use crate::export::{Stop, Watch};
use crate::model::JobState;
use crate::store::{ExportJob, Snapshot};

/// Jobs that are under way at one time, whatever their number: they share the workers by turns.
const RUNNING_MAX: usize = 8;
/// Of one principal; one once half of the places are taken, so that as many as there are places get on.
const RUNNING_MAX_EACH: u32 = 2;
/// How often we look after what is under way.
const TICK: Duration = Duration::from_millis(250);
/// How often we look for what has expired.
const CLEAR_EVERY: Duration = Duration::from_secs(60);
/// How often the progress of one job is written.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

pub struct Supervisor {
    office: Arc<Office>,
    under_way: Vec<UnderWay>,
    /// Whether what an ended process has left was taken up.
    has_taken_over: bool,
    /// The jobs had changed so often when we last looked for files that have to go.
    cleared_at: Option<(u64, Instant)>,
    /// How many times in a row the database took nothing, and until when we leave it alone.
    failures: u32,
    quiet_until: Option<Instant>,
    /// What the operator was told last.
    told: String,
}

struct UnderWay {
    job: ExportJob,
    watch: Arc<Watch>,
    /// By [`crate::clock::Clock::monotonic_micros`].
    begun_at: u64,
    thread: JoinHandle<()>,
    /// The progress that its row has, and when it was written.
    told: ((u64, Option<u64>), Instant),
}

impl Supervisor {
    pub fn new(office: Arc<Office>) -> Supervisor {
        Supervisor {
            office,
            under_way: vec![],
            has_taken_over: false,
            cleared_at: None,
            failures: 0,
            quiet_until: None,
            told: String::new(),
        }
    }

    /// Takes up what an ended process has left. To be called before anything is begun, again if it fails.
    pub async fn take_over(&mut self) -> Result<()> {
        let office = Arc::clone(&self.office);
        let recovered = office.store.recover_exports(office.clock.unix_micros()).await?;
        for job in &recovered.failed {
            attempt::note_failure(&office, job, "interrupted".into());
        }
        let mut kept = HashSet::new();
        let mut lost = vec![];
        for job in office.store.snapshot()?.exports_with_files()? {
            match is_there(&office, &job) {
                Ok(true) => drop(kept.insert(job.file_name())),
                Ok(false) => lost.push(job.id),
                // One file that we may not read is no reason to do nothing at all, nor is it ours to give up.
                Err(error) => {
                    office.say(&error.message);
                    kept.insert(job.file_name());
                }
            }
        }
        office.directory.remove_orphans(&kept, |error| office.say(&error.message))?;
        office.store.note_exports_unlinked(lost).await?;
        self.has_taken_over = true;
        Ok(())
    }

    /// Works until the exporter is stopped; then ends everything that is under way.
    pub fn run(mut self) {
        let office = Arc::clone(&self.office);
        while !office.stopping.is_set() {
            let seen = office.store.exports_changed();
            self.bury_the_dead();
            let round = self.look_after().and_then(|()| self.change(seen));
            if let Err(error) = round {
                self.leave_alone(&error);
            }
            office.store.wait_for_exports(seen, self.wait());
        }
        for job in &self.under_way {
            job.watch.stop(Stop::Ending);
        }
        for job in self.under_way.drain(..) {
            end(&office, job);
        }
    }

    fn bury_the_dead(&mut self) {
        for index in (0..self.under_way.len()).rev() {
            if self.under_way[index].thread.is_finished() {
                end(&self.office, self.under_way.swap_remove(index));
            }
        }
    }

    /// Stops what is not ours any more, or has taken too long. Reads only.
    fn look_after(&mut self) -> Result<()> {
        if self.under_way.is_empty() {
            return Ok(());
        }
        let now = self.office.clock.monotonic_micros();
        let limit = u64::try_from(self.office.settings.time_limit.as_micros()).unwrap_or(u64::MAX);
        let snapshot = self.office.store.snapshot()?;
        for under_way in &self.under_way {
            if !is_ours(&snapshot, &under_way.job)? {
                under_way.watch.stop(Stop::Taken);
            } else if now.saturating_sub(under_way.begun_at) >= limit {
                under_way.watch.stop(Stop::TimeLimit);
            }
        }
        Ok(())
    }

    /// All that writes to the database.
    fn change(&mut self, seen: u64) -> Result<()> {
        if self.quiet_until.is_some_and(|until| self.office.clock.monotonic() < until) {
            return Ok(());
        }
        if !self.has_taken_over {
            let office = Arc::clone(&self.office);
            office.runtime.block_on(self.take_over())?;
        }
        self.begin()?;
        self.tell_progress()?;
        self.clear(seen)?;
        (self.failures, self.quiet_until) = (0, None);
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        let office = Arc::clone(&self.office);
        while self.under_way.len() < RUNNING_MAX && !office.stopping.is_set() {
            let each = if self.under_way.len() < RUNNING_MAX / 2 { RUNNING_MAX_EACH } else { 1 };
            let now = office.clock.unix_micros();
            if !office.store.snapshot()?.is_export_due(each, now)? {
                return Ok(());
            }
            let begun = office.runtime.block_on(office.store.begin_export(each, now))?;
            let Some(job) = begun else { return Ok(()) };
            self.employ(job)?;
        }
        Ok(())
    }

    fn employ(&mut self, job: ExportJob) -> Result<()> {
        // Taken away and begun anew: two must never write the same file.
        let before = self.under_way.iter().position(|under_way| under_way.job.id == job.id);
        let before = before.map(|index| self.under_way.swap_remove(index));
        let watch = Arc::new(Watch::new(Arc::clone(&self.office.turns)));
        let work = {
            let (office, job, watch) = (Arc::clone(&self.office), job.clone(), Arc::clone(&watch));
            move || {
                let _bell = Bell(&office);
                if let Some(before) = before {
                    before.watch.stop(Stop::Taken);
                    end(&office, before);
                }
                attempt::run(&office, &job, &watch);
            }
        };
        let thread = match spawn("export", work) {
            Ok(thread) => thread,
            Err(error) => {
                self.office.runtime.block_on(self.office.store.put_export_back(&job))?;
                return Err(error);
            }
        };
        let (begun_at, now) = (self.office.clock.monotonic_micros(), self.office.clock.monotonic());
        self.under_way.push(UnderWay { job, watch, begun_at, thread, told: ((0, None), now) });
        Ok(())
    }

    fn tell_progress(&mut self) -> Result<()> {
        let now = self.office.clock.monotonic();
        for under_way in &mut self.under_way {
            let (told, at) = under_way.told;
            let progress = under_way.watch.progress();
            if progress != told && now.saturating_duration_since(at) >= PROGRESS_EVERY {
                let (done, expected) = progress;
                let noting = self.office.store.note_export_progress(&under_way.job, done, expected);
                if !self.office.runtime.block_on(noting)? {
                    under_way.watch.stop(Stop::Taken);
                }
                under_way.told = (progress, now);
            }
        }
        Ok(())
    }

    /// Removes files that were given up. `seen`: how many times the jobs had changed when this round began.
    fn clear(&mut self, seen: u64) -> Result<()> {
        let office = Arc::clone(&self.office);
        let monotonic = office.clock.monotonic();
        let is_due = |(changes, at)| changes != seen || monotonic.saturating_duration_since(at) >= CLEAR_EVERY;
        if !self.cleared_at.is_none_or(is_due) {
            return Ok(());
        }
        let (now, bytes_max) = (office.clock.unix_micros(), office.settings.bytes_max);
        if office.store.snapshot()?.is_export_expiry_due(bytes_max, now)? {
            office.runtime.block_on(office.store.expire_exports(bytes_max, now))?;
        }
        let gone = remove_given_up(&office.store, &office.directory, |error| self.say_once(error));
        let gone = office.runtime.block_on(gone)?;
        // There may be more of them.
        self.cleared_at = (gone < REMOVED_AT_ONCE_MAX).then_some((seen, monotonic));
        Ok(())
    }

    /// After a failure: nothing more is written for a while, so that neither we nor a full database spin.
    pub fn leave_alone(&mut self, error: &Error) {
        let pause = pause_after(error, self.failures);
        self.failures = self.failures.saturating_add(1);
        self.quiet_until = Some(self.office.clock.monotonic() + pause);
        if !matches!(error.kind, Kind::Busy { .. }) {
            self.say_once(error);
        }
    }

    fn say_once(&mut self, error: &Error) {
        if self.told != error.message {
            self.office.say(&error.message);
            self.told = error.message.clone();
        }
    }

    /// How long nothing has to be done, unless the jobs change.
    fn wait(&self) -> Duration {
        match self.under_way.is_empty() && self.has_taken_over && self.quiet_until.is_none() {
            true if self.cleared_at.is_some() => CLEAR_EVERY,
            _ => TICK,
        }
    }
}

/// Wakes the supervisor when a job's thread ends, in whatever way.
struct Bell<'o>(&'o Office);

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        self.0.store.wake_exports();
    }
}

/// Waits for the thread.
fn end(office: &Office, under_way: UnderWay) {
    if under_way.thread.join().is_err()
        && let Err(error) = attempt::bury(office, &under_way.job)
    {
        office.say(&format!("the outcome of export {} could not be written: {error}", under_way.job.id));
    }
}

fn is_ours(snapshot: &Snapshot, job: &ExportJob) -> Result<bool> {
    let row = snapshot.export_job(&job.id)?;
    Ok(row.is_some_and(|row| row.generation == job.generation && row.state == JobState::Processing))
}

/// Whether a job's file is there, and whole as far as its size says.
fn is_there(office: &Office, job: &ExportJob) -> Result<bool> {
    let Some(file) = office.directory.open(&job.file_name())? else { return Ok(false) };
    let metadata = file.metadata().map_err(|e| Error::internal(format!("cannot read a file of exports: {e}")))?;
    Ok(Some(metadata.len()) == job.bytes)
}
