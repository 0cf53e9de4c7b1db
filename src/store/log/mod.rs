//! The event log: rows in order of acknowledgement, and a directory of counts that makes any page a rank away.
//!
//! [`LogWriter`] appends: an event's row (`event`), its id (`ids`), its place in the order of time (`order`). The
//! [`Directory`] counts events per run of that order and per `cell`; `leaves` keeps it in the database. `page` and
//! `arrivals` read, `check` recounts, `rebuild` makes anew what follows from the events. `floors` say what was retired:
//! readers see nothing below them, and `retire` removes the rows behind.

mod access;
mod arrivals;
mod cell;
mod check;
mod counts;
mod directory;
mod event;
mod floors;
mod ids;
mod leaves;
mod long;
mod names;
mod order;
mod page;
mod rebuild;
mod retirable;
mod retire;
mod rows;
mod size;
mod visit;
mod writer;

#[cfg(test)]
mod log_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod retire_model_test;
#[cfg(test)]
mod testing;

use rusqlite::Connection;

pub use self::arrivals::arrivals;
pub use self::check::check;
pub use self::directory::Directory;
pub use self::long::visit_long_events;
pub use self::page::page;
pub use self::rebuild::rebuild;
pub use self::retirable::{retirable, take_bytes};
pub use self::visit::{EventRow, count_arrived, count_events, run_end, visit_events};
pub use self::writer::LogWriter;

/// One consistent state of the log: a read transaction and the directory of the same commit.
pub struct LogSnapshot<'a> {
    pub conn: &'a Connection,
    pub directory: &'a Directory,
}
