use std::path::Path;

mod trusted_issuers;

use super::table::{Kind, TABLE, parse_size, size_text};
use super::{Origin, Settings, Sources, file};

/// What the given file's text comes to, with nothing else said. The file is named `a.toml` in messages.
fn from_file(text: &[u8]) -> Result<Settings, String> {
    load(Some(text), &[], &[])
}

fn load(file: Option<&[u8]>, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Result<Settings, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    std::fs::write(&path, file.unwrap_or_default()).unwrap();
    let sources = Sources {
        config: Some(path),
        environment: environment.iter().map(|(name, text)| (name.to_string(), text.to_string())),
        flags: flags.iter().map(|(name, text)| (*name, text.to_string())).collect(),
    };
    let prefix = format!("{}/", dir.path().display());
    Settings::load(sources).map_err(|e| e.message.replace(&prefix, ""))
}

fn origin_of(settings: &Settings, name: &str) -> (String, String) {
    let found = settings.effective().into_iter().find(|(setting, ..)| setting == name);
    found.map(|(_, value, origin)| (value, origin.to_string())).unwrap()
}

#[test]
fn every_setting_has_a_default_in_the_file_and_the_file_has_no_other() {
    let text = include_str!("../../../analytics.toml");
    let described: Vec<(&str, &str)> = TABLE.iter().map(|setting| (setting.section, setting.key)).collect();
    let file: toml::Table = text.parse().unwrap();
    let in_file = |(section, keys): (&String, &toml::Value)| {
        let keys: Vec<String> = keys.as_table().unwrap().keys().cloned().collect();
        keys.into_iter().map(|key| (section.clone(), key)).collect::<Vec<_>>()
    };
    let mut in_file: Vec<(String, String)> = file.iter().flat_map(in_file).collect();
    let mut in_table: Vec<(String, String)> =
        described.iter().map(|(section, key)| (section.to_string(), key.to_string())).collect();
    in_file.sort();
    in_table.sort();
    assert_eq!(in_file, in_table);
    let read = file::read(text).unwrap();
    assert!(read.trusted_issuers.is_empty(), "nobody is trusted by default");
    let order: Vec<usize> = read.entries.iter().map(|entry| entry.index).collect();
    assert_eq!(order, (0..TABLE.len()).collect::<Vec<_>>(), "the table has the order of the file");
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let settings = from_file(b"").unwrap();
    assert_eq!(settings.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(settings.http.bounds.body_bytes_max, 32 << 20);
    assert_eq!(settings.http.bounds.message_bytes_max, 65_536);
    assert_eq!(settings.http.bounds.attributes_bytes_max, 16_384);
    assert_eq!(settings.http.header_timeout, std::time::Duration::from_secs(10));
    assert_eq!((settings.http.public_url.as_str(), settings.http.metrics_public), ("", false));
    assert_eq!(settings.store.path, Path::new("analytics.db"));
    assert_eq!(settings.store.durability, crate::store::Durability::Full);
    assert!(settings.effective().iter().all(|(_, _, origin)| *origin == Origin::Default));
}

/// A value other than the default.
fn another_value(kind: Kind) -> String {
    match kind {
        Kind::Address => "[::1]:0".into(),
        Kind::Url => "https://example.com/analytics".into(),
        Kind::Text { .. } | Kind::Texts { .. } | Kind::Secret => "ops".into(),
        Kind::SafeUrl { .. } => "https://id.example.com".into(),
        Kind::Word(known) => known.last().unwrap().to_string(),
        Kind::Words(known) => known.join(","),
        Kind::Networks => "10.0.0.0/8".into(),
        Kind::Origins => "http://a.example,https://b.example:8443".into(),
        Kind::Path => "/var/lib/analytics/a.db".into(),
        Kind::Count { max, .. } | Kind::Seconds { max, .. } | Kind::Size { max, .. } => max.to_string(),
        Kind::Span { .. } => "5 min".into(),
        Kind::Age { .. } => "90 d".into(),
        Kind::Flag => "true".into(),
    }
}

#[test]
fn every_setting_reaches_those_who_use_it() {
    let in_use = |Settings { listen, http, store, issuer, limits, exports, retention, audit_events, .. }: &Settings| {
        format!("{listen:?} {http:?} {store:?} {issuer:?} {limits:?} {exports:?} {retention:?} {audit_events:?}")
    };
    let default = in_use(&from_file(b"").unwrap());
    for setting in TABLE {
        let variable = setting.variable();
        let another = match setting.name().as_str() {
            "audit.events" => "false".to_string(),
            _ => another_value(setting.kind),
        };
        let settings = load(None, &[(&variable, &another)], &[]).unwrap();
        assert_ne!(in_use(&settings), default, "{}", setting.name());
        assert_eq!(origin_of(&settings, &setting.name()).1, variable);
    }
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file_and_that_over_the_default() {
    let file = b"[server]\ncontact = 'file'\n[limits]\nitems_max = 3\n";
    let environment =
        [("ANALYTICS_SERVER_CONTACT", "environment"), ("PATH", "/bin"), ("ANALYTICS_METRICS_PUBLIC", "true")];
    let settings = load(Some(file), &environment, &[("server.contact", "flag")]).unwrap();
    assert_eq!(settings.http.contact, "flag");
    assert_eq!(origin_of(&settings, "server.contact"), ("\"flag\"".into(), "command line".into()));
    assert_eq!(origin_of(&settings, "metrics.public"), ("true".into(), "ANALYTICS_METRICS_PUBLIC".into()));
    let (items_max, origin) = origin_of(&settings, "limits.items_max");
    assert!(items_max == "3" && origin.ends_with("a.toml:4"), "{items_max} {origin}");
    let settings = load(Some(file), &environment, &[]).unwrap();
    assert_eq!(settings.http.contact, "environment");
    assert_eq!(load(Some(file), &[], &[]).unwrap().http.contact, "file");
}

#[test]
fn a_token_in_the_environment_is_no_setting() {
    let settings = load(None, &[("ANALYTICS_TOKEN", "secret")], &[]).unwrap();
    assert!(!settings.to_toml().contains("secret"));
}

#[test]
fn the_environment_may_name_the_file_and_a_flag_wins_over_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.toml");
    std::fs::write(&path, "server.contact = 'b'").unwrap();
    let environment = || [(String::from("ANALYTICS_CONFIG"), path.display().to_string())].into_iter();
    let sources = Sources { config: None, environment: environment(), flags: vec![] };
    assert_eq!(Settings::load(sources).unwrap().http.contact, "b");
    let settings = load(Some(b"server.contact = 'a'"), &[("ANALYTICS_CONFIG", "/nowhere/b.toml")], &[]).unwrap();
    assert_eq!(settings.http.contact, "a");
    let missing = Sources { config: Some(dir.path().join("c.toml")), environment: environment(), flags: vec![] };
    let message = Settings::load(missing).unwrap_err().message;
    assert!(message.starts_with("cannot read the settings file ") && message.contains("c.toml: "), "{message}");
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_line() {
    let cases: [(&[u8], &str); 17] = [
        (
            b"[server]\n\nlisten = \"foo\"",
            r#"a.toml:3: server.listen must be an address and port such as "127.0.0.1:8080", not "foo""#,
        ),
        (b"[server]\nlistn = 1", "a.toml:2: there is no setting server.listn; did you mean server.listen?"),
        (b"# \xc3\xa9\n[sever]\nlisten = 1", r#"a.toml:2: there is no section "sever"; did you mean [server]?"#),
        (b"items_max = 3", r#"a.toml:1: "items_max" stands outside its section; did you mean limits.items_max?"#),
        (b"server = 3", "a.toml:1: server must be a section: write [server], its settings below it"),
        (b"[limits]\nitems_max = 0", "a.toml:2: limits.items_max must be a whole number from 1 to 10000000, not 0"),
        (b"limits.items_max = -5", "a.toml:1: limits.items_max must be a whole number from 1 to 10000000, not -5"),
        (b"limits.items_max = 1e3", "a.toml:1: limits.items_max must be a whole number from 1 to 10000000, not 1e3"),
        (b"limits.items_max = '9'", r#"a.toml:1: limits.items_max must be a whole number from 1 to 10000000, not "9""#),
        (
            b"[server]\nbody_timeout_s = 99999999999999999999",
            "a.toml:2: server.body_timeout_s must be a whole number of seconds from 1 to 3600, not 99999999999999999999",
        ),
        (
            b"[limits]\nbody_bytes_max = \"32 MB\"",
            r#"a.toml:2: limits.body_bytes_max must be a size from 1 KiB to 1 GiB, in bytes or such as "2 MiB", not "32 MB""#,
        ),
        (
            b"[server]\ncors_origins = [\"https://a.example\", 7]",
            r#"a.toml:2: server.cors_origins must be a list of origins such as ["https://dashboard.example.com"], not ["https://a.example", 7]"#,
        ),
        (b"[metrics]\npublic = 1", "a.toml:2: metrics.public must be true or false, not 1"),
        (b"[server]\n[server]", "a.toml:2: this is not TOML: duplicate key"),
        (b"[server]\nlisten = ", "a.toml:2: this is not TOML: "),
        (b"[server]\ncontact = \"\xff\"", "a.toml:2: the settings file must be UTF-8"),
        // Of two mistakes the upper one is told, though its name sorts behind.
        (b"[server]\nx = 1\n[limits]\ny = 2", "a.toml:2: there is no setting server.x; did you mean "),
    ];
    for (text, message) in cases {
        let told = from_file(text).unwrap_err();
        assert!(told.starts_with(message), "{}: {told}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_mistake_elsewhere_is_told_with_its_variable_or_flag() {
    let environment = |name, text| load(None, &[(name, text)], &[]).unwrap_err();
    assert_eq!(
        environment("ANALYTICS_SERVER_LISTN", ""),
        "ANALYTICS_SERVER_LISTN: there is no such setting; did you mean ANALYTICS_SERVER_LISTEN?"
    );
    assert_eq!(
        environment("ANALYTICS_METRICS_PUBLIC", "yes"),
        "ANALYTICS_METRICS_PUBLIC: metrics.public must be true or false, not \"yes\""
    );
    assert_eq!(
        load(None, &[], &[("server.listen", ":80")]).unwrap_err(),
        "command line: server.listen must be an address and port such as \"127.0.0.1:8080\", not \":80\""
    );
}

#[test]
fn values_that_cannot_stand_there_are_refused_and_those_that_can_are_taken() {
    let cases: [(&'static str, &[&str], &[&str]); 8] = [
        (
            "server.listen",
            &["localhost:80", "0.0.0.0:0", "[::]:8080"],
            &["localhost", "127.0.0.1", "a.example:80", ":80", "1.2.3.4:65536"],
        ),
        (
            "server.public_url",
            &["", "http://localhost:8080", "https://a.example/b"],
            &["https://a.example/", "a.example", "ftp://a.example", "https://", "https://a.example?x", "https://a b"],
        ),
        ("server.contact", &["", "ops@a.example, or ☎ 7"], &["a\nb", &"x".repeat(201)]),
        (
            "server.cors_origins",
            &["", "https://A.example", "http://a.example:80, https://b.example"],
            &["*", "https://a.example/", "a.example", "null"],
        ),
        (
            "server.trusted_proxies",
            &["", "127.0.0.1", "10.0.0.0/8, fd00::/8, ::1"],
            &["10.0.0.0/33", "proxy.example", "10.0.0", "10.0.0.1:80"],
        ),
        ("issuer.algorithm", &["EdDSA", "ES256"], &["", "RS256", "es256", "HS256"]),
        ("database.path", &["a b.db", "/var/a.db"], &["", "a\0b"]),
        (
            "limits.body_bytes_max",
            &["1024", "1KiB", "2  MiB", "1 GiB", "4096 B"],
            &["1023", "2 GiB", "KiB", "-1", "1.5 MiB", "99999999999999999999 GiB"],
        ),
    ];
    for (name, good, bad) in cases {
        for text in good {
            load(None, &[], &[(name, text)]).unwrap_or_else(|e| panic!("{e}"));
        }
        for text in bad {
            assert!(load(None, &[], &[(name, text)]).is_err(), "{name} {text}");
        }
    }
}

#[test]
fn what_is_in_effect_is_itself_a_settings_file() {
    let flags = [
        ("server.contact", "\"q\" # é"),
        ("limits.body_bytes_max", "1500"),
        ("server.cors_origins", "http://a.example"),
    ];
    let shown = load(None, &[], &flags).unwrap().to_toml();
    assert!(shown.starts_with("[server]\nlisten = \"127.0.0.1:8080\" # default\n"), "{shown}");
    assert!(shown.contains("cors_origins = [\"http://a.example\"] # command line\n"), "{shown}");
    let again = from_file(shown.as_bytes()).unwrap();
    let values = |settings: Settings| settings.effective().into_iter().map(|(_, value, _)| value).collect::<Vec<_>>();
    assert_eq!(values(again), values(load(None, &[], &flags).unwrap()));
}

#[test]
fn a_database_that_is_thrown_away_has_no_limits_and_no_audit_trail_but_those_asked_for() {
    let mut settings =
        load(Some(b"limits.tokens_per_hour = 7"), &[("ANALYTICS_LIMITS_REQUESTS_PER_MINUTE", "100")], &[]);
    let settings = settings.as_mut().unwrap();
    settings.without_limits_unless_set();
    settings.without_audit_unless_set();
    let limits = &settings.limits;
    assert_eq!((limits.requests_per_minute, limits.tokens_per_hour), (100, 7), "set, though it is the default");
    assert_eq!((limits.ingest_requests_per_minute, limits.tokens_per_minute), (0, 0));
    assert_eq!((limits.failures_per_minute, limits.exports_per_day), (u32::MAX, 10));
    assert!(!settings.audit_events);
    let mut asked_for = load(None, &[], &[("audit.events", "true")]).unwrap();
    asked_for.without_audit_unless_set();
    assert!(asked_for.audit_events);
}

#[test]
fn a_size_is_read_as_it_is_shown() {
    for (bytes, text) in [(0, "0 B"), (1500, "1500 B"), (1024, "1 KiB"), (65_536, "64 KiB"), (3 << 30, "3 GiB")] {
        assert_eq!((size_text(bytes).as_str(), parse_size(text)), (text, Some(bytes)));
    }
}
