//! An export of a database that nobody serves: written by this process, without a job.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::output::Part;
use super::progress::Progress;
use crate::app::Signals;
use crate::cli::output::{Failure, Outcome};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::export::{self, ADMINISTRATOR, Assignment, Stop, Watch, Written};
use crate::model::{ExportRequest, Timestamp};
use crate::store::Store;

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Writes the export into the part, with so many threads. Errors with `Told` when a signal has stopped it.
pub async fn write(
    store: &Store,
    request: &ExportRequest,
    part: &Part,
    workers: usize,
    clock: &Clock,
    signals: &mut Signals,
) -> Outcome<Written> {
    let assignment = assignment(store, request, part, clock)?;
    let watch = Arc::new(Watch::alone(workers));
    let (store, theirs) = (store.clone(), Arc::clone(&watch));
    let mut writing = spawn_blocking(move || export::write(&store, &assignment, &theirs));
    let progress = Progress::start();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            written = &mut writing => {
                return Ok(written.map_err(|e| Error::internal(format!("the export: {e}")))??);
            }
            () = signals.next() => break,
            _ = look.tick() => {
                let (done, expected) = watch.progress();
                progress.rows(done, expected);
            }
        }
    }
    watch.stop(Stop::Ending);
    // It ends soon; who cannot wait sends another signal.
    tokio::select! {
        _ = &mut writing => {}
        () = signals.next() => {}
    }
    Err(Failure::Told)
}

fn assignment(store: &Store, request: &ExportRequest, part: &Part, clock: &Clock) -> Result<Assignment> {
    let made_at = Timestamp::from_unix_micros(clock.unix_micros())
        .ok_or_else(|| Error::internal("this machine's clock stands outside the calendar"))?;
    Ok(Assignment {
        request: request.clone(),
        log_seq: store.snapshot()?.last_event_seq(),
        made_for: ADMINISTRATOR.into(),
        made_at,
        file: part.path().to_path_buf(),
        scratch: part.directory(),
        // It is the person's own disk.
        bytes_max: u64::MAX,
    })
}
