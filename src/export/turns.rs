//! Turns: threads of all exports work in short pieces, so many at one time, in the order in which they ask. However large
//! the others are, a small export gets on.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

pub struct Turns {
    at_once: usize,
    line: Mutex<Line>,
    moved: Condvar,
}

#[derive(Default)]
struct Line {
    working: usize,
    waiting: VecDeque<u64>,
    next_ticket: u64,
}

/// The right to work; given back when dropped.
pub struct Turn<'t>(&'t Turns);

impl Turns {
    pub fn new(at_once: usize) -> Turns {
        Turns { at_once: at_once.max(1), line: Mutex::default(), moved: Condvar::new() }
    }

    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// Blocks until those who asked before have had theirs.
    pub fn take(&self) -> Turn<'_> {
        let mut line = self.line.lock();
        let ticket = line.next_ticket;
        line.next_ticket += 1;
        line.waiting.push_back(ticket);
        self.moved.wait_while(&mut line, |line| line.working >= self.at_once || line.waiting.front() != Some(&ticket));
        line.waiting.pop_front();
        line.working += 1;
        drop(line);
        // There may be room for the next one, too.
        self.moved.notify_all();
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.line.lock().working -= 1;
        self.0.moved.notify_all();
    }
}
