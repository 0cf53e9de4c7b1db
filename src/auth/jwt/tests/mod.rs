mod key_sets;

use super::testing::{TestKey, jwks, rsa, unsigned};
use super::*;
use serde_json::json;

const NOW_S: i64 = 1_750_000_000;
const ISSUER: &str = "https://id.example.com";
const ALL: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

fn expected() -> Expected {
    Expected {
        issuer: ISSUER.into(),
        audiences: vec!["analytics".into(), "https://analytics.example.com".into()],
        algorithms: ALL.to_vec(),
        types: vec!["at+jwt".into()],
    }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "analytics", "sub": "alice", "exp": NOW_S + 600, "iat": NOW_S, "nbf": NOW_S})
}

fn keys_of(keys: &[&TestKey]) -> KeySet {
    KeySet::from_jwks(&jwks(keys)).unwrap()
}

fn outcome(token: &str, keys: &KeySet) -> Result<(), Refusal> {
    verify(token, keys, &expected(), NOW_S).map(|_| ())
}

/// A token with some claims changed; null takes one away.
fn with_claims(key: &TestKey, changes: &Value) -> String {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    key.token("EdDSA", &claims)
}

/// The same of the header.
fn with_header(key: &TestKey, changes: &Value) -> String {
    let mut header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid});
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(header.as_object_mut().unwrap().remove(name)),
            value => header[name] = value.clone(),
        }
    }
    key.sign(&header, &claims())
}

#[test]
fn every_asymmetric_algorithm_verifies_with_the_key_that_fits_it() {
    let (p256, p384, ed25519) = (TestKey::p256("p256"), TestKey::p384("p384"), TestKey::ed25519("ed"));
    let keys = keys_of(&[rsa(), &p256, &p384, &ed25519]);
    for algorithm in ALL {
        let name = format!("{algorithm:?}");
        let key = match &name[..2] {
            "RS" | "PS" => rsa(),
            "ES" if algorithm == Algorithm::ES256 => &p256,
            "ES" => &p384,
            _ => &ed25519,
        };
        let token = key.token(&name, &claims());
        let verified = verify(&token, &keys, &expected(), NOW_S).unwrap();
        assert_eq!(Value::Object(verified), claims(), "{name}");
        // One other character of the signature.
        let mut forged = token.clone().into_bytes();
        let at = token.len() - 10;
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(outcome(&forged, &keys), Err(Refusal::Bad("its signature is wrong")), "{name}");
    }
}

