//! Sessions of each user, from the rollups alone: the days on which it was active, and what its extras add.

use super::day_users::for_each_extra;
use super::figures::UsageSnapshot;
use super::lattice::Cell;
use super::node;
use super::sets;
use crate::error::Result;
use crate::model::DateRange;
use crate::store::varint::damaged;

/// Sessions that started in the range and touch the cell, by ord. Costs what the range holds of user-days, some 3 ns
/// each, and four bytes a user.
pub fn sessions_by_user(snapshot: &UsageSnapshot, range: DateRange, cell: Cell) -> Result<Vec<u32>> {
    let mut sums = Sums(vec![0; snapshot.overlay.ord_end as usize]);
    let mut users = vec![];
    node::for_each_day_set(snapshot.conn, cell, range, |set, extras| {
        sets::decode_into(set, &mut users)?;
        sums.add_one_each(&users)?;
        for_each_extra(&users, extras, |ord, n| sums.add(ord, n))
    })?;
    let mut pending = Ok(());
    let mut add = |ord: u32, n: i64| {
        let added = i32::try_from(n).map_err(|_| damaged()).and_then(|n| sums.add(ord, n));
        pending = std::mem::replace(&mut pending, Ok(())).and(added);
    };
    snapshot.overlay.for_each_user(cell, range, |_, ord, n| add(ord, n));
    snapshot.overlay.for_each_extra(cell, range, |_, ord, n| add(ord, n));
    pending?;
    // On the way a sum may be below zero: one run may remove what another adds.
    let is_count = sums.0.iter().fold(0, |all, sum| all | sum) >> 31 == 0;
    if is_count { Ok(sums.0) } else { Err(damaged()) }
}

/// By ord; modulo 2^32, so that they may fall below zero on the way. What overflows comes from a damaged extra.
struct Sums(Vec<u32>);

impl Sums {
    /// `users` ascend. Errors for an ord that was never given; so does the next one.
    fn add_one_each(&mut self, users: &[u32]) -> Result<()> {
        let Some(last) = users.last() else { return Ok(()) };
        let sums = self.0.get_mut(..=*last as usize).ok_or_else(damaged)?;
        for ord in users {
            sums[*ord as usize] = sums[*ord as usize].wrapping_add(1);
        }
        Ok(())
    }

    fn add(&mut self, ord: u32, n: i32) -> Result<()> {
        let sum = self.0.get_mut(ord as usize).ok_or_else(damaged)?;
        *sum = sum.wrapping_add_signed(n);
        Ok(())
    }
}
