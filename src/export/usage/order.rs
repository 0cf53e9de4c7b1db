//! Puts rows in order, however many: sorted runs on the disk, merged while they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use super::row::{HEAD_BYTES, UsageRow};
use super::spool::Spool;
use crate::error::Result;

/// What rows may take in memory before they go to the disk.
const ROWS_BYTES_MAX: usize = 4 << 20;
/// What is written to the disk at a time.
const WRITE_BYTES: usize = 64 << 10;
/// What the buffers of all runs together may take, and each at the least and at the most.
const READ_BYTES_MAX: usize = 4 << 20;
const RUN_BYTES_MIN: usize = 4 << 10;
const RUN_BYTES_MAX: usize = 64 << 10;

/// Takes rows in any order.
pub struct Sorter {
    scratch: PathBuf,
    rows_bytes_max: usize,
    rows: Vec<UsageRow>,
    rows_bytes: usize,
    len: u64,
    spool: Option<Spool>,
    /// Where in the file each run ends.
    run_ends: Vec<u64>,
}

impl Sorter {
    /// `scratch`: a directory for what does not fit into memory.
    pub fn new(scratch: &Path) -> Sorter {
        Sorter::with_room(scratch, ROWS_BYTES_MAX)
    }

    fn with_room(scratch: &Path, rows_bytes_max: usize) -> Sorter {
        let scratch = scratch.to_path_buf();
        Sorter { scratch, rows_bytes_max, rows: vec![], rows_bytes: 0, len: 0, spool: None, run_ends: vec![] }
    }

    /// Errors with `StorageFull` if neither memory nor the disk has room.
    pub fn push(&mut self, row: UsageRow) -> Result<()> {
        self.len += 1;
        self.rows_bytes += row.bytes();
        self.rows.push(row);
        if self.rows_bytes > self.rows_bytes_max { self.end_run() } else { Ok(()) }
    }

    /// Sorts what is in memory and writes it behind the other runs.
    fn end_run(&mut self) -> Result<()> {
        if self.spool.is_none() {
            self.spool = Some(Spool::create(&self.scratch)?);
        }
        let spool = self.spool.as_mut().expect("it was made just now");
        self.rows.sort_unstable();
        let mut bytes = vec![];
        for row in self.rows.drain(..) {
            row.encode(&mut bytes);
            if bytes.len() >= WRITE_BYTES {
                spool.append(&bytes)?;
                bytes.clear();
            }
        }
        spool.append(&bytes)?;
        self.run_ends.push(spool.bytes());
        self.rows_bytes = 0;
        Ok(())
    }

    pub fn finish(mut self) -> Result<Rows> {
        self.rows.sort_unstable();
        let room = (READ_BYTES_MAX / self.run_ends.len().max(1)).clamp(RUN_BYTES_MIN, RUN_BYTES_MAX);
        let starts = std::iter::once(0).chain(self.run_ends.iter().copied());
        let runs = starts.zip(&self.run_ends).map(|(at, end)| Run { at, end: *end, room, bytes: vec![], read: 0 });
        let mut rows = Rows {
            len: self.len,
            in_memory: self.rows.into_iter(),
            runs: runs.collect(),
            spool: self.spool,
            heads: BinaryHeap::new(),
        };
        (0..=rows.runs.len()).try_for_each(|run| rows.draw(run))?;
        Ok(rows)
    }
}

/// Rows in order.
pub struct Rows {
    len: u64,
    /// Those that never were on the disk: a run like the others, and the last.
    in_memory: std::vec::IntoIter<UsageRow>,
    runs: Vec<Run>,
    spool: Option<Spool>,
    /// The first row of each run that has one, and whose it is.
    heads: BinaryHeap<Reverse<(UsageRow, usize)>>,
}

impl Rows {
    /// How many there are in all, read or not.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn next(&mut self) -> Result<Option<UsageRow>> {
        let Some(Reverse((row, run))) = self.heads.pop() else { return Ok(None) };
        self.draw(run)?;
        Ok(Some(row))
    }

    /// Puts the next row of a run among the heads.
    fn draw(&mut self, run: usize) -> Result<()> {
        let next = match (self.runs.get_mut(run), &self.spool) {
            (Some(run), Some(spool)) => run.next(spool)?,
            _ => self.in_memory.next(),
        };
        self.heads.extend(next.map(|row| Reverse((row, run))));
        Ok(())
    }
}