#[test]
fn ed25519_goes_by_its_newer_name_too() {
    let key = TestKey::ed25519("ed");
    let mut jwk = key.jwk();
    jwk["alg"] = json!("Ed25519");
    let keys = KeySet::from_jwks(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
    for name in ["EdDSA", "Ed25519"] {
        assert_eq!(outcome(&key.token(name, &claims()), &keys), Ok(()), "{name}");
    }
}

#[test]
fn claims_are_checked_one_by_one() {
    let key = TestKey::ed25519("ed");
    let keys = keys_of(&[&key]);
    let long = "x".repeat(256);
    let good = [
        json!({}),
        json!({"aud": ["other", "analytics", "analytics"]}),
        json!({"aud": "https://analytics.example.com"}),
        json!({"aud": [7, "analytics"]}),
        json!({"nbf": null, "iat": null}),
        json!({"exp": NOW_S - 29}),
        json!({"exp": NOW_S as f64 + 0.5}),
        json!({"exp": 1e300}),
        json!({"exp": u64::MAX}),
        json!({"nbf": NOW_S + 30, "iat": NOW_S + 30}),
        json!({"nbf": -1e300, "iat": i64::MIN}),
        json!({"sub": long}),
    ];
    for changes in good {
        assert_eq!(outcome(&with_claims(&key, &changes), &keys), Ok(()), "{changes}");
    }
    let bad = [
        ("(\"iss\")", json!({"iss": null})),
        ("(\"iss\")", json!({"iss": format!("{ISSUER}/")})),
        ("(\"iss\")", json!({"iss": "https://ID.example.com"})),
        ("(\"iss\")", json!({"iss": [ISSUER]})),
        ("(\"aud\")", json!({"aud": null})),
        ("(\"aud\")", json!({"aud": []})),
        ("(\"aud\")", json!({"aud": "other"})),
        ("(\"aud\")", json!({"aud": "analytics other"})),
        ("(\"aud\")", json!({"aud": ["analytic", "Analytics"]})),
        ("(\"aud\")", json!({"aud": {"analytics": true}})),
        ("access token", json!({"at_hash": "x"})),
        ("access token", json!({"c_hash": "x"})),
        ("access token", json!({"typ": "ID"})),
        ("(\"sub\")", json!({"sub": null})),
        ("(\"sub\")", json!({"sub": ""})),
        ("(\"sub\")", json!({"sub": 7})),
        ("(\"sub\")", json!({"sub": format!("{long}x")})),
        ("(\"sub\")", json!({"sub": "a\nb"})),
        ("(\"exp\")", json!({"exp": null})),
        ("not a number", json!({"exp": "1800000000"})),
        ("not a number", json!({"exp": [1_800_000_000]})),
        ("not a number", json!({"exp": true})),
        ("expired", json!({"exp": NOW_S - 30})),
        ("expired", json!({"exp": 0})),
        ("expired", json!({"exp": -1e300})),
        ("expired", json!({"exp": i64::MIN})),
        ("(\"nbf\")", json!({"nbf": NOW_S + 31})),
        ("(\"nbf\")", json!({"nbf": u64::MAX})),
        ("not a number", json!({"nbf": "now"})),
        ("(\"iat\")", json!({"iat": NOW_S + 31})),
        ("not a number", json!({"iat": {}})),
    ];
    for (reason, changes) in bad {
        let refusal = outcome(&with_claims(&key, &changes), &keys).unwrap_err();
        assert!(refusal.reason().contains(reason), "{changes}: {refusal:?}");
    }
}

#[test]
fn headers_are_checked_one_by_one() {
    let key = TestKey::ed25519("ed");
    let keys = keys_of(&[&key]);
    let good = [
        json!({}),
        json!({"typ": "AT+JWT"}),
        json!({"typ": "application/at+jwt"}),
        json!({"typ": "Application/At+Jwt"}),
        json!({"kid": null}),
        json!({"cty": "JWT"}),
    ];
    for changes in good {
        assert_eq!(outcome(&with_header(&key, &changes), &keys), Ok(()), "{changes}");
    }
    let bad = [
        ("\"typ\"", json!({"typ": null})),
        ("\"typ\"", json!({"typ": "JWT"})),
        ("\"typ\"", json!({"typ": "xat+jwt"})),
        ("\"typ\"", json!({"typ": "text/at+jwt"})),
        ("\"typ\"", json!({"typ": ["at+jwt"]})),
        ("extension", json!({"crit": ["exp"]})),
        ("extension", json!({"crit": []})),
        ("extension", json!({"b64": false})),
        ("extension", json!({"b64": true})),
        ("algorithm", json!({"alg": null})),
        ("algorithm", json!({"alg": "none"})),
        ("algorithm", json!({"alg": "None"})),
        ("algorithm", json!({"alg": ""})),
        ("algorithm", json!({"alg": "ed25519"})),
        ("algorithm", json!({"alg": "Ed448"})),
        ("algorithm", json!({"alg": "eddsa"})),
        ("algorithm", json!({"alg": 7})),
        ("algorithm", json!({"alg": "ES512"})),
        ("algorithm does not fit", json!({"alg": "RS256"})),
        ("algorithm does not fit", json!({"alg": "ES256"})),
        ("\"kid\"", json!({"kid": 7})),
        ("\"kid\"", json!({"kid": "k".repeat(129)})),
    ];
    for (reason, changes) in bad {
        let refusal = outcome(&with_header(&key, &changes), &keys).unwrap_err();
        assert!(refusal.reason().contains(reason), "{changes}: {refusal:?}");
    }
}

#[test]
fn a_token_without_a_type_is_taken_only_where_plain_jwts_are() {
    let key = TestKey::ed25519("ed");
    let keys = keys_of(&[&key]);
    let expected = Expected { types: vec!["jwt".into()], ..expected() };
    for (changes, is_good) in
        [(json!({"typ": null}), true), (json!({"typ": "JWT"}), true), (json!({"typ": "at+jwt"}), false)]
    {
        assert_eq!(verify(&with_header(&key, &changes), &keys, &expected, NOW_S).is_ok(), is_good, "{changes}");
    }
}

#[test]
fn a_token_does_not_choose_its_key() {
    let (ours, theirs) = (TestKey::ed25519("ed"), TestKey::ed25519("ed"));
    let keys = keys_of(&[&ours]);
    let url = "https://evil.example.com/jwks";
    for lure in [json!({"jwk": theirs.jwk()}), json!({"jku": url}), json!({"x5u": url}), json!({"x5c": ["AAAA"]})] {
        assert_eq!(outcome(&with_header(&ours, &lure), &keys), Ok(()), "{lure}");
        let forged = with_header(&theirs, &lure);
        assert_eq!(outcome(&forged, &keys), Err(Refusal::Bad("its signature is wrong")), "{lure}");
    }
    let traversal = with_header(&theirs, &json!({"kid": "../../etc/passwd' or 1=1"}));
    assert_eq!(outcome(&traversal, &keys), Err(Refusal::UnknownKey));
}

#[test]
fn a_symmetric_algorithm_is_refused_even_where_it_is_configured() {
    let expected = Expected { algorithms: vec![Algorithm::HS256, Algorithm::RS256], ..expected() };
    let keys = keys_of(&[rsa()]);
    let message = unsigned(&json!({"alg": "HS256", "typ": "at+jwt", "kid": "rsa"}), &claims());
    // The classic: signed with the bytes of the public key, which anybody has.
    for secret in [rsa().pem().into_bytes(), jwks(&[rsa()])] {
        let key = jsonwebtoken::EncodingKey::from_secret(&secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        let refusal = verify(&format!("{message}.{signature}"), &keys, &expected, NOW_S).unwrap_err();
        assert_eq!(refusal, Refusal::Bad("its signature algorithm is not accepted"));
    }
}

#[test]
fn an_algorithm_that_is_not_configured_is_refused() {
    let expected = Expected { algorithms: vec![Algorithm::RS256], ..expected() };
    let keys = keys_of(&[rsa()]);
    assert!(verify(&rsa().token("RS256", &claims()), &keys, &expected, NOW_S).is_ok());
    assert!(verify(&rsa().token("PS256", &claims()), &keys, &expected, NOW_S).is_err());
}

#[test]
fn texts_that_are_no_tokens_are_refused() {
    let key = TestKey::ed25519("ed");
    let keys = keys_of(&[&key]);
    let token = key.token("EdDSA", &claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, body) = message.split_once('.').unwrap();
    let padded = with_claims(&key, &json!({"padding": "x".repeat(TOKEN_BYTES_MAX)}));
    let deep = URL_SAFE_NO_PAD.encode("[".repeat(5000));
    let bad = [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "a.b.c".into(),
        "é.é.é".into(),
        message.into(),
        format!("{message}."),
        format!("{message}.!"),
        format!("{message}.{signature}="),
        format!("{message}.{signature}.x"),
        format!("{token} "),
        format!("{header}..{signature}"),
        format!(".{body}.{signature}"),
        format!("{header}.{deep}.{signature}"),
        format!("{deep}.{body}.{signature}"),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode("[]")),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode("{\"exp\":1e999}")),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode("{\"exp\":NaN}")),
        padded,
    ];
    for text in bad {
        assert!(matches!(outcome(&text, &keys), Err(Refusal::Bad(_))), "{text}");
    }
}

