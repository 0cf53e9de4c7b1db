//! Slices of a run: the unit of folding is one cell in one year.

use super::delta::CountKind;
use super::lattice::{Cell, CellKey, Level};
use super::overlay::key_after;
use super::run::{CellExtras, CellUsers, Run, counts_between};
use crate::model::{DateRange, Day};

/// What a run changes in one cell in one year.
pub struct Unit<'a> {
    pub cell: Cell,
    pub year: DateRange,
    /// The first key behind it.
    pub end: CellKey,
    pub days: Vec<DayChange<'a>>,
    pub entered: &'a [(CellKey, i64)],
    pub left: &'a [(CellKey, i64)],
}

/// What a run changes in one cell on one day; ords ascend.
pub struct DayChange<'a> {
    pub day: Day,
    pub added: &'a [u32],
    pub removed: &'a [u32],
    /// The users whose extras change, and by how much.
    pub extra_ords: &'a [u32],
    pub extras: &'a [i32],
}

impl DayChange<'_> {
    /// By how much the users of the day grow.
    pub fn users(&self) -> i64 {
        self.added.len() as i64 - self.removed.len() as i64
    }

    /// By how much the sum of its extras grows.
    pub fn extra(&self) -> i64 {
        self.extras.iter().copied().map(i64::from).sum()
    }
}

impl<'a> Unit<'a> {
    /// The first unit that holds an entry at or behind the cursor; cursors stand between units.
    pub fn next(run: &'a Run, cursor: CellKey) -> Option<Unit<'a>> {
        let users =
            [&run.added, &run.removed, &run.extras.at].map(|column| first_from(&column.keys, |key| *key, cursor));
        let counts =
            [CountKind::Entered, CountKind::Left].map(|kind| first_from(run.counts(kind), |(key, _)| *key, cursor));
        let first = users.into_iter().chain(counts).flatten().min()?;
        let (cell, start) = (first.cell(), first.day().year_start());
        let year = DateRange::new(start, start.year_end()).expect("a year ends after its start");
        let end = key_after(cell.key(Level::Day, year.end()));
        Some(Unit {
            cell,
            year,
            end,
            days: day_changes(run, first, end),
            entered: counts_between(run.counts(CountKind::Entered), first, end),
            left: counts_between(run.counts(CountKind::Left), first, end),
        })
    }

    /// In entries; a day and a count weigh one each.
    pub fn weight(&self) -> usize {
        let entries = |day: &DayChange| day.added.len() + day.removed.len() + day.extras.len();
        let days: usize = self.days.iter().map(|day| 1 + entries(day)).sum();
        days + self.entered.len() + self.left.len()
    }
}

fn first_from<T>(sorted: &[T], key: impl Fn(&T) -> CellKey, from: CellKey) -> Option<CellKey> {
    sorted.get(sorted.partition_point(|entry| key(entry) < from)).map(key)
}

fn day_changes(run: &Run, from: CellKey, to: CellKey) -> Vec<DayChange<'_>> {
    let (mut added, mut removed) = (Feed::new(&run.added, from, to), Feed::new(&run.removed, from, to));
    let (mut extra_ords, mut extras) = extras_between(&run.extras, from, to);
    let mut days = vec![];
    while let Some(key) = [added.head(), removed.head(), extra_ords.head()].into_iter().flatten().min() {
        let ords = extra_ords.take(key);
        let (of_day, rest) = extras.split_at(ords.len());
        extras = rest;
        days.push(DayChange {
            day: key.day(),
            added: added.take(key),
            removed: removed.take(key),
            extra_ords: ords,
            extras: of_day,
        });
    }
    days
}

fn extras_between(extras: &CellExtras, from: CellKey, to: CellKey) -> (Feed<'_>, &[i32]) {
    (Feed::new(&extras.at, from, to), &extras.n[extras.at.between(from, to)])
}

/// Gives out the ords of one key after another.
struct Feed<'a> {
    keys: &'a [CellKey],
    ords: &'a [u32],
}

