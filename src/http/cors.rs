//! What pages of other origins may do (the Fetch standard): read, if the operator lists them.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};

use super::respond::Reply;

/// Headers of ours that a page may read beside the few that it always may.
const EXPOSED: &str = "Accept-Ranges, Content-Disposition, Content-Range, ETag, Link, Location, RateLimit, RateLimit-Policy, \
    Retry-After, X-Request-Id";
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, If-None-Match, If-Range, Range, X-API-Key";
/// How long a browser may remember a preflight's answer.
const MAX_AGE_S: &str = "600";

/// The answer to OPTIONS on a path that knows `methods`; to a listed page it says that it may read.
pub fn options(methods: &'static str, request: &HeaderMap, origins: &[String]) -> Reply {
    let reply = Reply::empty(StatusCode::NO_CONTENT).with(header::ALLOW, methods);
    let preflight = request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !preflight || listed(request, origins).is_none() {
        return reply;
    }
    reply
        .with(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD")
        .with(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS)
        .with(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S)
}

/// Lets a listed page read the reply to a request that changes nothing.
pub fn allow(reply: Reply, method: &Method, request: &HeaderMap, origins: &[String]) -> Reply {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match listed(request, origins).filter(|_| reads) {
        Some(origin) => {
            let mut reply = reply.with(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            reply.headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            reply
        }
        None => reply,
    }
}

/// The request's origin, if the operator lists it.
fn listed<'r>(request: &'r HeaderMap, origins: &[String]) -> Option<&'r HeaderValue> {
    let origin = request.get(header::ORIGIN)?;
    origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes()).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("GET"));
        headers
    }

    #[test]
    fn a_listed_page_may_read_and_no_other() {
        let origins = ["https://team.example".to_string()];
        let allowed = |method: Method, origin: &'static str| {
            let reply = allow(Reply::json(StatusCode::OK, "{}"), &method, &page(origin), &origins);
            reply.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).cloned()
        };
        assert_eq!(allowed(Method::GET, "https://team.example").unwrap(), "https://team.example");
        assert_eq!(allowed(Method::GET, "https://evil.example"), None);
        assert_eq!(allowed(Method::POST, "https://team.example"), None);
        let preflight = options("GET", &page("https://team.example"), &origins);
        assert_eq!(preflight.headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD");
        let foreign = options("GET", &page("https://evil.example"), &origins);
        assert!(!foreign.headers.contains_key(header::ACCESS_CONTROL_ALLOW_METHODS));
        assert_eq!(foreign.headers[header::ALLOW], "GET");
    }
}
