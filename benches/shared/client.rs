//! A client for one kept-alive connection that costs next to nothing: it blocks, and reads answers with a length only.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No answer that is measured takes as long.
const TIMEOUT: Duration = Duration::from_secs(120);

pub struct Client {
    stream: TcpStream,
    address: String,
    key: String,
    buffer: Vec<u8>,
}

impl Client {
    /// `url` as `http://ADDRESS:PORT`; the key goes with every request.
    pub fn connect(url: &str, key: &str) -> std::io::Result<Client> {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_string();
        let stream = TcpStream::connect(&address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Client { stream, address, key: key.into(), buffer: Vec::new() })
    }

    /// A request's bytes: made beforehand, so that making it is not measured.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let (address, key, length) = (&self.address, &self.key, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {key}\r\n");
        let about_body = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
        format!("{head}{}\r\n{body}", if body.is_empty() { "" } else { &about_body }).into_bytes()
    }

    /// Status and body.
    pub fn ask(&mut self, request: &[u8]) -> std::io::Result<(u16, &[u8])> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let body_at = loop {
            self.read_some()?;
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let (status, length) = head(&self.buffer[..body_at]);
        while self.buffer.len() < body_at + length {
            self.read_some()?;
        }
        Ok((status, &self.buffer[body_at..]))
    }

    fn read_some(&mut self) -> std::io::Result<()> {
        let mut piece = [0; 65_536];
        match self.stream.read(&mut piece)? {
            0 => Err(std::io::Error::other("the server hung up")),
            read => {
                self.buffer.extend_from_slice(&piece[..read]);
                Ok(())
            }
        }
    }
}

/// Status and Content-Length, 0 where there is none.
fn head(head: &[u8]) -> (u16, usize) {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    assert!(!text.contains("transfer-encoding"), "an answer without a length: {text}");
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    (status, length.map_or(0, |length| length.trim().parse().expect("a length")))
}
