use serde_json::Value;

use super::{Claims, Expected, LEEWAY_S, Refusal};

const SUBJECT_BYTES_MAX: usize = 256;

/// `iss`, only to choose whom to ask.
pub fn issuer(claims: &Claims) -> Result<&str, Refusal> {
    claims.get("iss").and_then(Value::as_str).ok_or(Refusal::Bad("it names no issuer (\"iss\")"))
}

/// Checks what every token must claim, `exp`, `iss`, `aud` and `sub`, and what it may: `nbf` and `iat`.
pub fn check(claims: &Claims, expected: &Expected, now_s: i64) -> Result<(), Refusal> {
    if issuer(claims)? != expected.issuer {
        return Err(Refusal::Bad("it is of another issuer (\"iss\")"));
    }
    check_audience(claims.get("aud"), &expected.audiences)?;
    check_kind(claims)?;
    check_subject(claims.get("sub"))?;
    check_end(claims, now_s)?;
    check_begin(claims, now_s)
}

/// Texts are compared to the letter: an audience is a name, not an address.
pub fn check_audience(aud: Option<&Value>, accepted: &[String]) -> Result<(), Refusal> {
    let is_ours = |aud: &Value| aud.as_str().is_some_and(|aud| accepted.iter().any(|ours| ours == aud));
    match aud {
        None => Err(Refusal::Bad("it names no audience (\"aud\")")),
        Some(Value::Array(all)) if all.iter().any(is_ours) => Ok(()),
        Some(one) if is_ours(one) => Ok(()),
        Some(_) => Err(Refusal::Bad("it is meant for another audience (\"aud\")")),
    }
}

/// Where an issuer writes "JWT" into the header of everything, an id token may look like an access token, and be meant for
/// the same audience. Hashes of what it was given with stand in id tokens only (OpenID Connect Core, 3.1.3.6 and
/// 3.3.2.11); Keycloak says it in a claim.
fn check_kind(claims: &Claims) -> Result<(), Refusal> {
    let is_said =
        claims.get("typ").and_then(Value::as_str).is_some_and(|typ| ["ID", "Refresh", "Offline"].contains(&typ));
    if is_said || claims.contains_key("at_hash") || claims.contains_key("c_hash") {
        return Err(Refusal::Bad("it is an id or refresh token; send the access token"));
    }
    Ok(())
}

/// The subject goes into quotas, the audit trail and answers: it must be a name that can stand there.
pub fn check_subject(sub: Option<&Value>) -> Result<(), Refusal> {
    match sub.and_then(Value::as_str) {
        Some(sub) if !sub.is_empty() && sub.len() <= SUBJECT_BYTES_MAX && !sub.chars().any(char::is_control) => Ok(()),
        _ => Err(Refusal::Bad("its subject (\"sub\") is not a text of 1 to 256 bytes without control characters")),
    }
}

/// `exp`: every token must have an end.
pub fn check_end(claims: &Claims, now_s: i64) -> Result<(), Refusal> {
    let exp = time(claims, "exp")?.ok_or(Refusal::Bad("it has no end (\"exp\")"))?;
    if exp.saturating_add(LEEWAY_S) <= now_s {
        return Err(Refusal::Bad("it has expired; get a new one"));
    }
    Ok(())
}

/// `nbf` and `iat`, which a token need not have.
pub fn check_begin(claims: &Claims, now_s: i64) -> Result<(), Refusal> {
    let latest = now_s.saturating_add(LEEWAY_S);
    if time(claims, "nbf")?.is_some_and(|nbf| nbf > latest) {
        return Err(Refusal::Bad("it is not valid yet (\"nbf\")"));
    }
    if time(claims, "iat")?.is_some_and(|iat| iat > latest) {
        return Err(Refusal::Bad("it was issued in the future (\"iat\")"));
    }
    Ok(())
}

/// Unix seconds. Fractions are allowed (RFC 7519, 2) and cut; what no clock will reach is as good as the last second.
pub fn time(claims: &Claims, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    // A cast of a float saturates.
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    seconds.map(Some).ok_or(Refusal::Bad("one of its times (\"exp\", \"nbf\", \"iat\") is not a number"))
}
