use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::{Ended, Place, SUMMARY, Server};

#[test]
fn a_first_start_says_what_to_type_next() {
    let place = Place::new();
    let mut server = place.serve();
    assert!(server.greeting.contains(&format!("database {}", place.database().display())), "{}", server.greeting);
    assert!(server.next_line().contains("no valid API key"));
    let command = server.next_line();
    let typed: Vec<&str> = command.split_whitespace().skip(1).collect();
    let key = Ended::of(with(place.command(), &typed), b"").ok();
    assert_eq!(server.get(SUMMARY, key.trim_end()).0, 200, "{command}");

    let (_, said) = place_again(server, &place).stop("TERM");
    assert!(!said.contains("key create"), "{said}");
}

fn with(mut command: std::process::Command, arguments: &[&str]) -> std::process::Command {
    command.args(arguments);
    command
}

/// The same place, with the server started anew.
fn place_again(server: crate::support::Server, place: &Place) -> crate::support::Server {
    assert_eq!(server.stop("TERM").0, Some(0));
    place.serve()
}

#[test]
fn a_signal_stops_it_tidily() {
    let place = Place::new();
    for signal in ["TERM", "INT"] {
        let server = place.serve();
        let socket = place.path().join("analytics.db.sock");
        assert!(socket.exists());
        assert_eq!(server.stop(signal).0, Some(0), "{signal}");
        assert!(!socket.exists());
        let wal = fs::metadata(place.path().join("analytics.db-wal")).map_or(0, |wal| wal.len());
        assert_eq!(wal, 0, "a tidy end leaves nothing in the WAL");
    }
}

#[test]
fn a_server_survives_whoever_read_its_greeting() {
    let place = Place::new();
    let mut server = place.serve();
    server.stop_listening();
    let key = place.run(&["key", "create", "--owner", "me", "--scope", "read:analytics"]).ok();
    assert_eq!(server.get(SUMMARY, key.trim_end()).0, 200);
    // It says that it stops, to nobody.
    assert_eq!(server.stop("TERM"), (Some(0), String::new()));
}

#[test]
fn a_second_signal_does_not_wait_for_requests_under_way() {
    let place = Place::new();
    let mut server = place.serve();
    let key = place.run(&["key", "create", "--owner", "me", "--scope", "write:events"]).ok();
    let address = server.url.strip_prefix("http://").unwrap().to_string();
    let mut slow = TcpStream::connect(&address).unwrap();
    // Promises a body and asks to be told to go on: once it is, the request is under way.
    let head = format!(
        "POST /usage/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Length: 10\r\n\
         Expect: 100-continue\r\n\r\n",
        key.trim_end()
    );
    slow.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 12];
    std::io::Read::read_exact(&mut slow, &mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");

    server.signal("TERM");
    while !server.next_line().starts_with("stopping") {}
    assert_eq!(server.stop("TERM").0, Some(1));
}

