//! One attempt at a job, on a thread of its own: from the empty file to the outcome in the job's row.

use std::time::Duration;

use super::outcome::{failure, internal};
use super::{Office, is_passing, pause_after};
use crate::audit::Entry;
use crate::error::{Error, Result};
use crate::export::priority::lower_priority;
use crate::export::{ADMINISTRATOR, Assignment, Stop, Watch, Written};
use crate::ingest::stored_export_request;
use crate::model::{ADMINISTRATOR_ISSUER, LOCAL_ISSUER, Timestamp};
use crate::store::{ExportError, ExportJob, Finished};

/// At the end we try so often, and pause so long, before we leave it to the next start to find out.
const TRIES_WHEN_STOPPING: u32 = 10;
const PAUSE_WHEN_STOPPING: Duration = Duration::from_millis(100);

/// Works on a job until its outcome stands in its row, or it is not ours any more. Leaves no file that is not the job's.
pub fn run(office: &Office, job: &ExportJob, watch: &Watch) {
    lower_priority();
    let ended = match write(office, job, watch) {
        Ok(written) => complete(office, job, &written),
        Err(error) => give_up(office, job, watch, &error),
    };
    if let Err(error) = ended {
        // The next start finds the job as it stands, and takes it up again.
        office.say(&format!("the outcome of export {} could not be written: {error}", job.id));
    }
}

/// For a job whose thread did not live to say how it ended.
pub fn bury(office: &Office, job: &ExportJob) -> Result<()> {
    if fail(office, job, internal())? {
        office.directory.remove(&job.file_name())?;
    }
    Ok(())
}

/// Gives a whole file that has its name and is on the disk.
fn write(office: &Office, job: &ExportJob, watch: &Watch) -> Result<Written> {
    // Whoever waits for the right to begin may have been told meanwhile not to.
    watch.check()?;
    let name = job.file_name();
    let draft = office.directory.draft(&name)?;
    let assignment = Assignment {
        request: stored_export_request(&job.request, job.user_id.clone())?,
        log_seq: job.log_seq,
        made_for: made_for(&job.issuer, &job.subject),
        made_at: now(office)?,
        file: draft.path().to_path_buf(),
        scratch: office.directory.path().to_path_buf(),
        bytes_max: office.settings.bytes_max,
    };
    let written = (office.write)(&office.store, &assignment, watch)?;
    match draft.publish(&office.directory.path_of(&name)) {
        Ok(bytes) if bytes == written.bytes => return Ok(written),
        Ok(bytes) => Err(Error::internal(format!("the file has {bytes} bytes, and {} were written", written.bytes))),
        Err(error) => Err(error),
    }
    // It may have its name already, and nobody will have a right to it.
    .inspect_err(|_| drop(office.directory.remove(&name)))
}

fn now(office: &Office) -> Result<Timestamp> {
    Timestamp::from_unix_micros(office.clock.unix_micros())
        .ok_or_else(|| Error::internal("the system's clock stands outside the years 0001 to 9999"))
}

/// Who asked, as a person reads it.
fn made_for(issuer: &str, subject: &str) -> String {
    match issuer {
        LOCAL_ISSUER => subject.to_string(),
        ADMINISTRATOR_ISSUER => ADMINISTRATOR.into(),
        trusted => format!("{subject} ({trusted})"),
    }
}

fn complete(office: &Office, job: &ExportJob, written: &Written) -> Result<()> {
    let now = office.clock.unix_micros();
    let retention = i64::try_from(office.settings.retention.as_micros()).unwrap_or(i64::MAX);
    let finished = Finished {
        rows: written.rows,
        bytes: written.bytes,
        sha256: written.sha256.clone(),
        expires_at: now.saturating_add(retention),
    };
    let is_ours = until_taken(office, || office.store.complete_export(job, finished.clone(), now))?;
    // After an error the file stays: nobody knows which way the row stands, and the next start will look.
    if !is_ours {
        office.directory.remove(&job.file_name())?;
    }
    Ok(())
}

fn give_up(office: &Office, job: &ExportJob, watch: &Watch, error: &Error) -> Result<()> {
    let stopped = watch.stopped();
    if stopped == Some(Stop::Ending) {
        return until_taken(office, || office.store.put_export_back(job)).map(drop);
    }
    match failure(stopped, error, &office.settings) {
        None => Ok(()),
        Some(failure) => {
            if failure == internal() {
                office.say(&format!("export {} failed: {error}", job.id));
            }
            fail(office, job, failure).map(drop)
        }
    }
}

/// False if the job is not ours any more.
fn fail(office: &Office, job: &ExportJob, failure: ExportError) -> Result<bool> {
    let now = office.clock.unix_micros();
    let code = failure.code.clone();
    let is_ours = until_taken(office, || office.store.fail_export(job, failure.clone(), now))?;
    if is_ours {
        note_failure(office, job, code);
    }
    Ok(is_ours)
}

pub fn note_failure(office: &Office, job: &ExportJob, code: String) {
    office.audit.note(Entry::ExportFailed { id: job.id.clone(), owner: made_for(&job.issuer, &job.subject), code });
}

/// Writes to the database, again and again while that has no room or no time, but not for ever once we are to end.
pub fn until_taken<F: Future<Output = Result<bool>>>(office: &Office, write: impl Fn() -> F) -> Result<bool> {
    let (mut failures, mut tries_left) = (0, TRIES_WHEN_STOPPING);
    loop {
        let outcome = office.runtime.block_on(write());
        let is_stopping = office.stopping.is_set();
        match outcome {
            Err(error) if is_passing(&error) && tries_left > 0 => {
                if is_stopping {
                    tries_left -= 1;
                    std::thread::sleep(PAUSE_WHEN_STOPPING);
                } else {
                    office.stopping.pause(pause_after(&error, failures));
                    failures += 1;
                }
            }
            settled => return settled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ADMINISTRATOR_SUBJECT;

    #[test]
    fn who_asked_is_named_as_people_name_each_other() {
        let cases = [
            (LOCAL_ISSUER, "alice", "alice"),
            (ADMINISTRATOR_ISSUER, ADMINISTRATOR_SUBJECT, "the administrator"),
            ("https://id.example.com", "bob", "bob (https://id.example.com)"),
        ];
        for (issuer, subject, expected) in cases {
            assert_eq!(made_for(issuer, subject), expected);
        }
    }
}