#[test]
fn a_token_that_would_be_refused_anyway_asks_for_no_new_key() {
    let (known, unknown) = (TestKey::ed25519("known"), TestKey::ed25519("unknown"));
    let keys = keys_of(&[&known]);
    assert_eq!(outcome(&with_claims(&unknown, &json!({})), &keys), Err(Refusal::UnknownKey));
    let expired = with_claims(&unknown, &json!({"exp": 1}));
    assert!(matches!(outcome(&expired, &keys), Err(Refusal::Bad(_))));
}

#[test]
fn the_claimed_issuer_tells_tokens_by_their_form() {
    let key = TestKey::ed25519("ed");
    let token = with_claims(&key, &json!({}));
    assert_eq!(claimed_issuer(&token), Some(Ok(ISSUER.into())));
    let header = token.split('.').next().unwrap();
    // Without a signature it is a JWT still, and will be refused as one.
    assert_eq!(claimed_issuer(&format!("{}.", unsigned(&json!({"alg": "none"}), &claims()))), Some(Ok(ISSUER.into())));
    assert!(matches!(claimed_issuer(&format!("{header}.AAAA.AAAA")), Some(Err(_))));
    assert!(matches!(claimed_issuer(&with_claims(&key, &json!({"iss": null}))), Some(Err(_))));
    assert!(matches!(claimed_issuer(&"a".repeat(TOKEN_BYTES_MAX + 1)), Some(Err(_))));
    let encrypted = format!("{header}.AAAA.AAAA.AAAA.AAAA");
    for opaque in ["", "ak_abc", "abc.def.ghi", "2YotnFZFEjr1zCsicMWpAA", header, &encrypted] {
        assert_eq!(claimed_issuer(opaque), None, "{opaque}");
    }
}

#[test]
fn a_signature_of_another_look_leaves_the_signed_part_as_it_is() {
    assert_eq!(signed_part("aa.bb.cc"), "aa.bb");
    assert_eq!(signed_part("opaque"), "opaque");
}
