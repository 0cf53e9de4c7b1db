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
fn a_key_that_is_published_with_its_private_half_is_nobodys() {
    for (key, alg) in [(rsa(), "RS256"), (&TestKey::p256("a"), "ES256"), (&TestKey::ed25519("b"), "EdDSA")] {
        let private = changed(key, &json!({"d": "AQAB"}));
        assert!(set(std::slice::from_ref(&private)).is_err());
        let beside = set(&[private, TestKey::ed25519("c").jwk()]).unwrap();
        assert_eq!(outcome(&key.token(alg, &claims()), &beside), Err(Refusal::UnknownKey), "{alg}");
    }
}

#[test]
fn odd_exponents_and_signatures_end_in_a_refusal() {
    let huge = URL_SAFE_NO_PAD.encode([0xff; 300]);
    for e in ["", "AA", "AQ", "Ag", "AAAA", "_____w", &huge] {
        let Ok(keys) = set(&[changed(rsa(), &json!({"e": e}))]) else { continue };
        let forged = format!("{}.AQ", signed_part(&rsa().token("RS256", &claims())));
        for token in [rsa().token("RS256", &claims()), rsa().token("PS512", &claims()), forged] {
            assert!(outcome(&token, &keys).is_err(), "{e}");
        }
    }
    let (p256, p384, ed25519) = (TestKey::p256("a"), TestKey::p384("b"), TestKey::ed25519("c"));
    for (key, alg) in [(rsa(), "RS256"), (&p256, "ES256"), (&p384, "ES384"), (&ed25519, "EdDSA")] {
        for signature in ["", "A", "AQ", "!", &huge] {
            let token = key.token(alg, &claims());
            let forged = format!("{}.{signature}", signed_part(&token));
            assert!(outcome(&forged, &keys_of(&[key])).is_err(), "{alg} {signature}");
        }
    }
}

#[test]
fn keys_that_say_less_than_usual_are_taken() {
    let ec = TestKey::p256("ec");
    for changes in [json!({"use": null}), json!({"key_ops": ["verify"]}), json!({"alg": "ES256"})] {
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
