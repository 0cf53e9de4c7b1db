//! Where the file goes, and that it appears there whole or not at all.

use std::fs;
use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::super::arguments::ExportFile;
use super::super::output::{Failure, Outcome, behind_links};
use crate::app::{PrivateDir, Signals, say};
use crate::error::{Error, Kind, Result};
use crate::model::{CsvOptions, ExportFormat, ExportRequest};
use crate::store::{Draft, refuse_own_files};

pub enum Output {
    /// What goes there is made in a file first, so that nothing is read of an export that fails.
    Stdout,
    File {
        path: PathBuf,
        overwrite: bool,
    },
}

/// The file in the making; it goes when it is dropped.
pub struct Part {
    draft: Draft,
    // Behind the draft, so that it is empty when it goes.
    _directory: Option<PrivateDir>,
}

impl Output {
    /// Errors with `Usage` if it cannot be meant, `Conflict` if the file is there and may not be overwritten.
    pub fn choose(file: &ExportFile, request: &ExportRequest) -> Outcome<Output> {
        let path = match file.output.as_deref() {
            Some("-") if file.json => {
                return Err(Failure::Usage("--json prints to standard output, and so does -o -: name a file".into()));
            }
            Some("-") if is_binary(request.format) && std::io::stdout().is_terminal() => {
                return Err(Failure::Usage(
                    "this is no text for a terminal; name a file, or send it into a pipe".into(),
                ));
            }
            Some("-") => return Ok(Output::Stdout),
            Some(name) if name.ends_with('/') || Path::new(name).is_dir() => Path::new(name).join(request.file_name()),
            Some(name) => PathBuf::from(name),
            None => PathBuf::from(request.file_name()),
        };
        refuse_what_is_no_file(&path)?;
        let path = behind_links(path)?;
        let output = Output::File { path, overwrite: file.force };
        output.refuse_overwriting()?;
        Ok(output)
    }

    /// Errors with `Invalid` if the file belongs to the database.
    pub fn spare(&self, database: &Path) -> Result<()> {
        match self {
            Output::Stdout => Ok(()),
            Output::File { path, .. } => refuse_own_files(database, path),
        }
    }

    /// An empty file.
    pub fn begin(&self) -> Result<Part> {
        match self {
            Output::File { path, .. } => Ok(Part { draft: Draft::beside(path)?, _directory: None }),
            Output::Stdout => {
                let directory = PrivateDir::create()?;
                Ok(Part { draft: Draft::beside(&directory.path().join("export"))?, _directory: Some(directory) })
            }
        }
    }

    /// Gives a file that is whole its name, durably, or sends it to standard output; errors with `Told` when a signal has
    /// stopped that.
    pub async fn publish(&self, part: Part, signals: &mut Signals) -> Outcome {
        // It may have come to be there meanwhile.
        self.refuse_overwriting()?;
        match self {
            Output::Stdout => {
                let path = part.path().to_path_buf();
                tokio::select! {
                    copied = spawn_blocking(move || copy_to_stdout(&path)) => {
                        copied.map_err(|e| Error::internal(format!("standard output: {e}")))?
                    }
                    // Whoever reads may have stopped for good, and nobody waits for the writing.
                    () = signals.next() => {
                        say("stopped; not all was written to standard output");
                        Err(Failure::Told)
                    }
                }
            }
            Output::File { path, .. } => {
                part.draft.publish(path)?;
                Ok(())
            }
        }
    }

    /// As a person, or `--json`, is told.
    pub fn name(&self) -> String {
        match self {
            Output::Stdout => "standard output".into(),
            Output::File { path, .. } => path.display().to_string(),
        }
    }

    fn refuse_overwriting(&self) -> Result<()> {
        match self {
            Output::File { path, overwrite: false } if fs::symlink_metadata(path).is_ok() => Err(Error::new(
                Kind::Conflict,
                format!("{} is there already; name another file with -o, or overwrite it with --force", path.display()),
            )),
            _ => Ok(()),
        }
    }
}

impl Part {
    pub fn path(&self) -> &Path {
        self.draft.path()
    }

    /// The directory that it lies in.
    pub fn directory(&self) -> PathBuf {
        self.path().parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
    }
}

fn is_binary(format: ExportFormat) -> bool {
    matches!(format, ExportFormat::Xlsx | ExportFormat::Csv(CsvOptions { gzip: true, .. }))
}

/// A rename would put the file in the place of a device, `/dev/stdout` say.
fn refuse_what_is_no_file(path: &Path) -> Outcome {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let message = format!("{} is no file; -o - writes to standard output", path.display());
            Err(Failure::Usage(message))
        }
        _ => Ok(()),
    }
}

fn copy_to_stdout(path: &Path) -> Outcome {
    let copied = fs::File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut std::io::stdout().lock()));
    match copied {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
        Err(e) => Err(Error::internal(format!("cannot write to standard output: {e}")).into()),
    }
}
