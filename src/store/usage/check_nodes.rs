//! Compares the nodes with the base facts: each month's days, then each year with its months.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, named_params};

use super::check::{Report, shown};
use super::check_histories::Activity;
use super::check_older::{check_older_month, older_months};
use super::day_users::DayUsers;
use super::figures::UsageSnapshot;
use super::lattice::{Cell, CellKey, Level};
use super::node::{self, Kind, Node, Section};
use super::sets::{self, UserBits};
use super::starts::{ExplicitStarts, Starts};
use super::user_day::{ORD_BITS, UserDay, row_key};
use crate::error::Result;
use crate::model::{DateRange, Day};
use crate::store::varint::damaged;

/// Adds every user-day to `activity` in passing. Of months before base facts are whole, what the nodes say of users.
pub(super) fn check_nodes(snapshot: &UsageSnapshot, activity: &mut Activity, report: &mut Report) -> Result<()> {
    let explicit = ExplicitStarts::load(snapshot.conn)?;
    let mut listed = snapshot.overlay.pending_months();
    listed.extend(older_months(snapshot.conn, activity.whole_from)?);
    let whole_from = activity.whole_from;
    let next_day = |from: Day| -> Result<Option<Day>> {
        let listed = listed.range((from, Cell::ALL)..).next().map(|(month, _)| *month);
        let from = from.max(whole_from);
        let active = first_active_day(snapshot.conn, from)?;
        Ok([active, explicit.first_day(from), listed].into_iter().flatten().min())
    };
    let mut nodes = 0;
    let mut cells_of_year = BTreeSet::new();
    let mut next = next_day(Day::MIN)?;
    while let Some(day) = next {
        let month = DateRange::new(day.month_start(), day.month_end()).expect("a month ends after its start");
        let cells = listed.range((month.start(), Cell::ALL)..).take_while(|(start, _)| *start == month.start());
        let mut cells: BTreeSet<Cell> = cells.map(|(_, cell)| *cell).collect();
        nodes += match month.start() < whole_from {
            true => check_older_month(snapshot, month, &cells, activity, report)?,
            false => check_cells(snapshot, &explicit, month, &mut cells, activity, report)?,
        };
        cells_of_year.extend(cells);
        next = month.end().next().map_or(Ok(None), next_day)?;
        if next.is_none_or(|next| next > day.year_end()) {
            for cell in std::mem::take(&mut cells_of_year) {
                nodes += check_year(snapshot, cell, day.year_start(), report)?;
            }
        }
    }
    // Any other node belongs to a cell without a fact.
    report.expect(|| "usage_node, rows".to_string(), count_nodes(snapshot.conn)?, nodes);
    Ok(())
}

/// `cells`: those that are to be looked at whatever the base facts say, as all that was there may have been removed; those of
/// the base facts are added. Returns how many nodes it has compared; so do the next ones.
fn check_cells(
    snapshot: &UsageSnapshot,
    explicit: &ExplicitStarts,
    month: DateRange,
    cells: &mut BTreeSet<Cell>,
    activity: &mut Activity,
    report: &mut Report,
) -> Result<u64> {
    let mut nodes = 0;
    let mut unseen = cells.clone();
    let truth = Truth::load(snapshot.conn, explicit, month, activity)?;
    for (cell, days) in truth.by_cell() {
        nodes += check_month(snapshot, cell, month, days, report)?;
        unseen.remove(&cell);
        cells.insert(cell);
    }
    for cell in unseen {
        nodes += check_month(snapshot, cell, month, Days::new(), report)?;
    }
    Ok(nodes)
}

fn count_nodes(conn: &Connection) -> Result<u64> {
    const COUNT_NODES: &str = "select count(*) from usage_node";
    Ok(conn.query_row(COUNT_NODES, [], |row| row.get::<_, i64>(0))? as u64)
}

/// The earliest day from `from` on with a user-day.
fn first_active_day(conn: &Connection, from: Day) -> Result<Option<Day>> {
    const SELECT_NEXT_DAY: &str = "select key from usage_user_day where key >= :from order by key limit 1";
    let mut statement = conn.prepare_cached(SELECT_NEXT_DAY)?;
    let key: Option<i64> =
        statement.query_row(named_params! {":from": row_key(from, 0)}, |row| row.get(0)).optional()?;
    let day = |key: i64| u32::try_from(key >> ORD_BITS).ok().and_then(Day::from_index).ok_or_else(damaged);
    key.map(day).transpose()
}

