//! What the writer is asked to do, and how those who asked are answered.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::retire::Retirement;
use super::usage::horizon::PrunedUsage;
use crate::error::{Error, Result};
use crate::model::{Day, History, Id, Registration, Rejected, Retired, SystemEvent, UsageEvent};

pub type Reply<T> = oneshot::Sender<Result<T>>;

/// What the writer is asked to do.
pub enum Job {
    Record {
        events: Vec<UsageEvent>,
        reply: Reply<Vec<Rejected>>,
    },
    Register {
        registrations: Vec<Registration>,
        reply: Reply<Vec<Rejected>>,
    },
    Append {
        events: Vec<SystemEvent>,
        reply: Reply<Vec<Rejected>>,
    },
    Erase {
        user_id: Id,
        history: History,
        reply: Reply<bool>,
    },
    PruneUsage {
        before: Day,
        rows_max: usize,
        reply: Reply<PrunedUsage>,
    },
    Retire {
        retirement: Retirement,
        reply: Reply<Retired>,
    },
    /// A change of control tables.
    Control(Box<dyn ControlJob>),
}

/// Runs inside the transaction; is told the outcome after it.
pub trait ControlJob: Send {
    fn run(&mut self, conn: &Connection) -> Result<()>;
    fn finish(self: Box<Self>, outcome: Result<()>);
}

impl Job {
    /// Weight in the queue and the group.
    pub fn items(&self) -> usize {
        match self {
            Job::Record { events, .. } => events.len(),
            Job::Register { registrations, .. } => registrations.len(),
            Job::Append { events, .. } => events.len(),
            Job::PruneUsage { rows_max, .. } => *rows_max,
            Job::Retire { retirement, .. } => retirement.rows_max,
            Job::Erase { .. } | Job::Control(_) => 1,
        }
    }
}

/// How far a transaction has come: what its jobs are to be answered, and the first failure.
#[derive(Default)]
pub struct Progress {
    answers: Vec<Box<dyn FnOnce(Result<()>)>>,
    failed: Option<Error>,
}

impl Progress {
    /// Does a piece of the work, unless some of it has failed already: SQLite may have rolled back by itself then, and
    /// what ran now would commit alone.
    pub fn attempt<T: Default>(&mut self, work: impl FnOnce() -> Result<T>) -> T {
        if self.failed.is_some() {
            return T::default();
        }
        work().unwrap_or_else(|error| {
            self.failed = Some(error);
            T::default()
        })
    }

    /// Keeps what a job is to be told once the outcome is known, if that is a good one.
    pub fn answer<T: 'static>(&mut self, reply: Reply<T>, value: T) {
        // A receiver that is gone (the client hung up) is none of our concern: the work is done all the same.
        self.answers.push(Box::new(move |outcome| drop(reply.send(outcome.map(|()| value)))));
    }

    pub fn finish(&mut self, control: Box<dyn ControlJob>) {
        self.answers.push(Box::new(move |outcome| control.finish(outcome)));
    }

    /// Whether all of the work was done.
    pub fn outcome(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Tells every job the outcome of the transaction.
    pub fn tell(self, outcome: &Result<()>) {
        self.answers.into_iter().for_each(|answer| answer(outcome.clone()));
    }
}

/// Jobs of one kind, done in one go; each is told what of its own was rejected.
pub struct Batch<T> {
    items: Vec<T>,
    /// Where each job's items end.
    replies: Vec<(usize, Reply<Vec<Rejected>>)>,
}

impl<T> Default for Batch<T> {
    fn default() -> Batch<T> {
        Batch { items: vec![], replies: vec![] }
    }
}

impl<T> Batch<T> {
    pub fn push(&mut self, items: Vec<T>, reply: Reply<Vec<Rejected>>) {
        if self.items.is_empty() {
            self.items = items;
        } else {
            self.items.extend(items);
        }
        self.replies.push((self.items.len(), reply));
    }

    /// Does the jobs so far and begins anew.
    pub fn run(&mut self, progress: &mut Progress, work: impl FnOnce(&[T]) -> Result<Vec<Rejected>>) {
        if self.replies.is_empty() {
            return;
        }
        let items = std::mem::take(&mut self.items);
        let mut rejected = progress.attempt(|| work(&items)).into_iter().peekable();
        let mut start = 0;
        for (end, reply) in self.replies.drain(..) {
            let mut own = vec![];
            while let Some(item) = rejected.next_if(|item| item.index < end) {
                own.push(Rejected { index: item.index - start, ..item });
            }
            progress.answer(reply, own);
            start = end;
        }
    }
}
