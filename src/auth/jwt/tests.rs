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

mod key_sets {
    use super::super::testing::pem;
    use super::*;

    fn set(keys: &[Value]) -> Result<KeySet, String> {
        KeySet::from_jwks(json!({"keys": keys}).to_string().as_bytes())
    }

    /// A JWK with some members changed; null takes one away.
    fn changed(key: &TestKey, changes: &Value) -> Value {
        let mut jwk = key.jwk();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(jwk.as_object_mut().unwrap().remove(name)),
                value => jwk[name] = value.clone(),
            }
        }
        jwk
    }

    #[test]
    fn keys_that_cannot_be_used_are_left_out() {
        let (ec, ed) = (TestKey::p256("ec"), TestKey::ed25519("ed"));
        let off_curve = URL_SAFE_NO_PAD.encode([7; 32]);
        let bad = [
            json!({"kty": "oct", "k": "AAAA"}),
            json!({"kty": "RSA", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0xff; 128])}),
            json!({"kty": "RSA", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0x7f; 256])}),
            json!({"kty": "RSA", "e": "AQAB", "n": ""}),
            json!({"kty": "EC", "crv": "secp256k1", "x": off_curve, "y": off_curve}),
            json!({"kty": "OKP", "crv": "X25519", "x": off_curve}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
            changed(&ec, &json!({"x": off_curve})),
            changed(&ec, &json!({"crv": "P-384"})),
            changed(&ec, &json!({"kty": "RSA"})),
            changed(&ec, &json!({"use": "enc"})),
            changed(&ec, &json!({"key_ops": ["sign"]})),
            changed(&ec, &json!({"alg": "RS256"})),
            changed(&ec, &json!({"alg": "ECDH-ES"})),
            changed(&ec, &json!({"kid": 7})),
            changed(&ec, &json!({"kid": "k".repeat(129)})),
            changed(&ec, &json!({"y": null})),
            json!("key"),
            json!(null),
        ];
        for jwk in &bad {
            assert!(set(std::slice::from_ref(jwk)).is_err(), "{jwk}");
        }
        // Beside a good one they do no harm.
        let keys = set(&[&bad[..], &[ed.jwk()]].concat()).unwrap();
        assert_eq!(outcome(&ed.token("EdDSA", &claims()), &keys), Ok(()));
        assert_eq!(outcome(&ec.token("ES256", &claims()), &keys), Err(Refusal::UnknownKey));
    }

    #[test]
    fn keys_that_say_less_than_usual_are_taken() {
        let ec = TestKey::p256("ec");
        for changes in
            [json!({"use": null}), json!({"key_ops": ["verify"]}), json!({"alg": "ES256"}), json!({"d": "A"})]
        {
            let keys = set(&[changed(&ec, &changes)]).unwrap();
            assert_eq!(outcome(&ec.token("ES256", &claims()), &keys), Ok(()), "{changes}");
        }
    }

    #[test]
    fn a_key_that_names_its_algorithm_is_for_that_one_alone() {
        let keys = set(&[changed(rsa(), &json!({"alg": "PS256"}))]).unwrap();
        assert_eq!(outcome(&rsa().token("PS256", &claims()), &keys), Ok(()));
        assert!(outcome(&rsa().token("RS256", &claims()), &keys).is_err());
    }

    #[test]
    fn documents_that_are_no_sets_are_refused() {
        let many: Vec<Value> = (0..101).map(|_| TestKey::ed25519("k").jwk()).collect();
        assert!(set(&many).is_err());
        assert!(set(&many[..100]).is_ok());
        let large = format!("{{\"keys\":[{}],\"x\":\"{}\"}}", many[0], "x".repeat(256 * 1024));
        for document in ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]}", "<html>", &large] {
            assert!(KeySet::from_jwks(document.as_bytes()).is_err(), "{document}");
        }
    }

    #[test]
    fn ids_may_repeat() {
        let (ec, first, second) = (TestKey::p256("same"), TestKey::ed25519("same"), TestKey::ed25519("same"));
        let keys = keys_of(&[&ec, &first, &second]);
        for (key, alg) in [(&ec, "ES256"), (&first, "EdDSA"), (&second, "EdDSA")] {
            assert_eq!(outcome(&key.token(alg, &claims()), &keys), Ok(()), "{alg}");
        }
    }

    #[test]
    fn without_a_kid_up_to_four_keys_are_tried() {
        let all: Vec<TestKey> = (0..5).map(|_| TestKey::ed25519("k")).collect();
        let all: Vec<&TestKey> = all.iter().collect();
        let token = with_header(all[3], &json!({"kid": null}));
        assert_eq!(outcome(&token, &keys_of(&all[..4])), Ok(()));
        assert!(matches!(outcome(&token, &keys_of(&all)), Err(Refusal::Bad(_))));
        // Only those that fit count.
        let beside = [rsa(), rsa(), all[3]];
        assert_eq!(outcome(&token, &keys_of(&beside)), Ok(()));
        assert_eq!(outcome(&token, &keys_of(&all[..3])), Err(Refusal::UnknownKey));
    }

    #[test]
    fn pem_keys_verify_whatever_kid_a_token_names() {
        let (p256, p384, ed25519) = (TestKey::p256("a"), TestKey::p384("b"), TestKey::ed25519("c"));
        let all = [(rsa(), "RS256"), (&p256, "ES256"), (&p384, "ES384"), (&ed25519, "EdDSA")];
        let file: String = all.iter().map(|(key, _)| format!("a comment\r\n{}", key.pem())).collect();
        let keys = KeySet::from_pem(file.as_bytes()).unwrap();
        for (key, alg) in all {
            assert_eq!(outcome(&key.token(alg, &claims()), &keys), Ok(()), "{alg}");
            let single = KeySet::from_pem(key.pem().as_bytes()).unwrap();
            assert_eq!(outcome(&key.token(alg, &claims()), &single), Ok(()), "{alg}");
        }
        assert_eq!(outcome(&TestKey::ed25519("c").token("EdDSA", &claims()), &keys), Err(Refusal::UnknownKey));
    }

    #[test]
    fn a_certificate_gives_its_public_key() {
        let keys = KeySet::from_pem(CERTIFICATE.as_bytes()).unwrap();
        let same = KeySet::from_pem(CERTIFIED_KEY.as_bytes()).unwrap();
        assert!(!keys.lacks_any_of(&same) && !same.lacks_any_of(&keys));
    }

    #[test]
    fn files_that_are_no_public_keys_are_refused() {
        let good = TestKey::ed25519("c").pem();
        let secret = pem("PRIVATE KEY", b"secret");
        for file in ["", "hello", &secret, &format!("{good}{secret}"), &format!("{good}{}", pem("PUBLIC KEY", b"x"))] {
            assert!(KeySet::from_pem(file.as_bytes()).is_err(), "{file}");
        }
        let Err(reason) = KeySet::from_pem(secret.as_bytes()) else { panic!("a private key was taken") };
        assert!(reason.contains("private key"), "{reason}");
        assert!(KeySet::from_pem(good.repeat(101).as_bytes()).is_err());
    }

    #[test]
    fn a_set_tells_which_keys_have_left_it() {
        let (a, b) = (TestKey::ed25519("a"), TestKey::ed25519("b"));
        let (both, one) = (keys_of(&[&a, &b]), keys_of(&[&b]));
        assert!(one.lacks_any_of(&both) && !both.lacks_any_of(&one) && !both.lacks_any_of(&both));
        // Another key under the same id is another key.
        assert!(keys_of(&[&TestKey::ed25519("b")]).lacks_any_of(&one));
    }

    const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBiDCCAS2gAwIBAgIUK8leJYnTkXvnS2QJoCi7r2+/UeswCgYIKoZIzj0EAwIw\n\