/// What the base facts say of a month: users and sessions by cell and day, sorted.
struct Truth {
    users: Vec<(CellKey, u32)>,
    sessions: Vec<(CellKey, Starts)>,
}

/// The users (ascending) and sessions of one cell, by day.
pub(super) type Days = BTreeMap<Day, (Vec<u32>, Starts)>;

impl Truth {
    fn load(conn: &Connection, explicit: &ExplicitStarts, month: DateRange, activity: &mut Activity) -> Result<Truth> {
        let (mut users, mut sessions) = (vec![], vec![]);
        UserDay::for_each(conn, month, |day, ord, user_day| {
            let cells = Cell::touched_by(user_day.active_pairs());
            activity.add_day(ord, day, &user_day)?;
            users.extend(cells.into_iter().map(|cell| (cell.key(Level::Day, day), ord)));
            let mut one = Starts::default();
            one.add(ord, 1);
            for session in &user_day.sessions {
                let cells = Cell::touched_by(user_day.pairs(session));
                sessions.extend(cells.into_iter().map(|cell| (cell.key(Level::Day, day), one)));
            }
            Ok(())
        })?;
        sessions.extend(explicit.within(month).map(|(day, cell, starts)| (cell.key(Level::Day, *day), *starts)));
        users.sort_unstable();
        sessions.sort_unstable_by_key(|(key, _)| *key);
        Ok(Truth { users, sessions })
    }

    fn by_cell(&self) -> impl Iterator<Item = (Cell, Days)> {
        let (mut users, mut sessions) = (self.users.iter().peekable(), self.sessions.iter().peekable());
        std::iter::from_fn(move || {
            let heads = [users.peek().map(|entry| entry.0), sessions.peek().map(|entry| entry.0)];
            let cell = heads.into_iter().flatten().min()?.cell();
            let mut days = Days::new();
            while let Some((key, ord)) = users.next_if(|(key, _)| key.cell() == cell) {
                days.entry(key.day()).or_default().0.push(*ord);
            }
            while let Some((key, starts)) = sessions.next_if(|(key, _)| key.cell() == cell) {
                days.entry(key.day()).or_default().1.add_all(*starts);
            }
            Some((cell, days))
        })
    }
}

fn check_month(
    snapshot: &UsageSnapshot,
    cell: Cell,
    month: DateRange,
    wanted: Days,
    report: &mut Report,
) -> Result<u64> {
    let name = |day: Day| format!("usage_node, {}, {day}", shown(cell));
    let (mut found, nodes) = match folded_days(snapshot.conn, cell, month, report, |_, _| Ok(())) {
        Ok(folded) => folded,
        Err(error) => {
            report.add(format!("{} (month): {error}", name(month.start())));
            return Ok(0);
        }
    };
    add_pending(snapshot, cell, month, &mut found);
    let nobody = (vec![], Starts::default());
    let days: BTreeSet<Day> = found.keys().chain(wanted.keys()).copied().collect();
    for day in days {
        let (found, wanted) = (found.get(&day).unwrap_or(&nobody), wanted.get(&day).unwrap_or(&nobody));
        report.expect(|| format!("{}, users", name(day)), found.0.len(), wanted.0.len());
        if found.0.len() == wanted.0.len() && found.0 != wanted.0 {
            report.add(format!("{}: other users than the base facts say", name(day)));
        }
        report.expect(|| format!("{}, sessions", name(day)), found.1.n, wanted.1.n);
        if found.1.n == wanted.1.n && found.1 != wanted.1 {
            report.add(format!("{}: sessions of other users than the base facts say", name(day)));
        }
    }
    Ok(nodes)
}

