//! The bounded queue in front of the one writer.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::job::Job;
use crate::clock::give_way;
use crate::error::{Error, Kind, Result};

/// A client that comes back after so long finds a queue that has moved on by many groups.
const RETRY_AFTER_S: u64 = 1;
/// With more to do than this, the writer keeps its processor for as long as it may.
const GIVE_WAY_ITEMS_MAX: usize = 2_000;

pub struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    items_max: usize,
}

struct State {
    jobs: VecDeque<Job>,
    items: usize,
    /// Of the group that was taken last.
    taken: usize,
    closed: bool,
}

/// What the writer finds when it looks.
pub enum Next {
    /// Jobs to be done in one transaction, never none.
    Group(Vec<Job>),
    Nothing,
    /// Closed and empty: the end.
    Closed,
}

impl Queue {
    /// `items_max`: events that may wait at once; a single larger job is still taken when nothing waits.
    pub fn new(items_max: usize) -> Queue {
        let state = State { jobs: VecDeque::new(), items: 0, taken: 0, closed: false };
        Queue { state: Mutex::new(state), arrived: Condvar::new(), items_max }
    }

    /// Errors with `Busy` when full, `Internal` once closed.
    pub fn push(&self, job: Job) -> Result<()> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::internal("the database is closed"));
        }
        if !state.jobs.is_empty() && state.items + job.items() > self.items_max {
            let message = "the server takes in as much as it can; send the same request again after Retry-After";
            return Err(Error::new(Kind::Busy { retry_after_s: RETRY_AFTER_S }, message));
        }
        state.items += job.items();
        state.jobs.push_back(job);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits at most `wait` for jobs and takes as many as fit into `items_max` together, at least one.
    pub fn next(&self, items_max: usize, wait: Duration) -> Next {
        let mut state = self.state.lock();
        if state.jobs.is_empty() && !state.closed {
            self.arrived.wait_for(&mut state, wait);
        }
        let mut group = vec![];
        let mut items = 0;
        while let Some(job) = state.jobs.front() {
            if !group.is_empty() && items + job.items() > items_max {
                break;
            }
            items += job.items();
            group.extend(state.jobs.pop_front());
        }
        state.items -= items;
        state.taken = items;
        match (group.is_empty(), state.closed) {
            (false, _) => Next::Group(group),
            (true, true) => Next::Closed,
            (true, false) => Next::Nothing,
        }
    }

    /// Items that wait.
    pub fn items(&self) -> usize {
        self.state.lock().items
    }

    /// Lets others have the writer's processor, unless much is to be done: giving way costs a slice where processors are busy.
    /// False, which is what SQLite takes for going on.
    pub fn give_way_unless_much(&self) -> bool {
        let to_do = {
            let state = self.state.lock();
            state.items + state.taken
        };
        if to_do <= GIVE_WAY_ITEMS_MAX {
            give_way();
        }
        false
    }

    /// No job is taken from now on; those that wait are still done.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Closes, and drops the jobs that wait: whoever sent them is told at once that nobody will do them.
    pub fn abandon(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.items = 0;
        state.jobs.clear();
    }
}
