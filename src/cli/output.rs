//! What a command says, and how it ends.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::app::say;
use crate::error::Error;

/// Why a command did not end well.
#[derive(Debug)]
pub enum Failure {
    /// What was typed, or a setting, cannot be meant: exit code 2.
    Usage(String),
    /// It was meant and did not work: exit code 1.
    Failed(Error),
    /// As `Failed`, with everything said already.
    Told,
    /// Whoever read our standard output has gone (`| head`): it has what it wanted.
    ReaderGone,
}

pub type Outcome<T = ()> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Failed(error)
    }
}

/// Says why, and turns the outcome into the process's exit code.
pub fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) | Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            say(&format!("error: {message}"));
            ExitCode::from(2)
        }
        Err(Failure::Failed(error)) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
        Err(Failure::Told) => ExitCode::FAILURE,
    }
}

/// Writes to standard output, all of it at once. Errors with `ReaderGone` where `println!` would panic.
pub fn print(text: &str) -> Outcome {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Failed(Error::internal(format!("cannot write to standard output: {e}"))),
    })
}

/// Prints a value as one line of JSON.
pub fn print_json(value: &impl serde::Serialize) -> Outcome {
    let text = serde_json::to_string(value).map_err(|e| Error::internal(format!("cannot write JSON: {e}")))?;
    print(&(text + "\n"))
}

/// The file that a name stands for. A rename to the name itself would put a new file in the place of a link, and that of
/// `/dev/stdout` is everybody's. Errors with `Usage` for a link to nothing.
pub fn behind_links(path: PathBuf) -> Outcome<PathBuf> {
    if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
        return Ok(path);
    }
    fs::canonicalize(&path)
        .map_err(|_| Failure::Usage(format!("{} is a link to nothing; name the file itself", path.display())))
}

/// A size to be read by a person; units of thousands.
pub fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    format!("{:.1} {name}", bytes as f64 / unit)
}
