use tempfile::TempDir;
use tokio::sync::oneshot::{self, Receiver};

use super::super::job::ControlJob;
use super::super::open::open_writer;
use super::super::testing::settings;
use super::*;
use crate::model::{Id, Severity, SystemEvent, UsageEvent};

fn writer(dir: &TempDir) -> Writer {
    let settings = settings(dir);
    let conn = open_writer(&settings, 0).unwrap();
    let queue = Arc::new(Queue::new(100));
    Writer::load(conn, &settings, DigestKey::new([7; 32]), Clock::manual(0), queue, Arc::default()).unwrap().0
}

/// No page more than the file has now.
fn leave_no_room(writer: &Writer) {
    writer.conn.query_row("pragma max_page_count = 1", [], |_| Ok(())).unwrap();
}

fn make_room(writer: &Writer) {
    writer.conn.query_row("pragma max_page_count = 100000", [], |_| Ok(())).unwrap();
}

fn record(users: usize) -> (Job, Receiver<Result<Vec<Rejected>>>) {
    let event = |n| UsageEvent {
        user_id: Id::new(format!("{n}-{}", "x".repeat(200))).unwrap(),
        at: Timestamp::from_unix_micros(0).unwrap(),
        team_id: None,
        service: None,
        session_id: None,
    };
    let (reply, answer) = oneshot::channel();
    (Job::Record { events: (0..users).map(event).collect(), reply }, answer)
}

fn append() -> (Job, Receiver<Result<Vec<Rejected>>>) {
    let event = SystemEvent {
        at: Timestamp::from_unix_micros(0).unwrap(),
        severity: Severity::Info,
        service: None,
        message: "a".into(),
        event_id: None,
        attributes: None,
    };
    let (reply, answer) = oneshot::channel();
    (Job::Append { events: vec![event], reply }, answer)
}

struct Note(oneshot::Sender<Result<()>>);

impl ControlJob for Note {
    fn run(&mut self, conn: &Connection) -> Result<()> {
        execute(conn, "update database set created_at = created_at + 1")
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        let _ = self.0.send(outcome);
    }
}

fn rows(writer: &Writer, table: &str) -> i64 {
    writer.conn.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn what_follows_a_failed_job_in_its_group_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    leave_no_room(&writer);
    let ((recorded, recorded_answer), (appended, appended_answer)) = (record(100), append());
    let (reply, noted) = oneshot::channel();
    // The user of the registration makes the events before it run first; they find no room.
    let (registered_reply, registered) = oneshot::channel();
    let registration = Job::Register { registrations: vec![], reply: registered_reply };
    writer.commit_group(vec![recorded, registration, Job::Control(Box::new(Note(reply))), appended]).unwrap();

    let is_full = |error: Error| error.kind == Kind::StorageFull;
    assert!(recorded_answer.blocking_recv().unwrap().is_err_and(is_full));
    assert!(registered.blocking_recv().unwrap().is_err_and(is_full));
    assert!(noted.blocking_recv().unwrap().is_err_and(is_full));
    assert!(appended_answer.blocking_recv().unwrap().is_err_and(is_full));
    for table in ["usage_user_name", "usage_user_key", "usage_user", "usage_delta", "log_event", "log_order"] {
        assert_eq!(rows(&writer, table), 0, "{table}");
    }
    let created_at: i64 = writer.conn.query_row("select created_at from database", [], |row| row.get(0)).unwrap();
    assert_eq!(created_at, 0);
    // Nobody is answered from what was not committed.
    assert_eq!(writer.views.newest().stamp, Stamp::default());

    make_room(&writer);
    let ((recorded, recorded_answer), (appended, appended_answer)) = (record(100), append());
    writer.commit_group(vec![recorded, appended]).unwrap();
    assert_eq!(recorded_answer.blocking_recv().unwrap(), Ok(vec![]));
    assert_eq!(appended_answer.blocking_recv().unwrap(), Ok(vec![]));
    assert_eq!((rows(&writer, "usage_user"), rows(&writer, "log_order")), (100, 1));
    assert_eq!(writer.views.newest().stamp, Stamp { commit_seq: 1, usage_revision: 1, log_revision: 1 });
}

#[test]
fn a_group_that_cannot_even_begin_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    execute(&writer.conn, "begin").unwrap();
    let (appended, answer) = append();
    assert!(writer.commit_group(vec![appended]).is_err());
    assert!(answer.blocking_recv().unwrap().is_err());
}

#[test]
fn whoever_waits_for_a_writer_that_ends_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(&dir);
    let (appended, answer) = append();
    writer.queue.push(appended).unwrap();
    let queue = Arc::clone(&writer.queue);
    drop(writer);
    assert!(answer.blocking_recv().is_err());
    assert!(queue.push(append().0).is_err());
}

#[test]
fn a_writer_without_room_does_not_fold_without_a_pause() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    leave_no_room(&writer);
    let (recorded, answer) = record(100);
    writer.commit_group(vec![recorded]).unwrap();
    assert!(answer.blocking_recv().unwrap().is_err());
    assert_eq!(writer.idle(), IDLE_WHEN_FULL);
    make_room(&writer);
    let (appended, _answer) = append();
    writer.commit_group(vec![appended]).unwrap();
    assert_eq!(writer.idle(), IDLE);
}
