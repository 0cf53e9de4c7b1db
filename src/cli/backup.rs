//! `backup`: a copy of the database, made while the server goes on.

use super::arguments::{Backup, Global};
use super::output::{Failure, Outcome, behind_links, size};
use crate::app::{Signals, say};
use crate::error::Error;
use crate::store::{self, BackupOptions};

pub fn run(global: Global, arguments: &Backup) -> Outcome {
    let settings = super::settings(global, vec![])?;
    let options = BackupOptions { with_signing_keys: arguments.with_signing_keys, overwrite: arguments.force };
    let (database, file) = (settings.store.path, behind_links(arguments.file.clone())?);
    super::block_on(async {
        let mut signals =
            Signals::listen(true).map_err(|e| Error::internal(format!("cannot listen for signals: {e}")))?;
        let (from, to) = (database.clone(), file.clone());
        let copying = tokio::task::spawn_blocking(move || store::backup(&from, &to, options));
        tokio::select! {
            copied = copying => {
                let bytes = copied.map_err(|e| Error::internal(format!("the backup: {e}")))??;
                say(&format!("{} is a backup of {}, {}.", file.display(), database.display(), size(bytes)));
                Ok(())
            }
            () = signals.next() => {
                // The half of it may hold what the whole would not: signing keys go out of a copy last.
                store::discard_backup(&file);
                say("stopped; no backup was made");
                Err(Failure::Told)
            }
        }
    })
}
