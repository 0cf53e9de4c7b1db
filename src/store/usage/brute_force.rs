//! A model of the usage side that keeps raw events and recomputes every answer from the definitions of the contract.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Change, DateRange, Day, Figures, Group, GroupBy, History, Id, Registration, Timestamp, UsageEvent, UsageFilter,
};

const GAP_MICROS: i64 = 1_800_000_000;

/// All that was acknowledged.
#[derive(Default)]
pub struct Model {
    people: Vec<Person>,
}

#[derive(Default)]
struct Person {
    /// None once erased.
    id: Option<Id>,
    home_team: Option<Id>,
    registered_at: Option<Timestamp>,
    cleared_at: Option<Timestamp>,
    deactivated_at: Option<Timestamp>,
    events: Vec<UsageEvent>,
}

/// A filter that can also ask for events without a team or service. The outer None is "any".
#[derive(Clone, Default)]
pub struct Matching {
    pub team: Option<Option<Id>>,
    pub service: Option<Option<Id>>,
}

impl Matching {
    fn of(filter: &UsageFilter) -> Matching {
        Matching { team: filter.team_id.clone().map(Some), service: filter.service.clone().map(Some) }
    }

    fn takes(&self, event: &UsageEvent) -> bool {
        self.team.as_ref().is_none_or(|team| *team == event.team_id)
            && self.service.as_ref().is_none_or(|service| *service == event.service)
    }
}

impl Model {
    pub fn record(&mut self, events: &[UsageEvent]) {
        for event in events {
            self.person(&event.user_id).events.push(event.clone());
        }
    }

    pub fn register(&mut self, command: &Registration, now: Timestamp) {
        let person = self.person(&command.user_id);
        match &command.team_id {
            Change::Keep => {}
            Change::Clear => person.home_team = None,
            Change::Set(team) => person.home_team = Some(team.clone()),
        }
        match command.registered_at {
            Change::Keep if person.registered_at.or(person.cleared_at).is_none() => person.registered_at = Some(now),
            Change::Keep => {}
            Change::Clear => (person.registered_at, person.cleared_at) = (None, Some(now)),
            Change::Set(at) => (person.registered_at, person.cleared_at) = (Some(at), None),
        }
        match command.deactivated_at {
            Change::Keep => {}
            Change::Clear => person.deactivated_at = None,
            Change::Set(at) => person.deactivated_at = Some(at),
        }
    }

    pub fn erase(&mut self, id: &Id, history: History) -> bool {
        let Some(at) = self.people.iter().position(|person| person.id.as_ref() == Some(id)) else { return false };
        match history {
            History::Anonymize => self.people[at].id = None,
            History::Remove => _ = self.people.remove(at),
        }
        true
    }

    fn person(&mut self, id: &Id) -> &mut Person {
        let known = self.people.iter().position(|person| person.id.as_ref() == Some(id));
        let at = known.unwrap_or_else(|| {
            self.people.push(Person { id: Some(id.clone()), ..Person::default() });
            self.people.len() - 1
        });
        &mut self.people[at]
    }

    pub fn figures(&self, range: DateRange, filter: &UsageFilter) -> Figures {
        self.sum(range, filter, &Matching::of(filter))
    }

    fn sum(&self, range: DateRange, filter: &UsageFilter, matching: &Matching) -> Figures {
        let asked = self.people.iter().filter(|person| filter.user_id.is_none() || person.id == filter.user_id);
        asked.map(|person| person.figures(range, matching)).fold(Figures::default(), plus)
    }

    /// All groups, in order.
    pub fn groups(&self, range: DateRange, filter: &UsageFilter, by: GroupBy) -> Vec<Group> {
        let mut groups = match by {
            GroupBy::User => self.groups_by_user(range, filter),
            GroupBy::Team | GroupBy::Service => self.groups_by_name(range, filter, by),
        };
        groups.retain(|group| group.figures != Figures::default());
        groups.sort_by_key(|group| {
            let Figures { active_users, total_sessions, .. } = group.figures;
            (Reverse(active_users), Reverse(total_sessions), group.id.is_none(), group.id.clone())
        });
        groups
    }

