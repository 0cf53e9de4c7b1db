//! Files of exports, whole and in parts.

use std::io::Read;

use super::jobs::{EVENTS, Jobs, USAGE, hex};
use super::server::{Answer, send};

/// More than is read ahead in one piece.
const BYTES: usize = 700_001;

/// A server with one file, the key of its owner, and where it is downloaded.
struct Stage {
    jobs: Jobs,
    key: String,
    target: String,
    bytes: Vec<u8>,
}

impl Stage {
    fn new() -> Stage {
        let jobs = Jobs::start();
        let key = jobs.report_admin("ann");
        let id = jobs.order(&key, USAGE);
        let bytes: Vec<u8> = (0..BYTES).map(|at| b"abcdefghijk\r\n"[at % 13] ^ (at / 65_536) as u8).collect();
        jobs.complete(&id, &bytes);
        let target = format!("/downloads/export-{id}.csv");
        Stage { jobs, key, target, bytes }
    }

    fn etag(&self) -> String {
        format!("\"{}\"", hex(&self.bytes))
    }

    fn get(&self, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", headers)
    }

    fn request(&self, method: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("X-API-Key", self.key.as_str())], headers].concat();
        self.jobs.server.request_as(method, &self.target, &headers, b"")
    }
}

#[test]
fn a_file_comes_whole_and_as_it_is() {
    let stage = Stage::new();
    let answer = stage.get(&[("Accept-Encoding", "gzip")]);
    assert_eq!(answer.status, 200);
    assert!(answer.body == stage.bytes);
    let etag = stage.etag();
    let expected = [
        ("content-type", "text/csv; charset=utf-8; header=present"),
        ("content-disposition", "attachment; filename=\"usage-summary_2025-01-01_2025-01-31.csv\""),
        ("content-length", "700001"),
        ("etag", &etag),
        ("last-modified", "Sun, 01 Jun 2025 12:00:00 GMT"),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ];
    for (name, value) in expected {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(answer.header("content-encoding"), None);
    let head = stage.request("HEAD", &[("Range", "bytes=0-1")]);
    assert_eq!(head.status, 200);
    for (name, value) in expected {
        assert_eq!(head.header(name), Some(value), "{name} of HEAD");
    }
}

#[test]
fn each_format_has_its_type() {
    let jobs = Jobs::start();
    let key = jobs.report_admin("ann");
    let gzip = EVENTS.replace("xlsx\"", "csv\",\"gzip\":true");
    let table = [
        (EVENTS, "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (gzip.as_str(), "csv.gz", "application/gzip"),
    ];
    for (order, extension, content_type) in table {
        let id = jobs.order(&key, order);
        jobs.complete(&id, b"xyz");
        let answer = jobs.ask("GET", &format!("/downloads/export-{id}.{extension}"), &key);
        assert_eq!((answer.status, answer.text()), (200, "xyz"));
        assert_eq!(answer.header("content-type"), Some(content_type));
        let name = format!("attachment; filename=\"system-events.{extension}\"");
        assert_eq!((answer.header("content-disposition"), answer.header("content-encoding")), (Some(&*name), None));
    }
    let id = jobs.order(&key, USAGE);
    jobs.complete(&id, b"");
    let empty = jobs.ask("GET", &format!("/downloads/export-{id}.csv"), &key);
    assert_eq!((empty.status, empty.header("content-length"), empty.text()), (200, Some("0"), ""));
}

#[test]
fn a_range_is_that_part_of_the_file() {
    let stage = Stage::new();
    let end = BYTES - 1;
    let table = [
        ("bytes=0-0".to_string(), 0, 0),
        ("bytes=0-131071".into(), 0, 131_071),
        ("bytes=131071-131073".into(), 131_071, 131_073),
        (format!("bytes=5-{}", u64::MAX), 5, end),
        ("bytes=700000-".into(), end, end),
        ("bytes=-1".into(), end, end),
        ("bytes=-262145".into(), BYTES - 262_145, end),
        ("bytes=-9999999".into(), 0, end),
    ];
    for (range, first, last) in table {
        let answer = stage.get(&[("Range", &range)]);
        assert_eq!(answer.status, 206, "{range}");
        let content_range = format!("bytes {first}-{last}/{BYTES}");
        assert_eq!(answer.header("content-range"), Some(content_range.as_str()), "{range}");
        assert_eq!(answer.header("etag"), Some(stage.etag().as_str()));
        assert!(answer.body == stage.bytes[first..=last], "{range}");
    }
    for whole in ["bytes=0-1,5-6", "bytes=5-3", "lines=1-2", "bytes=x"] {
        let answer = stage.get(&[("Range", whole)]);
        assert_eq!((answer.status, answer.header("content-range")), (200, None), "{whole}");
        assert!(answer.body == stage.bytes, "{whole}");
    }
    for beyond in ["bytes=700001-", "bytes=700001-700002", "bytes=-0"] {
        let answer = stage.get(&[("Range", beyond)]);
        answer.error(416, "Range Not Satisfiable");
        assert_eq!(answer.header("content-range"), Some("bytes */700001"), "{beyond}");
    }
}

#[test]
fn a_download_that_broke_off_is_resumed_if_the_file_is_still_the_same() {
    let stage = Stage::new();
    let etag = stage.etag();
    let resume = |if_range: &str| stage.get(&[("Range", "bytes=300000-"), ("If-Range", if_range)]);
    for same in [etag.as_str(), "Sun, 01 Jun 2025 12:00:00 GMT"] {
        let rest = resume(same);
        assert_eq!(rest.status, 206, "{same}");
        assert!([&stage.bytes[..300_000], &rest.body].concat() == stage.bytes);
    }
    for other in ["\"abc\"", &format!("W/{etag}"), "Sun, 01 Jun 2025 11:59:59 GMT"] {
        let whole = resume(other);
        assert!(whole.status == 200 && whole.body == stage.bytes, "{other}");
    }
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let stage = Stage::new();
    let etag = stage.etag();
    let (later, earlier) = ("Sun, 01 Jun 2025 12:00:00 GMT", "Sun, 01 Jun 2025 11:59:59 GMT");
    for has_it in [("If-None-Match", etag.as_str()), ("If-None-Match", "*"), ("If-Modified-Since", later)] {
        for method in ["GET", "HEAD"] {
            let answer = stage.request(method, &[has_it, ("Range", "bytes=0-1")]);
            assert_eq!((answer.status, answer.body.len(), answer.header("etag")), (304, 0, Some(etag.as_str())));
        }
    }
    for has_not in [("If-None-Match", "\"abc\""), ("If-Modified-Since", earlier), ("If-Modified-Since", "now")] {
        assert_eq!(stage.request("HEAD", &[has_not]).status, 200, "{has_not:?}");
    }
    let both = [("If-None-Match", "\"abc\""), ("If-Modified-Since", later)];
    assert_eq!(stage.request("HEAD", &both).status, 200);
}

#[test]
fn without_a_file_the_answer_says_why() {
    let jobs = Jobs::start();
    let key = jobs.report_admin("ann");
    let [queued, begun, failed, cancelled, done] = std::array::from_fn(|_| jobs.order(&key, USAGE));
    let get = |id: &str| jobs.ask("GET", &format!("/downloads/export-{id}.csv"), &key);
    assert!(get(&queued).error(409, "Conflict").contains("not completed yet"));
    jobs.begin(&begun);
    assert!(get(&begun).error(409, "Conflict").contains(&format!("/reports/export/{begun}")));
    jobs.fail(&failed, "time_limit", "it took longer than an hour");
    assert!(get(&failed).error(410, "Gone").contains("it took longer than an hour"));
    jobs.ask("DELETE", &format!("/reports/export/{cancelled}"), &key);
    assert!(get(&cancelled).error(410, "Gone").contains("cancelled"));
    jobs.complete(&done, b"abc");
    jobs.ask("GET", &format!("/downloads/export-{done}.xlsx"), &key).error(404, "Not Found");
    jobs.ask("GET", &format!("/downloads/export-{done}.csv.gz"), &key).error(404, "Not Found");
    jobs.directory.remove(&format!("export-{done}.csv")).unwrap();
    assert!(get(&done).error(410, "Gone").contains("expired"));
    jobs.server.pass(7 * 86_400);
    assert!(get(&done).error(410, "Gone").contains("expired"));
}

#[test]
fn nothing_but_a_job_s_file_can_be_reached_by_name() {
    let stage = Stage::new();
    let directory = stage.jobs.directory.path();
    for name in ["secret.csv", "export-secret.csv"] {
        std::fs::write(directory.join(name), "secret").unwrap();
    }
    std::fs::write(directory.parent().unwrap().join("secret.csv"), "secret").unwrap();
    // A whole name of ours without a job, and a job's whose file was changed for a link out of the directory.
    std::fs::write(directory.join(format!("export-{}.csv", "B".repeat(22))), "secret").unwrap();
    let linked = stage.jobs.order(&stage.key, USAGE);
    stage.jobs.complete(&linked, b"secret");
    let name = format!("export-{linked}.csv");
    stage.jobs.directory.remove(&name).unwrap();
    std::os::unix::fs::symlink(directory.parent().unwrap().join("secret.csv"), directory.join(&name)).unwrap();

    let file = stage.target.strip_prefix("/downloads/").unwrap();
    let (id, upper) = (&file[7..29], file.to_uppercase());
    let forms = [
        String::new(),
        ".".into(),
        "..".into(),
        ".lock".into(),
        "secret.csv".into(),
        "export-secret.csv".into(),
        "../secret.csv".into(),
        "..%2fsecret.csv".into(),
        "%2e%2e%2fsecret.csv".into(),
        "..%5csecret.csv".into(),
        "..\\secret.csv".into(),
        "/etc/passwd".into(),
        "%2fetc%2fpasswd".into(),
        "export-../../secret.csv".into(),
        format!("export-{}.csv", "B".repeat(22)),
        format!("export-{}.csv", "A".repeat(22)),
        name,
        upper,
        format!("./{file}"),
        format!("{file}/"),
        format!("x/../{file}"),
        format!("%65{}", &file[1..]),
        format!("{file}%00"),
        format!("{file}%00.csv"),
        format!("{file}.part-0123456789abcdef"),
        format!("{file};x=1"),
        format!("export-{id}"),
        format!("export-{id}."),
        format!("export-{id}.CSV"),
        format!("export-{id}.csv.csv"),
        format!("export-{id}..csv"),
        format!("export-{}.csv", id.to_lowercase()),
        format!("export-{}.csv", &id[1..]),
        format!("export-{id}0.csv"),
        format!("export-{}%{:x}.csv", &id[..21], id.as_bytes()[21]),
    ];
    for form in forms {
        let answer = stage.jobs.ask("GET", &format!("/downloads/{form}"), &stage.key);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(matches!(answer.status, 400 | 404 | 410), "{form}: {}", answer.status);
        assert!(!text.contains("secret") && !text.contains("abcdef"), "{form}: {text}");
    }
    assert_eq!(stage.get(&[]).status, 200);
    for method in ["POST", "PUT", "DELETE"] {
        stage.request(method, &[]).error(405, "Method Not Allowed");
    }
}

#[test]
fn a_file_that_is_not_what_was_written_is_never_sent_as_whole() {
    let stage = Stage::new();
    let file = stage.jobs.directory.path_of(stage.target.strip_prefix("/downloads/").unwrap());
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    let mut stream = stage.jobs.server.connect();
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nConnection: close\r\nRange: bytes=0-\r\n\r\n",
        stage.target, stage.key
    );
    send(&mut stream, head.as_bytes());
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 206");
    // It becomes shorter while it is sent: or was all of it on its way already?
    file.set_len(1_000).unwrap();
    let mut rest = vec![];
    let _ = stream.read_to_end(&mut rest);
    let at = rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(stage.bytes.starts_with(&rest[at..]), "something else was sent");
    let message = stage.get(&[]).error(500, "Internal Server Error");
    assert!(!message.contains("export-"), "{message}");
}

#[test]
fn a_listed_page_may_read_what_a_download_says_of_itself() {
    let stage = Stage::new();
    let preflight = stage.request("OPTIONS", &[]);
    assert_eq!((preflight.status, preflight.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
}
