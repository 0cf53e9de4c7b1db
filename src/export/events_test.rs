use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::clock::Clock;
use crate::error::Kind;
use crate::export::Stop;
use crate::model::{ExportFormat, ExportReport, ExportRequest, Id, Severity, SeveritySet, SystemEvent, Timestamp};
use crate::store::testing::settings;

/// A database, and a file for the export.
struct Place {
    runtime: Runtime,
    store: Store,
    directory: TempDir,
}

impl Place {
    fn new(events: &[SystemEvent]) -> Place {
        let directory = TempDir::new().unwrap();
        let settings = crate::store::Settings { queue_items_max: 100_000, ..settings(&directory) };
        let store = Store::open(&settings, Clock::system()).unwrap();
        let place = Place { runtime: Builder::new_current_thread().build().unwrap(), store, directory };
        place.append(events);
        place
    }

    fn append(&self, events: &[SystemEvent]) {
        for part in events.chunks(1_000) {
            assert!(self.runtime.block_on(self.store.append(part.to_vec())).unwrap().is_empty());
        }
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("export")
    }

    fn assignment(&self, log_seq: i64) -> Assignment {
        std::fs::write(self.file(), "").unwrap();
        let report = ExportReport::Events(LogFilter::default());
        Assignment {
            request: ExportRequest { report, format: ExportFormat::Csv(CsvOptions::default()) },
            log_seq,
            made_for: "alice".into(),
            made_at: Timestamp::MIN,
            file: self.file(),
            scratch: self.directory.path().into(),
            bytes_max: u64::MAX,
        }
    }

    fn write(&self, filter: &LogFilter, options: CsvOptions, log_seq: i64, watch: &Watch) -> Result<Written> {
        write_csv(&self.store, &self.assignment(log_seq), filter, options, watch)
    }
}

fn event(micros: i64, message: impl Into<String>) -> SystemEvent {
    SystemEvent {
        at: Timestamp::from_unix_micros(micros).unwrap(),
        severity: Severity::Info,
        service: None,
        message: message.into(),
        event_id: None,
        attributes: None,
    }
}

/// Each event's fields as the file should have them, oldest first.
fn expected(events: &[SystemEvent], filter: &LogFilter) -> Vec<[String; 5]> {
    let matches = |event: &&SystemEvent| {
        filter.severities.contains(event.severity)
            && (filter.service.is_none() || filter.service == event.service)
            && filter.from.is_none_or(|from| from <= event.at)
            && filter.to.is_none_or(|to| event.at < to)
    };
    let mut events: Vec<&SystemEvent> = events.iter().filter(matches).collect();
    // A stable sort: ties stay in order of arrival.
    events.sort_by_key(|event| event.at);
    let fields = |event: &&SystemEvent| {
        let service = event.service.as_ref().map_or("", |service| service.as_str());
        let attributes = event.attributes.as_deref().unwrap_or("");
        [&*event.at.to_string(), event.severity.as_str(), service, &event.message, attributes].map(str::to_string)
    };
    events.iter().map(fields).collect()
}

fn read(content: &[u8]) -> Vec<[String; 5]> {
    let mut reader = ::csv::Reader::from_reader(content);
    assert_eq!(reader.headers().unwrap(), vec!["timestamp", "severity", "service", "message", "attributes"]);
    let fields = |row: ::csv::StringRecord| std::array::from_fn(|i| row[i].to_string());
    reader.records().map(|row| fields(row.unwrap())).collect()
}

fn read_file(path: &Path) -> Vec<[String; 5]> {
    read(&std::fs::read(path).unwrap())
}

const RAW: CsvOptions = CsvOptions { bom: false, raw: true, gzip: false };

