use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;

use super::{from_file, load, origin_of};
use crate::app::settings::trusted_issuers::FIELDS;
use crate::auth::{KeySource, TrustedIssuer};
use crate::model::{Grants, Role, Scope};

const LEAST: &str = "[[trusted_issuers]]\nissuer = 'https://id.example.com'\naudience = 'a'\n";
const INTROSPECTED: &str = "introspection_client_id = 'me'\nintrospection_client_secret = 's3cret'\n";

fn one(more: &str) -> TrustedIssuer {
    let mut issuers = from_file(format!("{LEAST}{more}").as_bytes()).unwrap_or_else(|e| panic!("{e}")).trusted_issuers;
    assert_eq!(issuers.len(), 1);
    issuers.remove(0)
}

/// What is told of the shortest table with more lines; the first of them is line 4.
fn refusal(more: &str) -> String {
    from_file(format!("{LEAST}{more}").as_bytes()).expect_err(more)
}

#[test]
fn an_issuer_and_an_audience_are_all_that_it_takes() {
    let trusted = one("");
    assert_eq!((trusted.issuer.as_str(), &trusted.audiences[..]), ("https://id.example.com", &["a".to_string()][..]));
    assert_eq!(trusted.keys, Some(KeySource::Discovery));
    assert_eq!(trusted.types, ["at+jwt"]);
    assert_eq!(trusted.algorithms.len(), 9);
    assert!(!trusted.algorithms.contains(&Algorithm::HS256));
    assert!(trusted.introspection.is_none());
    assert_eq!(
        (&trusted.role.claim[..], &trusted.role.words[..]),
        (&["roles".to_string()][..], &["report_admin".to_string()][..])
    );
    let expected = Grants {
        scopes: [Scope::ReadAnalytics].into_iter().collect(),
        roles: [Role::ReportAdmin].into_iter().collect(),
    };
    assert_eq!(trusted.grants, expected, "an issuer from outside grants no more unless it is said");
}

