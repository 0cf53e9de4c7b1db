//! Workbooks of the log: a summary, and the events.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::book::{Book, Limits};
use super::cells::{self, CELL_UNITS_MAX, Style};
use super::frame::{Column, Properties};
use super::summary::{self, Section, Summary};
use crate::error::{Error, Result};
use crate::export::pieces::{self, Source};
use crate::export::sink::Sink;
use crate::export::{Assignment, Watch, Written};
use crate::model::{LogFilter, Position, Severity, SeveritySet, Timestamp};
use crate::store::{EventRow, Store};

const SHEET_NAME: &str = "Events";
/// Events looked at in one turn to find the longest.
const EVENTS_PER_TURN: u64 = 20_000;

/// Errors as [`crate::export::write`].
pub fn write(store: &Store, assignment: &Assignment, filter: &LogFilter, watch: &Watch) -> Result<Written> {
    write_within(store, assignment, filter, watch, Limits::USUAL)
}

/// The same, with sheets of another size.
pub fn write_within(
    store: &Store,
    assignment: &Assignment,
    filter: &LogFilter,
    watch: &Watch,
    limits: Limits,
) -> Result<Written> {
    let source = Source { store, filter, last_seq: assignment.log_seq, watch };
    let expected = source.count()?;
    watch.expect_rows(expected);
    let layout = Layout::load(&source)?;
    let sink = Sink::open(&assignment.file, false, assignment.bytes_max)?;
    let properties = Properties { title: "System events".into(), made_at: assignment.made_at };
    let mut book = Book::open(sink, properties, SHEET_NAME, layout.columns(), limits)?;
    let counts = Counts::default();
    let row = |_: &mut _, piece: &mut Vec<u8>, event: &EventRow| {
        counts.add(event.severity);
        layout.push_row(piece, event);
    };
    pieces::write(&source, row, |piece| {
        book.write_rows(&piece.bytes)?;
        watch.add_rows(piece.rows);
        Ok(())
    })?;
    if book.rows() != expected {
        let found = book.rows();
        return Err(Error::internal(format!("an export of {expected} events found {found}: run `analytics check`")));
    }
    let _turn = watch.turn()?;
    book.finish(|sheet, _| summary::write(sheet, contents(assignment, filter, &counts)))
}

/// How many cells a message takes at the most, and how many the attributes. The first of each stand in their places, the
/// others behind.
struct Layout {
    messages: usize,
    attributes: usize,
}

const TIMESTAMP: usize = 0;
const SEVERITY: usize = 1;
const SERVICE: usize = 2;
const MESSAGE: usize = 3;
const ATTRIBUTES: usize = 4;
const MORE: usize = 5;

impl Layout {
    /// Looks at the long ones among the events.
    fn load(source: &Source) -> Result<Layout> {
        let Source { store, filter, last_seq, watch } = source;
        let mut layout = Layout { messages: 1, attributes: 1 };
        let mut next = Some(Position { at: Timestamp::MIN, seq: 0 });
        while let Some(start) = next {
            let _turn = watch.turn()?;
            let snapshot = store.bulk_snapshot()?;
            next = snapshot.events_run_end(filter, start, EVENTS_PER_TURN);
            let Some(end) = next else { break };
            snapshot.visit_long_events(filter, *last_seq, start..end, CELL_UNITS_MAX, |event| {
                watch.check()?;
                layout.messages = layout.messages.max(cells::parts(event.message).count());
                layout.attributes = layout.attributes.max(cells::parts(event.attributes.unwrap_or_default()).count());
                Ok(())
            })?;
        }
        Ok(layout)
    }

    fn columns(&self) -> Vec<Column> {
        let text = |name: String, width| Column { name, width, style: Style::Text };
        let mut columns = vec![
            Column { name: "timestamp".into(), width: 24.0, style: Style::Stamp },
            text("severity".into(), 11.0),
            text("service".into(), 20.0),
            text("message".into(), 80.0),
            text("attributes".into(), 40.0),
        ];
        columns.extend((2..=self.messages).map(|n| text(format!("message_{n}"), 40.0)));
        columns.extend((2..=self.attributes).map(|n| text(format!("attributes_{n}"), 40.0)));
        columns
    }

