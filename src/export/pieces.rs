//! The log, read and formatted by some threads at once, handed over in order, piece by piece.
//!
//! Threads take one run of the log after the other, in order. Whoever takes a run puts a channel of its own for it into a
//! line before the next one may take one; the caller takes channel by channel from the line. Both are bounded, so that
//! nobody runs far ahead, and whoever may be waited for never waits for a channel with a turn in hand.

use std::ops::{ControlFlow, Range};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use parking_lot::Mutex;

use super::Watch;
use super::stamps::Stamps;
use crate::clock::give_way;
use crate::error::{Error, Result};
use crate::model::{LogFilter, Position, Timestamp};
use crate::store::{EventRow, Store};

/// More threads would wait for the one that hashes and writes.
const THREADS_MAX: usize = 4;
/// A piece ends with the event by which it reaches one of these: a turn is short, and memory bounded, whatever the
/// events' size.
const PIECE_BYTES: usize = 512 * 1024;
const PIECE_ROWS: u64 = 8_192;
/// Rows formatted at a stretch, before others may have the processor.
const STRETCH_ROWS: u64 = 128;
/// Room for a piece, unless its last event is large.
const SPARE_BYTES_MAX: usize = PIECE_BYTES + 64 * 1024;
/// What one thread does at a stretch; about a piece.
const RUN_ROWS: u64 = 4_096;
/// Events that came too late, counted in one turn.
const COUNTED_PER_TURN: usize = 20_000;
/// Pieces of a run that may wait for the caller.
const PIECES_WAITING: usize = 1;

/// What is to be read: events that match, up to a sequence number.
pub struct Source<'a> {
    pub store: &'a Store,
    pub filter: &'a LogFilter,
    pub last_seq: i64,
    pub watch: &'a Watch,
}

/// Some whole lines.
#[derive(Default)]
pub struct Piece {
    pub bytes: Vec<u8>,
    pub rows: u64,
}

impl Source<'_> {
    /// How many events there are.
    pub fn count(&self) -> Result<u64> {
        let (all, acknowledged) = self.count_all()?;
        let mut later = 0;
        let mut looked_up_to = Some(self.last_seq);
        while let Some(seq) = looked_up_to.filter(|seq| *seq < acknowledged) {
            // A job may have waited while millions came: no snapshot is held for all of them, and no turn.
            let _turn = self.watch.turn()?;
            let snapshot = self.store.bulk_snapshot()?;
            let (matching, last) = snapshot.count_arrived(self.filter, (seq, acknowledged), COUNTED_PER_TURN)?;
            later += matching;
            looked_up_to = last;
        }
        let damaged = || Error::internal("the log counts fewer events than it holds: run `analytics check`");
        all.checked_sub(later).ok_or_else(damaged)
    }

    /// How many match, whenever they came, and the last of all at this moment.
    fn count_all(&self) -> Result<(u64, i64)> {
        let _turn = self.watch.turn()?;
        let snapshot = self.store.bulk_snapshot()?;
        Ok((snapshot.count_events(self.filter)?, snapshot.last_event_seq()))
    }
}

/// Hands the source's events, each formatted by `push_row`, to `write`, in order. Ends with the first error of anybody,
/// and soon after the watch was told to stop.
pub fn write(
    source: &Source,
    push_row: impl Fn(&mut Stamps, &mut Vec<u8>, &EventRow) + Sync,
    write: impl FnMut(&Piece) -> Result<()>,
) -> Result<()> {
    let threads = source.watch.workers().clamp(1, THREADS_MAX);
    let first = Position { at: Timestamp::MIN, seq: 0 };
    let work = Work { source, push_row, next: Mutex::new(Some(first)), spare: Mutex::default() };
    let (line, runs) = sync_channel(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (work, line) = (&work, line.clone());
            // Threads inherit the priority of the one that starts them.
            let started = thread::Builder::new().name("export".into()).spawn_scoped(scope, move || work.run(&line));
            started.map_err(|error| Error::internal(format!("cannot start a thread for an export: {error}")))?;
        }
        drop(line);
        // Given by value: whoever still waits to hand something over learns by its end that nobody wants it any more.
        work.take_in_order(runs, write)
    })
}

/// The pieces of one run, in order, an error the last.
type Run = Receiver<Result<Piece>>;

/// What the threads share.
struct Work<'a, F> {
    source: &'a Source<'a>,
    push_row: F,
    /// Where the next run begins; None when there is none.
    next: Mutex<Option<Position>>,
    /// Memory of pieces that are written, for the next ones.
    spare: Mutex<Vec<Vec<u8>>>,
}

impl<F: Fn(&mut Stamps, &mut Vec<u8>, &EventRow)> Work<'_, F> {
    fn take_in_order(&self, runs: Receiver<Run>, mut write: impl FnMut(&Piece) -> Result<()>) -> Result<()> {
        for piece in runs.into_iter().flatten() {
            let piece = piece?;
            let _turn = self.source.watch.turn()?;
            write(&piece)?;
            self.give_back(piece.bytes);
        }
        self.source.watch.check()
    }

    fn give_back(&self, mut bytes: Vec<u8>) {
        // What a few large events have made larger goes.
        if bytes.capacity() <= SPARE_BYTES_MAX {
            bytes.clear();
            self.spare.lock().push(bytes);
        }
    }

    /// Until there are no more runs, or nobody wants more.
    fn run(&self, line: &SyncSender<Run>) {
        while let Some((run, pieces)) = self.take_run(line) {
            if self.format(run, &pieces).is_break() {
                return;
            }
        }
    }

    fn take_run(&self, line: &SyncSender<Run>) -> Option<(Range<Position>, SyncSender<Result<Piece>>)> {
        let mut next = self.next.lock();
        let start = (*next)?;
        let (sender, pieces) = sync_channel(PIECES_WAITING);
        line.send(pieces).ok()?;
        let end = self.run_end(start);
        *next = end.clone().unwrap_or(None);
        match end {
            Ok(end) => Some((start..end?, sender)),
            Err(error) => {
                let _ = sender.send(Err(error));
                None
            }
        }
    }

    fn run_end(&self, start: Position) -> Result<Option<Position>> {
        let snapshot = self.source.store.bulk_snapshot()?;
        Ok(snapshot.events_run_end(self.source.filter, start, RUN_ROWS))
    }

    fn format(&self, run: Range<Position>, pieces: &SyncSender<Result<Piece>>) -> ControlFlow<()> {
        let mut rest = Some(run.start);
        while let Some(start) = rest {
            let piece = self.piece(start..run.end);
            let is_over = piece.is_err();
            let handed_over = pieces.send(piece.map(|(piece, behind)| {
                rest = behind;
                piece
            }));
            if is_over || handed_over.is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// The next piece, and where the rest of the run begins. The snapshot and the turn end with it.
    fn piece(&self, run: Range<Position>) -> Result<(Piece, Option<Position>)> {
        let Source { store, filter, last_seq, watch } = self.source;
        let bytes = self.spare.lock().pop().unwrap_or_else(|| Vec::with_capacity(SPARE_BYTES_MAX));
        let mut piece = Piece { bytes, rows: 0 };
        let mut stamps = Stamps::default();
        let _turn = watch.turn()?;
        let rest = store.bulk_snapshot()?.visit_events(filter, *last_seq, run, |event| {
            (self.push_row)(&mut stamps, &mut piece.bytes, event);
            piece.rows += 1;
            if piece.rows.is_multiple_of(STRETCH_ROWS) {
                give_way();
            }
            let is_full = piece.bytes.len() >= PIECE_BYTES || piece.rows == PIECE_ROWS;
            Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok((piece, rest))
    }
}
