//! Retention: of each severity, the instant before which its events are gone. Floors only rise.
//!
//! Whoever raises them hides what lies below at once, for every reader, in one commit (`retire`); the rows are removed
//! behind that, piece by piece, and nobody can tell when.

use rusqlite::{Connection, params};

use super::directory::START;
use super::event;
use crate::error::Result;
use crate::model::{EventCutoffs, Position, Severity, SeveritySet, Timestamp};
use crate::store::varint::damaged;

/// By severity. [`Timestamp::MIN`] keeps all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Floors([Timestamp; Severity::ALL.len()]);

/// Before every event of this instant.
pub fn before(at: Timestamp) -> Position {
    Position { at, seq: START.seq }
}

impl Floors {
    pub const NONE: Floors = Floors([Timestamp::MIN; Severity::ALL.len()]);

    pub fn of(&self, severity: Severity) -> Timestamp {
        self.0[severity.index()]
    }

    pub fn lowest(&self) -> Timestamp {
        self.0.into_iter().min().unwrap_or(Timestamp::MIN)
    }

    pub fn highest(&self) -> Timestamp {
        self.0.into_iter().max().unwrap_or(Timestamp::MIN)
    }

    /// Each of them once, ascending.
    pub fn instants(&self) -> Vec<Timestamp> {
        let mut instants = self.0.to_vec();
        instants.sort_unstable();
        instants.dedup();
        instants
    }

    /// At the cutoffs, where these are higher.
    pub fn raised_to(&self, cutoffs: &EventCutoffs) -> Floors {
        Floors(std::array::from_fn(|i| cutoffs.0[i].map_or(self.0[i], |cutoff| cutoff.max(self.0[i]))))
    }

    pub fn to_cutoffs(self) -> EventCutoffs {
        EventCutoffs(self.0.map(|floor| (floor > Timestamp::MIN).then_some(floor)))
    }

    /// The severities of which events at this instant are kept; of a leaf, those that it holds: it begins at every floor
    /// or lies on one side of it.
    pub fn kept_at(&self, at: Timestamp) -> SeveritySet {
        Severity::ALL.into_iter().filter(|severity| self.of(*severity) <= at).collect()
    }

    pub fn keep(&self, at: Timestamp, severity: Severity) -> bool {
        self.of(severity) <= at
    }

    /// An event below its floor would come back by a re-delivery: why it is rejected.
    pub fn rejection(&self, severity: Severity) -> String {
        format!(
            "timestamp is before {}, from which on events of severity {severity} are kept (retention.log_{severity}, \
             retention.log_bytes_max)",
            self.of(severity)
        )
    }
}

/// Floors, and how far the rows below each are gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sweep {
    pub floors: Floors,
    /// Rows of the severity before this position are gone. Never beyond the floor.
    pub swept: [Position; Severity::ALL.len()],
}

impl Sweep {
    pub fn is_done(&self) -> bool {
        self.next().is_none()
    }

    /// Where rows are still to be removed: the lowest such run, and the severities of which they are. None: nowhere.
    pub fn next(&self) -> Option<(std::ops::Range<Position>, SeveritySet)> {
        let left = Severity::ALL.map(|severity| self.swept[severity.index()]..before(self.floors.of(severity)));
        let start = left.iter().filter(|run| !run.is_empty()).map(|run| run.start).min()?;
        let is_active = |severity: &Severity| {
            let run = &left[severity.index()];
            run.start == start && !run.is_empty()
        };
        let ends = left.iter().filter(|run| !run.is_empty());
        let end = ends.map(|run| if run.start == start { run.end } else { run.start }).min()?;
        Some((start..end, Severity::ALL.into_iter().filter(is_active).collect()))
    }

    /// Rows of these severities before the position are gone now.
    pub fn advance(&mut self, severities: SeveritySet, to: Position) {
        for severity in Severity::ALL.into_iter().filter(|severity| severities.contains(*severity)) {
            self.swept[severity.index()] = to;
        }
    }
}

const FLOORS: &str = "select severity, floor_at, swept_at, swept_seq from log_floor";

pub fn load(conn: &Connection) -> Result<Sweep> {
    let mut sweep = Sweep { floors: Floors::NONE, swept: [START; Severity::ALL.len()] };
    let mut statement = conn.prepare_cached(FLOORS)?;
    let mut rows = statement.query([])?;
    let instant = |micros| Timestamp::from_unix_micros(micros).ok_or_else(damaged);
    while let Some(row) = rows.next()? {
        let index = event::severity(row.get(0)?)?.index();
        sweep.floors.0[index] = instant(row.get(1)?)?;
        sweep.swept[index] = Position { at: instant(row.get(2)?)?, seq: row.get(3)? };
    }
    Ok(sweep)
}

const SAVE_FLOOR: &str = "
    insert or replace into log_floor (severity, floor_at, swept_at, swept_seq)
    values (:severity, :floor_at, :swept_at, :swept_seq)";

pub fn save(conn: &Connection, sweep: &Sweep) -> Result<()> {
    let mut statement = conn.prepare_cached(SAVE_FLOOR)?;
    for severity in Severity::ALL {
        let swept = sweep.swept[severity.index()];
        let floor = sweep.floors.of(severity);
        statement.execute(params![severity.index() as i64, floor.unix_micros(), swept.at.unix_micros(), swept.seq])?;
    }
    Ok(())
}
