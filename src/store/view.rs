//! The in-memory part of a snapshot. A commit changes two things: rows, which SQLite versions, and what is kept in
//! memory (the usage overlay, the log's directory). Both are immutable values, published under the commit's number
//! *before* the commit; a reader begins its read transaction, reads the number there and takes the view that fits.
//! So a reader never waits, never holds a lock while it reads, and never sees one half of a commit.
//!
//! Whoever can answer from memory alone needs no transaction: the newest view of which it is known that it was committed
//! stands for itself. It is known before the first of that commit's acknowledgements is given, and as soon as any reader
//! has seen the commit. So an answer from it is never older than an acknowledgement, or another answer, that was given
//! before it was asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, Row};

use super::log::Directory;
use super::usage::Overlay;
use crate::error::Result;

/// The numbers of one commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// database.commit_seq.
    pub commit_seq: i64,
    pub usage_revision: i64,
    pub log_revision: i64,
}

/// The stamp of the state that the connection sees.
pub fn read_stamp(conn: &Connection) -> Result<Stamp> {
    const STAMP: &str = "select commit_seq, usage_revision, log_revision from database";
    let read =
        |row: &Row| Ok(Stamp { commit_seq: row.get(0)?, usage_revision: row.get(1)?, log_revision: row.get(2)? });
    Ok(conn.prepare_cached(STAMP)?.query_row([], read)?)
}

pub struct View {
    /// Of the state that this view belongs to.
    pub stamp: Stamp,
    pub usage: Arc<Overlay>,
    pub log: Arc<Directory>,
}

/// A reader needs the view of the commit that was last when its transaction began. It looks it up at once, so a few
/// are enough; one that is overtaken all the same begins again.
const KEPT: usize = 16;

pub struct Views(Mutex<Kept>);

struct Kept {
    /// By their commits, ascending; the last of them may not be committed yet.
    views: VecDeque<Arc<View>>,
    /// The newest that is known to be committed.
    newest: Arc<View>,
}

impl Views {
    /// `first`: of a state that is committed.
    pub fn new(first: View) -> Views {
        let newest = Arc::new(first);
        Views(Mutex::new(Kept { views: VecDeque::from([Arc::clone(&newest)]), newest }))
    }

    pub fn publish(&self, view: View) {
        let views = &mut self.0.lock().views;
        if views.len() == KEPT {
            views.pop_front();
        }
        views.push_back(Arc::new(view));
    }

    /// Takes back the newest view: its commit failed.
    pub fn retract(&self, commit_seq: i64) {
        self.0.lock().views.retain(|view| view.stamp.commit_seq != commit_seq);
    }

    /// The view's commit is durable: from now on it may be answered from.
    pub fn committed(&self, commit_seq: i64) {
        self.get(commit_seq);
    }

    /// The view of a commit that the caller's transaction sees; None if it has been dropped since.
    pub fn get(&self, commit_seq: i64) -> Option<Arc<View>> {
        let mut kept = self.0.lock();
        let view = kept.views.iter().rev().find(|view| view.stamp.commit_seq == commit_seq).cloned()?;
        if commit_seq > kept.newest.stamp.commit_seq {
            kept.newest = Arc::clone(&view);
        }
        Some(view)
    }

    pub fn newest(&self) -> Arc<View> {
        Arc::clone(&self.0.lock().newest)
    }
}