/// So many that there are several runs, with ties, late ones, services, and texts that are hard for CSV.
fn many() -> Vec<SystemEvent> {
    let messages = ["plain", "=1+1", "a,b", "say \"no\"", "two\r\nlines", "nul \0 bell \x07", "\u{1f600} \u{202e}", ""];
    let services = [None, Some("api"), Some("=cmd"), Some("a, \"b\" / c")];
    let one = |n: usize| SystemEvent {
        at: Timestamp::from_unix_micros(1_747_822_530_000_000 + (n * 7_919 % 20_000 / 3) as i64 * 500_250).unwrap(),
        severity: Severity::ALL[n * n % 3],
        service: services[n % 4].map(|service| Id::new(service).unwrap()),
        attributes: n.is_multiple_of(5).then(|| format!(r#"{{"n":{n},"of":"a, \"b\""}}"#)),
        ..event(0, format!("{}{}", messages[n % 8], if n.is_multiple_of(3) { n.to_string() } else { String::new() }))
    };
    (0..20_000).map(one).collect()
}

#[test]
fn every_matching_event_is_one_row_with_every_field_as_it_came_oldest_first() {
    let events = many();
    let place = Place::new(&events);
    let middle = events[12_345].at;
    let filters = [
        LogFilter::default(),
        LogFilter { severities: SeveritySet::from_iter([Severity::Error]), ..LogFilter::default() },
        LogFilter { service: Some(Id::new("=cmd").unwrap()), to: Some(middle), ..LogFilter::default() },
        LogFilter { from: Some(middle), ..LogFilter::default() },
        LogFilter { service: Some(Id::new("nobody").unwrap()), ..LogFilter::default() },
    ];
    for filter in filters {
        let watch = Watch::alone(3);
        let written = place.write(&filter, RAW, i64::MAX, &watch).unwrap();
        let expected = expected(&events, &filter);
        assert_eq!(read_file(&place.file()), expected);
        let file = std::fs::read(place.file()).unwrap();
        let sha256 = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, Written { rows: expected.len() as u64, bytes: file.len() as u64, sha256 });
        assert_eq!(watch.progress(), (written.rows, Some(written.rows)));
    }
}

#[test]
fn formulas_are_neutralised_in_every_column_and_the_options_are_followed() {
    let hostile = SystemEvent { service: Some(Id::new("=cmd").unwrap()), ..event(0, "-1,5") };
    let place = Place::new(&[hostile, event(1, "fine")]);
    let rows = "1970-01-01T00:00:00Z,info,'=cmd,\"'-1,5\",\r\n1970-01-01T00:00:00.000001Z,info,,fine,\r\n";
    let plain = format!("timestamp,severity,service,message,attributes\r\n{rows}");
    let options = CsvOptions::default();
    let write = |options| {
        place.write(&LogFilter::default(), options, i64::MAX, &Watch::alone(2)).unwrap();
        std::fs::read(place.file()).unwrap()
    };
    assert_eq!(String::from_utf8(write(options)).unwrap(), plain);
    let with_bom = write(CsvOptions { bom: true, ..options });
    assert_eq!(String::from_utf8(with_bom).unwrap(), format!("\u{feff}{plain}"));
    let mut unzipped = String::new();
    let zipped = write(CsvOptions { gzip: true, bom: true, ..options });
    GzDecoder::new(&zipped[..]).read_to_string(&mut unzipped).unwrap();
    assert_eq!(unzipped, format!("\u{feff}{plain}"));
}

#[test]
fn the_file_holds_what_was_acknowledged_before_however_much_arrives_meanwhile() {
    let events = many();
    let place = Place::new(&events);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = Builder::new_current_thread().build().unwrap();
            // As late as the oldest, and everywhere in between.
            for round in 0.. {
                let late = (0..50).map(|n| event(events[n * 400].at.unix_micros() + round % 2, "late")).collect();
                runtime.block_on(place.store.append(late)).unwrap();
                if ended.load(Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..5 {
            let written = place.write(&LogFilter::default(), RAW, events.len() as i64, &Watch::alone(2));
            let found = read_file(&place.file());
            assert_eq!(written.map(|written| written.rows), Ok(20_000));
            assert!(found == expected(&events, &LogFilter::default()), "a row is missing, or one too many");
        }
        ended.store(true, Relaxed);
    });
}

#[test]
fn messages_of_any_size_come_whole() {
    let sizes = [0, 1, 65_536, 500_000, 600_000, 1 << 20];
    let events: Vec<SystemEvent> = (0..60).map(|n| event(n, "\"x".repeat(sizes[n as usize % 6] / 2))).collect();
    let place = Place::new(&events);
    place.write(&LogFilter::default(), RAW, i64::MAX, &Watch::alone(2)).unwrap();
    assert!(read_file(&place.file()) == expected(&events, &LogFilter::default()));
}

#[test]
fn many_exports_share_few_turns_and_all_come_to_their_end() {
    let events = many();
    let place = Place::new(&events);
    let turns = std::sync::Arc::new(crate::export::turns::Turns::new(1));
    let all = LogFilter::default();
    let written: Vec<Result<Written>> = thread::scope(|scope| {
        let one = |n: usize| {
            let assignment =
                Assignment { file: place.directory.path().join(n.to_string()), ..place.assignment(i64::MAX) };
            std::fs::write(&assignment.file, "").unwrap();
            let (store, all, watch) = (&place.store, &all, Watch::new(turns.clone()));
            scope.spawn(move || write_csv(store, &assignment, all, RAW, &watch))
        };
        let threads: Vec<_> = (0..6).map(one).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for outcome in &written {
        assert_eq!(outcome, &written[0]);
    }
    assert_eq!(written[0].as_ref().unwrap().rows, 20_000);
}

#[test]
fn it_ends_with_an_error_when_told_to_stop_before_it_begins() {
    let place = Place::new(&many());
    let watch = Watch::alone(2);
    watch.stop(Stop::Taken);
    assert!(place.write(&LogFilter::default(), RAW, i64::MAX, &watch).is_err());
    // Whatever it held is free again.
    assert!(place.write(&LogFilter::default(), RAW, i64::MAX, &Watch::alone(2)).is_ok());
}

#[test]
fn it_ends_with_an_error_when_told_to_stop_while_it_writes() {
    let place = Place::new(&many());
    // What a pipe does not hold, nobody can have written before it is read.
    let pipe = place.directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let assignment = Assignment { file: pipe.clone(), ..place.assignment(i64::MAX) };
    let watch = Watch::alone(2);
    let outcome = thread::scope(|scope| {
        let writing = scope.spawn(|| write_csv(&place.store, &assignment, &LogFilter::default(), RAW, &watch));
        let mut reader = std::fs::File::open(&pipe).unwrap();
        reader.read_exact(&mut [0; 100]).unwrap();
        watch.stop(Stop::Ending);
        reader.read_to_end(&mut vec![]).unwrap();
        writing.join().unwrap()
    });
    assert!(outcome.is_err());
    assert!(watch.progress().0 < 20_000);
}

#[test]
fn a_full_disk_a_bound_or_a_missing_file_ends_every_thread_and_is_told() {
    let place = Place::new(&many());
    let all = LogFilter::default();
    let full = Assignment { file: "/dev/full".into(), ..place.assignment(i64::MAX) };
    let outcome = write_csv(&place.store, &full, &all, RAW, &Watch::alone(2));
    assert_eq!(outcome.map_err(|error| error.kind), Err(Kind::StorageFull));
    for bytes_max in [10, 100_000] {
        let bounded = Assignment { bytes_max, ..place.assignment(i64::MAX) };
        let outcome = write_csv(&place.store, &bounded, &all, RAW, &Watch::alone(2));
        assert_eq!(outcome.map_err(|error| error.kind), Err(Kind::TooLarge));
    }
    let missing = Assignment { file: place.directory.path().join("nowhere/file"), ..place.assignment(i64::MAX) };
    assert!(write_csv(&place.store, &missing, &all, RAW, &Watch::alone(2)).is_err());
}