#[test]
fn a_second_server_on_the_same_file_is_refused() {
    let place = Place::new();
    let _server = place.serve();
    let ended = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(
        ended.stderr.starts_with("error: ") && ended.stderr.contains("in use by another process"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_taken_port_is_answered_with_a_way_out() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = place.run(&["serve", "--listen", &address]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains(&address) && ended.stderr.contains("--listen 127.0.0.1:0"), "{}", ended.stderr);
    assert!(!place.path().join("analytics.db.sock").exists());
}

#[test]
fn a_server_that_cannot_write_any_more_ends_and_says_why() {
    let place = Place::new();
    let server = place.serve();
    let file = place.file("usage.csv", "user_id\nu-1\n");
    let database = rusqlite::Connection::open(place.database()).unwrap();
    database.execute_batch("drop table usage_user_day").unwrap();
    drop(database);
    assert_eq!(place.run(&["import", "usage", &file]).code, 1);
    let (code, said) = server.wait();
    assert_eq!(code, Some(1));
    assert!(said.contains("error: the database can no longer be written to: "), "{said}");
    assert!(!place.path().join("analytics.db.sock").exists());
}

#[test]
fn connections_leave_files_for_the_database() {
    let place = Place::new();
    let key = place.run(&["key", "create", "--owner", "me", "--scope", "read:analytics"]).ok();
    let mut command = std::process::Command::new("sh");
    let serve = format!("ulimit -n 200; exec {} serve --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_analytics"));
    command.args(["-c", &serve]).current_dir(place.path());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANALYTICS_")) {
        command.env_remove(name);
    }
    let server = Server::start(command);
    assert!(server.greeting.contains("takes 100 connections at once, not 1024"), "{}", server.greeting);
    let address = server.url.strip_prefix("http://").unwrap();
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut first = &idle[0];
    let request = format!("GET {SUMMARY} HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\n\r\n", key.trim_end());
    first.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn a_killed_server_leaves_a_socket_that_stands_in_nobodys_way() {
    let place = Place::new();
    drop(place.serve());
    assert!(place.path().join("analytics.db.sock").exists());
    place.run(&["key", "list"]).ok();
    drop(place.serve());
}

#[test]
fn a_database_held_by_something_else_is_said_to_be() {
    let place = Place::new();
    place.run(&["key", "create", "--owner", "me", "--scope", "admin"]).ok();
    let lock = OpenOptions::new().write(true).open(place.path().join("analytics.db.lock")).unwrap();
    lock.lock().unwrap();
    let ended = place.run(&["key", "list"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("in use by another process"), "{}", ended.stderr);
    assert!(ended.stderr.contains("does not listen"), "{}", ended.stderr);
}

#[test]
fn a_foreign_file_is_left_as_it_is() {
    let place = Place::new();
    let content = "no database at all, but long enough to hold a head of its own. ".repeat(20);
    place.file("analytics.db", &content);
    let ended = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(place.database()).unwrap(), content);
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_leaves_no_core_dump() {
    let place = Place::new();
    let server = place.serve();
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}

#[test]
fn plain_text_beyond_this_machine_is_warned_of_once() {
    let place = Place::new();
    let warned = |public_url: &str| {
        let mut command = place.command();
        command.args(["serve", "--listen", "0.0.0.0:0"]).env("ANALYTICS_SERVER_PUBLIC_URL", public_url);
        let (_, said) = Server::start(command).stop("TERM");
        said.matches("without TLS").count()
    };
    assert_eq!(warned("http://analytics.example.com"), 1);
    assert_eq!(warned("https://analytics.example.com"), 0);
    let (_, said) = place.serve().stop("TERM");
    assert!(!said.contains("without TLS"), "{said}");
}

#[test]
fn what_an_administrator_changes_without_a_server_stands_in_the_trail() {
    let place = Place::new();
    let key = place.run(&["key", "create", "--owner", "me", "--scope", "read:analytics"]).ok();
    let server = place.serve();
    let (_, log) = server.get("/logs/system-events?service=analytics&order=asc", key.trim_end());
    let first = &log["events"][0];
    assert_eq!((&first["severity"], &first["attributes"]["how"]), (&"info".into(), &"created".into()), "{log}");
    assert!(!log.to_string().contains(key.trim_end()));
}

#[test]
fn a_token_is_not_made_for_an_address_that_nobody_knows_yet() {
    let place = Place::new();
    place.run(&["key", "create", "--owner", "me", "--scope", "admin"]).ok();
    let issue = |variable: (&str, &str)| {
        let mut command = place.command();
        command.args(["token", "issue", "--subject", "ci", "--scope", "read:analytics"]);
        command.env("ANALYTICS_SERVER_LISTEN", "127.0.0.1:0").env(variable.0, variable.1);
        Ended::of(command, b"")
    };
    let refused = issue(("ANALYTICS_SERVER_PUBLIC_URL", ""));
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("set issuer.url or server.public_url"), "{}", refused.stderr);
    issue(("ANALYTICS_SERVER_PUBLIC_URL", "https://analytics.example.com")).ok();
    issue(("ANALYTICS_ISSUER_URL", "https://analytics.example.com")).ok();
}
