//! An issuer's HTTP server as small as can be: answers by path, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub enum Answer {
    Body(u16, Vec<u8>),
    Redirect(String),
    /// The connection is closed at once, as by a server that is down.
    Close,
    /// The connection stays open, and silent.
    Silence,
}

#[derive(Clone)]
pub struct Server {
    pub url: String,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server { url, answers: Arc::default(), requests: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(connection).await });
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().insert(path.to_string(), answer);
    }

    pub fn answer_json(&self, path: &str, json: &Value) {
        self.answer(path, Answer::Body(200, json.to_string().into_bytes()));
    }

    /// All requests, heads and bodies.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }

    async fn serve(&self, mut connection: TcpStream) {
        let Some(request) = read_request(&mut connection).await else { return };
        let path = request.split(' ').nth(1).unwrap_or_default().to_string();
        self.requests.lock().push(request);
        let answer = self.answers.lock().get(&path).cloned().unwrap_or(Answer::Body(404, vec![]));
        let (head, body) = match answer {
            Answer::Body(status, body) => (format!("HTTP/1.1 {status} Status"), body),
            Answer::Redirect(to) => (format!("HTTP/1.1 302 Found\r\nLocation: {to}"), vec![]),
            Answer::Close => return,
            Answer::Silence => return std::future::pending().await,
        };
        let head = format!("{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = connection.write_all(&[head.as_bytes(), &body].concat()).await;
    }
}

async fn read_request(connection: &mut TcpStream) -> Option<String> {
    let mut request = vec![];
    loop {
        if connection.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_ascii_lowercase()
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.split("\r\n").next().unwrap_or_default().parse().unwrap_or(0));
        if body.len() >= length {
            return Some(text);
        }
    }
}
