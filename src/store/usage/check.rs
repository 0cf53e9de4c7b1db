//! Recomputes every rollup from the base facts, and says what differs.
//!
//! Nodes are compared month by month ([`super::check_nodes`]), so that memory holds the facts of one month: 16 bytes for
//! each user, day and cell of it. Beside them: 16 bytes for each cell and day on which sessions with an id start, 32 for
//! each user, and some 50 for each cell and day on which users enter or leave it.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::check_histories::{Activity, check_histories};
use super::check_nodes::check_nodes;
use super::check_users::check_users;
use super::counts::{self, YearCounts};
use super::delta::CountKind;
use super::figures::UsageSnapshot;
use super::horizon::Horizon;
use super::lattice::{ANY, Cell, CellKey, Level, NONE};
use super::user::User;
use crate::error::Result;
use crate::model::Day;

/// One line for each difference, none if all is well; past a bound only their number. Where base facts have gone, nodes of
/// the days before are compared with each other, and with the histories of users. Errors if the base facts or the
/// file cannot be read.
pub fn check(snapshot: &UsageSnapshot) -> Result<Vec<String>> {
    let mut report = Report::default();
    let whole_from = Horizon::load(snapshot.conn)?.whole_from;
    let mut activity = Activity::new(snapshot.overlay.ord_end, whole_from);
    check_nodes(snapshot, &mut activity, &mut report)?;
    check_histories(snapshot, &mut activity, &mut report)?;
    check_users(snapshot, &activity, &mut report)?;
    check_counts(snapshot, &mut report)?;
    Ok(report.into_lines())
}

/// Differences found, of which the first are kept.
#[derive(Default)]
pub(super) struct Report {
    lines: Vec<String>,
    more: u64,
}

impl Report {
    const LINES_MAX: usize = 100;

    pub fn add(&mut self, line: String) {
        if self.lines.len() < Report::LINES_MAX {
            self.lines.push(line);
        } else {
            self.more += 1;
        }
    }

    /// Adds a line unless both are equal.
    pub fn expect<T: PartialEq + std::fmt::Display>(&mut self, what: impl FnOnce() -> String, found: T, wanted: T) {
        if found != wanted {
            self.add(format!("{}: {found} where the base facts say {wanted}", what()));
        }
    }

    fn into_lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.lines.push(format!("and {} more", self.more));
        }
        self.lines
    }
}

/// A cell, for a person.
pub(super) fn shown(cell: Cell) -> String {
    let id = |id| match id {
        ANY => "any".to_string(),
        NONE => "none".to_string(),
        id => format!("#{id}"),
    };
    format!("team {}, service {}", id(cell.team()), id(cell.service()))
}

/// Spreads a number over 64 bits (the finaliser of splitmix64).
pub(super) fn mixed(n: u64) -> u64 {
    let n = (n.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

type Counts = BTreeMap<(i64, CellKey), i64>;

fn check_counts(snapshot: &UsageSnapshot, report: &mut Report) -> Result<()> {
    let mut counts = count_users(snapshot.conn, report)?;
    // What is left to fold must not be in the table yet.
    for kind in [CountKind::Entered, CountKind::Left] {
        snapshot.overlay.for_each_pending_count(kind, |key, n| {
            *counts.entry((kind as i64, key)).or_default() -= n;
        });
    }
    for ((kind, key), found) in load_counts(snapshot.conn, report)? {
        let wanted = counts.remove(&(kind, key)).unwrap_or(0);
        report.expect(|| format!("usage_count, kind {kind}, {}", shown_key(key)), found, wanted);
    }
    for ((kind, key), wanted) in counts {
        report.expect(|| format!("usage_count, kind {kind}, {}", shown_key(key)), 0, wanted);
    }
    Ok(())
}

/// Users that enter and leave each cell, by day.
fn count_users(conn: &Connection, report: &mut Report) -> Result<Counts> {
    let mut counts = Counts::new();
    let mut irregular = vec![];
    User::for_each(conn, |user| {
        let leaves = user.deactivated_at.filter(|_| !user.is_irregular()).map(|at| at.day());
        for cell in cells_of(&user) {
            let Some(entered) = user.enters(cell) else { continue };
            *counts.entry((CountKind::Entered as i64, cell.key(Level::Day, entered))).or_default() += 1;
            if let Some(left) = leaves {
                *counts.entry((CountKind::Left as i64, cell.key(Level::Day, left))).or_default() += 1;
            }
        }
        if user.is_irregular() {
            irregular.push(user.ord);
        }
        Ok(())
    })?;
    let mut found: Vec<u32> = User::irregular_before(conn, Day::MAX)?.iter().map(|user| user.ord).collect();
    found.sort_unstable();
    if found != irregular {
        report.add("usage_user.irregular: other users than the base facts say".to_string());
    }
    Ok(counts)
}

fn cells_of(user: &User) -> Vec<Cell> {
    let mut cells = Cell::touched_by(user.pairs.iter().map(|pair| (pair.team, pair.service)));
    cells.extend([Cell::ALL, Cell::new(user.home_team, ANY)]);
    cells.sort_unstable();
    cells.dedup();
    cells
}

/// By day; a row that cannot be read is reported.
fn load_counts(conn: &Connection, report: &mut Report) -> Result<Counts> {
    let mut loaded = Counts::new();
    counts::for_each(conn, |key, year| match year {
        Ok(YearCounts { cell, changes }) => {
            for (kind, changes) in [CountKind::Entered, CountKind::Left].into_iter().zip(changes) {
                let keyed = |(day, n)| ((kind as i64, cell.key(Level::Day, day)), n);
                loaded.extend(changes.into_iter().map(keyed));
            }
        }
        Err(error) => report.add(format!("usage_count, {}: {error}", shown_key(CellKey::from_sql(key)))),
    })?;
    Ok(loaded)
}

/// A key, for a person. It may come from a damaged row.
fn shown_key(key: CellKey) -> String {
    let day = Day::from_index((key.to_sql() & 0x3f_ffff) as u32);
    let level = ["day", "month", "year", "level 3"][(key.to_sql() >> 22 & 3) as usize];
    format!("{}, {level} {}", shown(key.cell()), day.map_or("?".to_string(), |day| day.to_string()))
}