impl<'a> Feed<'a> {
    fn new(column: &'a CellUsers, from: CellKey, to: CellKey) -> Feed<'a> {
        let range = column.between(from, to);
        Feed { keys: &column.keys[range.clone()], ords: &column.ords[range] }
    }

    fn head(&self) -> Option<CellKey> {
        self.keys.first().copied()
    }

    /// `key`: the head's, or less.
    fn take(&mut self, key: CellKey) -> &'a [u32] {
        let len = self.keys.iter().take_while(|next| **next == key).count();
        let (taken, rest) = self.ords.split_at(len);
        (self.keys, self.ords) = (&self.keys[len..], rest);
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::usage::delta::{Count, Delta, Extra, Fact};

    /// Facts and counts of a few cells over three years, of users that were removed too.
    fn run() -> impl Strategy<Value = Run> {
        let near = Day::parse("2023-12-20").unwrap().index();
        let day = (near - 360..near + 370).prop_map(|index| Day::from_index(index).unwrap());
        let fact = (day.clone(), 1..9u32, 1..4u32, 1..3u32, 0..16u8)
            .prop_map(|(day, ord, team, service, cells)| Fact { day, ord, team, service, cells });
        let extra = (fact.clone(), -2..3i32).prop_map(|(fact, n)| {
            let Fact { day, ord, team, service, cells } = fact;
            Extra { day, ord, team, service, cells, n }
        });
        let kinds = prop_oneof![Just(CountKind::Entered), Just(CountKind::Left)];
        let count = (kinds, 0..3u32, 0..3u32, day, -2..3i32).prop_map(|(kind, team, service, day, n)| Count {
            kind,
            cell: Cell::new(team, service),
            day,
            n,
        });
        let facts = || proptest::collection::vec(fact.clone(), 0..40);
        let lists =
            (facts(), facts(), proptest::collection::vec(count, 0..40), proptest::collection::vec(extra, 0..40));
        lists.prop_map(|(added, removed, counts, extras)| {
            let mut delta = Delta { added, removed, counts, extras };
            delta.net();
            Run::new(&delta)
        })
    }

    fn units(run: &Run) -> Vec<Unit<'_>> {
        let mut cursor = CellKey::from_sql(0);
        std::iter::from_fn(|| {
            let unit = Unit::next(run, cursor)?;
            cursor = unit.end;
            Some(unit)
        })
        .collect()
    }

    proptest! {
        #[test]
        fn the_units_of_a_run_hold_each_of_its_entries_once_and_in_order(run in run()) {
            let units = units(&run);
            let days = || units.iter().flat_map(|unit| unit.days.iter().map(move |day| (unit.cell.key(Level::Day, day.day), day)));
            let users = |ords: fn(&DayChange) -> Vec<u32>| -> (Vec<CellKey>, Vec<u32>) {
                days().flat_map(|(key, day)| ords(day).into_iter().map(move |ord| (key, ord))).unzip()
            };
            let (keys, ords) = users(|day| day.added.to_vec());
            prop_assert_eq!(&CellUsers { keys, ords }, &run.added);
            let (keys, ords) = users(|day| day.removed.to_vec());
            prop_assert_eq!(&CellUsers { keys, ords }, &run.removed);
            let (keys, ords) = users(|day| day.extra_ords.to_vec());
            let n = days().flat_map(|(_, day)| day.extras.to_vec()).collect();
            prop_assert_eq!(&CellExtras { at: CellUsers { keys, ords }, n }, &run.extras);
            let entered: Vec<_> = units.iter().flat_map(|unit| unit.entered).copied().collect();
            prop_assert_eq!(&entered, run.counts(CountKind::Entered));
            let left: Vec<_> = units.iter().flat_map(|unit| unit.left).copied().collect();
            prop_assert_eq!(&left, run.counts(CountKind::Left));
        }

        #[test]
        fn a_unit_is_one_cell_in_one_year_and_no_two_are_the_same(run in run()) {
            let units = units(&run);
            for unit in &units {
                prop_assert!(unit.days.iter().all(|day| unit.year.contains(day.day)));
                prop_assert!(unit.days.is_sorted_by(|a, b| a.day < b.day));
                let counts = unit.entered.iter().chain(unit.left);
                prop_assert!(counts.into_iter().all(|(key, _)| key.cell() == unit.cell && unit.year.contains(key.day())));
                prop_assert!(unit.weight() > 0);
            }
            let places: Vec<_> = units.iter().map(|unit| (unit.cell, unit.year.start())).collect();
            prop_assert!(places.is_sorted_by(|a, b| a < b));
        }
    }
}
