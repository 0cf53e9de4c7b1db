//! `restore`: a backup in the place of the database.

use super::arguments::{Global, Restore};
use super::output::{Outcome, size};
use crate::app::say;
use crate::clock::Clock;
use crate::store::{self, RestoreOptions};

pub fn run(global: Global, arguments: &Restore) -> Outcome {
    let settings = super::settings(global, vec![])?;
    let database = &settings.store.path;
    let options = RestoreOptions { replace: arguments.force, keep_signing_keys: arguments.keep_signing_keys };
    let restored = store::restore(&arguments.file, database, options, Clock::system().unix_micros())?;
    say(&format!("{} is restored from {}, {}.", database.display(), arguments.file.display(), size(restored.bytes)));
    if let Some(former) = restored.kept_aside {
        say(&format!("What was there before is kept as {}.", former.display()));
    }
    let ended = match (restored.has_signing_keys, arguments.keep_signing_keys) {
        (true, _) => "Log-ins have ended; tokens that were issued before the backup are good as they were then.",
        (false, true) => "The backup holds no signing keys: log-ins and tokens of before have ended.",
        (false, false) => "Log-ins and tokens of before have ended.",
    };
    say(&format!(
        "{ended}\nAPI keys, clients and accounts are as they were when the backup was made: `analytics key list` shows \
         keys that may have been revoked since."
    ));
    Ok(())
}
