//! Reads of the usage side, each from one snapshot: a read transaction and the overlay of the same commit.

use rusqlite::{Connection, OptionalExtension, named_params};

pub use super::check::check;
pub use super::groups::{groups, visit_groups};
use super::lattice::{ANY, Cell, FIRST_NAME, SERVICE_IDS_MAX, TEAM_IDS_MAX};
use super::node;
use super::presence::Presence;
use super::rollup::Overlay;
pub use super::series::series;
use super::sets::UserBits;
use super::totals::total_users;
use super::user::User;
use crate::error::Result;
use crate::model::{DateRange, Figures, GroupBy, Id, UsageFilter};
use crate::store::digest::DigestKey;
use crate::store::varint::damaged;

/// One consistent state of the usage side.
pub struct UsageSnapshot<'a> {
    pub conn: &'a Connection,
    pub overlay: &'a Overlay,
    pub key: &'a DigestKey,
}

/// The three figures of a range under a filter. An id nobody has sent gives zeros.
pub fn figures(snapshot: &UsageSnapshot, range: DateRange, filter: &UsageFilter) -> Result<Figures> {
    match Selection::of(snapshot, filter)? {
        Selection::Nothing => Ok(Figures::default()),
        Selection::User(user, cell) => Ok(Presence::load(snapshot, &user, cell, range)?.figures(range)),
        Selection::Everyone(cell) => {
            let irregular = User::irregular_before(snapshot.conn, range.start())?;
            let mut bits = UserBits::new(snapshot.overlay.ord_end);
            cell_figures(snapshot, cell, range, &irregular, &mut bits)
        }
    }
}

/// What a filter comes down to.
pub(super) enum Selection {
    /// A name in it was never sent.
    Nothing,
    Everyone(Cell),
    User(Box<User>, Cell),
}

impl Selection {
    pub fn of(snapshot: &UsageSnapshot, filter: &UsageFilter) -> Result<Selection> {
        let team = name_id(snapshot.conn, GroupBy::Team, filter.team_id.as_ref())?;
        let service = name_id(snapshot.conn, GroupBy::Service, filter.service.as_ref())?;
        let (Some(team), Some(service)) = (team, service) else { return Ok(Selection::Nothing) };
        let cell = Cell::new(team, service);
        let Some(user_id) = &filter.user_id else { return Ok(Selection::Everyone(cell)) };
        let user = User::find(snapshot.conn, snapshot.key, user_id)?;
        Ok(user.map_or(Selection::Nothing, |user| Selection::User(Box::new(user), cell)))
    }
}

/// [`ANY`] without a name; None for a name that was never sent.
fn name_id(conn: &Connection, kind: GroupBy, name: Option<&Id>) -> Result<Option<u32>> {
    const SELECT_TEAM: &str = "select id from usage_team where team_id = :name";
    const SELECT_SERVICE: &str = "select id from usage_service where service = :name";
    let Some(name) = name else { return Ok(Some(ANY)) };
    let sql = if kind == GroupBy::Team { SELECT_TEAM } else { SELECT_SERVICE };
    let mut statement = conn.prepare_cached(sql)?;
    let id: Option<u32> = statement.query_row(named_params! {":name": name.as_str()}, |row| row.get(0)).optional()?;
    // Any other id would reach into another cell.
    let ids_max = if kind == GroupBy::Team { TEAM_IDS_MAX } else { SERVICE_IDS_MAX };
    if id.is_some_and(|id| !(FIRST_NAME..ids_max).contains(&id)) { Err(damaged()) } else { Ok(id) }
}

/// The figures of all users under a cell. `irregular`: users as [`User::irregular_before`] the range's start. `bits`:
/// room to count in; holds the active users afterwards.
pub(super) fn cell_figures(
    snapshot: &UsageSnapshot,
    cell: Cell,
    range: DateRange,
    irregular: &[User],
    bits: &mut UserBits,
) -> Result<Figures> {
    let total_sessions = collect(snapshot, cell, range, bits)?;
    Ok(Figures {
        total_users: total_users(snapshot, cell, range, irregular, bits)?,
        active_users: bits.count(),
        total_sessions,
    })
}

/// Makes `bits` the users that were active in the range under the cell; returns the sessions that started in it.
pub(super) fn collect(snapshot: &UsageSnapshot, cell: Cell, range: DateRange, bits: &mut UserBits) -> Result<u64> {
    bits.clear();
    let folded = node::collect(snapshot.conn, cell, range, bits)?;
    snapshot.overlay.correct_users(cell, range, bits)?;
    let sessions = folded + snapshot.overlay.sessions(cell, range);
    u64::try_from(sessions).map_err(|_| damaged())
}
