//! Runs the binary and talks to the server it starts.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A directory with room for a database.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().expect("a directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn database(&self) -> PathBuf {
        self.path().join("analytics.db")
    }

    /// Writes a file into it.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, content).expect("the directory can be written");
        path.to_str().expect("the path is UTF-8").to_string()
    }

    /// Runs `analytics` on the database to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with_input(arguments, b"")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command();
        command.arg("--database").arg(self.database()).args(arguments);
        Ended::of(command, input)
    }

    /// `analytics`, run where neither the settings nor the environment of the tests' own process reach.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_analytics"));
        let ours = std::env::vars_os().map(|(name, _)| name);
        for name in ours.filter(|name| name.to_string_lossy().starts_with("ANALYTICS_")) {
            command.env_remove(name);
        }
        command.current_dir(self.path());
        command
    }

    pub fn serve(&self) -> Server {
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database"]).arg(self.database());
        Server::start(command)
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(mut command: Command, input: &[u8]) -> Ended {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // A command that does not read its input closes it: no matter.
        let _ = stdin.write_all(input);
        drop(stdin);
        let Output { status, stdout, stderr } = child.wait_with_output().expect("the binary ends");
        let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        Ended { code: status.code().expect("the binary is not killed"), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Standard output, of a command that must have done well.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    pub fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    stderr: Box<dyn BufRead>,
    /// What it has said on stderr until it was ready.
    pub greeting: String,
    pub url: String,
}

impl Server {
    /// Waits for the line that says where it listens.
    pub fn start(mut command: Command) -> Server {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut greeting = String::new();
        let url = loop {
            let before = greeting.len();
            let read = stderr.read_line(&mut greeting).expect("stderr is UTF-8");
            assert!(read > 0, "the server ended before it was ready: {greeting}");
            if let Some(rest) = greeting[before..].strip_prefix("listening on ") {
                break rest.split(',').next().unwrap_or_default().to_string();
            }
        };
        Server { child, stderr: Box::new(stderr), greeting, url }
    }

    /// The next line that it says on stderr, with its end.
    pub fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).expect("stderr is UTF-8");
        line
    }

    /// Closes our end of its stderr: whatever it says from now on, it says to nobody.
    pub fn stop_listening(&mut self) {
        self.stderr = Box::new(std::io::empty());
    }

    pub fn stdout(&mut self) -> BufReader<std::process::ChildStdout> {
        BufReader::new(self.child.stdout.take().expect("stdout is piped"))
    }

    pub fn get(&self, path: &str, key: &str) -> (u16, Value) {
        get(&format!("{}{path}", self.url), key)
    }

    /// Sends a signal by its name, waits for the end, and gives the exit code and what was said on stderr meanwhile.
    pub fn stop(self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("the server ends");
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).expect("stderr is UTF-8");
        (status.code(), said)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of a GET with a key as Bearer.
pub fn get(url: &str, key: &str) -> (u16, Value) {
    read(url, agent().get(url).header("Authorization", format!("Bearer {key}")).call())
}

pub fn post(url: &str, key: &str, body: &str) -> (u16, Value) {
    read(url, agent().post(url).header("Authorization", format!("Bearer {key}")).send(body))
}

pub fn post_form(url: &str, form: &str) -> (u16, Value) {
    read(url, agent().post(url).header("Content-Type", "application/x-www-form-urlencoded").send(form))
}

pub fn post_json(url: &str, body: &Value) -> (u16, Value) {
    read(url, agent().post(url).header("Content-Type", "application/json").send(body.to_string()))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

fn read(url: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
    let mut answer = answer.unwrap_or_else(|e| panic!("{url}: {e}"));
    let body = answer.body_mut().read_to_string().expect("the body is UTF-8");
    (answer.status().as_u16(), serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}")))
}

pub const SUMMARY: &str = "/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31";
