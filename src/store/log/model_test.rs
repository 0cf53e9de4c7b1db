//! The whole log against a plain list of events, through random commits and restarts.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;

use super::testing::{SERVICES_MAX, TINY, TestLog, at, id};
use super::{arrivals, page};
use crate::model::{
    EventCutoffs, Id, LogFilter, Position, Severity, SeveritySet, Start, StoredEvent, SystemEvent, TimeOrder, Timestamp,
};

pub const ORDERS: [TimeOrder; 2] = [TimeOrder::NewestFirst, TimeOrder::OldestFirst];

/// What the log should hold, in order of arrival.
#[derive(Default)]
pub struct Model {
    pub events: Vec<(StoredEvent, Option<Id>)>,
    pub last_seq: i64,
    services: Vec<Id>,
    floors: [Option<Timestamp>; 3],
}

impl Model {
    /// Returns the indexes of rejected events.
    fn append(&mut self, events: &[SystemEvent]) -> Vec<usize> {
        let mut rejected = vec![];
        for (index, event) in events.iter().enumerate() {
            if self.floors[event.severity.index()].is_some_and(|floor| event.at < floor) {
                rejected.push(index);
                continue;
            }
            let is_same = |(known, known_id): &(StoredEvent, Option<Id>)| {
                known_id.is_some() && (known.position.at, known_id) == (event.at, &event.event_id)
            };
            if self.events.iter().any(is_same) {
                continue;
            }
            if let Some(service) = &event.service
                && !self.services.contains(service)
            {
                if self.services.len() == SERVICES_MAX as usize {
                    rejected.push(index);
                    continue;
                }
                self.services.push(service.clone());
            }
            self.push(event);
        }
        rejected
    }

    fn push(&mut self, event: &SystemEvent) {
        self.last_seq += 1;
        let stored = StoredEvent {
            position: Position { at: event.at, seq: self.last_seq },
            severity: event.severity,
            service: event.service.clone().map(Arc::new),
            message: event.message.clone(),
            attributes: event.attributes.clone(),
        };
        self.events.push((stored, event.event_id.clone()));
    }

    pub fn retire(&mut self, cutoffs: &EventCutoffs) {
        for (floor, cutoff) in self.floors.iter_mut().zip(cutoffs.0) {
            *floor = (*floor).max(cutoff);
        }
        let floors = self.floors;
        let is_kept =
            |event: &StoredEvent| floors[event.severity.index()].is_none_or(|floor| floor <= event.position.at);
        self.events.retain(|(event, _)| is_kept(event));
    }

    pub fn arrived(&self, filter: &LogFilter) -> Vec<StoredEvent> {
        self.events.iter().map(|(event, _)| event).filter(|event| matches(filter, event)).cloned().collect()
    }

    pub fn in_time_order(&self, filter: &LogFilter, order: TimeOrder) -> Vec<StoredEvent> {
        let mut events = self.arrived(filter);
        events.sort_by_key(|event| event.position);
        if order == TimeOrder::NewestFirst {
            events.reverse();
        }
        events
    }
}

fn matches(filter: &LogFilter, event: &StoredEvent) -> bool {
    filter.severities.contains(event.severity)
        && (filter.service.is_none() || filter.service.as_ref() == event.service.as_deref())
        && filter.from.is_none_or(|from| from <= event.position.at)
        && filter.to.is_none_or(|to| event.position.at < to)
}

/// Few instants, so that ties are the rule; the calendar's ends among them.
pub fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (-9i64..9).prop_map(at),
        1 => select(vec![Timestamp::MIN, Timestamp::MAX]),
    ]
}

fn service() -> impl Strategy<Value = Option<Id>> {
    proptest::option::of(select(vec!["api", "db", "mail", "one too many"]).prop_map(id))
}