/// A sorted run on the disk.
struct Run {
    /// Of what is still on the disk.
    at: u64,
    end: u64,
    room: usize,
    bytes: Vec<u8>,
    /// How much of `bytes` has been read.
    read: usize,
}

impl Run {
    fn next(&mut self, spool: &Spool) -> Result<Option<UsageRow>> {
        let Some(head) = self.ahead(spool, HEAD_BYTES)? else { return Ok(None) };
        let bytes = UsageRow::encoded_bytes(head.first_chunk().expect("a whole head was asked for"));
        let row = self.ahead(spool, bytes)?.map(UsageRow::decode).transpose()?;
        self.read += bytes;
        Ok(row)
    }

    /// So many bytes that come next; None at the end.
    fn ahead(&mut self, spool: &Spool, wanted: usize) -> Result<Option<&[u8]>> {
        if self.bytes.len() - self.read < wanted {
            self.bytes.drain(..self.read);
            self.read = 0;
            let kept = self.bytes.len();
            let more = (self.room - kept).min((self.end - self.at) as usize);
            self.bytes.resize(kept + more, 0);
            spool.read_at(self.at, &mut self.bytes[kept..])?;
            self.at += more as u64;
        }
        Ok(self.bytes.get(self.read..self.read + wanted))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{DateRange, Day, Figures, Id};

    prop_compose! {
        /// Many ties, ids of every length, periods and groups.
        fn row()(
            start in 0..3u32, days in 0..2u32, id in proptest::option::of("[ab🦀]{1,60}"), total in 0..9u64,
            active in 0..3u64, sessions in 0..3u64,
        ) -> UsageRow {
            let day = |index| Day::from_index(index).unwrap();
            UsageRow {
                range: DateRange::new(day(start), day(start + days)).unwrap(),
                id: id.map(|id| Id::new(id).unwrap()),
                figures: Figures { total_users: total, active_users: active, total_sessions: sessions },
            }
        }
    }

    proptest! {
        #[test]
        fn rows_come_in_order_whether_they_fit_into_memory_or_not(
            rows in proptest::collection::vec(row(), 0..400), room in prop::sample::select(vec![0, 300, 5_000, 1 << 20]),
        ) {
            let scratch = tempfile::tempdir()?;
            let mut sorter = Sorter::with_room(scratch.path(), room);
            for row in &rows {
                sorter.push(row.clone())?;
            }
            prop_assert_eq!(std::fs::read_dir(scratch.path())?.count(), 0, "no name is left in the directory");
            let mut sorted = sorter.finish()?;
            prop_assert_eq!(sorted.len(), rows.len() as u64);
            let mut wanted = rows;
            wanted.sort();
            for row in wanted {
                prop_assert_eq!(sorted.next()?, Some(row));
            }
            prop_assert_eq!(sorted.next()?, None);
        }
    }

    #[test]
    fn groups_stand_as_the_endpoint_orders_them_with_none_behind_its_ties() {
        let row = |id: Option<&str>, active_users, total_sessions| UsageRow {
            range: DateRange::new(Day::MIN, Day::MAX).unwrap(),
            id: id.map(|id| Id::new(id).unwrap()),
            figures: Figures { total_users: active_users, active_users, total_sessions },
        };
        let ordered =
            [row(Some("z"), 3, 1), row(Some("y"), 2, 9), row(Some("b"), 2, 4), row(None, 2, 4), row(Some("a"), 0, 5)];
        let mut sorter = Sorter::new(Path::new("/nowhere"));
        ordered.iter().rev().for_each(|row| sorter.push(row.clone()).unwrap());
        let mut rows = sorter.finish().unwrap();
        assert_eq!(std::array::from_fn(|_| rows.next().unwrap().unwrap()), ordered);
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_an_error() {
        let mut sorter = Sorter::with_room(Path::new("/nowhere"), 0);
        let range = DateRange::new(Day::MIN, Day::MAX).unwrap();
        assert!(sorter.push(UsageRow { range, id: None, figures: Figures::default() }).is_err());
    }
}
