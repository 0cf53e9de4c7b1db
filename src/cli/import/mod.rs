//! `import`: takes files in, straight into the store or through a running server.
//!
//! A thread decodes while what it decoded before is being written. Batches are taken in the order of the files:
//! registrations follow arrival order.

mod progress;
mod target;

use std::fs::File;
use std::io::Read;
use std::sync::atomic::Ordering;

use clap::ValueEnum;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use self::progress::Progress;
use self::target::{BATCH_BYTES, Importable, Target};
use super::arguments::{self, Global};
use super::output::{Failure, Outcome, print_json};
use super::report::grouped;
use crate::app::settings::Settings;
use crate::app::{Access, Admin, Signals, say};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::ingest::{self, Batch, Bounds};
use crate::model::{Registration, Rejected, SystemEvent, Timestamp, UsageEvent};

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    Usage,
    Events,
    Users,
}

/// Batches that wait, decoded, while another is written and the next one is being decoded.
const BATCHES_AHEAD: usize = 1;

#[derive(Debug, Default, Serialize)]
struct Totals {
    accepted: u64,
    rejected: u64,
    seconds: f64,
}

/// How to go about it.
struct Job<'a> {
    target: Target<'a>,
    bounds: Bounds,
    clock: Clock,
    strict: bool,
    progress: Progress,
    /// Turns true when the person wants it to end.
    interrupted: watch::Receiver<bool>,
}

pub fn run(global: Global, arguments: &arguments::Import) -> Outcome {
    let settings = super::settings(global, vec![])?;
    let bytes = total_bytes(&arguments.files)?;
    super::block_on(async {
        let mut signals =
            Signals::listen(true).map_err(|e| Error::internal(format!("cannot listen for signals: {e}")))?;
        let clock = Clock::system();
        let admin = Admin::open(&settings, Access::MayCreate, clock.clone()).await?;
        let (interrupt, interrupted) = watch::channel(false);
        tokio::select! {
            outcome = import(&admin, &settings, clock, bytes, interrupted, arguments) => {
                admin.close().await;
                outcome
            }
            () = second_signal(&mut signals, interrupt) => Err(Failure::Told),
        }
    })
}

/// The first signal interrupts between two batches, so that it can be said how far the import came.
async fn second_signal(signals: &mut Signals, interrupt: watch::Sender<bool>) {
    signals.next().await;
    interrupt.send_replace(true);
    signals.next().await;
}

/// Bytes of all files together, None where standard input or a pipe is among them. Errors if one cannot be read: better
/// now than after an hour.
fn total_bytes(files: &[String]) -> Result<Option<u64>> {
    let mut total = Some(0);
    for file in files.iter().filter(|file| *file != "-") {
        let metadata = File::open(file).and_then(|file| file.metadata()).map_err(|e| cannot_open(file, &e))?;
        if metadata.is_dir() {
            return Err(Error::invalid(format!("{file} is a directory; name the files in it: {file}/*")));
        }
        total = total.filter(|_| metadata.is_file()).map(|total: u64| total + metadata.len());
    }
    Ok(total.filter(|_| !files.iter().any(|file| file == "-")))
}

async fn import(
    admin: &Admin,
    settings: &Settings,
    clock: Clock,
    bytes: Option<u64>,
    interrupted: watch::Receiver<bool>,
    arguments: &arguments::Import,
) -> Outcome {
    let started = clock.monotonic();
    let progress = Progress::start(bytes, clock.clone());
    let bounds = settings.http.bounds;
    let (target, strict) = (Target::of(admin), arguments.strict);
    let job = Job { target, bounds, clock: clock.clone(), strict, progress, interrupted };
    let mut totals = Totals::default();
    let done = match arguments.kind {
        Kind::Usage => job.take_files::<UsageEvent>(&arguments.files, &mut totals).await,
        Kind::Events => job.take_files::<SystemEvent>(&arguments.files, &mut totals).await,
        Kind::Users => job.take_files::<Registration>(&arguments.files, &mut totals).await,
    };
    job.progress.finish();
    totals.seconds = (clock.monotonic() - started).as_secs_f64();
    say(&totals.summary());
    if arguments.json {
        print_json(&totals)?;
    }
    match done? {
        Ending::Whole if totals.rejected == 0 => Ok(()),
        _ => Err(Failure::Told),
    }
}

impl Totals {
    /// The rate only where it says something: a short import mostly takes the time to open the database.
    fn summary(&self) -> String {
        let Totals { accepted, rejected, seconds } = self;
        let counts = format!("{} accepted, {} rejected", grouped(*accepted), grouped(*rejected));
        if *seconds < 1.0 {
            return counts;
        }
        let rate = (*accepted as f64 / seconds) as u64;
        format!("{counts}, in {seconds:.1} s ({} a second)", grouped(rate))
    }
}

/// How far an import came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Whole,
    /// Something could not be read, and that has been said.
    Partly,
}