prop_compose! {
    fn system_event()(
        at in instant(),
        severity in select(Severity::ALL.to_vec()),
        service in service(),
        event_id in proptest::option::weighted(0.3, select(vec!["x", "y", "z"]).prop_map(id)),
        attributes in proptest::option::of(Just(r#"{"host":"a"}"#.to_string())),
        message in "[a-z]{3}",
    ) -> SystemEvent {
        SystemEvent { at, severity, service, message, event_id, attributes }
    }
}

/// A commit: some requests of some events each.
pub fn commit() -> impl Strategy<Value = Vec<Vec<SystemEvent>>> {
    proptest::collection::vec(proptest::collection::vec(system_event(), 0..12), 0..5)
}

prop_compose! {
    pub fn filter()(
        bits in 1usize..8,
        service in service(),
        from in proptest::option::of(instant()),
        to in proptest::option::of(instant()),
    ) -> LogFilter {
        let severities: SeveritySet = severities(bits);
        LogFilter { severities, service, from, to }
    }
}

fn severities(bits: usize) -> SeveritySet {
    Severity::ALL.into_iter().filter(|severity| bits >> severity.index() & 1 == 1).collect()
}

pub fn commit_to_both(log: &mut TestLog, model: &mut Model, requests: &[Vec<SystemEvent>]) {
    let rejected = log.commit(requests);
    for (events, rejected) in requests.iter().zip(rejected) {
        let indexes: Vec<usize> = rejected.iter().map(|rejected| rejected.index).collect();
        assert_eq!(indexes, model.append(events));
    }
}

/// Every severity set and service, without bounds of time: first page and total.
pub fn assert_totals(log: &TestLog, model: &Model) {
    for bits in 0..8 {
        for service in [None, Some("api"), Some("db"), Some("nobody")] {
            let service = service.map(id);
            let filter = LogFilter { severities: severities(bits), service, ..LogFilter::default() };
            let expected = model.in_time_order(&filter, TimeOrder::NewestFirst);
            let found = page(&log.snapshot(), &filter, TimeOrder::NewestFirst, Start::Offset(0), 5).unwrap();
            assert_eq!(found.events, expected[..expected.len().min(5)]);
            assert_eq!((found.total, found.more), (expected.len() as u64, expected.len() > 5));
        }
    }
}

pub fn assert_pages_by_offset(
    log: &TestLog,
    expected: &[StoredEvent],
    filter: &LogFilter,
    order: TimeOrder,
    limit: usize,
) {
    for offset in (0..expected.len() + 2 * limit).step_by(limit) {
        let found = page(&log.snapshot(), filter, order, Start::Offset(offset as u64), limit).unwrap();
        let rest = &expected[offset.min(expected.len())..];
        assert_eq!(found.events, rest[..rest.len().min(limit)]);
        assert_eq!((found.total, found.more), (expected.len() as u64, rest.len() > limit));
    }
    let past_the_end = page(&log.snapshot(), filter, order, Start::Offset(u64::MAX), limit).unwrap();
    assert!(past_the_end.events.is_empty() && !past_the_end.more);
}

/// Any position may be gone on from, also one that no event has.
pub fn assert_page_after(
    log: &TestLog,
    expected: &[StoredEvent],
    filter: &LogFilter,
    order: TimeOrder,
    after: Position,
    limit: usize,
) {
    let found = page(&log.snapshot(), filter, order, Start::After(after), limit).unwrap();
    let is_behind = |event: &&StoredEvent| match order {
        TimeOrder::NewestFirst => event.position < after,
        TimeOrder::OldestFirst => event.position > after,
    };
    let behind: Vec<StoredEvent> = expected.iter().filter(is_behind).cloned().collect();
    assert_eq!(found.events, behind[..behind.len().min(limit)]);
    assert_eq!((found.total, found.more), (expected.len() as u64, behind.len() > limit));
}

proptest! {
    #![proptest_config(crate::store::testing::cases(200))]

    #[test]
    fn pages_are_those_of_the_sorted_whole_under_every_filter(
        rounds in proptest::collection::vec((commit(), any::<bool>(), filter()), 1..6),
        limit in 1usize..30,
        (after_at, after_seq) in (instant(), select(vec![i64::MIN, 0, 1, 20, 40, i64::MAX])),
    ) {
        let (mut log, mut model) = (TestLog::new(TINY), Model::default());
        for (requests, restarts, filter) in rounds {
            commit_to_both(&mut log, &mut model, &requests);
            if restarts {
                log.restart();
            }
            prop_assert_eq!(log.check(), Vec::<String>::new());
            assert_totals(&log, &model);
            for order in ORDERS {
                let expected = model.in_time_order(&filter, order);
                assert_pages_by_offset(&log, &expected, &filter, order, limit);
                let after = Position { at: after_at, seq: after_seq };
                assert_page_after(&log, &expected, &filter, order, after, limit);
            }
        }
    }

    #[test]
    fn by_time_every_event_acknowledged_before_the_first_page_appears_once_while_others_arrive(
        before in proptest::collection::vec(commit(), 1..4),
        meanwhile in proptest::collection::vec(commit(), 8),
        filter in filter(),
        limit in 1usize..10,
    ) {
        for order in ORDERS {
            let (mut log, mut model) = (TestLog::new(TINY), Model::default());
            before.iter().for_each(|requests| commit_to_both(&mut log, &mut model, requests));
            let last_seq = model.last_seq;
            let expected = model.in_time_order(&filter, order);
            let (mut seen, mut start, mut arriving) = (vec![], Start::Offset(0), meanwhile.iter());
            loop {
                let found = page(&log.snapshot(), &filter, order, start, limit).unwrap();
                seen.extend(found.events);
                if !found.more {
                    break;
                }
                start = Start::After(seen.last().unwrap().position);
                arriving.next().into_iter().for_each(|requests| commit_to_both(&mut log, &mut model, requests));
            }
            seen.retain(|event| event.position.seq <= last_seq);
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn by_arrival_every_event_appears_once_however_late_it_is(
        commits in proptest::collection::vec((commit(), any::<bool>()), 1..8),
        filter in filter(),
        limit in 1usize..10,
    ) {
        let (mut log, mut model) = (TestLog::new(TINY), Model::default());
        let (mut seen, mut after_seq) = (vec![], 0);
        for (requests, restarts) in commits {
            commit_to_both(&mut log, &mut model, &requests);
            if restarts {
                log.restart();
            }
            // A service may be named before its first event: the place is kept all the same.
            while after_seq < model.last_seq {
                let found = arrivals(&log.snapshot(), &filter, after_seq, limit).unwrap();
                prop_assert!(found.events.len() <= limit && found.next_seq > after_seq);
                prop_assert_eq!(found.total, model.arrived(&filter).len() as u64);
                after_seq = found.next_seq;
                seen.extend(found.events);
            }
            prop_assert_eq!(&seen, &model.arrived(&filter));
            prop_assert_eq!(after_seq, model.last_seq);
        }
    }
}
