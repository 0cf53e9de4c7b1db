//! The figures of one user: from the base facts of its active days.

use super::facts::explicit_session_days;
use super::figures::UsageSnapshot;
use super::lattice::Cell;
use super::totals::counts_in_total;
use super::user::User;
use super::user_day::UserDay;
use crate::error::Result;
use crate::model::{DateRange, Day, Figures};
use crate::store::varint::damaged;

/// When one user was active in a range under a cell, and when its sessions there started; both ascend.
pub struct Presence<'a> {
    user: &'a User,
    cell: Cell,
    active_days: Vec<Day>,
    session_days: Vec<Day>,
}

impl Presence<'_> {
    pub fn load<'a>(snapshot: &UsageSnapshot, user: &'a User, cell: Cell, range: DateRange) -> Result<Presence<'a>> {
        let mut presence = Presence { user, cell, active_days: vec![], session_days: vec![] };
        // A session lies on the day of its first event, which is an active day.
        for day in snapshot.overlay.history(snapshot.conn, user.ord)?.active_days() {
            if !range.contains(day) {
                continue;
            }
            let user_day = UserDay::load(snapshot.conn, day, user.ord)?.ok_or_else(damaged)?;
            if user_day.is_active(cell) {
                presence.active_days.push(day);
            }
            let started = std::iter::repeat_n(day, user_day.sessions_touching(cell) as usize);
            presence.session_days.extend(started);
        }
        let explicit = explicit_session_days(snapshot.conn, user.ord, cell)?;
        presence.session_days.extend(explicit.into_iter().filter(|day| range.contains(*day)));
        presence.session_days.sort_unstable();
        Ok(presence)
    }

    /// `range`: within the one loaded.
    pub fn figures(&self, range: DateRange) -> Figures {
        let is_active = !within(&self.active_days, range).is_empty();
        Figures {
            total_users: u64::from(counts_in_total(self.user, self.cell, range, is_active)),
            active_users: u64::from(is_active),
            total_sessions: within(&self.session_days, range).len() as u64,
        }
    }
}

fn within(days: &[Day], range: DateRange) -> &[Day] {
    let start = days.partition_point(|day| *day < range.start());
    &days[start..start + days[start..].partition_point(|day| *day <= range.end())]
}
