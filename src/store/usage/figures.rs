//! Reads of the usage side, each from one snapshot: a read transaction and the overlay of the same commit.

use std::cell::RefCell;

use rusqlite::{Connection, OptionalExtension, named_params};

pub use super::check::check;
use super::gather::{Gathered, Source};
pub use super::groups::{groups, visit_groups};
use super::lattice::{ANY, Cell, FIRST_NAME, SERVICE_IDS_MAX, TEAM_IDS_MAX};
use super::presence::{KnownUser, OneUser, UserRows};
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

impl<'a> UsageSnapshot<'a> {
    pub(super) fn source(&self) -> Source<'a> {
        Source { conn: Some(self.conn), overlay: self.overlay }
    }
}

/// The three figures of a range under a filter. An id nobody has sent gives zeros.
pub fn figures(snapshot: &UsageSnapshot, range: DateRange, filter: &UsageFilter) -> Result<Figures> {
    let kept = &snapshot.overlay.kept;
    if let Some(figures) = kept.answer(range, filter) {
        return Ok(figures);
    }
    let figures = match Selection::of(snapshot, filter)? {
        Selection::Nothing => Figures::default(),
        Selection::User(user, cell) => user.figures(cell, range)?,
        Selection::Everyone(cell) => everyone(&snapshot.source(), cell, range)?.ok_or_else(damaged)?,
    };
    kept.keep_answer(range, filter, figures);
    Ok(figures)
}

/// The same without a transaction; None if something that it takes is not in memory. `known`: a user who is.
pub fn figures_in_memory(
    overlay: &Overlay,
    known: Option<&KnownUser>,
    range: DateRange,
    filter: &UsageFilter,
) -> Result<Option<Figures>> {
    let kept = &overlay.kept;
    // Whoever has looked at a user has asked for what is kept before.
    if known.is_none()
        && let Some(figures) = kept.answer(range, filter)
    {
        return Ok(Some(figures));
    }
    let id = |kind, name: Option<&Id>| name.map_or(Some(Some(ANY)), |name| kept.name_id(kind, name));
    let team = id(GroupBy::Team, filter.team_id.as_ref());
    let service = id(GroupBy::Service, filter.service.as_ref());
    let (Some(team), Some(service)) = (team, service) else { return Ok(None) };
    let cell = team.zip(service).map(|(team, service)| Cell::new(team, service));
    let figures = match (cell, &filter.user_id) {
        (None, _) => Some(Figures::default()),
        (Some(cell), None) => everyone(&Source { conn: None, overlay }, cell, range)?,
        (Some(cell), Some(user_id)) => match known.filter(|known| known.user_id == *user_id) {
            Some(known) => Some(known.figures(cell, range)?),
            None => None,
        },
    };
    figures.into_iter().for_each(|figures| kept.keep_answer(range, filter, figures));
    Ok(figures)
}

/// The figures of all users under a cell. None if something is not in memory, and there is no transaction to read it in.
pub(super) fn everyone(source: &Source, cell: Cell, range: DateRange) -> Result<Option<Figures>> {
    let Some(irregular) = source.irregular_before(range.start())? else { return Ok(None) };
    let Some(gathered) = source.gather(cell, range)? else { return Ok(None) };
    let total_sessions = sessions(source, cell, range, &gathered)?;
    let counted = match irregular.is_empty() && !source.overlay.has_users(cell, range) {
        true => gathered.count(source.overlay.ord_end)?,
        false => None,
    };
    let (total_users, active_users) = match counted {
        Some(active_users) => (total_users(source, cell, range, &irregular, |_| false)?, active_users),
        None => count_users(source, cell, range, &gathered, &irregular)?,
    };
    Ok(total_users.map(|total_users| Figures { total_users, active_users, total_sessions }))
}

thread_local! {
    /// Room to count in, all clear. Where few users are counted, clearing it anew would take longer than counting.
    static ROOM: RefCell<UserBits> = RefCell::new(UserBits::new(0));
}

