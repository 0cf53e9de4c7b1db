//! What passes between whoever writes a file and whoever sees to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use super::turns::{Turn, Turns};
use crate::error::{Error, Result};

/// Why a file is not to be written to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The job was cancelled, or is somebody else's by now.
    Taken,
    /// The time limit is over.
    TimeLimit,
    /// The process is to end: the job goes back into the queue.
    Ending,
}

/// Shared by all threads that work on one file.
pub struct Watch {
    turns: Arc<Turns>,
    stop: AtomicU8,
    rows_done: AtomicU64,
    /// [`UNKNOWN`] until it is known.
    rows_expected: AtomicU64,
}

const UNKNOWN: u64 = u64::MAX;
const STOPS: [Stop; 3] = [Stop::Taken, Stop::TimeLimit, Stop::Ending];

impl Watch {
    pub fn new(turns: Arc<Turns>) -> Watch {
        let (stop, rows_done) = (AtomicU8::new(0), AtomicU64::new(0));
        Watch { turns, stop, rows_done, rows_expected: AtomicU64::new(UNKNOWN) }
    }

    /// For one file by itself, with so many threads at work at one time.
    pub fn alone(workers: usize) -> Watch {
        Watch::new(Arc::new(Turns::new(workers)))
    }

    /// Waits for the right to work for some milliseconds. Never hold two, nor wait for another thread with one in hand.
    /// Errors if the file is to be given up.
    pub fn turn(&self) -> Result<Turn<'_>> {
        let turn = self.turns.take();
        self.check()?;
        Ok(turn)
    }

    /// How many threads may be at work at one time, this file's and others'.
    pub fn workers(&self) -> usize {
        self.turns.at_once()
    }

    /// Errors if the file is to be given up; what the error says is of no interest.
    pub fn check(&self) -> Result<()> {
        match self.stopped() {
            Some(_) => Err(Error::internal("this export is given up")),
            None => Ok(()),
        }
    }

    pub fn expect_rows(&self, rows: u64) {
        self.rows_expected.store(rows, Relaxed);
    }

    pub fn add_rows(&self, rows: u64) {
        self.rows_done.fetch_add(rows, Relaxed);
    }

    /// Rows done, and rows expected once that is known.
    pub fn progress(&self) -> (u64, Option<u64>) {
        let expected = self.rows_expected.load(Relaxed);
        (self.rows_done.load(Relaxed), Some(expected).filter(|rows| *rows != UNKNOWN))
    }

    /// The first reason given stays.
    pub fn stop(&self, why: Stop) {
        let index = STOPS.iter().position(|stop| *stop == why).map_or(0, |at| at as u8 + 1);
        let _ = self.stop.compare_exchange(0, index, Relaxed, Relaxed);
    }

    pub fn stopped(&self) -> Option<Stop> {
        STOPS.get(usize::from(self.stop.load(Relaxed)).wrapping_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_to_stop_stays_and_no_turn_is_given_from_then_on() {
        for why in STOPS {
            let watch = Watch::alone(1);
            assert_eq!((watch.stopped(), watch.check().is_ok(), watch.turn().is_ok()), (None, true, true));
            watch.stop(why);
            STOPS.into_iter().for_each(|later| watch.stop(later));
            assert_eq!((watch.stopped(), watch.check().is_ok(), watch.turn().is_ok()), (Some(why), false, false));
            // What is not given is not held either.
            drop(watch.turns.take());
        }
    }

    #[test]
    fn rows_are_counted_and_what_is_expected_is_unknown_at_first() {
        let watch = Watch::alone(2);
        watch.add_rows(3);
        assert_eq!((watch.progress(), watch.workers()), ((3, None), 2));
        watch.expect_rows(9);
        watch.add_rows(4);
        assert_eq!(watch.progress(), (7, Some(9)));
    }
}
