use std::fmt;

use super::{Day, Id, Timestamp};

/// Everything that the base facts hold of one user. Session ids are not among it: only digests of them are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserRecord {
    pub user_id: Id,
    /// The home team.
    pub team_id: Option<Id>,
    /// The value last registered; None if there is none, or if it was cleared.
    pub registered_at: Option<Timestamp>,
    /// When a command last cleared `registered_at`. It counts only for a user without events.
    pub cleared_at: Option<Timestamp>,
    pub first_event_at: Option<Timestamp>,
    pub deactivated_at: Option<Timestamp>,
    /// The day from which the user counts in `total_users`.
    pub registration_day: Day,
    /// Every pair with an event, whatever the day; by day, then pair.
    pub first_uses: Vec<FirstUse>,
    /// The day from which on base facts are kept; None if they all are. Of older days but few are told.
    pub facts_from: Option<Day>,
    /// The days with an event of which base facts are kept, ascending.
    pub days: Vec<UserDayRecord>,
    /// The sessions with an id, by start.
    pub id_sessions: Vec<IdSession>,
}

/// The team and service of an event, as far as it came with them. Sorts by name, none first: the order in which names
/// arrived shows nowhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TeamService {
    pub team_id: Option<Id>,
    pub service: Option<Id>,
}

/// The first day on which a user had an event in a pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirstUse {
    pub pair: TeamService,
    pub day: Day,
}

/// One day with at least one event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserDayRecord {
    pub day: Day,
    /// Each pair once, sorted.
    pub activity: Vec<PairActivity>,
    /// Sessions without an id that start on this day, by start.
    pub sessions: Vec<GapSessionRecord>,
}

/// When on a day there were events in a pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairActivity {
    pub pair: TeamService,
    /// Ascending and apart from each other.
    pub seen: Vec<QuarterRange>,
}

/// Quarters of an hour (UTC) of a day, 0 to 96: from `start` up to, and not with, `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuarterRange {
    pub start: u8,
    pub end: u8,
}

/// A session of events at most 30 minutes apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GapSessionRecord {
    pub start: Timestamp,
    /// Its last event.
    pub end: Timestamp,
    /// Sorted.
    pub pairs: Vec<TeamService>,
}

/// A session whose events came with a session id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdSession {
    pub start: Timestamp,
    /// Sorted.
    pub pairs: Vec<TeamService>,
}

/// As "10:15-10:45"; the day ends at 24:00.
impl fmt::Display for QuarterRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |quarter: u8| (quarter / 4, quarter % 4 * 15);
        let ((start_h, start_min), (end_h, end_min)) = (time(self.start), time(self.end));
        write!(f, "{start_h:02}:{start_min:02}-{end_h:02}:{end_min:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_read_as_times_of_day() {
        let cases = [((0, 1), "00:00-00:15"), ((41, 43), "10:15-10:45"), ((95, 96), "23:45-24:00")];
        for ((start, end), text) in cases {
            assert_eq!(QuarterRange { start, end }.to_string(), text);
        }
    }
}
