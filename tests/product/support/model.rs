//! Usage figures by definition: every event is kept, and every figure computed anew from each user's own. Slow, plain,
//! and independent of the engine (its calendar is chrono's).

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Add;

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

pub type Instant = DateTime<Utc>;

const SESSION_GAP: TimeDelta = TimeDelta::seconds(1800);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Event {
    pub at: Instant,
    pub user: String,
    pub team: Option<String>,
    pub service: Option<String>,
    pub session: Option<String>,
}

/// What a registration says about a field: nothing, clear it (`Set(None)`), or set it.
#[derive(Clone, Debug)]
pub enum Said<T> {
    Nothing,
    Set(Option<T>),
}

#[derive(Clone, Debug)]
pub struct Registration {
    pub user: String,
    pub team: Said<String>,
    pub registered_at: Said<Instant>,
    pub deactivated_at: Said<Instant>,
}

/// `None`: whatever it is. `Some(None)`: events that have none.
pub type Wanted = Option<Option<String>>;

#[derive(Clone, Default, Debug)]
pub struct Filter {
    pub user: Option<String>,
    pub team: Wanted,
    pub service: Wanted,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Figures {
    pub total_users: u64,
    pub active_users: u64,
    pub total_sessions: u64,
}

/// Days from the first to the second, both inclusive.
pub type Range = (NaiveDate, NaiveDate);

#[derive(Default)]
pub struct Model {
    people: Vec<Person>,
}

#[derive(Default)]
struct Person {
    /// None once the person is erased and the counts are kept.
    id: Option<String>,
    home_team: Option<String>,
    registered_at: Option<Instant>,
    /// When a command registered the person without saying since when, or took it back.
    cleared_at: Option<Instant>,
    deactivated_at: Option<Instant>,
    events: BTreeSet<Event>,
    /// Made from the events when first asked for; a new event takes it back.
    past: OnceCell<Past>,
}

/// What one event is filtered by: its team and its service.
type Pair = (Option<String>, Option<String>);

/// What a person's events come to.
#[derive(Default)]
struct Past {
    active: BTreeMap<NaiveDate, BTreeSet<Pair>>,
    /// By the day on which they began.
    sessions: BTreeMap<NaiveDate, Vec<BTreeSet<Pair>>>,
    first_days: BTreeMap<Pair, NaiveDate>,
}

impl Model {
    pub fn record(&mut self, event: &Event) {
        let person = self.person(&event.user);
        person.events.insert(event.clone());
        person.past.take();
    }

    /// `now`: stands in for a registration date that was never said.
    pub fn register(&mut self, registration: &Registration, now: Instant) {
        let person = self.person(&registration.user);
        if let Said::Set(team) = &registration.team {
            person.home_team = team.clone();
        }
        if let Said::Set(at) = registration.deactivated_at {
            person.deactivated_at = at;
        }
        match registration.registered_at {
            Said::Set(Some(at)) => (person.registered_at, person.cleared_at) = (Some(at), None),
            Said::Set(None) => (person.registered_at, person.cleared_at) = (None, Some(now)),
            Said::Nothing if person.registered_at.is_none() && person.cleared_at.is_none() => {
                person.registered_at = Some(now);
            }
            Said::Nothing => {}
        }
    }

    /// Whether there was such a user.
    pub fn erase(&mut self, user: &str, keep_counts: bool) -> bool {
        let Some(at) = self.people.iter().position(|person| person.id.as_deref() == Some(user)) else { return false };
        if keep_counts {
            self.people[at].id = None;
        } else {
            self.people.remove(at);
        }
        true
    }

    fn person(&mut self, user: &str) -> &mut Person {
        let at = self.people.iter().position(|person| person.id.as_deref() == Some(user)).unwrap_or_else(|| {
            self.people.push(Person { id: Some(user.to_string()), ..Person::default() });
            self.people.len() - 1
        });
        &mut self.people[at]
    }

