//! The in-memory part of a snapshot. A commit changes two things: rows, which SQLite versions, and what is kept in
//! memory (the usage overlay, the log's directory). Both are immutable values, published under the commit's number
//! *before* the commit; a reader begins its read transaction, reads the number there and takes the view that fits.
//! So a reader never waits, never holds a lock while it reads, and never sees one half of a commit.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::log::Directory;
use super::usage::Overlay;

pub struct View {
    /// database.commit_seq of the state this view belongs to.
    pub commit_seq: i64,
    pub usage: Arc<Overlay>,
    pub log: Arc<Directory>,
}

/// A reader needs the view of the commit that was last when its transaction began. It looks it up at once, so a few
/// are enough; one that is overtaken all the same begins again.
const KEPT: usize = 16;

pub struct Views(Mutex<VecDeque<Arc<View>>>);

impl Views {
    pub fn new(first: View) -> Views {
        Views(Mutex::new(VecDeque::from([Arc::new(first)])))
    }

    pub fn publish(&self, view: View) {
        let mut views = self.0.lock();
        if views.len() == KEPT {
            views.pop_front();
        }
        views.push_back(Arc::new(view));
    }

    /// Takes back the newest view: its commit failed.
    pub fn retract(&self, commit_seq: i64) {
        self.0.lock().retain(|view| view.commit_seq != commit_seq);
    }

    pub fn get(&self, commit_seq: i64) -> Option<Arc<View>> {
        self.0.lock().iter().rev().find(|view| view.commit_seq == commit_seq).cloned()
    }
}