    fn groups_by_user(&self, range: DateRange, filter: &UsageFilter) -> Vec<Group> {
        let mut groups: BTreeMap<Option<Id>, Figures> = BTreeMap::new();
        for person in &self.people {
            if filter.user_id.is_none() || person.id == filter.user_id {
                let figures = groups.entry(person.id.clone()).or_default();
                *figures = plus(*figures, person.figures(range, &Matching::of(filter)));
            }
        }
        groups.into_iter().map(|(id, figures)| Group { id, figures }).collect()
    }

    fn groups_by_name(&self, range: DateRange, filter: &UsageFilter, by: GroupBy) -> Vec<Group> {
        let is_team = by == GroupBy::Team;
        let mut names: BTreeSet<Option<Id>> = BTreeSet::from([None]);
        for person in &self.people {
            names.extend(person.home_team.iter().filter(|_| is_team).cloned().map(Some));
            names.extend(person.events.iter().map(|e| if is_team { e.team_id.clone() } else { e.service.clone() }));
        }
        let fixed = if is_team { &filter.team_id } else { &filter.service };
        names.retain(|name| fixed.is_none() || name == fixed);
        let figures = |name: &Option<Id>| {
            let mut matching = Matching::of(filter);
            *(if is_team { &mut matching.team } else { &mut matching.service }) = Some(name.clone());
            self.sum(range, filter, &matching)
        };
        names.into_iter().map(|id| Group { figures: figures(&id), id }).collect()
    }
}

fn plus(a: Figures, b: Figures) -> Figures {
    Figures {
        total_users: a.total_users + b.total_users,
        active_users: a.active_users + b.active_users,
        total_sessions: a.total_sessions + b.total_sessions,
    }
}

impl Person {
    fn figures(&self, range: DateRange, matching: &Matching) -> Figures {
        let is_active = self.events.iter().any(|event| range.contains(event.at.day()) && matching.takes(event));
        let has_left = self.deactivated_at.is_some_and(|at| at.day() < range.start());
        let in_total = self.is_in_scope(range.end(), matching) && (is_active || !has_left);
        let counts = |session: &&Vec<&UsageEvent>| {
            let start = session.iter().map(|event| event.at).min();
            start.is_some_and(|at| range.contains(at.day())) && session.iter().any(|event| matching.takes(event))
        };
        Figures {
            total_users: u64::from(in_total),
            active_users: u64::from(is_active),
            total_sessions: self.sessions().iter().filter(counts).count() as u64,
        }
    }

    fn is_in_scope(&self, end: Day, matching: &Matching) -> bool {
        let registered = self.registered_on().is_some_and(|day| day <= end);
        let is_home = match &matching.team {
            None => true,
            Some(team) => team.is_some() && *team == self.home_team,
        };
        let used = self.events.iter().any(|event| event.at.day() <= end && matching.takes(event));
        registered && (used || matching.service.is_none() && is_home)
    }

    fn registered_on(&self) -> Option<Day> {
        let first_event = self.events.iter().map(|event| event.at).min();
        let registered = self.registered_at.into_iter().chain(first_event).min();
        registered.or(self.cleared_at).map(Timestamp::day)
    }

    fn sessions(&self) -> Vec<Vec<&UsageEvent>> {
        let mut by_id: BTreeMap<&Id, Vec<&UsageEvent>> = BTreeMap::new();
        let mut without: Vec<&UsageEvent> = vec![];
        for event in &self.events {
            match &event.session_id {
                Some(id) => by_id.entry(id).or_default().push(event),
                None => without.push(event),
            }
        }
        without.sort_by_key(|event| event.at);
        let joined = |a: &&UsageEvent, b: &&UsageEvent| b.at.unix_micros() - a.at.unix_micros() <= GAP_MICROS;
        by_id.into_values().chain(without.chunk_by(joined).map(<[_]>::to_vec)).collect()
    }
}
