use std::fmt;
use std::sync::Arc;

use super::{Id, Timestamp};

/// The service of the server's own events; no client may send events for it.
pub const OWN_SERVICE: &str = "analytics";

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

impl Severity {
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Error];

    pub fn parse(text: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }

    /// 0, 1, 2: the order of [`Severity::ALL`], and what the database keeps.
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of severities; never empty where it comes from a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SeveritySet(u8);

impl SeveritySet {
    pub const ALL: SeveritySet = SeveritySet(0b111);

    pub fn contains(self, severity: Severity) -> bool {
        self.0 >> severity.index() & 1 == 1
    }

    /// Bit i stands for severity i.
    pub fn bits(self) -> u8 {
        self.0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in both.
    pub fn and(self, other: SeveritySet) -> SeveritySet {
        SeveritySet(self.0 & other.0)
    }

    /// What is in this one alone.
    pub fn without(self, other: SeveritySet) -> SeveritySet {
        SeveritySet(self.0 & !other.0)
    }
}

impl FromIterator<Severity> for SeveritySet {
    fn from_iter<I: IntoIterator<Item = Severity>>(severities: I) -> SeveritySet {
        SeveritySet(severities.into_iter().fold(0, |set, severity| set | 1 << severity.index()))
    }
}

/// An event of a system's log, as it came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SystemEvent {
    pub at: Timestamp,
    pub severity: Severity,
    pub service: Option<Id>,
    pub message: String,
    /// Events that carry the same `event_id` and time stamp are one; the first acknowledged stays.
    pub event_id: Option<Id>,
    /// A flat JSON object, as compact JSON text.
    pub attributes: Option<String>,
}

/// Where an event stands in the log: by instant, ties by ingestion. Unique, and never changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    pub at: Timestamp,
    /// Order of acknowledgement, from 1.
    pub seq: i64,
}

/// An event as the log keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredEvent {
    pub position: Position,
    pub severity: Severity,
    /// Shared: pages name few services many times.
    pub service: Option<Arc<Id>>,
    pub message: String,
    /// Compact JSON text of a flat object.
    pub attributes: Option<String>,
}

/// Combined with AND. `from` is inclusive, `to` exclusive.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LogFilter {
    pub severities: SeveritySet,
    pub service: Option<Id>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

impl Default for LogFilter {
    fn default() -> LogFilter {
        LogFilter { severities: SeveritySet::ALL, service: None, from: None, to: None }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TimeOrder {
    /// Ties by later ingestion first.
    NewestFirst,
    /// The exact reverse of newest first.
    OldestFirst,
}

/// Where a page begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// So many matching events are skipped. Any u64; past the end the page is empty.
    Offset(u64),
    /// Behind this position, in the page's order. The position itself need not exist (any more).
    After(Position),
}

/// A page of the log in time order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogPage {
    pub events: Vec<StoredEvent>,
    /// How many events match the filter in all, wherever the page begins.
    pub total: u64,
    /// Whether more matching events follow the last of this page.
    pub more: bool,
}

/// A page of the log in order of arrival.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArrivalPage {
    pub events: Vec<StoredEvent>,
    /// How many events match the filter in all.
    pub total: u64,
    /// Go on behind this sequence number; everything up to it has been seen.
    pub next_seq: i64,
}

/// What of the log is to go: of each severity, in the order of [`Severity::ALL`], the events before the instant; None: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventCutoffs(pub [Option<Timestamp>; Severity::ALL.len()]);

impl EventCutoffs {
    /// The same instant for every severity.
    pub fn all(at: Timestamp) -> EventCutoffs {
        EventCutoffs([Some(at); Severity::ALL.len()])
    }

    /// None of its events goes.
    pub fn of(&self, severity: Severity) -> Option<Timestamp> {
        self.0[severity.index()]
    }

    /// Whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// What goes by either.
    pub fn or(self, other: EventCutoffs) -> EventCutoffs {
        EventCutoffs(std::array::from_fn(|i| self.0[i].max(other.0[i])))
    }
}

/// As `2025-01-01T00:00:00Z (info), 2024-01-01T00:00:00Z (error)`.
impl fmt::Display for EventCutoffs {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut separator = "";
        for severity in Severity::ALL {
            if let Some(at) = self.of(severity) {
                write!(f, "{separator}{at} ({severity})")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// How far a retirement has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retired {
    /// Events whose rows went with this step. Readers were shown none of them any more since the floors were raised.
    pub removed: u64,
    /// The floors stand at the cutoffs, and no row before them is left.
    pub is_done: bool,
    /// The floors were not raised: an export of the log is under way that may still read what lies before them.
    pub waits_for_exports: bool,
}

/// The events of a severity that a retirement would take from readers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retirable {
    pub severity: Severity,
    pub count: u64,
    /// Oldest and newest; None if there are none.
    pub span: Option<(Timestamp, Timestamp)>,
}