impl Job<'_> {
    async fn take_files<T: Importable>(&self, files: &[String], totals: &mut Totals) -> Result<Ending> {
        let mut ending = Ending::Whole;
        for file in files {
            if self.take_file::<T>(file, totals).await? == Ending::Partly {
                ending = Ending::Partly;
                if self.is_interrupted() {
                    break;
                }
                if self.strict {
                    self.progress.say("stopped there (--strict); what stands in the lines before it is taken in");
                    break;
                }
            }
        }
        Ok(ending)
    }

    /// Errors only if nothing more can be taken in, from whatever file.
    async fn take_file<T: Importable>(&self, file: &str, totals: &mut Totals) -> Result<Ending> {
        let name = if file == "-" { "standard input" } else { file };
        let now = Timestamp::from_unix_micros(self.clock.unix_micros())
            .ok_or_else(|| Error::internal("this machine's clock stands outside the calendar"))?;
        let source = open(file).and_then(|input| ingest::Import::<T>::open(input, now, &self.bounds));
        let source = match source {
            Ok(source) => source,
            Err(error) => return Ok(self.cannot_go_on(name, &error)),
        };
        let bytes_read = source.bytes_read();
        let mut batches = decode(source);
        let mut last_line = 0;
        while let Some(batch) = self.unless_interrupted(batches.recv()).await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => return Ok(self.cannot_go_on(name, &error)),
            };
            last_line = batch.last_origin().unwrap_or(last_line);
            let rejected = self.take_batch(batch, totals).await?;
            for Rejected { index: line, message } in &rejected {
                self.progress.say(&format!("{name}:{line}: {message}"));
            }
            self.progress.set(bytes_read.load(Ordering::Relaxed), totals.accepted);
            if self.strict && !rejected.is_empty() {
                return Ok(Ending::Partly);
            }
        }
        if self.is_interrupted() {
            self.progress.say(&format!("{name}: interrupted; lines up to {last_line} are done with"));
            return Ok(Ending::Partly);
        }
        self.progress.end_file(bytes_read.load(Ordering::Relaxed));
        Ok(Ending::Whole)
    }

    fn is_interrupted(&self) -> bool {
        *self.interrupted.borrow()
    }

    /// What `next` gives, or None once the import is interrupted: standard input may have nothing to give for long.
    async fn unless_interrupted<T>(&self, next: impl Future<Output = Option<T>>) -> Option<T> {
        let mut interrupted = self.interrupted.clone();
        tokio::select! {
            biased;
            Ok(_) = interrupted.wait_for(|interrupted| *interrupted) => None,
            next = next => next,
        }
    }

    fn cannot_go_on(&self, name: &str, error: &Error) -> Ending {
        self.progress.say(&format!("{name}: {error}"));
        Ending::Partly
    }

    /// Returns what was rejected, by line.
    async fn take_batch<T: Importable>(&self, batch: Batch<T>, totals: &mut Totals) -> Result<Vec<Rejected>> {
        let Batch { mut items, origins: lines, mut rejected } = batch;
        if let (true, Some(first)) = (self.strict, rejected.first()) {
            // Only what stands in the lines before it is taken.
            items.truncate(lines.partition_point(|line| *line < first.index));
            rejected.truncate(1);
        }
        let count = items.len();
        let refused = self.target.take(items).await?;
        totals.accepted += (count - refused.len()) as u64;
        rejected.extend(refused.into_iter().map(|item| Rejected { index: lines[item.index], ..item }));
        rejected.sort_by_key(|item| item.index);
        totals.rejected += rejected.len() as u64;
        Ok(rejected)
    }
}

/// Decodes on a thread of its own, which ends when nobody takes its batches any more.
fn decode<T: Importable>(mut source: ingest::Import<T>) -> mpsc::Receiver<Result<Batch<T>>> {
    let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
    tokio::task::spawn_blocking(move || {
        while let Some(batch) = source.next_batch(T::BATCH_ITEMS, BATCH_BYTES).transpose() {
            let ended = batch.is_err();
            if sender.blocking_send(batch).is_err() || ended {
                return;
            }
        }
    });
    batches
}

fn open(file: &str) -> Result<Box<dyn Read + Send>> {
    match file {
        "-" => Ok(Box::new(std::io::stdin())),
        _ => Ok(Box::new(File::open(file).map_err(|e| cannot_open(file, &e))?)),
    }
}

fn cannot_open(file: &str, error: &std::io::Error) -> Error {
    Error::invalid(format!("cannot read {file}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_tells_the_rate_of_an_import_that_took_its_time() {
        let totals = |accepted, seconds| Totals { accepted, rejected: 2, seconds };
        assert_eq!(totals(5, 0.02).summary(), "5 accepted, 2 rejected");
        assert_eq!(totals(2_000_000, 2.5).summary(), "2,000,000 accepted, 2 rejected, in 2.5 s (800,000 a second)");
    }
}
