//! The body of a request: one type for those from a socket and those of this very process, so that everything that
//! answers is compiled once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};

pub enum RequestBody {
    Network(Incoming),
    Here(Full<Bytes>),
}

impl From<Incoming> for RequestBody {
    fn from(body: Incoming) -> RequestBody {
        RequestBody::Network(body)
    }
}

impl From<Full<Bytes>> for RequestBody {
    fn from(body: Full<Bytes>) -> RequestBody {
        RequestBody::Here(body)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            RequestBody::Network(body) => Pin::new(body).poll_frame(cx).map_err(io::Error::other),
            RequestBody::Here(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Network(body) => body.is_end_stream(),
            RequestBody::Here(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Network(body) => body.size_hint(),
            RequestBody::Here(body) => body.size_hint(),
        }
    }
}
