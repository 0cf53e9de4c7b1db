use super::directory::Shape;
use super::leaves::Pace;
use super::testing::{TINY, TestLog, at, event, id};
use super::{arrivals, page};
use crate::model::{LogFilter, Severity, SeveritySet, Start, SystemEvent, TimeOrder};

fn messages(log: &TestLog, filter: &LogFilter, start: Start, limit: usize) -> Vec<String> {
    let found = page(&log.snapshot(), filter, TimeOrder::NewestFirst, start, limit).unwrap();
    found.events.into_iter().map(|event| event.message).collect()
}

#[test]
fn the_newest_comes_first_and_of_equal_instants_the_last_to_arrive() {
    let mut log = TestLog::new(Pace::DEFAULT);
    log.commit(&[vec![event(5, "a"), event(9, "b")], vec![event(5, "c"), event(-7, "d")]]);
    assert_eq!(messages(&log, &LogFilter::default(), Start::Offset(0), 9), ["b", "c", "a", "d"]);
    assert_eq!(messages(&log, &LogFilter::default(), Start::Offset(1), 2), ["c", "a"]);
}

#[test]
fn equal_lines_are_kept_and_an_event_id_makes_them_one() {
    let mut log = TestLog::new(TINY);
    let with_id = |micros, message| SystemEvent { event_id: Some(id("x")), ..event(micros, message) };
    let request = vec![event(1, "plain"), event(1, "plain"), with_id(1, "first"), with_id(1, "second")];
    assert_eq!(log.commit(&[request, vec![with_id(1, "third"), with_id(2, "other instant")]]), [vec![], vec![]]);
    log.restart();
    log.commit(&[vec![with_id(1, "fourth")]]);
    let kept = messages(&log, &LogFilter::default(), Start::Offset(0), 9);
    assert_eq!(kept, ["other instant", "first", "plain", "plain"]);
}

#[test]
fn a_commit_of_known_events_changes_nothing() {
    let mut log = TestLog::new(TINY);
    let known = SystemEvent { event_id: Some(id("x")), service: Some(id("api")), ..event(1, "first") };
    log.commit(&[vec![known.clone()]]);
    let directory_before = log.snapshot().directory.last_seq();
    // `commit` holds that finish says so.
    log.commit(&[vec![known.clone(), known], vec![]]);
    assert_eq!(log.snapshot().directory.last_seq(), directory_before);
}

#[test]
fn a_service_beyond_the_bound_is_rejected_by_index_and_the_rest_is_kept() {
    let mut log = TestLog::new(TINY);
    let of = |service| SystemEvent { service: Some(id(service)), ..event(1, service) };
    let rejected = log.commit(&[vec![of("a"), of("b"), of("c"), of("d"), of("a"), event(1, "none")]]);
    assert_eq!(rejected[0].len(), 1);
    assert_eq!(rejected[0][0].index, 3);
    for part in ["\"d\"", "3", "limits.services_max"] {
        assert!(rejected[0][0].message.contains(part), "{}", rejected[0][0].message);
    }
    assert_eq!(messages(&log, &LogFilter::default(), Start::Offset(0), 9), ["none", "a", "c", "b", "a"]);
}

#[test]
fn a_known_event_is_accepted_even_where_its_service_is_beyond_the_bound() {
    let mut log = TestLog::new(TINY);
    let of = |service| SystemEvent { service: Some(id(service)), event_id: Some(id(service)), ..event(1, service) };
    log.commit(&[vec![of("a"), of("b"), of("c")]]);
    let again = SystemEvent { service: Some(id("d")), ..of("a") };
    assert_eq!(log.commit(&[vec![again]]), [vec![]]);
}

#[test]
fn an_unknown_service_and_a_reversed_span_match_nothing() {
    let mut log = TestLog::new(TINY);
    log.commit(&[vec![event(1, "a"), event(2, "b")]]);
    let unknown = LogFilter { service: Some(id("nobody")), ..LogFilter::default() };
    let reversed = LogFilter { from: Some(at(2)), to: Some(at(1)), ..LogFilter::default() };
    for filter in [unknown, reversed] {
        let found = page(&log.snapshot(), &filter, TimeOrder::OldestFirst, Start::Offset(0), 5).unwrap();
        assert_eq!((found.events.len(), found.total, found.more), (0, 0, false));
        let found = arrivals(&log.snapshot(), &filter, 0, 5).unwrap();
        assert_eq!((found.events.len(), found.total, found.next_seq), (0, 0, 2));
    }
}

#[test]
fn thousands_of_equal_instants_among_others_are_paged_without_loss() {
    let mut log =
        TestLog::new(Pace { shape: Shape { leaf_keys: 64, group_leaves: 4 }, events_per_save: 500, ..Pace::DEFAULT });
    let around: Vec<SystemEvent> = (0..300).map(|i| event(i, "around")).collect();
    let ties: Vec<SystemEvent> = (0..3000).map(|i| event(150, &i.to_string())).collect();
    log.commit(&[around]);
    log.commit(&[ties]);
    log.restart();
    let filter = LogFilter { from: Some(at(150)), to: Some(at(151)), ..LogFilter::default() };
    let mut expected: Vec<String> = (0..3000).rev().map(|i| i.to_string()).collect();
    expected.push("around".to_string());
    let paged: Vec<String> =
        (0..40).flat_map(|number| messages(&log, &filter, Start::Offset(number * 100), 100)).collect();
    assert_eq!(paged, expected);
    assert_eq!(log.check(), Vec::<String>::new());
}

