//! `backup`: a copy of the database, made while the server goes on.

use super::arguments::{Backup, Global};
use super::output::{Outcome, megabytes};
use crate::app::say;
use crate::store::{self, BackupOptions};

pub fn run(global: Global, arguments: &Backup) -> Outcome {
    let settings = super::settings(global, vec![])?;
    let options = BackupOptions { with_signing_keys: arguments.with_signing_keys, overwrite: arguments.force };
    let bytes = store::backup(&settings.store.path, &arguments.file, options)?;
    say(&format!(
        "{} is a backup of {}, {}.",
        arguments.file.display(),
        settings.store.path.display(),
        megabytes(bytes)
    ));
    Ok(())
}
