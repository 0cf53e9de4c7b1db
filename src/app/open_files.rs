//! How many files, and so connections, this process may hold open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the database: a few files for each reader, and what the process has open besides.
const OTHER_FILES: u64 = 128;

/// How many connections may be open at once, `wanted` at most. Raises the soft limit on open files as far as that needs
/// and the system lets us: it is 1,024 on most machines, and a server without a file left cannot even read its database.
pub fn room_for_connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let files_wanted = OTHER_FILES.saturating_add(wanted as u64);
    let mut files = limit.current.unwrap_or(u64::MAX);
    if files < files_wanted {
        let raised = limit.maximum.map_or(files_wanted, |maximum| maximum.min(files_wanted));
        let raise = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
        files = raise.map_or(files, |()| raised);
    }
    // Where there is little, half of it is for connections.
    let room = files.saturating_sub(OTHER_FILES).max(files / 2);
    wanted.min(usize::try_from(room).unwrap_or(usize::MAX))
}