GTEXMBUGA1UEAwwOaWQuZXhhbXBsZS5jb20wHhcNMjYxMTIwMTQwMjE0WhcNMzYx\n\
MTE3MTQwMjE0WjAZMRcwFQYDVQQDDA5pZC5leGFtcGxlLmNvbTBZMBMGByqGSM49\n\
AgEGCCqGSM49AwEHA0IABLepxHIVE9iVAgFNyv+g9PBogePCsyFfpMP+2Ca+Tpx9\n\
Gs/2gdElb9hOSZPKGW7wJ714eO0gnoEvcRJB/xxLgq6jUzBRMB0GA1UdDgQWBBTF\n\
vCbEB1/c7/4s/J458AuoeuWO3TAfBgNVHSMEGDAWgBTFvCbEB1/c7/4s/J458Auo\n\
euWO3TAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDB2kz2E/Fs\n\
ekNIIm/YovJgGgubEb9+OSJwTIcTMHeceAIhAKiDpCcc/FcCkiT3tUCspHYhy7zr\n\
6SXpXjz5D/IK3BeA\n\
-----END CERTIFICATE-----\n";
    const CERTIFIED_KEY: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEt6nEchUT2JUCAU3K/6D08GiB48Kz\n\
IV+kw/7YJr5OnH0az/aB0SVv2E5Jk8oZbvAnvXh47SCegS9xEkH/HEuCrg==\n\
-----END PUBLIC KEY-----\n";
}