/// What the nodes of a month hold; compares the month's own figures with those of its days. Calls with each day.
pub(super) fn folded_days(
    conn: &Connection,
    cell: Cell,
    month: DateRange,
    report: &mut Report,
    mut visit: impl FnMut(Day, &DayUsers) -> Result<()>,
) -> Result<(Days, u64)> {
    let Some(node) = node::load(conn, cell.key(Level::Month, month.start()))? else { return Ok((Days::new(), 0)) };
    let mut nodes = 1;
    let name = |what: &str| format!("usage_node, {}, {} (month), {what}", shown(cell), month.start());
    let mut folded = vec![];
    if node.kind == Kind::Days {
        for Section { day, users, sessions, set, extras } in node::sections(month.start(), &node.body)? {
            folded.push((day, users, sessions, DayUsers::unpack(&set, &extras)?));
        }
    } else {
        for day in month.start().index()..=month.end().index() {
            let day = Day::from_index(day).ok_or_else(damaged)?;
            let Some(node) = node::load(conn, cell.key(Level::Day, day))? else { continue };
            nodes += 1;
            folded.push((day, node.users, node.sessions, DayUsers::unpack(&node.body, &node.extras)?));
        }
    }
    let mut days = Days::new();
    for (day, users, sessions, day_users) in folded {
        report.expect(|| format!("{} of {day}", name("users")), users, day_users.users.len() as u64);
        report.expect(|| format!("{} of {day}", name("sessions")), sessions, day_users.sessions());
        visit(day, &day_users)?;
        let starts = starts_of(&day_users);
        days.insert(day, (day_users.users, starts));
    }
    let sessions = days.values().map(|(_, starts)| starts.n).sum();
    report.expect(|| name("sessions"), node.sessions, sessions);
    report.expect(|| name("users"), node.users, wanted_users(&node, &days));
    if node.kind == Kind::Users && sets::decode(&node.body)? != distinct(&days) {
        report.add(name("other users than on its days"));
    }
    Ok((days, nodes))
}

fn starts_of(day: &DayUsers) -> Starts {
    let mut starts = Starts::default();
    day.users.iter().for_each(|ord| starts.add(*ord, 1));
    day.extras.iter().for_each(|(ord, n)| starts.add(*ord, i64::from(*n)));
    starts
}

fn wanted_users(month: &Node, days: &Days) -> u64 {
    match month.kind {
        Kind::Users => distinct(days).len() as u64,
        Kind::Days | Kind::Count => days.values().map(|(users, _)| users.len() as u64).sum(),
    }
}

fn distinct(days: &Days) -> Vec<u32> {
    let mut users: Vec<u32> = days.values().flat_map(|(users, _)| users).copied().collect();
    users.sort_unstable();
    users.dedup();
    users
}

fn add_pending(snapshot: &UsageSnapshot, cell: Cell, month: DateRange, days: &mut Days) {
    let mut removed = vec![];
    snapshot.overlay.for_each_user(cell, month, |day, ord, sign| {
        let (users, starts) = days.entry(day).or_default();
        starts.add(ord, sign);
        if sign > 0 {
            users.push(ord);
        } else {
            removed.push((day, ord));
        }
    });
    for (day, ord) in removed {
        let users = &mut days.entry(day).or_default().0;
        if let Some(at) = users.iter().position(|user| *user == ord) {
            users.remove(at);
        }
    }
    snapshot.overlay.for_each_extra(cell, month, |day, ord, n| days.entry(day).or_default().1.add(ord, n));
    days.values_mut().for_each(|(users, _)| users.sort_unstable());
}

/// Compares a year's node with its months, which were compared with the base facts.
fn check_year(snapshot: &UsageSnapshot, cell: Cell, start: Day, report: &mut Report) -> Result<u64> {
    let year = DateRange::new(start, start.year_end()).expect("a year ends after its start");
    let name = |what: &str| format!("usage_node, {}, {start} (year), {what}", shown(cell));
    let mut bits = UserBits::new(snapshot.overlay.ord_end);
    let (mut user_days, mut sessions) = (0, 0);
    let months = node::for_each_day(snapshot.conn, cell, year, |_, users, started| {
        user_days += users;
        sessions += started;
    });
    // Damaged months have their lines already.
    if months.and_then(|()| node::collect_months(snapshot.conn, cell, year, &mut bits)).is_err() {
        return Ok(1);
    }
    let node = match node::load(snapshot.conn, cell.key(Level::Year, start)) {
        Ok(node) => node,
        Err(error) => {
            report.add(name(&error.message));
            return Ok(1);
        }
    };
    let nodes = u64::from(node.is_some());
    let node = node.unwrap_or(Node::count(0, 0));
    report.expect(|| name("sessions"), node.sessions, sessions);
    if node.kind != Kind::Users {
        report.expect(|| name("user-days"), node.users, user_days);
        return Ok(nodes);
    }
    report.expect(|| name("users"), node.users, bits.count());
    match sets::decode(&node.body) {
        Ok(users) if bits.iter().eq(users.iter().copied()) => {}
        Ok(_) => report.add(name("other users than in its months")),
        Err(error) => report.add(name(&error.message)),
    }
    Ok(nodes)
}
