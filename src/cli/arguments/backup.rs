use std::path::PathBuf;

use clap::Args;

const BACKUP_EXAMPLES: &str = "\
It may run while the server does, which goes on meanwhile. The file holds everything
as of one moment, and gets its name when it is whole, checked and on the disk. It is
readable by its owner alone: it holds ids, messages, and hashes of keys and passwords.

Examples:
  analytics backup analytics-backup.db
  analytics backup --force /mnt/backup/analytics.db
  0 3 * * * analytics backup /mnt/backup/analytics-$(date +\\%F).db

The last one is a line for cron. `analytics restore FILE` brings it back.";

#[derive(Args, Debug)]
#[command(after_help = BACKUP_EXAMPLES)]
pub struct Backup {
    /// The file to write
    pub file: PathBuf,
    /// Overwrite the file if it is there already
    #[arg(long)]
    pub force: bool,
    /// Also copy the keys that sign tokens: whoever has the file can sign tokens with them then
    #[arg(long)]
    pub with_signing_keys: bool,
}

const RESTORE_EXAMPLES: &str = "\
The server must be stopped. A database that is there is replaced only with --force, and
is kept under another name then. The backup itself stays as it is.

API keys, clients and accounts are as they were when the backup was made: revoke again
what was revoked since. Log-ins end, and so do all tokens, unless the backup was made
with --with-signing-keys and is restored with --keep-signing-keys.

Examples:
  analytics restore analytics-backup.db
  analytics restore --force analytics-backup.db
  analytics restore analytics-backup.db --database /srv/trial/analytics.db";

#[derive(Args, Debug)]
#[command(after_help = RESTORE_EXAMPLES)]
pub struct Restore {
    /// The backup
    pub file: PathBuf,
    /// Replace the database that is there, which is kept under another name
    #[arg(long)]
    pub force: bool,
    /// Keep the backup's keys that sign tokens, and with them the tokens that they signed
    #[arg(long)]
    pub keep_signing_keys: bool,
}
