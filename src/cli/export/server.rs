//! The server that makes an export: the one that holds the database of this machine, or one elsewhere.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::arrival::Arrival;
use super::patience::{Patience, patiently};
use super::progress::Progress;
use crate::app::Admin;
use crate::auth::random_text;
use crate::error::{Error, Kind, Result};
use crate::http::{Remote, harmless, percent_encode};

const JOBS: &str = "/reports/export";
/// Those of this version have 22.
const JOB_ID_BYTES_MAX: usize = 64;
/// Of an Idempotency-Key: 131 bits, so that no two are ever the same.
const KEY_CHARS: usize = 22;

pub enum Server<'a> {
    /// Through its local socket.
    Here(&'a Admin),
    Elsewhere(&'a Remote),
}

/// What a server says of a job.
#[derive(Deserialize)]
pub struct Job {
    pub status: String,
    pub progress: Option<JobProgress>,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub sha256: Option<String>,
    pub error: Option<JobError>,
}

#[derive(Deserialize)]
pub struct JobProgress {
    pub rows_done: u64,
    pub rows_expected: Option<u64>,
}

#[derive(Deserialize)]
pub struct JobError {
    pub message: String,
}

/// A completed job's file.
pub struct Finished<'a> {
    pub path: String,
    pub bytes: u64,
    pub sha256: &'a str,
}

impl Server<'_> {
    /// Asks for an export and gives the job's id. Elsewhere it is one job, however often the request has to be sent; here an
    /// answer that comes too late may leave a second one in the list.
    pub async fn create(&self, body: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Made {
            job_id: String,
        }
        // A structured field's string (RFC 9651).
        let key = format!("\"{}\"", random_text(KEY_CHARS)?);
        let headers = [("content-type", "application/json"), ("idempotency-key", &key)];
        let Made { job_id } = patiently(async || match self {
            Server::Here(admin) => read(&admin.send("POST", JOBS, body.to_string()).await?.body),
            Server::Elsewhere(remote) => read(&remote.send("POST", JOBS, &headers, body.to_string()).await?),
        })
        .await?;
        // It is shown to the person, and becomes part of paths.
        match (1..=JOB_ID_BYTES_MAX).contains(&job_id.len()) && job_id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            true => Ok(job_id),
            false => Err(Error::internal("an unexpected answer: the new job's id is none")),
        }
    }

    pub async fn show(&self, id: &str) -> Result<Job> {
        patiently(async || read(&self.ask("GET", id).await?)).await
    }

    /// Cancels an unfinished job, removes a finished one; one that is not there is well.
    pub async fn delete(&self, id: &str) -> Result<()> {
        match patiently(async || self.ask("DELETE", id).await).await {
            Err(error) if error.kind != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Errors with `Internal` if other bytes have come than the job promises.
    pub async fn download(&self, file: &Finished<'_>, mut arrival: Arrival, progress: &Progress) -> Result<()> {
        match self {
            Server::Here(admin) => {
                let mut take = Taking { arrival: &mut arrival, progress, of: file.bytes };
                admin.download(&file.path, &mut take).await?;
            }
            Server::Elsewhere(remote) => fetch(remote, file, &mut arrival, progress).await?,
        }
        if arrival.finish() == (file.bytes, file.sha256.to_string()) {
            return Ok(());
        }
        Err(Error::internal("what has come is not what the server sent (its SHA-256 differs); try again"))
    }

    async fn ask(&self, method: &str, id: &str) -> Result<bytes::Bytes> {
        let path = format!("{JOBS}/{}", percent_encode(id));
        match self {
            Server::Here(admin) => Ok(admin.send(method, &path, "").await?.body),
            Server::Elsewhere(remote) => remote.send(method, &path, &[], "").await,
        }
    }
}

/// Takes a download up again where it broke off, as often as that brings it on.
async fn fetch(remote: &Remote, file: &Finished<'_>, arrival: &mut Arrival, progress: &Progress) -> Result<()> {
    let mut patience = Patience::default();
    loop {
        let Err(error) = fetch_on(remote, file, arrival, progress).await else { return Ok(()) };
        patience.reached(arrival.bytes());
        patience.wait(error).await?;
    }
}

/// From where it is (RFC 9110, 14: Range and If-Range) to the end.
async fn fetch_on(remote: &Remote, file: &Finished<'_>, arrival: &mut Arrival, progress: &Progress) -> Result<()> {
    let have = arrival.bytes();
    let (range, etag) = (format!("bytes={have}-"), format!("\"{}\"", file.sha256));
    let rest = [("range", range.as_str()), ("if-range", etag.as_str())];
    let mut download = remote.download(&file.path, if have == 0 { &[] } else { &rest }).await?;
    let goes_on = download.header("content-range").is_some_and(|text| text.starts_with(&format!("bytes {have}-")));
    if !(download.status == 206 && goes_on) {
        arrival.begin_anew()?;
    }
    while let Some(piece) = download.next().await? {
        arrival.take(&piece)?;
        progress.bytes(arrival.bytes(), file.bytes);
        if arrival.bytes() > file.bytes {
            return Err(Error::internal("the server sends more than the job's file holds; try again"));
        }
    }
    if arrival.bytes() < file.bytes {
        return Err(Error::new(Kind::Busy { retry_after_s: 1 }, "the download broke off"));
    }
    Ok(())
}

/// What arrives through the local socket.
struct Taking<'a> {
    arrival: &'a mut Arrival,
    progress: &'a Progress,
    of: u64,
}

impl std::io::Write for Taking<'_> {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.arrival.take(piece).map_err(std::io::Error::other)?;
        self.progress.bytes(self.arrival.bytes(), self.of);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|e| Error::internal(harmless(&format!("an unexpected answer: {e}"))))
}
