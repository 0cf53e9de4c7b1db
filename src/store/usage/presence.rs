//! The figures of one user: from its history alone.

use super::figures::UsageSnapshot;
use super::history::DayUse;
use super::lattice::Cell;
use super::totals::counts_in_total;
use super::user::User;
use crate::error::Result;
use crate::model::{DateRange, Figures};

/// What one user did in a range under a cell, day by day.
pub struct Presence<'a> {
    user: &'a User,
    cell: Cell,
    uses: Vec<DayUse>,
}

impl Presence<'_> {
    pub fn load<'a>(snapshot: &UsageSnapshot, user: &'a User, cell: Cell, range: DateRange) -> Result<Presence<'a>> {
        let uses = snapshot.overlay.history(snapshot.conn, user.ord)?.uses(cell, range)?;
        Ok(Presence { user, cell, uses })
    }

    /// `range`: within the one loaded.
    pub fn figures(&self, range: DateRange) -> Figures {
        let start = self.uses.partition_point(|one| one.day < range.start());
        let uses = self.uses[start..].iter().take_while(|one| one.day <= range.end());
        let (is_active, total_sessions) =
            uses.fold((false, 0), |(is_active, sessions), one| (is_active | one.is_active, sessions + one.sessions));
        Figures {
            total_users: u64::from(counts_in_total(self.user, self.cell, range, is_active)),
            active_users: u64::from(is_active),
            total_sessions,
        }
    }
}
