//! Administration of a database, whether a server holds it or not.

use std::fs;
use std::time::Duration;

use bytes::Bytes;

use super::console::say;
use super::settings::Settings;
use super::socket;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::export::{REMOVED_AT_ONCE_MAX, remove_given_up};
use crate::http::{Local, LocalResponse, refusal_message};
use crate::store::{self, ExportDirectory, Store};

/// Whether a command may make the database if it does not exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Existing,
    MayCreate,
}

/// The way into a database: under its lock, in this process, where that is free; else through the socket of the server
/// that holds it. Either way requests are answered by the same code, and a running server obeys at once.
pub struct Admin {
    local: Local,
    /// With the directory of its exports, if this process holds the database.
    held: Option<(Store, ExportDirectory)>,
    audit: Audit,
}

/// A good answer.
pub struct AdminResponse {
    pub body: Bytes,
    /// Changes whenever the answer may; None where the API gives none.
    pub etag: Option<String>,
}

/// A server that starts or stops holds the lock for a moment without a socket: so long we try again.
const TRIES: u32 = 20;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

impl Admin {
    /// Errors with a message for the operator: `NotFound` if there is no database where one must be, `Conflict` if
    /// something without a socket holds it.
    pub async fn open(settings: &Settings, access: Access, clock: Clock) -> Result<Admin> {
        if access == Access::Existing {
            must_exist(settings)?;
        }
        for _ in 1..TRIES {
            match Admin::try_open(settings, clock.clone()).await {
                Err(error) if error.kind == Kind::Conflict => tokio::time::sleep(TRY_AGAIN_AFTER).await,
                opened => return opened,
            }
        }
        Admin::try_open(settings, clock).await
    }

    /// Makes everything anew that follows from the base facts. Errors with a message for the operator: `NotFound` if
    /// there is no database, `Conflict` if a server holds it.
    pub fn repair(settings: &Settings, clock: &Clock) -> Result<()> {
        must_exist(settings)?;
        store::repair(&settings.store, clock)
    }

    async fn try_open(settings: &Settings, clock: Clock) -> Result<Admin> {
        let held = match Store::open(&settings.store, clock.clone()) {
            Ok(store) => return Admin::in_process(store, settings, clock),
            Err(error) if error.kind == Kind::Conflict => error,
            Err(error) => return Err(error),
        };
        let path = socket::path_of(&settings.store.path);
        match tokio::net::UnixStream::connect(&path).await {
            Ok(_) => Ok(Admin { local: Local::socket(path), held: None, audit: Audit::off() }),
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Err(Error::new(
                Kind::Forbidden,
                format!("{} belongs to another user; run this as the user who runs the server", path.display()),
            )),
            Err(_) => Err(Error::new(
                Kind::Conflict,
                format!("{held}. It does not listen on {}, so it is no server that could be asked", path.display()),
            )),
        }
    }

    fn in_process(store: Store, settings: &Settings, clock: Clock) -> Result<Admin> {
        // Where the server would listen, so that tokens made now are good then. Which port it will take is not known
        // where it may take any.
        let url = match settings.listen.port() {
            0 => String::new(),
            _ => format!("http://{}", settings.listen),
        };
        let audit = match settings.audit_events {
            true => Audit::new(store.clone(), clock.clone()),
            false => Audit::off(),
        };
        let service = super::wiring::service(store.clone(), settings, &url, audit.clone(), clock)?;
        let held = Some((store, settings.export_directory()));
        Ok(Admin { local: Local::InProcess(service), held, audit })
    }

    /// The open database, if it is held by this process.
    pub fn store(&self) -> Option<&Store> {
        self.held.as_ref().map(|(store, _)| store)
    }

    /// Asks, and returns a good answer. Errors with what the server said, as a kind of its own only where
    /// callers tell them apart: `NotFound`, `TooLarge`, `Busy`; all else is `Invalid`.
    pub async fn send(&self, method: &str, path_and_query: &str, body: impl Into<Bytes>) -> Result<AdminResponse> {
        let answer = self.local.send(method, path_and_query, None, body.into()).await?;
        if (200..300).contains(&answer.status) {
            let etag = answer.header("etag").map(str::to_string);
            return Ok(AdminResponse { body: answer.body, etag });
        }
        Err(refusal(answer))
    }

    /// Asks for a file, and writes it out as it comes. Errors as [`Admin::send`], and with `Internal` if it breaks off or
    /// cannot be written.
    pub async fn download(&self, path: &str, out: &mut (dyn std::io::Write + Send)) -> Result<()> {
        let answer = self.local.download(path, out).await?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(refusal(answer))
    }

    /// Closes the database tidily, if this process holds it.
    pub async fn close(self) {
        self.audit.flush().await;
        if let Some((store, directory)) = self.held {
            remove_files(&store, &directory).await;
            let _ = tokio::task::spawn_blocking(move || store.close()).await;
        }
    }
}

/// Without a server nobody else removes what was given up meanwhile, when a person was erased.
async fn remove_files(store: &Store, directory: &ExportDirectory) {
    let failed = |error: &Error| say(&format!("warning: {error}; the server tries again when it starts"));
    loop {
        match remove_given_up(store, directory, failed).await {
            Ok(REMOVED_AT_ONCE_MAX) => {}
            Ok(_) => return,
            Err(error) => return failed(&error),
        }
    }
}

fn refusal(answer: LocalResponse) -> Error {
    let kind = match answer.status {
        404 => Kind::NotFound,
        413 => Kind::TooLarge,
        503 => Kind::Busy { retry_after_s: 1 },
        _ => Kind::Invalid,
    };
    Error::new(kind, refusal_message(answer.status, &answer.body))
}

fn must_exist(settings: &Settings) -> Result<()> {
    let path = &settings.store.path;
    if fs::exists(path).unwrap_or(true) {
        return Ok(());
    }
    let message = format!("no database at {}; start `analytics serve`, or name it with --database", path.display());
    Err(Error::new(Kind::NotFound, message))
}
