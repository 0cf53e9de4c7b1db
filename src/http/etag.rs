//! Entity tags from revisions: an answer that cannot have changed is not computed again.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap};

use super::respond::Reply;
use crate::store::Revision;

/// What the client says it has (RFC 9110, 13.1.2).
#[derive(Clone, Debug, Default)]
pub struct IfNoneMatch(Vec<String>);

impl IfNoneMatch {
    pub fn of(headers: &HeaderMap) -> IfNoneMatch {
        let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        IfNoneMatch(values.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_string()).collect())
    }

    /// By weak comparison: the same answer in another encoding is the same answer.
    pub fn has(&self, etag: &str) -> bool {
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_string();
        self.0.iter().any(|tag| tag == "*" || opaque(tag) == opaque(etag))
    }
}

/// Whether the client has the answer for `revision` already.
pub fn is_had(if_none_match: &IfNoneMatch, revision: &Revision) -> bool {
    !if_none_match.0.is_empty() && if_none_match.has(&tag(revision))
}

/// The answer for `revision`: what `compute` makes of it, or 304 where the client has it already. The tag is the same for
/// every parameter; a client keeps tags by URL.
pub fn answer<E>(
    if_none_match: &IfNoneMatch,
    revision: &Revision,
    compute: impl FnOnce() -> Result<Reply, E>,
) -> Result<Reply, E> {
    if is_had(if_none_match, revision) { Ok(not_modified(revision)) } else { Ok(tagged(compute()?, revision)) }
}

pub fn not_modified(revision: &Revision) -> Reply {
    tagged(Reply::empty(StatusCode::NOT_MODIFIED), revision)
}

fn tagged(reply: Reply, revision: &Revision) -> Reply {
    reply.with(header::ETAG, &tag(revision)).with(header::CACHE_CONTROL, "private, no-cache")
}

fn tag(revision: &Revision) -> String {
    format!("W/\"{}-{}\"", revision.database_id, revision.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn status(if_none_match: &'static str) -> StatusCode {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(if_none_match));
        let revision = Revision { database_id: "abc".into(), number: 7 };
        let compute = || Ok::<_, ()>(Reply::json(StatusCode::OK, "{}"));
        let reply = answer(&IfNoneMatch::of(&headers), &revision, compute).unwrap();
        assert_eq!(reply.headers[header::ETAG], "W/\"abc-7\"");
        reply.status
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        for same in ["W/\"abc-7\"", "\"abc-7\"", "\"x\", W/\"abc-7\"", "*"] {
            assert_eq!(status(same), 304, "{same}");
        }
        for other in ["W/\"abc-6\"", "\"abd-7\"", "abc-7", ""] {
            assert_eq!(status(other), 200, "{other}");
        }
    }
}
