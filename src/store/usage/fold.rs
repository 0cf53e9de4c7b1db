//! Folding: brings a sealed run into the nodes, the counts and the users' histories, a slice per transaction.
//!
//! The unit is one cell in one year. A unit is folded whole or not at all, so that a reader finds each entry of the
//! run either in the nodes (below the cursor) or in the overlay.

use rusqlite::{Connection, named_params};

use super::by_user::Changes;
use super::day_users::DayUsers;
use super::delta::CountKind;
use super::history::UserHistory;
use super::lattice::{Cell, CellKey, Level};
use super::node::{self, Kind, Node, Section};
use super::overlay::{Overlay, Sealed};
use super::sets::{self, UserBits, union_without};
use super::unit::{DayChange, Unit};
use crate::clock::give_way;
use crate::error::Result;
use crate::model::Day;
use crate::store::varint::damaged;

/// When nodes change their form. Tests choose small values to see every form.
#[derive(Clone, Copy, Debug)]
pub struct NodeForms {
    /// A month whose sections take more bytes becomes a union.
    pub month_bytes_max: usize,
    /// A year with so many user-days keeps the union of its users.
    pub year_user_days_min: u64,
}

/// Folds whole units, then whole users, until about `budget` entries are done; at least one unit or user. Returns
/// whether the run is folded to its end.
pub fn fold_slice(
    conn: &Connection,
    overlay: &Overlay,
    sealed: &mut Sealed,
    forms: NodeForms,
    mut budget: usize,
) -> Result<bool> {
    let run = sealed.run.clone();
    while let Some(unit) = Unit::next(&run, sealed.cell_cursor) {
        if budget == 0 {
            return Ok(false);
        }
        fold_unit(conn, &unit, forms, overlay.ord_end)?;
        give_way();
        budget = budget.saturating_sub(unit.weight());
        sealed.cell_cursor = unit.end;
    }
    while let Some(ord) = run.by_user.next_user(sealed.user_cursor) {
        if budget == 0 {
            return Ok(false);
        }
        let changes = run.by_user.of(ord);
        // A user removed since the run was sealed must not rise again.
        if !overlay.removes(ord) {
            fold_user(conn, ord, changes)?;
        }
        budget = budget.saturating_sub(changes.len());
        sealed.user_cursor = ord + 1;
    }
    Ok(true)
}

fn fold_unit(conn: &Connection, unit: &Unit, forms: NodeForms, ord_end: u32) -> Result<()> {
    fold_counts(conn, CountKind::Entered, unit, unit.entered)?;
    fold_counts(conn, CountKind::Left, unit, unit.left)?;
    let mut sum = PeriodChange::default();
    for month in unit.days.chunk_by(|a, b| a.day.month_start() == b.day.month_start()) {
        let change = PeriodChange::of(month);
        fold_month(conn, unit.cell, month, &change, forms)?;
        sum = sum.and(change);
    }
    if unit.days.is_empty() { Ok(()) } else { fold_year(conn, unit, &sum, forms, ord_end) }
}

/// Sums up by year beside the days, so that a prefix sum reads few rows.
fn fold_counts(conn: &Connection, kind: CountKind, unit: &Unit, counts: &[(CellKey, i64)]) -> Result<()> {
    for (key, n) in counts {
        add_count(conn, kind, *key, *n)?;
    }
    let sum: i64 = counts.iter().map(|(_, n)| n).sum();
    add_count(conn, kind, unit.cell.key(Level::Year, unit.year.start()), sum)
}

fn add_count(conn: &Connection, kind: CountKind, key: CellKey, n: i64) -> Result<()> {
    const ADD_COUNT: &str = "insert into usage_count (kind, key, n) values (:kind, :key, :n)
                       on conflict (kind, key) do update set n = n + excluded.n";
    const DELETE_ZERO_COUNT: &str = "delete from usage_count where kind = :kind and key = :key and n = 0";
    let (kind, key) = (kind as i64, key.to_sql());
    if n != 0 {
        conn.prepare_cached(ADD_COUNT)?.execute(named_params! {":kind": kind, ":key": key, ":n": n})?;
    }
    if n < 0 {
        conn.prepare_cached(DELETE_ZERO_COUNT)?.execute(named_params! {":kind": kind, ":key": key})?;
    }
    Ok(())
}

/// What a run changes in one cell over a month or a year; ords ascend, each once.
#[derive(Default)]
struct PeriodChange {
    user_days: i64,
    sessions: i64,
    added: Vec<u32>,
    removed: Vec<u32>,
}

impl PeriodChange {
    fn of(days: &[DayChange]) -> PeriodChange {
        let distinct = |ords: &dyn Fn(&DayChange) -> Vec<u32>| {
            let mut ords: Vec<u32> = days.iter().flat_map(ords).collect();
            ords.sort_unstable();
            ords.dedup();
            ords
        };
        PeriodChange {
            user_days: days.iter().map(DayChange::users).sum(),
            sessions: days.iter().map(|day| day.users() + day.extra()).sum(),
            added: distinct(&|day| day.added.to_vec()),
            removed: distinct(&|day| day.removed.to_vec()),
        }
    }

