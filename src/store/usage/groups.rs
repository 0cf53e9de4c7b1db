//! The figures of each team, service or user of a range.

use std::cmp::Reverse;

use rusqlite::{Connection, Row};

use super::every_user::visit_users;
use super::figures::{Selection, UsageSnapshot, everyone};
use super::lattice::{ANY, Cell, FIRST_NAME, NONE, SERVICE_IDS_MAX, TEAM_IDS_MAX};
use super::user_groups::user_groups;
use crate::error::Result;
use crate::model::{DateRange, Figures, Group, GroupBy, GroupPage, Id, UsageFilter};
use crate::store::varint::damaged;

/// Groups with at least one figure above zero, by active users, then sessions, descending, then id (none last);
/// `offset` of them skipped, at most `limit` given. Grouping by user takes a byte and a bit a user, and reads every user-day
/// of the range that lies in no whole quarter kept in memory.
pub fn groups(
    snapshot: &UsageSnapshot,
    range: DateRange,
    filter: &UsageFilter,
    by: GroupBy,
    offset: u64,
    limit: usize,
) -> Result<GroupPage> {
    let selection = Selection::of(snapshot, filter)?;
    if let (Selection::Everyone(cell), GroupBy::User) = (&selection, by) {
        return user_groups(snapshot, range, *cell, offset, limit);
    }
    let mut groups = few_groups(snapshot, range, filter, &selection, by)?;
    groups.sort_unstable_by(|a, b| sort_key(a).cmp(&sort_key(b)));
    let total = groups.len() as u64;
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let groups = groups.into_iter().skip(offset).take(limit).collect();
    Ok(GroupPage { groups, total })
}

/// Every group that [`groups`] would give, in no order. By user, memory takes a few bytes a user and no more.
pub fn visit_groups(
    snapshot: &UsageSnapshot,
    range: DateRange,
    filter: &UsageFilter,
    by: GroupBy,
    visit: impl FnMut(Group) -> Result<()>,
) -> Result<()> {
    let selection = Selection::of(snapshot, filter)?;
    if let (Selection::Everyone(cell), GroupBy::User) = (&selection, by) {
        return visit_users(snapshot, range, *cell, visit);
    }
    few_groups(snapshot, range, filter, &selection, by)?.into_iter().try_for_each(visit)
}

/// The groups with a figure above zero, in no order; not for all users, of whom there may be millions.
fn few_groups(
    snapshot: &UsageSnapshot,
    range: DateRange,
    filter: &UsageFilter,
    selection: &Selection,
    by: GroupBy,
) -> Result<Vec<Group>> {
    let mut groups = match (selection, by) {
        (Selection::Nothing, _) => vec![],
        (Selection::User(user, cell), GroupBy::User) => {
            let figures = user.figures(*cell, range)?;
            vec![Group { id: filter.user_id.clone(), figures }]
        }
        (Selection::Everyone(cell), _) => {
            let source = snapshot.source();
            let figures = |cell| everyone(&source, cell, range)?.ok_or_else(damaged);
            groups_by_name(snapshot.conn, *cell, by, figures)?
        }
        (Selection::User(user, cell), _) => groups_by_name(snapshot.conn, *cell, by, |cell| user.figures(cell, range))?,
    };
    groups.retain(|group| group.figures != Figures::default());
    Ok(groups)
}

fn sort_key(group: &Group) -> (Reverse<u64>, Reverse<u64>, bool, &Option<Id>) {
    let Figures { active_users, total_sessions, .. } = group.figures;
    (Reverse(active_users), Reverse(total_sessions), group.id.is_none(), &group.id)
}

/// The figures of every team or service within the cell, zeros too.
fn groups_by_name(
    conn: &Connection,
    within: Cell,
    by: GroupBy,
    mut figures: impl FnMut(Cell) -> Result<Figures>,
) -> Result<Vec<Group>> {
    let by_team = by == GroupBy::Team;
    let named = if by_team { within.team() } else { within.service() };
    let mut names = load_names(conn, by)?;
    names.push((NONE, None));
    // A filter on what is grouped by leaves one group.
    names.retain(|(id, _)| named == ANY || named == *id);
    let cell = |id| if by_team { Cell::new(id, within.service()) } else { Cell::new(within.team(), id) };
    names.into_iter().map(|(id, name)| Ok(Group { id: name, figures: figures(cell(id))? })).collect()
}

fn load_names(conn: &Connection, by: GroupBy) -> Result<Vec<(u32, Option<Id>)>> {
    const SELECT_TEAMS: &str = "select id, team_id from usage_team";
    const SELECT_SERVICES: &str = "select id, service from usage_service";
    let (sql, ids_max) =
        if by == GroupBy::Team { (SELECT_TEAMS, TEAM_IDS_MAX) } else { (SELECT_SERVICES, SERVICE_IDS_MAX) };
    let read = |row: &Row| {
        let (id, name): (u32, String) = (row.get(0)?, row.get(1)?);
        // Any other id would reach into another cell.
        let id = Some(id).filter(|id| (FIRST_NAME..ids_max).contains(id)).ok_or_else(damaged)?;
        Ok((id, Some(Id::new(name).map_err(|_| damaged())?)))
    };
    conn.prepare_cached(sql)?.query_and_then([], read)?.collect()
}
