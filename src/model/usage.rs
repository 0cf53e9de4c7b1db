use super::{DateRange, Id, Timestamp};

/// One use of the product by one user. What counts is its content: a re-delivery changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageEvent {
    pub user_id: Id,
    pub at: Timestamp,
    pub team_id: Option<Id>,
    pub service: Option<Id>,
    /// With it, the session is all events of this (user, session); without, events at most 30 minutes apart.
    pub session_id: Option<Id>,
}

/// What a command says about one field: nothing, clear it, or set it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

/// A command about a user. Follows arrival order: the last one wins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    pub user_id: Id,
    /// The user's home team.
    pub team_id: Change<Id>,
    pub registered_at: Change<Timestamp>,
    pub deactivated_at: Change<Timestamp>,
}

/// What becomes of the past counts of an erased user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum History {
    /// Counts of the past stay as they were; nobody can tell any more whose they are.
    Anonymize,
    /// Every figure becomes what it would be had the user never been.
    Remove,
}

/// One item of a batch that was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// Position in the batch, from 0.
    pub index: usize,
    pub message: String,
}

/// Combined with AND; an id that nobody has sent matches nothing.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct UsageFilter {
    pub user_id: Option<Id>,
    pub team_id: Option<Id>,
    pub service: Option<Id>,
}

/// The three figures of a usage summary. `active_users <= total_users` always.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Users registered by the range's end, not deactivated before its start, in the filter's scope by then.
    pub total_users: u64,
    /// Distinct users with at least one matching event in the range.
    pub active_users: u64,
    /// Sessions that started in the range and hold at least one matching event.
    pub total_sessions: u64,
}

/// One entry of a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    pub range: DateRange,
    pub figures: Figures,
}

/// A dimension to group by. User text never becomes a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupBy {
    Team,
    Service,
    User,
}

impl GroupBy {
    /// Each with its name in the API.
    pub const WORDS: [(&str, GroupBy); 3] =
        [("team", GroupBy::Team), ("service", GroupBy::Service), ("user", GroupBy::User)];

    pub fn as_str(self) -> &'static str {
        match self {
            GroupBy::Team => "team",
            GroupBy::Service => "service",
            GroupBy::User => "user",
        }
    }
}

/// The figures of one team, service or user; `id` is None where events had none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub id: Option<Id>,
    pub figures: Figures,
}

/// One page of groups in order, and how many groups there are in all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupPage {
    pub groups: Vec<Group>,
    pub total: u64,
}