#[test]
fn a_failed_commit_leaves_no_trace() {
    let mut log = TestLog::new(TINY);
    log.commit(&[(0..30).map(|i| event(i, "kept")).collect()]);
    let lost: Vec<SystemEvent> =
        (0..30).map(|i| SystemEvent { service: Some(id("api")), ..event(i, "lost") }).collect();
    log.fail_to_commit(&lost);
    assert_eq!(log.check(), Vec::<String>::new());
    log.commit(&[vec![event(40, "after")]]);
    let found = page(&log.snapshot(), &LogFilter::default(), TimeOrder::NewestFirst, Start::Offset(0), 99).unwrap();
    assert_eq!((found.total, found.events[0].position.seq), (31, 31));
    assert!(found.events.iter().all(|event| event.message != "lost"));
    assert_eq!(log.check(), Vec::<String>::new());
}

#[test]
fn a_rare_event_far_behind_comes_up_by_arrival_in_bounded_steps() {
    let mut log = TestLog::new(Pace::DEFAULT);
    let mut events: Vec<SystemEvent> = (0..50_000).map(|i| event(i, "many")).collect();
    events.push(SystemEvent { severity: Severity::Error, ..event(0, "rare") });
    log.commit(&[events]);
    let severities = SeveritySet::from_iter([Severity::Error]);
    let filter = LogFilter { severities, ..LogFilter::default() };
    let (mut calls, mut after_seq, mut seen) = (0, 0, vec![]);
    while after_seq < 50_001 {
        let found = arrivals(&log.snapshot(), &filter, after_seq, 10).unwrap();
        calls += 1;
        after_seq = found.next_seq;
        seen.extend(found.events.into_iter().map(|event| event.message));
    }
    assert_eq!((calls, after_seq), (3, 50_001));
    assert_eq!(seen, ["rare"]);
    let at_the_end = arrivals(&log.snapshot(), &filter, after_seq, 10).unwrap();
    assert_eq!((at_the_end.events.len(), at_the_end.next_seq), (0, 50_001));
    // A place that was never given leads back to where events will come.
    assert_eq!(arrivals(&log.snapshot(), &filter, i64::MAX, 10).unwrap().next_seq, 50_001);
    assert_eq!(arrivals(&log.snapshot(), &filter, 0, 0).unwrap().next_seq, 0);
}

#[test]
fn two_event_ids_that_share_a_digest_stay_two_events() {
    let mut log = TestLog::new(TINY);
    let of = |event_id, message| SystemEvent { event_id: Some(id(event_id)), ..event(1, message) };
    log.commit(&[vec![of("x", "first")]]);
    // As if "y" had the digest of "x": its entry leads to an event of another id.
    let digest = super::ids::digest(&crate::store::digest::DigestKey::new(super::testing::KEY), &id("y"));
    super::ids::insert(&log.conn, at(1), digest, 1).unwrap();
    log.commit(&[vec![of("y", "second"), of("y", "again")]]);
    assert_eq!(messages(&log, &LogFilter::default(), Start::Offset(0), 9), ["second", "first"]);
}

#[test]
fn check_tells_each_kind_of_damage() {
    let damages = [
        ("update log_event set cell = cell + 2 where seq = 7", "log_order: event 7"),
        ("update log_event set at = at + 1 where seq = 7", "log_event: 7 is missing in log_order"),
        ("delete from log_event where seq = 7", "log_order: event 7"),
        ("update log_event set cell = 9 << 2 where seq = 7", "log_order: event 7"),
        ("delete from log_order where seq = 7", "log_event: 7 is missing in log_order"),
        ("delete from log_order where seq = 7", "leaf in memory from"),
        ("update log_order set cell = cell + 1 where seq = 7", "of other services or severities"),
        ("update log_order set cell = 3 where seq = 7", "log_order: 7 has no time stamp or cell"),
        ("update log_event set cell = 3 where seq = 7", "log_order: event 7"),
        ("update log_leaf set counts = x'80'", "log_leaf: cannot be read"),
        ("delete from log_leaf where seq > 0", "log_leaf from"),
        ("update log_counted set seq = seq - 1", "log_leaf from"),
        ("update log_counted set bytes = bytes + 1", "size of the log, log_counted"),
        ("update log_event set message = 'longer' where seq = 7", "size of the log, in memory"),
        ("delete from log_event_id where seq = 3", "log_event: 3 is missing in log_event_id"),
        ("update log_event set event_id = 'z' where seq = 3", "log_event_id: 3"),
        ("update log_event_id set digest = digest + 1 where seq = 3", "log_event_id: 3"),
    ];
    for (damage, told) in damages {
        let mut log = TestLog::new(TINY);
        let mut events: Vec<SystemEvent> = (0..40).map(|i| event(i, "a")).collect();
        events[2].event_id = Some(id("x"));
        log.commit(&[events]);
        assert_eq!(log.check(), Vec::<String>::new());
        assert_eq!(log.conn.execute(damage, []).unwrap().min(1), 1, "{damage}");
        let lines = log.check();
        assert!(lines.iter().any(|line| line.contains(told)), "{damage}: {lines:?}");
    }
}

#[test]
fn check_says_no_more_than_a_bounded_number_of_lines() {
    let mut log = TestLog::new(TINY);
    log.commit(&[(0..400).map(|i| event(i, "a")).collect()]);
    log.conn.execute("update log_event set cell = cell + 1", []).unwrap();
    let lines = log.check();
    assert_eq!(lines.len(), 101);
    assert_eq!(lines[100], "log: and 300 more differences");
}
