//! Whoever has found a leaked secret has the secret, not its id: the id is read from it, so that it can be revoked.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::output::{Failure, Outcome};

/// The id of an API key (`ak_<id>_<secret>`).
pub fn key_id(text: &str) -> String {
    id_within(text, "ak_")
}

/// The id of a client, from its secret (`cs_<id>_<secret>`) too.
pub fn client_id(text: &str) -> String {
    id_within(text, "cs_")
}

/// The `jti` of an issued token, from the whole token too. Errors if a whole token is none that could be revoked by
/// itself; the message does not show it.
pub fn issued_token_id(text: &str) -> Outcome<String> {
    let refused = match whole_token(text)?.and_then(|claims| claims.kind) {
        Some(kind) if kind == "client" => {
            "this token was given to a client; `analytics client revoke` ends it with all others of the client"
        }
        Some(kind) if kind == "login" => {
            "this token was given at a log-in; `analytics account password` or `account disable` ends it"
        }
        _ => return token_id(text),
    };
    Err(Failure::Usage(refused.into()))
}

/// The `jti` of any access token, from the whole token too. Errors if a whole token cannot be read; the message does not
/// show it.
pub fn token_id(text: &str) -> Outcome<String> {
    Ok(whole_token(text)?.map_or_else(|| text.to_string(), |claims| claims.jti))
}

fn id_within(text: &str, prefix: &str) -> String {
    text.strip_prefix(prefix).and_then(|rest| rest.split('_').next()).unwrap_or(text).to_string()
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    #[serde(rename = "use")]
    kind: Option<String>,
}

/// What a whole token says of itself, read without being verified: it only tells which one is meant. None of an id.
fn whole_token(text: &str) -> Outcome<Option<Claims>> {
    // An id of ours holds no dot; a JWT has two, and its head begins as every JSON object does.
    if !text.starts_with("eyJ") || !text.contains('.') {
        return Ok(None);
    }
    let payload = text.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
    let claims = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
    claims.map(Some).ok_or_else(|| {
        Failure::Usage("this token cannot be read, or has no id; copy all of it, or give the id alone".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2lnbmF0dXJl", encode(r#"{"typ":"at+jwt","alg":"EdDSA"}"#), encode(claims))
    }

    fn refusal(text: &str) -> String {
        match issued_token_id(text) {
            Err(Failure::Usage(message)) => message,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_whole_secret_stands_for_its_id() {
        assert_eq!(key_id("4fJ2kLm9QxYz"), "4fJ2kLm9QxYz");
        assert_eq!(key_id("ak_4fJ2kLm9QxYz_secret"), "4fJ2kLm9QxYz");
        assert_eq!(client_id("cs_4fJ2kLm9QxYz_secret"), "4fJ2kLm9QxYz");
        for text in ["7cQw2nVbT5xY", "eyJhIj", &token(r#"{"jti":"7cQw2nVbT5xY","use":"issued"}"#)] {
            let id = if text.len() > 12 { "7cQw2nVbT5xY" } else { text };
            assert_eq!(issued_token_id(text).unwrap(), id);
        }
    }

    #[test]
    fn a_token_that_cannot_be_revoked_by_itself_is_not_shown_again() {
        let of_a_client = token(r#"{"jti":"a","use":"client"}"#);
        assert!(refusal(&of_a_client).contains("client revoke"));
        assert_eq!(token_id(&of_a_client).unwrap(), "a");
        assert!(refusal(&token(r#"{"jti":"a","use":"login"}"#)).contains("account disable"));
        for broken in [&token("{}"), "eyJ0.eyJh", "eyJ0.%%%.x"] {
            let message = refusal(broken);
            assert!(message.contains("cannot be read") && !message.contains(broken), "{message}");
        }
    }
}