#[test]
fn the_examples_in_the_file_of_settings_are_good_and_name_every_key() {
    let file = include_str!("../../../../analytics.toml");
    // Lines of an example have no blank behind their mark.
    let is_example = |line: &&str| {
        line.starts_with("#[")
            || line.strip_prefix('#').is_some_and(|l| l.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    let example: String = file.lines().filter(is_example).map(|line| format!("{}\n", &line[1..])).collect();
    let settings = from_file(example.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{example}"));
    assert_eq!(settings.trusted_issuers.len(), 3);
    for field in FIELDS {
        assert!(file.contains(&format!("{} = ", field.key)), "{}", field.key);
    }
    let [keycloak, entra, opaque] = &settings.trusted_issuers[..] else { panic!() };
    assert_eq!(keycloak.role.claim, ["realm_access", "roles"]);
    assert_eq!(keycloak.types, ["at+jwt", "jwt"]);
    assert!(matches!(&entra.keys, Some(KeySource::JwksUrl(url)) if url.ends_with("/discovery/v2.0/keys")));
    assert_eq!(opaque.keys, None);
}

#[test]
fn every_key_reaches_those_who_use_it() {
    let trusted = one(
        "jwks_url = 'http://127.0.0.1:9/keys?p=1'\nalgorithms = ['ES256', 'EdDSA']\ntoken_types = 'application/AT+JWT'\n\
        introspection_client_id = 'me'\nintrospection_client_secret = 's3cret'\nintrospection_url = 'https://id.example.com/i'\n\
        introspection_cache_s = 7\nintrospection_without_audience = true\nroles_claim = 'https://a.example/roles'\n\
        report_admin = ['boss', 'chief']\ngrants = ['write:events']\n",
    );
    assert_eq!(trusted.keys, Some(KeySource::JwksUrl("http://127.0.0.1:9/keys?p=1".into())));
    assert_eq!(trusted.algorithms, [Algorithm::ES256, Algorithm::EdDSA]);
    assert_eq!(trusted.types, ["at+jwt"], "as a header's typ is compared");
    let asked = trusted.introspection.unwrap();
    assert_eq!((asked.client_id.as_str(), asked.client_secret.as_str()), ("me", "s3cret"));
    assert_eq!((asked.url.as_deref(), asked.cache), (Some("https://id.example.com/i"), Duration::from_secs(7)));
    assert!(asked.without_audience);
    assert_eq!(
        (trusted.role.claim, trusted.role.words),
        (vec!["https://a.example/roles".into()], vec!["boss".into(), "chief".into()])
    );
    assert!(trusted.grants.roles.is_empty() && trusted.grants.scopes.contains(Scope::WriteEvents));
    assert_eq!(one("jwks_file = 'k.json'").keys, Some(KeySource::JwksFile(PathBuf::from("k.json"))));
    assert_eq!(one("pem_file = 'k.pem'").keys, Some(KeySource::PemFile(PathBuf::from("k.pem"))));
    assert_eq!(one(&format!("opaque = true\n{INTROSPECTED}")).keys, None);
    assert_eq!(one(INTROSPECTED).introspection.unwrap().cache, Duration::from_secs(60));
}

#[test]
fn a_clients_secret_may_lie_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let line = format!("introspection_client_id = 'me'\nintrospection_client_secret_file = '{}'\n", path.display());
    assert!(refusal(&line).starts_with("a.toml:5: trusted_issuers: cannot read the client's secret in "));
    std::fs::write(&path, "s3cret\n").unwrap();
    assert_eq!(one(&line).introspection.unwrap().client_secret, "s3cret");
    for bad in ["", "\n", "two\nlines"] {
        std::fs::write(&path, bad).unwrap();
        let told = refusal(&line);
        assert!(told.contains("must hold one line") && !told.contains("two"), "{told}");
    }
}

#[test]
fn a_mistake_is_told_with_its_line() {
    let cases = [
        (
            "audiance = 'b'",
            "a.toml:4: there is no setting trusted_issuers.audiance; did you mean trusted_issuers.audience?",
        ),
        ("algorithms = ['HS256']", "a.toml:4: trusted_issuers.algorithms must be a list of \"RS256\", "),
        (
            "grants = ['read:analytics', 'everything']",
            "a.toml:4: trusted_issuers.grants must be a list of \"read:analytics\", ",
        ),
        ("jwks_url = 'http://id.example.com/keys'", "a.toml:4: trusted_issuers.jwks_url must be an address such as "),
        (
            "introspection_cache_s = 0",
            "a.toml:4: trusted_issuers.introspection_cache_s must be a whole number of seconds from 1 to 3600",
        ),
        (
            "jwks_url = 'https://a.example'\npem_file = 'k'",
            "a.toml:5: trusted_issuers: jwks_url and pem_file exclude each other",
        ),
        ("opaque = true\njwks_file = 'k'", "a.toml:4: trusted_issuers: jwks_file and opaque exclude each other"),
        ("\nopaque = true", "a.toml:5: trusted_issuers: opaque tokens can only be asked about: "),
        ("introspection_client_id = 'me'", "a.toml:4: trusted_issuers: introspection_client_id needs "),
        ("introspection_cache_s = 5", "a.toml:4: trusted_issuers: introspection_cache_s needs introspection_client_id"),
        (
            "introspection_client_id = 'me'\nintrospection_client_secret = 'a'\nintrospection_client_secret_file = 'b'",
            "a.toml:6: trusted_issuers: introspection_client_secret and introspection_client_secret_file exclude each other",
        ),
        (
            "[[trusted_issuers]]\nissuer = 'https://b.example'",
            "a.toml:4: a trusted issuer needs trusted_issuers.audience",
        ),
        ("[[trusted_issuers]]\naudience = 'b'", "a.toml:4: a trusted issuer needs trusted_issuers.issuer"),
        (
            "[[trusted_issuers]]\nissuer = 'https://id.example.com'\naudience = 'b'",
            "a.toml:4: the issuer https://id.example.com stands at a.toml:1 already",
        ),
        ("[[trusted_isuers]]", "a.toml:4: there is no section \"trusted_isuers\"; did you mean [[trusted_issuers]]?"),
        // Of two mistakes the upper one is told.
        ("opaque = 1\n[sever]", "a.toml:4: trusted_issuers.opaque must be true or false, not 1"),
    ];
    for (more, message) in cases {
        let told = refusal(more);
        assert!(told.starts_with(message), "{more}: {told}");
    }
    for text in ["[trusted_issuers]\nissuer = 'https://a.example'", "trusted_issuers = 3", "trusted_issuers = [3]"] {
        let told = from_file(text.as_bytes()).unwrap_err();
        assert!(
            told.starts_with("a.toml:1: each trusted issuer is a table of its own: write [[trusted_issuers]]"),
            "{told}"
        );
    }
}

#[test]
fn issuers_are_reached_safely() {
    let with = |issuer: &str| from_file(format!("[[trusted_issuers]]\nissuer = '{issuer}'\naudience = 'a'").as_bytes());
    for good in [
        "https://a.example/",
        "https://a.example:8443/realms/x",
        "http://localhost:3000",
        "http://[::1]:3000",
        "http://127.0.0.9/x",
    ] {
        assert_eq!(with(good).unwrap_or_else(|e| panic!("{e}")).trusted_issuers[0].issuer, good);
    }
    let bad = [
        "http://a.example",
        "https://a.example?x",
        "https://a.example/#x",
        "ftp://a.example",
        "a.example",
        "",
        "https://",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "https://me@a.example",
    ];
    for issuer in bad {
        assert!(with(issuer).is_err(), "{issuer}");
    }
}

#[test]
fn our_own_issuer_is_no_trusted_one() {
    for (setting, issuer) in [("issuer.url", "https://id.example.com"), ("server.public_url", "https://id.example.com")]
    {
        let told = load(Some(LEAST.as_bytes()), &[], &[(setting, issuer)]).unwrap_err();
        assert!(told.starts_with("a.toml:1: https://id.example.com is the issuer of this server itself"), "{told}");
    }
    let listening = b"[[trusted_issuers]]\nissuer = 'http://127.0.0.1:8080'\naudience = 'a'";
    assert!(from_file(listening).unwrap_err().contains("of this server itself"));
    let elsewhere = [("issuer.url", "https://b.example"), ("server.public_url", "https://id.example.com")];
    assert!(load(Some(LEAST.as_bytes()), &[], &elsewhere).is_ok(), "issuer.url goes before the public address");
}

#[test]
fn no_variable_can_hold_a_trusted_issuer_and_it_is_said() {
    let told = load(None, &[("ANALYTICS_TRUSTED_ISSUERS_0_ISSUER", "https://a.example")], &[]).unwrap_err();
    assert!(told.contains("in a settings file only") && told.contains("ANALYTICS_CONFIG"), "{told}");
}

#[test]
fn a_secret_is_shown_nowhere() {
    let file = format!("{LEAST}{INTROSPECTED}");
    let settings = from_file(file.as_bytes()).unwrap();
    let shown = settings.to_toml();
    assert!(shown.contains("\n[[trusted_issuers]]\nissuer = \"https://id.example.com\" # "), "{shown}");
    assert!(shown.contains("introspection_client_secret = \"...\" # "), "{shown}");
    assert_eq!(origin_of(&settings, "trusted_issuers[0].introspection_client_secret").0, "\"...\"");
    assert_eq!(origin_of(&settings, "trusted_issuers[0].token_types"), ("[\"at+jwt\"]".into(), "default".into()));
    for text in [shown.clone(), format!("{settings:?}"), format!("{:?}", settings.effective())] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    for bad in [
        "introspection_client_secret = 1234567",
        "introspection_client_secret = ['1234567']",
        "introspection_client_secret = \"1234567\\n\"",
    ] {
        assert!(!refusal(bad).contains("1234567"), "{}", refusal(bad));
    }
    let again = from_file(shown.as_bytes()).unwrap();
    let values =
        |settings: &super::Settings| settings.effective().into_iter().map(|(_, value, _)| value).collect::<Vec<_>>();
    assert_eq!(values(&again), values(&settings), "what is shown is itself a settings file");
}
