//! The administration's way in: the same requests, through the local socket of a running server or straight into a
//! service of this process.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{self, HeaderMap};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::UnixStream;

use super::service::{Peer, Service};
use crate::error::{Error, Result};

/// Where requests of the administrator go.
pub enum Local {
    Socket(SocketClient),
    InProcess(Arc<Service>),
}

/// A client of a server's local socket. Connections are kept for the next request; requests may run beside each other.
pub struct SocketClient {
    path: PathBuf,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

pub struct LocalResponse {
    pub status: u16,
    headers: HeaderMap,
    pub body: Bytes,
}

impl Local {
    /// `path`: the server's socket. Connects with the first request.
    pub fn socket(path: impl Into<PathBuf>) -> Local {
        Local::Socket(SocketClient { path: path.into(), idle: Mutex::default() })
    }

    /// Sends GET, and writes the body of a good answer (200) to `out` as it comes; gives the answer without it then. Any
    /// other answer is read as by [`Local::send`]. Errors as that, and with `Internal` if `out` takes no more.
    pub async fn download(&self, path_and_query: &str, out: &mut (dyn Write + Send)) -> Result<LocalResponse> {
        let request = request("GET", path_and_query, None, Bytes::new())?;
        match self {
            Local::Socket(client) => {
                let (response, sender) = client.begin(request).await?;
                let response = copy(response, out).await?;
                client.idle.lock().push(sender);
                Ok(response)
            }
            Local::InProcess(service) => copy(service.answer(request, Peer::Local).await, out).await,
        }
    }

    /// Sends one request and reads the whole answer, whatever its status. Errors with `Internal` and a message for the
    /// operator if no server answers.
    pub async fn send(
        &self,
        method: &str,
        path_and_query: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<LocalResponse> {
        let request = request(method, path_and_query, content_type, body)?;
        match self {
            Local::Socket(client) => client.send(request).await,
            Local::InProcess(service) => read(service.answer(request, Peer::Local).await).await,
        }
    }
}

impl LocalResponse {
    /// None if the header is absent or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl SocketClient {
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<LocalResponse> {
        let (response, sender) = self.begin(request).await?;
        let response = read(response).await?;
        self.idle.lock().push(sender);
        Ok(response)
    }

    /// The head of an answer, and the connection that its body is still to be read from.
    async fn begin(&self, request: Request<Full<Bytes>>) -> Result<(Response<Incoming>, SendRequest<Full<Bytes>>)> {
        let mut sender = self.connection().await?;
        let response = sender.send_request(request).await.map_err(|e| self.unreachable(&e))?;
        Ok((response, sender))
    }

    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>> {
        loop {
            let idle = self.idle.lock().pop();
            let Some(mut sender) = idle else { return self.connect().await };
            // The server may have closed it meanwhile.
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = UnixStream::connect(&self.path).await.map_err(|e| self.unreachable(&e))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| self.unreachable(&e))?;
        // Ends with the sender, or with the server; what goes wrong is told to the request that waits.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> Error {
        Error::internal(format!("the server does not answer at {}: {error}", self.path.display()))
    }
}

fn request(
    method: &str,
    path_and_query: &str,
    content_type: Option<&str>,
    body: Bytes,
) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::builder().method(method).uri(path_and_query).header(header::HOST, "localhost");
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    let request = request.body(Full::new(body));
    request.map_err(|e| Error::internal(format!("{method} {path_and_query} is no request: {e}")))
}

async fn copy<B>(response: Response<B>, out: &mut (dyn Write + Send)) -> Result<LocalResponse>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    if response.status() != StatusCode::OK {
        return read(response).await;
    }
    let (head, mut body) = response.into_parts();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| broken_off(&e))?;
        if let Ok(piece) = frame.into_data() {
            out.write_all(&piece).map_err(|e| Error::internal(format!("cannot write what was downloaded: {e}")))?;
        }
    }
    Ok(LocalResponse { status: head.status.as_u16(), headers: head.headers, body: Bytes::new() })
}

async fn read<B>(response: Response<B>) -> Result<LocalResponse>
where
    B: Body<Data = Bytes>,
    B::Error: std::error::Error,
{
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|e| broken_off(&e))?;
    Ok(LocalResponse { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
}

fn broken_off(error: &dyn std::error::Error) -> Error {
    Error::internal(format!("the server's answer broke off: {error}"))
}
