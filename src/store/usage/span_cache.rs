//! The spans in memory, of all cells, within a bound.
//!
//! Nodes and counts change when the writer folds, and never else. Each fold has a number, which a view carries. The
//! writer takes out what a fold has changed, before the commit of that fold can be seen; so what is kept holds for the
//! newest number and for all back to the one it was made at. A reader of an older view finds less, never anything else.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::lattice::{Cell, CellKey};
use super::run::Run;
use super::span::{Span, SpanKey};

/// What a span takes beside its own bytes, in the map and the line.
const ENTRY_BYTES: usize = 160;
/// Folds that are remembered: a reader that is overtaken by more keeps what it has made to itself.
const RECENT_MAX: usize = 16;
/// Spans in use that are passed over, at most, to make room for one.
const SPARED_MAX: usize = 64;

/// What takes more than this part of all room is large.
const LARGE_PART: usize = 8;

pub struct SpanCache {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    folds: u64,
    /// The cells that each of the last folds went through, the first and the last.
    recent: VecDeque<(Cell, Cell)>,
    cells: BTreeMap<Cell, HashMap<SpanKey, Entry>>,
    entries: usize,
    bytes: usize,
    /// In the order in which they are looked at when there is no room; what is gone is passed over.
    line: VecDeque<(u64, Cell, SpanKey)>,
    tickets: u64,
}

struct Entry {
    span: Arc<Span>,
    /// The fold from which on it holds.
    since: u64,
    /// Its place in the line.
    ticket: u64,
    /// Since it was looked at in the line.
    is_used: bool,
    bytes: usize,
}

impl SpanCache {
    pub fn new(bytes_max: usize) -> SpanCache {
        SpanCache { bytes_max, state: Mutex::default() }
    }

    /// Whether something of this size can be kept without driving out much else.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= self.bytes_max / LARGE_PART
    }

    /// A span as of the fold, if it is here.
    pub fn get(&self, folds: u64, cell: Cell, key: SpanKey) -> Option<Arc<Span>> {
        let mut state = self.state.lock();
        let entry = state.cells.get_mut(&cell)?.get_mut(&key).filter(|entry| entry.since <= folds)?;
        entry.is_used = true;
        Some(Arc::clone(&entry.span))
    }

    /// Keeps a span that was made from the nodes as of the fold, if nothing has changed the cell since.
    pub fn put(&self, folds: u64, cell: Cell, key: SpanKey, span: Arc<Span>) {
        let bytes = ENTRY_BYTES + span.bytes();
        let mut state = self.state.lock();
        if bytes <= self.bytes_max && state.is_unchanged_since(folds, cell) {
            state.insert(folds, cell, key, span, bytes);
            state.make_room(self.bytes_max);
        }
    }

    /// The run's entries from `from` up to but not including `to` have been folded, in a transaction that nobody sees yet.
    /// Gives the number of this fold, for the views from there on.
    pub fn folded(&self, run: &Run, from: CellKey, to: CellKey) -> u64 {
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut emptied = vec![];
        for (cell, spans) in state.cells.range_mut(from.cell()..=to.cell()) {
            spans.retain(|key, entry| {
                let is_kept = !key.is_changed(*cell, run, from, to);
                if !is_kept {
                    state.entries -= 1;
                    state.bytes -= entry.bytes;
                }
                is_kept
            });
            if spans.is_empty() {
                emptied.push(*cell);
            }
        }
        for cell in emptied {
            state.cells.remove(&cell);
        }
        if state.recent.len() == RECENT_MAX {
            state.recent.pop_front();
        }
        state.recent.push_back((from.cell(), to.cell()));
        state.folds += 1;
        state.folds
    }
}

impl State {
    fn is_unchanged_since(&self, folds: u64, cell: Cell) -> bool {
        let since = (self.folds - folds) as usize;
        let mut changed = self.recent.iter().rev().take(since);
        since <= self.recent.len() && !changed.any(|(first, last)| (*first..=*last).contains(&cell))
    }

    fn insert(&mut self, folds: u64, cell: Cell, key: SpanKey, span: Arc<Span>, bytes: usize) {
        let spans = self.cells.entry(cell).or_default();
        // Two readers have made the same; one of them, perhaps, for an older view.
        if let Some(entry) = spans.get_mut(&key) {
            entry.since = entry.since.min(folds);
            return;
        }
        self.tickets += 1;
        spans.insert(key, Entry { span, since: folds, ticket: self.tickets, is_used: false, bytes });
        self.line.push_back((self.tickets, cell, key));
        self.entries += 1;
        self.bytes += bytes;
        if self.line.len() > 2 * self.entries + SPARED_MAX {
            let cells = &self.cells;
            self.line.retain(|(ticket, cell, key)| ticket_of(cells, *cell, *key) == Some(*ticket));
        }
    }

    /// What has not been used since it was last looked at goes first.
    fn make_room(&mut self, bytes_max: usize) {
        let mut spared = 0;
        while self.bytes > bytes_max {
            let Some((ticket, cell, key)) = self.line.pop_front() else { return };
            let Some(spans) = self.cells.get_mut(&cell) else { continue };
            let Some(entry) = spans.get_mut(&key).filter(|entry| entry.ticket == ticket) else { continue };
            if std::mem::take(&mut entry.is_used) && spared < SPARED_MAX {
                spared += 1;
                self.line.push_back((ticket, cell, key));
                continue;
            }
            self.bytes -= entry.bytes;
            self.entries -= 1;
            spans.remove(&key);
            if spans.is_empty() {
                self.cells.remove(&cell);
            }
        }
    }
}

fn ticket_of(cells: &BTreeMap<Cell, HashMap<SpanKey, Entry>>, cell: Cell, key: SpanKey) -> Option<u64> {
    cells.get(&cell)?.get(&key).map(|entry| entry.ticket)
}

#[cfg(test)]
#[path = "span_cache_test.rs"]
mod tests;