    fn push_row(&self, out: &mut Vec<u8>, event: &EventRow) {
        let attributes = event.attributes.unwrap_or_default();
        cells::begin_row(out);
        cells::push_stamp(out, TIMESTAMP, event.position.at);
        cells::push_text(out, SEVERITY, Style::Text, event.severity.as_str());
        cells::push_text(out, SERVICE, Style::Text, event.service.unwrap_or_default());
        push_parts(out, MESSAGE, event.message, 0..1);
        push_parts(out, ATTRIBUTES, attributes, 0..1);
        push_parts(out, MORE, event.message, 1..self.messages);
        push_parts(out, MORE + self.messages - 1, attributes, 1..self.attributes);
        cells::end_row(out);
    }
}

/// Some of the cells that a text takes, side by side.
fn push_parts(out: &mut Vec<u8>, column: usize, text: &str, which: std::ops::Range<usize>) {
    if which.is_empty() {
        return;
    }
    for (column, part) in (column..).zip(cells::parts(text).skip(which.start).take(which.len())) {
        cells::push_text(out, column, Style::Text, part);
    }
}

/// Events by severity, counted by several threads.
#[derive(Default)]
struct Counts([AtomicU64; 3]);

impl Counts {
    fn add(&self, severity: Severity) {
        self.0[severity.index()].fetch_add(1, Relaxed);
    }

    fn of(&self, severity: Severity) -> u64 {
        self.0[severity.index()].load(Relaxed)
    }
}

fn contents(assignment: &Assignment, filter: &LogFilter, counts: &Counts) -> Summary {
    let total = Severity::ALL.into_iter().map(|severity| counts.of(severity)).sum();
    let origin = vec![("Made at", summary::instant(assignment.made_at)), ("Made for", assignment.made_for.clone())];
    Summary {
        title: "System events".into(),
        subtitle: span(filter),
        figures: vec![
            ("Events", total),
            ("Info", counts.of(Severity::Info)),
            ("Warnings", counts.of(Severity::Warning)),
            ("Errors", counts.of(Severity::Error)),
        ],
        drawing: None,
        sections: vec![
            Section { title: "What this report covers", lines: coverage(filter) },
            Section { title: "How to read it", lines: reading() },
            Section { title: "Where it comes from", lines: origin },
        ],
    }
}

fn span(filter: &LogFilter) -> String {
    let bound = |at: Option<Timestamp>, none: &str| at.map_or(none.to_string(), summary::instant);
    match (filter.from, filter.to) {
        (None, None) => "The whole log".into(),
        (from, to) => format!("{} to {}", bound(from, "The first event"), bound(to, "the last event")),
    }
}

fn coverage(filter: &LogFilter) -> Vec<(&'static str, String)> {
    let from = filter.from.map(|at| format!("{}, included", summary::instant(at)));
    let to = filter.to.map(|at| format!("{}, not included", summary::instant(at)));
    let service = filter.service.as_ref().map(|service| format!("only {service}"));
    vec![
        ("From", from.unwrap_or("the first event".into())),
        ("To", to.unwrap_or("the last event acknowledged before it was asked for".into())),
        ("Severity", severities(filter.severities)),
        ("Service", service.unwrap_or("all".into())),
        ("Order", "oldest first; of equal instants the first to arrive".into()),
    ]
}

fn severities(set: SeveritySet) -> String {
    if set == SeveritySet::ALL {
        return "all".into();
    }
    let names: Vec<&str> =
        Severity::ALL.into_iter().filter(|severity| set.contains(*severity)).map(Severity::as_str).collect();
    format!("only {}", names.join(", "))
}

fn reading() -> Vec<(&'static str, String)> {
    let lines = [
        (
            "Time stamps",
            "in UTC, to the microsecond; those before March 1900 are texts, as spreadsheets have no dates for them.",
        ),
        ("Messages", "A text of more than 32,767 characters goes on in message_2, message_3, .. on the right."),
    ];
    lines.into_iter().map(|(name, text)| (name, text.to_string())).collect()
}
