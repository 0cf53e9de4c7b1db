//! A row of a usage report: in its order, and as bytes.

use std::cmp::{Ordering, Reverse};

use crate::error::{Error, Result};
use crate::model::{DateRange, Day, Figures, Id};

/// The figures of a period, or of a group: the range is the report's then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageRow {
    pub range: DateRange,
    /// None for a period, and for the group of events that had none.
    pub id: Option<Id>,
    pub figures: Figures,
}

/// Start and end, the three figures, and the length of the id; 0 without one.
pub const HEAD_BYTES: usize = 4 + 4 + 3 * 8 + 2;

impl UsageRow {
    /// Periods by their start; groups as the endpoint orders them: by active users, then sessions, descending, then id
    /// (none last).
    fn key(&self) -> (Day, Reverse<u64>, Reverse<u64>, bool, Option<&Id>) {
        let Figures { active_users, total_sessions, .. } = self.figures;
        let id = self.id.as_ref();
        (self.range.start(), Reverse(active_users), Reverse(total_sessions), id.is_none(), id)
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<UsageRow>() + self.id.as_ref().map_or(0, |id| id.as_str().len())
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        let Figures { total_users, active_users, total_sessions } = self.figures;
        let id = self.id.as_ref().map_or("", |id| id.as_str());
        out.extend_from_slice(&self.range.start().index().to_le_bytes());
        out.extend_from_slice(&self.range.end().index().to_le_bytes());
        for figure in [total_users, active_users, total_sessions] {
            out.extend_from_slice(&figure.to_le_bytes());
        }
        out.extend_from_slice(&(id.len() as u16).to_le_bytes());
        out.extend_from_slice(id.as_bytes());
    }

    /// How many bytes the row takes that begins with this head.
    pub fn encoded_bytes(head: &[u8; HEAD_BYTES]) -> usize {
        HEAD_BYTES + usize::from(u16::from_le_bytes([head[HEAD_BYTES - 2], head[HEAD_BYTES - 1]]))
    }

    /// Reads one whole row.
    pub fn decode(bytes: &[u8]) -> Result<UsageRow> {
        read(bytes).ok_or_else(|| Error::internal("rows of an export that waited on the disk came back altered"))
    }
}

fn read(bytes: &[u8]) -> Option<UsageRow> {
    let (head, id) = bytes.split_at_checked(HEAD_BYTES)?;
    let day = |at: usize| Day::from_index(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let figure = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let figures = Figures { total_users: figure(8)?, active_users: figure(16)?, total_sessions: figure(24)? };
    let id = if id.is_empty() { None } else { Some(Id::new(str::from_utf8(id).ok()?).ok()?) };
    Some(UsageRow { range: DateRange::new(day(0)?, day(4)?)?, id, figures })
}

impl Ord for UsageRow {
    fn cmp(&self, other: &UsageRow) -> Ordering {
        // What follows the key makes the order agree with equality.
        let rest = |row: &UsageRow| (row.range.end(), row.figures.total_users);
        self.key().cmp(&other.key()).then_with(|| rest(self).cmp(&rest(other)))
    }
}

impl PartialOrd for UsageRow {
    fn partial_cmp(&self, other: &UsageRow) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