    pub fn figures(&self, filter: &Filter, range: Range) -> Figures {
        let asked = |person: &&Person| filter.user.is_none() || filter.user == person.id;
        self.people.iter().filter(asked).map(|person| person.figures(filter, range)).fold(Figures::default(), Add::add)
    }

    /// The teams (or services, or users) with any figure that is not zero, in the order of the contract.
    pub fn groups(&self, by: &str, filter: &Filter, range: Range) -> Vec<(Option<String>, Figures)> {
        let mut groups: Vec<_> = match by {
            "user" => self.by_user(filter, range).into_iter().collect(),
            _ => self.ids(by).into_iter().map(|id| (id.clone(), self.group(by, id, filter, range))).collect(),
        };
        groups.retain(|(_, figures)| *figures != Figures::default());
        groups
            .sort_by_key(|(id, f)| (u64::MAX - f.active_users, u64::MAX - f.total_sessions, id.is_none(), id.clone()));
        groups
    }

    fn by_user(&self, filter: &Filter, range: Range) -> BTreeMap<Option<String>, Figures> {
        let mut groups = BTreeMap::<_, Figures>::new();
        for person in self.people.iter().filter(|person| filter.user.is_none() || filter.user == person.id) {
            let figures = groups.entry(person.id.clone()).or_default();
            *figures = *figures + person.figures(filter, range);
        }
        groups
    }

    fn group(&self, by: &str, id: Option<String>, filter: &Filter, range: Range) -> Figures {
        let mut narrowed = filter.clone();
        let wanted = if by == "team" { &mut narrowed.team } else { &mut narrowed.service };
        if wanted.as_ref().is_some_and(|asked| *asked != id) {
            return Figures::default();
        }
        *wanted = Some(id);
        self.figures(&narrowed, range)
    }

    fn ids(&self, by: &str) -> BTreeSet<Option<String>> {
        let events = self.people.iter().flat_map(|person| &person.events);
        let of_events = events.map(|event| if by == "team" { event.team.clone() } else { event.service.clone() });
        let homes = self.people.iter().filter(|_| by == "team").filter_map(|person| person.home_team.clone()).map(Some);
        of_events.chain(homes).collect()
    }
}

impl Person {
    fn figures(&self, filter: &Filter, range: Range) -> Figures {
        let (start, end) = range;
        let past = self.past.get_or_init(|| Past::of(&self.events));
        let active = past.active.range(start..=end).any(|(_, pairs)| filter.matches(pairs));
        let sessions = past.sessions.range(start..=end).flat_map(|(_, sessions)| sessions);
        let sessions = sessions.filter(|pairs| filter.matches(*pairs));
        let gone = self.deactivated_at.is_some_and(|at| at.date_naive() < start);
        let counts = active || (!gone && self.is_in_scope(past, filter, end));
        Figures {
            total_users: u64::from(counts),
            active_users: u64::from(active),
            total_sessions: sessions.count() as u64,
        }
    }

    fn is_in_scope(&self, past: &Past, filter: &Filter, end: NaiveDate) -> bool {
        let registered = self.registered_since().is_some_and(|at| at.date_naive() <= end);
        let used = past.first_days.iter().any(|(pair, day)| *day <= end && filter.matches([pair]));
        match (&filter.team, &filter.service) {
            (None, None) => registered,
            (Some(Some(team)), None) => used || (registered && self.home_team.as_ref() == Some(team)),
            _ => used,
        }
    }

