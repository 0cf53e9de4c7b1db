//! The real binary, for what only a process of its own can show: kill -9, restart, the command line.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::client::Client;
use super::local;

/// `analytics` with nothing of the tests' own environment that it would take for a setting.
pub fn analytics() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_analytics"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ANALYTICS_") {
            command.env_remove(name);
        }
    }
    // Its own events would stand between those that a test sends, and limits are not what these tests are about.
    command.env("ANALYTICS_AUDIT_EVENTS", "false").env("ANALYTICS_LIMITS_REQUESTS_PER_MINUTE", "0");
    command
}

/// Runs `analytics` to its end.
pub fn run(arguments: &[&str]) -> Output {
    analytics().args(arguments).stdin(Stdio::null()).output().expect("the binary runs")
}

/// A running `analytics serve`; killed when dropped.
pub struct Process {
    child: Child,
    database: PathBuf,
    base: String,
}

impl Process {
    /// Starts a server and waits for its line of readiness on stderr.
    pub fn serve(database: &Path) -> Process {
        Process::serve_with(database, &[])
    }

    /// With settings, by the names that they have in the environment.
    pub fn serve_with(database: &Path, settings: &[(&str, &str)]) -> Process {
        let settings = settings.iter().copied();
        let mut child = serve_command(database).envs(settings).spawn().expect("the binary starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut told = String::new();
        let base = loop {
            let before = told.len();
            let read = stderr.read_line(&mut told).expect("stderr is text");
            assert!(read > 0, "the server ended before it was ready:\n{told}");
            if let Some(base) = address(&told[before..]) {
                break base;
            }
        };
        // Read on, so that the server never waits for us; the test's output shows what it said.
        std::thread::spawn(move || {
            let mut rest = String::new();
            let _ = stderr.read_to_string(&mut rest);
            eprint!("{rest}");
        });
        Process { child, database: database.to_path_buf(), base }
    }

    /// What a server says that cannot start.
    pub fn refused(database: &Path) -> Output {
        serve_command(database).stdin(Stdio::null()).output().expect("the binary runs")
    }

    /// A client with a new key that holds every scope.
    pub fn client(&self) -> Client {
        let key = local::create_key(&self.database, super::server::ALL_SCOPES);
        Client::new(&self.base, Some(&key))
    }

    /// A client with a key that was made before.
    pub fn client_with(&self, key: &str) -> Client {
        Client::new(&self.base, Some(key))
    }

    pub fn kill(mut self) {
        self.child.kill().expect("SIGKILL reaches our child");
        self.child.wait().expect("our child ends");
    }

    /// Stops it as an init system would; it must end well.
    pub fn terminate(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM reaches our child");
        let ended = self.child.wait().expect("our child ends");
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve_command(database: &Path) -> Command {
    let mut command = analytics();
    command.args(["serve", "--listen", "127.0.0.1:0", "--database"]).arg(database).stderr(Stdio::piped());
    command
}

fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening on ")?;
    Some(rest.split([',', ' ', '\n']).next()?.to_string())
}
