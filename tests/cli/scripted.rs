//! A server that says what a test wants it to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Such as "GET /reports/export/1".
    pub line: String,
    head: String,
    pub body: String,
}

impl Asked {
    /// Whole; nothing if the header is not there.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

pub struct Scripted {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    /// Answers each request with what `answer` makes of it and of how many there were before; then it hangs up.
    pub fn start(answer: impl Fn(&Asked, usize) -> Vec<u8> + Send + 'static) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(vec![]));
        let seen = Arc::clone(&asked);
        // Ends with the process of the tests.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let Some(request) = read(&mut BufReader::new(&stream)) else { continue };
                let before = seen.lock().unwrap().len();
                let bytes = answer(&request, before);
                seen.lock().unwrap().push(request);
                let _ = stream.write_all(&bytes);
            }
        });
        Scripted { url, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// Waits until such a request has come.
    pub fn wait_for(&self, line: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.lines().iter().any(|asked| asked == line) {
            assert!(Instant::now() < deadline, "no {line}: {:?}", self.lines());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn read(stream: &mut impl BufRead) -> Option<Asked> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_string();
    let mut asked = Asked { line, head, body: String::new() };
    let bytes: u64 = asked.header("content-length").parse().unwrap_or(0);
    stream.take(bytes).read_to_string(&mut asked.body).ok()?;
    Some(asked)
}

/// An answer, with headers as lines that end in CRLF.
pub fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} so\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