    fn registered_since(&self) -> Option<Instant> {
        let first_event = self.events.first().map(|event| event.at);
        self.registered_at.into_iter().chain(first_event).min().or(self.cleared_at)
    }
}

impl Past {
    fn of(events: &BTreeSet<Event>) -> Past {
        let mut past = Past::default();
        for event in events {
            let day = event.at.date_naive();
            past.active.entry(day).or_default().insert(event.pair());
            past.first_days.entry(event.pair()).or_insert(day);
        }
        for session in sessions(events) {
            let touched = session.iter().map(|event| event.pair()).collect();
            past.sessions.entry(session[0].at.date_naive()).or_default().push(touched);
        }
        past
    }
}

/// Each session as its events in order of time.
fn sessions(events: &BTreeSet<Event>) -> Vec<Vec<&Event>> {
    let mut by_id = BTreeMap::<&str, Vec<&Event>>::new();
    let mut by_gap = Vec::<Vec<&Event>>::new();
    for event in events {
        match (&event.session, by_gap.last_mut()) {
            (Some(id), _) => by_id.entry(id).or_default().push(event),
            (None, Some(open)) if event.at - open[open.len() - 1].at <= SESSION_GAP => open.push(event),
            (None, _) => by_gap.push(vec![event]),
        }
    }
    by_id.into_values().chain(by_gap).collect()
}

impl Event {
    fn pair(&self) -> Pair {
        (self.team.clone(), self.service.clone())
    }
}

impl Filter {
    /// Whether any single one matches all that is asked for.
    fn matches<'a>(&self, pairs: impl IntoIterator<Item = &'a Pair>) -> bool {
        pairs.into_iter().any(|(team, service)| {
            self.team.as_ref().is_none_or(|asked| asked == team)
                && self.service.as_ref().is_none_or(|asked| asked == service)
        })
    }

    /// As query parameters.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let said = |wanted: &Wanted| wanted.clone().flatten();
        let named = [("user_id", self.user.clone()), ("team_id", said(&self.team)), ("service", said(&self.service))];
        named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

impl Figures {
    pub fn json(self) -> Value {
        json!({
            "total_users": self.total_users,
            "active_users": self.active_users,
            "total_sessions": self.total_sessions,
        })
    }
}

impl Add for Figures {
    type Output = Figures;

    fn add(self, other: Figures) -> Figures {
        Figures {
            total_users: self.total_users + other.total_users,
            active_users: self.active_users + other.active_users,
            total_sessions: self.total_sessions + other.total_sessions,
        }
    }
}

/// The range cut at days, weeks (from Monday) or months.
pub fn periods(interval: &str, (start, end): Range) -> Vec<Range> {
    let begins = |day: NaiveDate| match interval {
        "day" => true,
        "week" => day.weekday() == chrono::Weekday::Mon,
        _ => day.day() == 1,
    };
    let mut periods = Vec::<Range>::new();
    for day in start.iter_days().take_while(|day| *day <= end) {
        match periods.last_mut() {
            Some((_, last)) if !begins(day) => *last = day,
            _ => periods.push((day, day)),
        }
    }
    periods
}

/// The range of equal length that ends the day before.
pub fn previous((start, end): Range) -> Range {
    let days = (end - start).num_days() as u64 + 1;
    (start - Days::new(days), start - Days::new(1))
}

/// The events and registrations as JSON, as a client would send them.
pub mod wire {
    use super::*;

    /// `shown`: the instant as it is to be written.
    pub fn event(event: &Event, shown: &str) -> Value {
        let mut json = json!({"user_id": event.user, "timestamp": shown});
        let optional = [("team_id", &event.team), ("service", &event.service), ("session_id", &event.session)];
        for (name, value) in optional {
            if let Some(value) = value {
                json[name] = json!(value);
            }
        }
        json
    }

    pub fn registration(registration: &Registration) -> Value {
        let mut json = json!({"user_id": registration.user});
        if let Said::Set(team) = &registration.team {
            json["team_id"] = json!(team);
        }
        let times = [("registered_at", &registration.registered_at), ("deactivated_at", &registration.deactivated_at)];
        for (name, said) in times {
            if let Said::Set(at) = said {
                json[name] = json!(at.map(|at| at.to_rfc3339()));
            }
        }
        json
    }
}
