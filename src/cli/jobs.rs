//! `jobs`: export jobs, listed, shown, cancelled and removed, in a stopped database or in a running server.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::admin::{Collection, ask, with_admin};
use super::arguments::{Global, JobsCommand};
use super::output::{Failure, Outcome, print, print_json, size};
use super::report::{Align, grouped, table};
use crate::app::{Access, Admin, say};
use crate::error::{Error, Kind, Result};
use crate::model::JobState;

const JOBS: Collection = Collection { noun: "Job", known: "job", path: "/reports/export", list: "jobs list" };

pub fn run(global: Global, command: JobsCommand) -> Outcome {
    with_admin(global, Access::Existing, async |admin, _| match command {
        JobsCommand::List { status, limit, json } => list(admin, status, limit, json).await,
        JobsCommand::Show { id, json } => show(admin, &id, json).await,
        JobsCommand::Cancel { ids } => each(&ids, async |id| cancel(admin, id).await).await,
        JobsCommand::Remove { ids } => each(&ids, async |id| remove(admin, id).await).await,
        JobsCommand::Unlink { id } => unlink(admin, &id).await,
    })
}

/// As the API shows it.
#[derive(Deserialize, Serialize)]
struct Job {
    job_id: String,
    status: String,
    report_type: String,
    format: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<JobError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Owner>,
}

#[derive(Deserialize, Serialize)]
struct Progress {
    rows_done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_expected: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u64>,
}

#[derive(Deserialize, Serialize)]
struct JobError {
    code: String,
    message: String,
}

#[derive(Deserialize, Serialize)]
struct Owner {
    issuer: String,
    subject: String,
}

#[derive(Deserialize, Serialize)]
struct Jobs {
    jobs: Vec<Job>,
}

async fn list(admin: &Admin, status: Option<JobState>, limit: u64, json: bool) -> Outcome {
    let status = status.map_or(String::new(), |state| format!("&status={}", state.as_str()));
    let jobs: Jobs = ask(admin, "GET", &format!("{}?limit={limit}{status}", JOBS.path), &Value::Null).await?;
    if json {
        return print_json(&jobs);
    }
    if jobs.jobs.is_empty() {
        say("There is no such job; `POST /reports/export` makes one.");
        return Ok(());
    }
    let left = ["id", "report", "format", "owner", "status"].map(|head| (head, Align::Left));
    let right = ["rows", "size"].map(|head| (head, Align::Right));
    let columns: Vec<_> = left.into_iter().chain(right).chain([("created", Align::Left)]).collect();
    print(&table(&columns, &jobs.jobs.iter().map(row).collect::<Vec<_>>()))
}

fn row(job: &Job) -> Vec<String> {
    vec![
        job.job_id.clone(),
        job.report_type.clone(),
        job.format.clone(),
        job.owner.as_ref().map_or(String::new(), |owner| owner.subject.clone()),
        state(job),
        job.rows.map_or(String::new(), grouped),
        job.bytes.map_or(String::new(), size),
        minute(&job.created_at),
    ]
}

/// The status, with how far it is, or why it failed.
fn state(job: &Job) -> String {
    let percent = job.progress.as_ref().and_then(|progress| progress.percent);
    match (&job.error, percent) {
        (Some(error), _) => format!("{}: {}", job.status, error.code),
        (None, Some(percent)) => format!("{} {percent} %", job.status),
        (None, None) => job.status.clone(),
    }
}

/// Of an RFC 3339 time in UTC.
fn minute(at: &str) -> String {
    match (at.get(..10), at.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time}Z"),
        _ => at.into(),
    }
}

async fn show(admin: &Admin, id: &str, json: bool) -> Outcome {
    let job = find(admin, id).await?;
    if json {
        return print_json(&job);
    }
    let progress = job.progress.as_ref().map(|progress| match progress.rows_expected {
        Some(expected) => format!("{} of {} rows", grouped(progress.rows_done), grouped(expected)),
        None => format!("{} rows", grouped(progress.rows_done)),
    });
    let owner = job.owner.as_ref().map(|owner| match owner.issuer == owner.subject {
        true => owner.subject.clone(),
        false => format!("{} ({})", owner.subject, owner.issuer),
    });
    let lines = [
        ("job", Some(job.job_id.clone())),
        ("report", Some(format!("{} as {}", job.report_type, job.format))),
        ("owner", owner),
        ("status", Some(state(&job))),
        ("reason", job.error.as_ref().map(|error| error.message.clone())),
        ("progress", progress),
        ("created", Some(job.created_at.clone())),
        ("started", job.started_at.clone()),
        ("finished", job.finished_at.clone()),
        ("rows", job.rows.map(grouped)),
        ("size", job.bytes.map(size)),
        ("sha256", job.sha256.clone()),
        ("file", job.download_url.clone()),
        ("kept until", job.expires_at.clone()),
    ];
    let lines = lines.into_iter().filter_map(|(name, value)| Some(format!("{name:<10}  {}\n", value?)));
    print(&lines.collect::<String>())
}

async fn find(admin: &Admin, id: &str) -> Result<Job> {
    JOBS.found(id, ask(admin, "GET", &JOBS.path_of(id), &Value::Null).await)
}

/// Goes on after one that cannot be: the others must not stay because of it.
async fn each(ids: &[String], act: impl AsyncFn(&str) -> Result<()>) -> Outcome {
    let mut all = true;
    for id in ids {
        match act(id).await {
            Err(error) if error.kind == Kind::NotFound || error.kind == Kind::Conflict => {
                all = false;
                say(&format!("error: {error}"));
            }
            done => done?,
        }
    }
    if all { Ok(()) } else { Err(Failure::Told) }
}

async fn cancel(admin: &Admin, id: &str) -> Result<()> {
    let job = find(admin, id).await?;
    if is_finished(&job) {
        let message = format!("job {id} is {} already; `analytics jobs remove {id}` removes it", job.status);
        return Err(Error::new(Kind::Conflict, message));
    }
    // Should it end in this very moment, it is removed: nobody wanted it any more.
    delete(admin, id).await?;
    say(&format!("Job {id} is cancelled."));
    Ok(())
}

async fn remove(admin: &Admin, id: &str) -> Result<()> {
    let was_finished = is_finished(&find(admin, id).await?);
    delete(admin, id).await?;
    if !was_finished {
        // The first has cancelled it; unless it had just ended, and is gone.
        match delete(admin, id).await {
            Err(error) if error.kind != Kind::NotFound => return Err(error),
            _ => {}
        }
    }
    say(&format!("Job {id} is removed."));
    Ok(())
}

fn is_finished(job: &Job) -> bool {
    JobState::parse(&job.status).is_some_and(JobState::is_finished)
}

async fn delete(admin: &Admin, id: &str) -> Result<()> {
    JOBS.found(id, admin.send("DELETE", &JOBS.path_of(id), "").await).map(drop)
}

async fn unlink(admin: &Admin, id: &str) -> Outcome {
    let path = format!("/admin/exports/{}/unlink", crate::http::percent_encode(id));
    JOBS.found(id, admin.send("POST", &path, "").await)?;
    say(&format!("Signed links to the file of job {id} are good no more."));
    Ok(())
}
