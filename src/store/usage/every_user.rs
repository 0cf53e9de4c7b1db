//! Grouping by user, every user at once: for exports, which must not hold all names.

use rusqlite::Rows;

use super::figures::{UsageSnapshot, cell_figures};
use super::lattice::Cell;
use super::sets::UserBits;
use super::totals::counts_in_total;
use super::user::User;
use super::user_sessions::sessions_by_user;
use crate::error::Result;
use crate::model::{DateRange, Figures, Group, Id};
use crate::store::varint::damaged;

/// Visits the groups of all users under the cell whose figures are not all zeros, in order of ord; erased users are one
/// group without an id, the last. Takes a byte and a bit a user, and more where one has hundreds of sessions.
pub fn visit_users(
    snapshot: &UsageSnapshot,
    range: DateRange,
    cell: Cell,
    mut visit: impl FnMut(Group) -> Result<()>,
) -> Result<()> {
    const SELECT_NAMES: &str = "select ord, user_id from usage_user_name order by ord";
    let irregular = snapshot.source().irregular_before(range.start())?.ok_or_else(damaged)?;
    let mut active = UserBits::new(snapshot.overlay.ord_end);
    let wanted = cell_figures(snapshot, cell, range, &irregular, &mut active)?;
    let sessions = sessions_by_user(snapshot, range, cell)?;

    let mut names = snapshot.conn.prepare_cached(SELECT_NAMES)?;
    let mut names = names.query([])?;
    let (mut sum, mut erased) = (Figures::default(), Figures::default());
    User::for_each(snapshot.conn, |user| {
        let is_active = active.contains(user.ord);
        let figures = Figures {
            total_users: u64::from(counts_in_total(&user, cell, range, is_active)),
            active_users: u64::from(is_active),
            total_sessions: u64::from(sessions.of(user.ord).ok_or_else(damaged)?),
        };
        if figures == Figures::default() {
            return Ok(());
        }
        add(&mut sum, &figures);
        match name_of(&mut names, user.ord)? {
            Some(id) => visit(Group { id: Some(id), figures }),
            None => {
                add(&mut erased, &figures);
                Ok(())
            }
        }
    })?;
    if erased != Figures::default() {
        visit(Group { id: None, figures: erased })?;
    }
    // Users partition the cell: what they come to is what it says, or something is damaged.
    if sum == wanted { Ok(()) } else { Err(damaged()) }
}

fn add(sum: &mut Figures, figures: &Figures) {
    sum.total_users += figures.total_users;
    sum.active_users += figures.active_users;
    sum.total_sessions += figures.total_sessions;
}

/// Steps on to the name of a user; None for an erased one. Ords ascend from call to call.
fn name_of(names: &mut Rows, ord: u32) -> Result<Option<Id>> {
    while let Some(row) = names.next()? {
        if row.get::<_, u32>(0)? == ord {
            let text: String = row.get(1)?;
            // Erasing leaves control characters, which sort before every id.
            let is_erased = text.as_str() < " ";
            return if is_erased { Ok(None) } else { Ok(Some(Id::new(text).map_err(|_| damaged())?)) };
        }
    }
    Err(damaged())
}