    fn and(self, other: PeriodChange) -> PeriodChange {
        PeriodChange {
            user_days: self.user_days + other.user_days,
            sessions: self.sessions + other.sessions,
            added: union_without(&self.added, &other.added, &[]),
            removed: union_without(&self.removed, &other.removed, &[]),
        }
    }
}

fn fold_month(
    conn: &Connection,
    cell: Cell,
    days: &[DayChange],
    change: &PeriodChange,
    forms: NodeForms,
) -> Result<()> {
    let month = days[0].day.month_start();
    let key = cell.key(Level::Month, month);
    let body = match node::load(conn, key)? {
        None => vec![],
        Some(node) if node.kind == Kind::Days => node.body,
        Some(union) if union.kind == Kind::Users => {
            days.iter().try_for_each(|day| fold_day(conn, cell, day))?;
            return node::save(conn, key, &changed_set(&union, &change.added, &change.removed, change.sessions)?);
        }
        Some(_) => return Err(damaged()),
    };
    let mut sections = node::sections(month, &body)?;
    for day in days {
        fold_section(&mut sections, day)?;
    }
    let node = Node::of_sections(month, &sections);
    if node.body.len() > forms.month_bytes_max {
        return split_month(conn, cell, month, &sections);
    }
    node::save(conn, key, &node)
}

fn fold_section(sections: &mut Vec<Section>, change: &DayChange) -> Result<()> {
    let at = sections.partition_point(|section| section.day < change.day);
    let has_day = sections.get(at).is_some_and(|section| section.day == change.day);
    let mut day = match sections.get(at).filter(|_| has_day) {
        Some(section) => DayUsers::unpack(&section.set, &section.extras)?,
        None => DayUsers::default(),
    };
    day.change(change)?;
    let section = Section {
        day: change.day,
        users: day.users.len() as u64,
        sessions: day.sessions(),
        set: day.packed_set().into(),
        extras: day.packed_extras().into(),
    };
    sections.splice(at..at + usize::from(has_day), Some(section).filter(|_| day != DayUsers::default()));
    Ok(())
}

/// A row for each day, and the month as their union.
fn split_month(conn: &Connection, cell: Cell, month: Day, sections: &[Section]) -> Result<()> {
    let mut users = vec![];
    for section in sections {
        users.extend(sets::decode(&section.set)?);
        let (set, extras) = (section.set.to_vec(), section.extras.to_vec());
        let node = Node::of_day(section.users, section.sessions, set, extras);
        node::save(conn, cell.key(Level::Day, section.day), &node)?;
    }
    users.sort_unstable();
    users.dedup();
    let sessions = sections.iter().map(|section| section.sessions).sum();
    node::save(conn, cell.key(Level::Month, month), &Node::union(&users, sessions))
}

fn fold_day(conn: &Connection, cell: Cell, change: &DayChange) -> Result<()> {
    let key = cell.key(Level::Day, change.day);
    let mut day = match node::load(conn, key)? {
        Some(node) => DayUsers::unpack(&node.body, &node.extras)?,
        None => DayUsers::default(),
    };
    day.change(change)?;
    let node = Node::of_day(day.users.len() as u64, day.sessions(), day.packed_set(), day.packed_extras());
    node::save(conn, key, &node)
}

fn fold_year(conn: &Connection, unit: &Unit, change: &PeriodChange, forms: NodeForms, ord_end: u32) -> Result<()> {
    let key = unit.cell.key(Level::Year, unit.year.start());
    let node = node::load(conn, key)?.unwrap_or(Node::count(0, 0));
    if node.kind == Kind::Users {
        return node::save(conn, key, &changed_set(&node, &change.added, &change.removed, change.sessions)?);
    }
    let user_days = node.users.checked_add_signed(change.user_days).ok_or_else(damaged)?;
    let sessions = node.sessions + change.sessions;
    if user_days < forms.year_user_days_min {
        return node::save(conn, key, &Node::count(user_days, sessions));
    }
    let mut bits = UserBits::new(ord_end);
    node::collect_months(conn, unit.cell, unit.year, &mut bits)?;
    let users: Vec<u32> = bits.iter().collect();
    node::save(conn, key, &Node::union(&users, sessions))
}

fn changed_set(node: &Node, added: &[u32], removed: &[u32], sessions: i64) -> Result<Node> {
    let sessions = node.sessions + sessions;
    if added.is_empty() && removed.is_empty() {
        return Ok(Node { sessions, ..node.clone() });
    }
    let users = union_without(&sets::decode(&node.body)?, added, removed);
    Ok(Node::union(&users, sessions))
}

fn fold_user(conn: &Connection, ord: u32, changes: Changes) -> Result<()> {
    let mut history = UserHistory::load(conn, ord)?;
    history.take_in(changes.pairs(), changes.extras())?;
    history.save(conn, ord)
}