/// As [`total_users`], and how many of them were active.
fn count_users(
    source: &Source,
    cell: Cell,
    range: DateRange,
    gathered: &Gathered,
    irregular: &[User],
) -> Result<(Option<u64>, u64)> {
    // Comes back only if it is clear again: not after an error.
    let mut bits = ROOM.replace(UserBits::new(0));
    bits.resize(source.overlay.ord_end);
    gathered.unite(&mut bits)?;
    source.overlay.correct_users(cell, range, &mut bits)?;
    let total_users = total_users(source, cell, range, irregular, |ord| bits.contains(ord))?;
    let active_users = match gathered.take_out(&mut bits) {
        Some(taken) => taken + source.overlay.take_out_users(cell, range, &mut bits),
        None => {
            let users = bits.count();
            bits.clear();
            users
        }
    };
    ROOM.set(bits);
    Ok((total_users, active_users))
}

/// What a filter comes down to.
pub(super) enum Selection {
    /// A name in it was never sent.
    Nothing,
    Everyone(Cell),
    User(Box<OneUser>, Cell),
}

impl Selection {
    pub fn of(snapshot: &UsageSnapshot, filter: &UsageFilter) -> Result<Selection> {
        let team = name_id(snapshot, GroupBy::Team, filter.team_id.as_ref())?;
        let service = name_id(snapshot, GroupBy::Service, filter.service.as_ref())?;
        let (Some(team), Some(service)) = (team, service) else { return Ok(Selection::Nothing) };
        let cell = Cell::new(team, service);
        let Some(user_id) = &filter.user_id else { return Ok(Selection::Everyone(cell)) };
        let (_, rows) = UserRows::find(snapshot.conn, snapshot.overlay, snapshot.key, user_id)?;
        let user = OneUser::new(rows, snapshot.overlay)?;
        Ok(user.map_or(Selection::Nothing, |user| Selection::User(Box::new(user), cell)))
    }
}

/// [`ANY`] without a name; None for a name that was never sent.
fn name_id(snapshot: &UsageSnapshot, kind: GroupBy, name: Option<&Id>) -> Result<Option<u32>> {
    let Some(name) = name else { return Ok(Some(ANY)) };
    let kept = &snapshot.overlay.kept;
    if let Some(id) = kept.name_id(kind, name) {
        return Ok(id);
    }
    let id = load_name_id(snapshot.conn, kind, name)?;
    kept.keep_name_id(kind, name, id);
    Ok(id)
}

fn load_name_id(conn: &Connection, kind: GroupBy, name: &Id) -> Result<Option<u32>> {
    const SELECT_TEAM: &str = "select id from usage_team where team_id = :name";
    const SELECT_SERVICE: &str = "select id from usage_service where service = :name";
    let sql = if kind == GroupBy::Team { SELECT_TEAM } else { SELECT_SERVICE };
    let mut statement = conn.prepare_cached(sql)?;
    let id: Option<u32> = statement.query_row(named_params! {":name": name.as_str()}, |row| row.get(0)).optional()?;
    // Any other id would reach into another cell.
    let ids_max = if kind == GroupBy::Team { TEAM_IDS_MAX } else { SERVICE_IDS_MAX };
    if id.is_some_and(|id| !(FIRST_NAME..ids_max).contains(&id)) { Err(damaged()) } else { Ok(id) }
}

/// As [`everyone`], for who must know the active ones: `bits` holds them afterwards. `irregular`: users as
/// [`User::irregular_before`] the range's start.
pub(super) fn cell_figures(
    snapshot: &UsageSnapshot,
    cell: Cell,
    range: DateRange,
    irregular: &[User],
    bits: &mut UserBits,
) -> Result<Figures> {
    let source = snapshot.source();
    let total_sessions = collect(snapshot, cell, range, bits)?;
    let total_users = total_users(&source, cell, range, irregular, |ord| bits.contains(ord))?.ok_or_else(damaged)?;
    Ok(Figures { total_users, active_users: bits.count(), total_sessions })
}

/// Makes `bits` the users that were active in the range under the cell; returns the sessions that started in it.
pub(super) fn collect(snapshot: &UsageSnapshot, cell: Cell, range: DateRange, bits: &mut UserBits) -> Result<u64> {
    let source = snapshot.source();
    let gathered = source.gather(cell, range)?.ok_or_else(damaged)?;
    bits.clear();
    gathered.unite(bits)?;
    source.overlay.correct_users(cell, range, bits)?;
    sessions(&source, cell, range, &gathered)
}

fn sessions(source: &Source, cell: Cell, range: DateRange, gathered: &Gathered) -> Result<u64> {
    let sessions = gathered.sessions + source.overlay.sessions(cell, range);
    u64::try_from(sessions).map_err(|_| damaged())
}
