use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{SeveritySet, StoredEvent, SystemEvent, TimeOrder};
use crate::store::log::model_test::{Model, commit, commit_to_both, filter};
use crate::store::log::testing::{TINY, TestLog, at, event, id};

fn stored(event: &EventRow) -> StoredEvent {
    StoredEvent {
        position: event.position,
        severity: event.severity,
        service: event.service.map(|service| Arc::new(id(service))),
        message: event.message.to_string(),
        attributes: event.attributes.map(str::to_string),
    }
}

/// Reads to the end, run by run, breaking off after so many events; before each piece `meanwhile` may change the log.
fn read(
    log: &mut TestLog,
    filter: &LogFilter,
    last_seq: i64,
    (wanted, break_after): (u64, usize),
    mut meanwhile: impl FnMut(&mut TestLog),
) -> Vec<StoredEvent> {
    let (mut seen, mut from) = (vec![], START);
    while let Some(end) = run_end(&log.snapshot(), filter, from, wanted) {
        assert!(from < end, "a run leads on");
        let mut rest = Some(from);
        while let Some(start) = rest {
            meanwhile(log);
            let mut visited = 0;
            rest = visit_events(&log.snapshot(), filter, last_seq, start..end, |event| {
                seen.push(stored(event));
                visited += 1;
                Ok(if visited == break_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
            .unwrap();
        }
        from = end;
    }
    seen
}

/// How many match up to the mark: all, without those that came later, looked at so many at once.
fn count(log: &TestLog, filter: &LogFilter, last_seq: i64, at_once: usize) -> u64 {
    let mut count = count_events(&log.snapshot(), filter).unwrap();
    let mut looked_up_to = Some(last_seq);
    while let Some(seq) = looked_up_to {
        let (matching, last) = count_arrived(&log.snapshot(), filter, (seq, i64::MAX), at_once).unwrap();
        count -= matching;
        looked_up_to = last;
    }
    count
}

proptest! {
    #![proptest_config(crate::store::testing::cases(200))]

    #[test]
    fn cut_and_broken_off_anywhere_each_event_up_to_the_mark_is_visited_once_and_in_order_while_others_arrive(
        before in proptest::collection::vec(commit(), 1..5),
        meanwhile in proptest::collection::vec(commit(), 8),
        filter in filter(),
        wanted in 1u64..30,
        break_after in 1usize..10,
        mark in 0i64..100,
        counted_at_once in 1usize..20,
    ) {
        let (mut log, mut model) = (TestLog::new(TINY), Model::default());
        before.iter().for_each(|requests| commit_to_both(&mut log, &mut model, requests));
        let last_seq = mark.min(model.last_seq);
        let mut expected = model.in_time_order(&filter, TimeOrder::OldestFirst);
        expected.retain(|event| event.position.seq <= last_seq);
        let mut arriving = meanwhile.iter();
        let seen = read(&mut log, &filter, last_seq, (wanted, break_after), |log| {
            arriving.next().into_iter().for_each(|requests| commit_to_both(log, &mut model, requests));
        });
        prop_assert_eq!(&seen, &expected);
        prop_assert_eq!(count(&log, &filter, last_seq, counted_at_once), expected.len() as u64);
    }
}

/// Instants hold a thousand events each; every hundredth event is an error.
fn log_of_ties() -> TestLog {
    let mut log = TestLog::new(TINY);
    for instant in 0..3 {
        let tied = |n: usize| SystemEvent {
            severity: if n.is_multiple_of(100) { Severity::Error } else { Severity::Info },
            ..event(instant, &format!("{instant}/{n}"))
        };
        log.commit(&[(0..1_000).map(tied).collect()]);
    }
    log
}

#[test]
fn thousands_of_ties_are_visited_once_each_in_order_of_arrival() {
    let mut log = log_of_ties();
    let filter = LogFilter { from: Some(at(1)), ..LogFilter::default() };
    for sizes in [(1, 1), (10, 7), (100_000, 333), (100_000, 100_000)] {
        let seen = read(&mut log, &filter, 2_500, sizes, |_| ());
        let seqs: Vec<i64> = seen.iter().map(|event| event.position.seq).collect();
        assert_eq!(seqs, (1_001..=2_500).collect::<Vec<i64>>());
    }
}

#[test]
fn what_came_later_is_counted_so_many_at_once_however_much_it_is() {
    let log = log_of_ties();
    let errors = LogFilter { severities: SeveritySet::from_iter([Severity::Error]), ..LogFilter::default() };
    assert_eq!(count_arrived(&log.snapshot(), &errors, (500, i64::MAX), 1_000), Ok((10, Some(1_500))));
    assert_eq!(count_arrived(&log.snapshot(), &errors, (501, 601), 1_000), Ok((1, Some(601))));
    assert_eq!(count_arrived(&log.snapshot(), &errors, (3_000, i64::MAX), 1_000), Ok((0, None)));
}

#[test]
fn under_a_rare_filter_a_run_is_bounded_and_only_leaves_with_a_match_are_read() {
    let log = log_of_ties();
    let filter = LogFilter { severities: SeveritySet::from_iter([Severity::Error]), ..LogFilter::default() };
    let cells = CellFilter::resolve(&filter, log.snapshot().directory.names()).unwrap();
    let leaves: Vec<_> = matching_leaves(&log.snapshot(), &cells, &(START..END)).collect();
    assert_eq!(leaves.len(), 30);

    let everything = LogFilter::default();
    let end = run_end(&log.snapshot(), &everything, START, u64::MAX).unwrap();
    let mut visited = 0;
    let count = |_: &EventRow| {
        visited += 1;
        Ok(ControlFlow::Continue(()))
    };
    assert_eq!(visit_events(&log.snapshot(), &everything, i64::MAX, START..end, count), Ok(None));
    assert!((LEAVES_MAX..=LEAVES_MAX * 2 * TINY.shape.leaf_keys).contains(&visited), "{visited}");
}

#[test]
fn nothing_is_visited_of_a_service_that_nobody_is_or_in_a_reversed_time() {
    let mut log = log_of_ties();
    let nobody = LogFilter { service: Some(id("nobody")), ..LogFilter::default() };
    let reversed = LogFilter { from: Some(at(2)), to: Some(at(1)), ..LogFilter::default() };
    let behind = LogFilter { from: Some(at(3)), ..LogFilter::default() };
    for filter in [nobody, reversed, behind] {
        assert_eq!(read(&mut log, &filter, i64::MAX, (10, 10), |_| ()), []);
        assert_eq!(count_events(&log.snapshot(), &filter), Ok(0));
    }
}

#[test]
fn an_error_of_the_visitor_is_handed_on_and_a_key_without_its_event_is_damage() {
    let log = log_of_ties();
    let refusal = crate::error::Error::invalid("enough");
    let refused = visit_events(&log.snapshot(), &LogFilter::default(), i64::MAX, START..END, |_| Err(refusal.clone()));
    assert_eq!(refused, Err(refusal));
    log.conn.execute("delete from log_event where seq = 77", []).unwrap();
    let read = |_: &EventRow| Ok(ControlFlow::Continue(()));
    assert_eq!(visit_events(&log.snapshot(), &LogFilter::default(), i64::MAX, START..END, read), Err(damaged()));
}

#[test]
fn events_are_read_along_the_order_of_time_without_sorting() {
    let log = TestLog::new(TINY);
    let steps = |sql: &str, values: usize| -> Vec<String> {
        let mut plan = log.conn.prepare(&format!("explain query plan {sql}")).unwrap();
        let rows = plan.query_map(rusqlite::params_from_iter(vec![0; values]), |row| row.get("detail")).unwrap();
        rows.map(|step| step.unwrap()).collect()
    };
    let event = "SEARCH e USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN";
    assert_eq!(steps(ALL, 4), ["SEARCH o USING PRIMARY KEY ((at,seq)>(?,?) AND at<?)", event]);
    assert_eq!(steps(FILTERED, 8), ["SEARCH o USING PRIMARY KEY ((at,seq)>(?,?) AND (at,seq)<(?,?))", event]);
}
