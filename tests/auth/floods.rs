//! Floods of credentials that do not hold: bounded in cost, and never in the way of those that do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use analytics::auth::{Credential, KeySource};
use analytics::model::Grants;
use serde_json::json;

use crate::credentials::forged;
use crate::server::{AUDIENCE, ISSUER, Server};
use crate::signer::Signer;

const FLOOD: u32 = 1_000_000;

#[test]
fn a_million_forged_keys_reach_argon2_never() {
    let server = Server::start();
    let auth = server.running().auth.clone();
    let made = server.runtime.block_on(auth.keys.create("me", Grants::ALL, None)).expect("a key");
    assert_eq!(server.get_as("/auth/whoami", &made.key).status, 200);
    let before = argon2_runs(&server);
    let wrong_secret = forged(&made.id);
    server.runtime.block_on(async {
        for n in 0..FLOOD {
            // Every other one has the id of a real key; all have the right form and checksum.
            let key = if n % 2 == 0 { wrong_secret.clone() } else { forged(&format!("{n:012}")) };
            assert!(auth.authenticate(Some(&Credential::ApiKey(key)), false).await.is_err());
        }
    });
    let after = argon2_runs(&server);
    println!("{FLOOD} forged keys: {} runs of argon2", after - before);
    assert_eq!(before, after);
    assert_eq!(server.get_as("/auth/whoami", &made.key).status, 200);
}

#[test]
fn a_million_random_kids_cause_one_fetch() {
    let published = Published::serve(Signer::new().jwks().to_string());
    let url = published.url.clone();
    let server = Server::with(|settings| settings.trusted_issuers[0].keys = Some(KeySource::JwksUrl(url)));
    let auth = server.running().auth.clone();
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "bob", "exp": 9_999_999_999_i64});
    let template = server.signer.eddsa(&json!({"alg": "EdDSA", "kid": "k", "typ": "at+jwt"}), &claims);
    let (_, rest) = template.split_once('.').expect("a JWT");
    server.runtime.block_on(async {
        for n in 0..FLOOD {
            let header = json!({"alg": "EdDSA", "kid": format!("kid-{n}"), "typ": "at+jwt"}).to_string();
            let token = format!("{}.{rest}", crate::signer::base64url(header.as_bytes()));
            assert!(auth.authenticate(Some(&Credential::Bearer(token)), false).await.is_err());
        }
    });
    let fetches = published.asked.load(SeqCst);
    println!("{FLOOD} random kids: {fetches} fetches of keys");
    // The first one, and one more for each full 30 s that the flood lasts on a slow machine.
    let allowed = 2 + published.seconds_served() / 30;
    assert!((1..=allowed).contains(&fetches), "{fetches} fetches, {allowed} allowed");
}

#[test]
fn a_peer_that_fails_is_slowed_down_and_a_good_credential_from_there_is_not() {
    let server = Server::with(|settings| settings.limits.failures_per_minute = 20);
    let key = server.runtime.block_on(server.running().auth.keys.create("me", Grants::ALL, None)).expect("a key").key;
    let statuses: Vec<u16> =
        (0..40).map(|n| server.get_as("/auth/whoami", &forged(&format!("{n:012}"))).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 20, "{statuses:?}");
    assert!(statuses[20..].iter().all(|status| *status == 429), "{statuses:?}");
    let refused = server.get_as("/auth/whoami", &forged("000000000000"));
    assert!(refused.header("retry-after").expect("Retry-After").parse::<u32>().expect("seconds") <= 60);
    // Not seen before, so it is verified in full.
    assert_eq!(server.get_as("/auth/whoami", &key).status, 200);
}

#[test]
fn answers_401_and_429_cost_nothing() {
    let server = Server::with(|settings| settings.limits.requests_per_minute = 3);
    let key = server.running().auth.keys.create_for_session("me", Grants::ALL).expect("a key");
    let remaining = |answer: &crate::server::Answer| answer.header("ratelimit").expect("RateLimit").to_string();
    assert_eq!(server.get_as("/auth/whoami", "wrong").status, 401);
    assert!(remaining(&server.get_as("/auth/whoami", &key)).contains(";r=2;"));
    assert_eq!(server.get_as("/auth/whoami", "wrong").status, 401);
    assert!(remaining(&server.get_as("/auth/whoami", &key)).contains(";r=1;"));
    assert!(remaining(&server.get_as("/reports/usage-summary?x=1", &key)).contains(";r=0;"), "a 400 is a request");
    for _ in 0..5 {
        let refused = server.get_as("/auth/whoami", &key);
        assert_eq!(refused.status, 429);
        assert!(remaining(&refused).contains(";r=0;"));
    }
    let other = server.running().auth.keys.create_for_session("me", Grants::ALL).expect("a key");
    assert_eq!(server.get_as("/auth/whoami", &other).status, 200, "each key counts by itself");
}

fn argon2_runs(server: &Server) -> u64 {
    server.metric("analytics_argon2_runs_total{for=\"secrets\"}")
        + server.metric("analytics_argon2_runs_total{for=\"passwords\"}")
}

/// An issuer's keys, served by a listener that counts.
struct Published {
    url: String,
    asked: Arc<AtomicU64>,
    since: std::time::Instant,
}

impl Published {
    fn serve(jwks: String) -> Published {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/jwks.json", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, SeqCst);
                answer(stream, &jwks);
            }
        });
        Published { url, asked, since: std::time::Instant::now() }
    }

    fn seconds_served(&self) -> u64 {
        self.since.elapsed().as_secs()
    }
}

fn answer(mut stream: TcpStream, body: &str) {
    let mut head = [0; 4096];
    let _ = stream.read(&mut head);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes());
}
