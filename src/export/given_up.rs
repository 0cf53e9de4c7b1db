use crate::error::{Error, Result};
use crate::store::{ExportDirectory, Store};

/// Files removed in one go; whoever has other things to do looks after these then.
pub const REMOVED_AT_ONCE_MAX: usize = 100;

/// Removes files that were given up: expired, too much, or an erased person's. Gives how many went, at most
/// [`REMOVED_AT_ONCE_MAX`]; what could not be removed is told to `failed` and tried again at the next call. Errors if the
/// database cannot be read or written.
pub async fn remove_given_up(
    store: &Store,
    directory: &ExportDirectory,
    mut failed: impl FnMut(&Error),
) -> Result<usize> {
    let given_up = store.snapshot()?.exports_to_unlink(REMOVED_AT_ONCE_MAX)?;
    let mut gone = vec![];
    for job in given_up {
        match directory.remove(&job.file_name()) {
            Ok(()) => gone.push(job.id),
            Err(error) => failed(&error),
        }
    }
    let number = gone.len();
    if number > 0 {
        store.note_exports_unlinked(gone).await?;
    }
    Ok(number)
}
