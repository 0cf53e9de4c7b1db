//! An export as a job of a server: asked for, watched, downloaded.

use std::time::Duration;

use super::arrival::Arrival;
use super::output::Part;
use super::progress::Progress;
use super::request::Wanted;
use super::server::{Finished, Job, Server};
use crate::app::{Signals, say};
use crate::cli::output::{Failure, Outcome};
use crate::error::{Error, Result};
use crate::export::Written;
use crate::http::{harmless, percent_encode};

/// Between two looks at a job: from the first to the second, doubling. One elsewhere counts them as requests.
const LOOKS_HERE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
const LOOKS_ELSEWHERE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// So long the answer to a new job is waited for once a signal has come.
const LATE_ANSWER: Duration = Duration::from_secs(5);

/// Has the server write the export, and brings it into the part. `keep`: the job stays on the server. Errors with `Told`
/// when a signal has stopped it.
pub async fn run(
    server: &Server<'_>,
    wanted: &Wanted,
    part: &Part,
    keep: bool,
    signals: &mut Signals,
) -> Outcome<(Written, String)> {
    let progress = Progress::start();
    progress.wait("asking for the export");
    let (id, is_stopped) = create(server, &wanted.body, signals).await?;
    let outcome = match is_stopped {
        true => Err(Failure::Told),
        false => tokio::select! {
            written = follow(server, &id, wanted, part, &progress) => written.map_err(Failure::from),
            () = signals.next() => Err(Failure::Told),
        },
    };
    drop(progress);
    if !keep {
        tokio::select! {
            () = clear(server, &id, outcome.is_ok()) => {}
            () = signals.next() => {}
        }
    } else if outcome.is_err() {
        say(&format!("Job {id} stays on the server: GET /reports/export/{id} tells of it."));
    }
    Ok((outcome?, id))
}

/// The new job's id, and whether a signal has come meanwhile: a job that was made is not to be left behind unknown.
async fn create(server: &Server<'_>, body: &str, signals: &mut Signals) -> Outcome<(String, bool)> {
    let mut id = std::pin::pin!(server.create(body));
    tokio::select! {
        id = &mut id => return Ok((id?, false)),
        () = signals.next() => {}
    }
    let late = tokio::select! {
        id = tokio::time::timeout(LATE_ANSWER, id) => id.ok().and_then(Result::ok),
        () = signals.next() => None,
    };
    late.map(|id| (id, true)).ok_or(Failure::Told)
}

async fn follow(server: &Server<'_>, id: &str, wanted: &Wanted, part: &Part, progress: &Progress) -> Result<Written> {
    let job = finished(server, id, progress).await?;
    let (Some(rows), Some(bytes), Some(sha256)) = (job.rows, job.bytes, job.sha256) else {
        return Err(Error::internal("an unexpected answer: a completed job without rows, bytes and sha256"));
    };
    // Of our own making, from what we asked for: the token goes nowhere but to the address it was given for.
    let path = format!("/downloads/export-{}.{}", percent_encode(id), wanted.request.format.extension());
    let file = Finished { path, bytes, sha256: &sha256 };
    server.download(&file, Arrival::begin(part.path())?, progress).await?;
    Ok(Written { rows, bytes, sha256 })
}

/// Waits until a job is completed. Errors with its own error if it fails.
async fn finished(server: &Server<'_>, id: &str, progress: &Progress) -> Result<Job> {
    let (mut pause, longest) = match server {
        Server::Here(_) => LOOKS_HERE,
        Server::Elsewhere(_) => LOOKS_ELSEWHERE,
    };
    loop {
        let job = server.show(id).await?;
        match (job.status.as_str(), &job.progress) {
            ("completed", _) => return Ok(job),
            ("failed", _) => return Err(failed(&job)),
            ("processing", Some(done)) => progress.rows(done.rows_done, done.rows_expected),
            _ => progress.wait("waiting for other exports"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

fn failed(job: &Job) -> Error {
    let reason = job.error.as_ref().map_or("the server does not say why".into(), |error| harmless(&error.message));
    Error::internal(format!("the export failed: {reason}"))
}

/// Nobody will ask for it again.
async fn clear(server: &Server<'_>, id: &str, is_finished: bool) {
    let mut cleared = server.delete(id).await;
    if !is_finished && cleared.is_ok() {
        // The first has cancelled it, if it was under way.
        cleared = server.delete(id).await;
    }
    if let Err(error) = cleared {
        say(&format!("warning: job {id} could not be removed from the server: {error}"));
    }
}
