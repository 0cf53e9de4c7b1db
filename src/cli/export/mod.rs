//! `export`: a report in a file. Where nobody serves the database this process writes it; a server, here or elsewhere, is
//! asked for a job. What is in the file is the same.

mod arrival;
mod direct;
mod job;
mod output;
mod patience;
mod progress;
mod request;
mod server;

use std::io::Read;

use serde::Serialize;

use self::output::Output;
use self::request::Wanted;
use self::server::Server;
use super::arguments::{ExportCommand, ExportFile, Global, RemoteServer};
use super::output::{Failure, Outcome, print_json, size};
use super::report::grouped;
use crate::app::settings::{Settings, TOKEN_VARIABLE};
use crate::app::{Access, Admin, Signals, say};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::export::Written;
use crate::http::Remote;
use crate::model::Timestamp;

/// Longer is no token.
const TOKEN_BYTES_MAX: u64 = 16 * 1024;

pub fn run(global: Global, command: &ExportCommand) -> Outcome {
    let clock = Clock::system();
    let now = Timestamp::from_unix_micros(clock.unix_micros());
    let now = now.ok_or_else(|| Error::internal("this machine's clock stands outside the calendar; set it"))?;
    let wanted = request::wanted(command, now.day())?;
    let file = match command {
        ExportCommand::UsageSummary(arguments) => &arguments.file,
        ExportCommand::SystemEvents(arguments) => &arguments.file,
    };
    let output = Output::choose(file, &wanted.request)?;
    let made = match &file.remote.url {
        Some(url) => elsewhere(&global, url, &file.remote, &wanted, &output)?,
        None => here(&super::settings(global, vec![])?, &wanted, &output, clock)?,
    };
    tell(file, &output, &made)
}

/// What an export came to.
struct Made {
    written: Written,
    /// Of the job that is still on a server elsewhere.
    job_id: Option<String>,
}

fn here(settings: &Settings, wanted: &Wanted, output: &Output, clock: Clock) -> Outcome<Made> {
    output.spare(&settings.store.path)?;
    super::block_on(async {
        let mut signals = listen()?;
        let admin = Admin::open(settings, Access::Existing, clock.clone()).await?;
        let part = output.begin()?;
        let written = match admin.store() {
            Some(store) => {
                let workers = settings.exports.workers;
                direct::write(store, &wanted.request, &part, workers, &clock, &mut signals).await
            }
            None => {
                job::run(&Server::Here(&admin), wanted, &part, false, &mut signals).await.map(|(written, _)| written)
            }
        };
        admin.close().await;
        let written = told_if_stopped(written)?;
        output.publish(part, &mut signals).await?;
        Ok(Made { written, job_id: None })
    })
}

fn elsewhere(global: &Global, url: &str, flags: &RemoteServer, wanted: &Wanted, output: &Output) -> Outcome<Made> {
    if global.database.is_some() {
        return Err(Failure::Usage("--url and --database name two places; leave one out".into()));
    }
    let remote = Remote::new(url, &token(flags)?).map_err(|error| Failure::Usage(format!("--url: {error}")))?;
    super::block_on(async {
        let mut signals = listen()?;
        let part = output.begin()?;
        let server = Server::Elsewhere(&remote);
        let ended = job::run(&server, wanted, &part, !flags.remove, &mut signals).await;
        let (written, id) = told_if_stopped(ended)?;
        output.publish(part, &mut signals).await?;
        Ok(Made { written, job_id: (!flags.remove).then_some(id) })
    })
}

fn listen() -> Result<Signals> {
    Signals::listen(true).map_err(|e| Error::internal(format!("cannot listen for signals: {e}")))
}

fn told_if_stopped<T>(outcome: Outcome<T>) -> Outcome<T> {
    if let Err(Failure::Told) = outcome {
        say("stopped; no file was written");
    }
    outcome
}

/// From a file or the environment: what stands on a command line, every user of the machine can read.
fn token(flags: &RemoteServer) -> Outcome<String> {
    let text = match &flags.token_file {
        Some(path) => {
            let mut text = String::new();
            let read = std::fs::File::open(path).and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text));
            read.map_err(|e| Failure::Usage(format!("--token-file {}: {e}", path.display())))?;
            text
        }
        None => std::env::var(TOKEN_VARIABLE).unwrap_or_default(),
    };
    match text.trim() {
        "" => Err(Failure::Usage(format!(
            "--url needs a token or an API key: put it into the environment as {TOKEN_VARIABLE}, or into a file that \
             --token-file names"
        ))),
        token => Ok(token.to_string()),
    }
}

fn tell(file: &ExportFile, output: &Output, made: &Made) -> Outcome {
    #[derive(Serialize)]
    struct Told<'a> {
        file: String,
        rows: u64,
        bytes: u64,
        sha256: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        job_id: Option<&'a str>,
    }
    let Made { written: Written { rows, bytes, sha256 }, job_id } = made;
    let words = if *rows == 1 { "row" } else { "rows" };
    say(&format!("wrote {} {words}, {}, to {}", grouped(*rows), size(*bytes), output.name()));
    if let Some(id) = job_id {
        say(&format!("Job {id} stays on the server until its file expires; --remove removes it."));
    }
    if file.json {
        let (file, job_id) = (output.name(), job_id.as_deref());
        return print_json(&Told { file, rows: *rows, bytes: *bytes, sha256, job_id });
    }
    Ok(())
}
