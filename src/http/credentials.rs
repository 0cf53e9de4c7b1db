//! What a request carries to say who it is from, and whether a browser was made to send it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, ORIGIN};

use crate::auth::Credential;
use crate::error::{Error, Kind, Result};

const API_KEY: &str = "x-api-key";

/// The credential of a request, if it carries one. Errors with `Unauthorized` for one that cannot be read, `Invalid` for
/// two that differ: guessing which is meant would hide a mistake.
pub fn find(headers: &HeaderMap) -> Result<Option<Credential>> {
    let authorization = headers.get_all(AUTHORIZATION).iter().map(from_authorization);
    let keys = headers.get_all(API_KEY).iter().map(|value| text(value).map(Credential::ApiKey));
    let mut found: Option<Credential> = None;
    for credential in authorization.chain(keys) {
        let credential = credential?;
        match &found {
            Some(first) if !is_same(first, &credential) => {
                return Err(Error::invalid("this request carries two different credentials; send one"));
            }
            Some(_) => {}
            None => found = Some(credential),
        }
    }
    Ok(found)
}

pub fn was_sent(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY)
}

/// A browser sends Basic by itself once it knows it, so a foreign page could change things in its user's name. Errors
/// with `Forbidden` if this is such a request. `public_url` tells which origin is ours.
pub fn refuse_cross_site(method: &Method, headers: &HeaderMap, sent: &Credential, public_url: &str) -> Result<()> {
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !changes || !matches!(sent, Credential::Basic { .. }) {
        return Ok(());
    }
    let foreign = headers.get(ORIGIN).is_some_and(|from| !from.as_bytes().eq_ignore_ascii_case(origin(public_url)));
    let cross_site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if foreign || cross_site {
        let message = "a page of another site may not change anything here with Basic; send the key as X-API-Key";
        return Err(Error::new(Kind::Forbidden, message));
    }
    Ok(())
}

fn from_authorization(value: &HeaderValue) -> Result<Credential> {
    const RULE: &str = "the Authorization header must be \"Bearer <token or key>\" or \"Basic <base64 of user:key>\"";
    let value = text(value)?;
    let (scheme, rest) = value.split_once(' ').ok_or_else(|| Error::new(Kind::Unauthorized, RULE))?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credential::Bearer(rest.to_string()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Error::new(Kind::Unauthorized, RULE));
    }
    let decoded = BASE64_STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (user, password) =
        decoded.as_deref().and_then(|pair| pair.split_once(':')).ok_or_else(|| Error::new(Kind::Unauthorized, RULE))?;
    Ok(Credential::Basic { user: user.to_string(), password: password.to_string() })
}

fn text(value: &HeaderValue) -> Result<String> {
    let text = value.to_str().map(|text| text.trim().to_string());
    text.map_err(|_| Error::new(Kind::Unauthorized, "the credential holds characters that no key has"))
}

/// Whether two credentials are the same key in two places, as some clients send it.
fn is_same(one: &Credential, other: &Credential) -> bool {
    let words = |credential: &Credential| match credential {
        Credential::Bearer(key) | Credential::ApiKey(key) => (key.clone(), key.clone()),
        Credential::Basic { user, password } => (user.clone(), password.clone()),
    };
    let (one, other) = (words(one), words(other));
    one == other || (other.0 == other.1 && (one.0 == other.0 || one.1 == other.0))
}

/// Scheme, host and port of an absolute URL.
fn origin(url: &str) -> &[u8] {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url.as_bytes()[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn basic(user: &str, password: &str) -> Credential {
        Credential::Basic { user: user.into(), password: password.into() }
    }

    #[test]
    fn a_key_may_come_in_four_ways() {
        let table = [
            ("authorization", "Bearer k", Credential::Bearer("k".into())),
            ("authorization", "bearer  k ", Credential::Bearer("k".into())),
            ("x-api-key", "k", Credential::ApiKey("k".into())),
            ("authorization", "Basic dTpr", basic("u", "k")),
            ("authorization", "Basic azo=", basic("k", "")),
        ];
        for (name, value, expected) in table {
            assert_eq!(find(&headers(&[(name, value)])), Ok(Some(expected)), "{name}: {value}");
        }
        assert_eq!(find(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn two_credentials_must_be_the_same_key() {
        let same: [&[(&str, &str)]; 3] = [
            &[("authorization", "Bearer k"), ("x-api-key", "k")],
            &[("authorization", "Basic dTpr"), ("x-api-key", "k")],
            &[("x-api-key", "k"), ("x-api-key", "k")],
        ];
        for pairs in same {
            assert!(find(&headers(pairs)).is_ok(), "{pairs:?}");
        }
        let different: [&[(&str, &str)]; 3] = [
            &[("authorization", "Bearer k"), ("x-api-key", "l")],
            &[("authorization", "Bearer k"), ("authorization", "Bearer l")],
            &[("authorization", "Basic dTpr"), ("x-api-key", "x")],
        ];
        for pairs in different {
            assert_eq!(find(&headers(pairs)).unwrap_err().kind, Kind::Invalid, "{pairs:?}");
        }
    }

    #[test]
    fn a_credential_that_cannot_be_read_is_none() {
        for value in ["Bearer", "Digest x", "Basic %%", "Basic dQ==", ""] {
            let error = find(&headers(&[("authorization", value)])).unwrap_err();
            assert_eq!(error.kind, Kind::Unauthorized, "{value:?}");
        }
    }

    #[test]
    fn a_foreign_page_changes_nothing_with_basic() {
        let refused = |method: Method, pairs: &[(&'static str, &'static str)], sent: Credential| {
            refuse_cross_site(&method, &headers(pairs), &sent, "https://stats.example/analytics").is_err()
        };
        let bearer = || Credential::Bearer("k".into());
        assert!(refused(Method::POST, &[("origin", "https://evil.example")], basic("u", "k")));
        assert!(refused(Method::DELETE, &[("origin", "null")], basic("u", "k")));
        assert!(refused(Method::POST, &[("sec-fetch-site", "cross-site")], basic("u", "k")));
        assert!(!refused(Method::POST, &[("origin", "https://stats.example")], basic("u", "k")));
        assert!(!refused(Method::POST, &[("sec-fetch-site", "same-origin")], basic("u", "k")));
        assert!(!refused(Method::GET, &[("origin", "https://evil.example")], basic("u", "k")));
        assert!(!refused(Method::POST, &[("origin", "https://evil.example")], bearer()));
        assert!(!refused(Method::POST, &[], basic("u", "k")));
    }
}
