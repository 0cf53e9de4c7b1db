//! What a request pays to be let in: nanoseconds for the check of a credential that is known, and for its count.
//!
//! ```sh
//! cargo bench --bench auth
//! ```

use std::hint::black_box;
use std::time::{Duration, Instant};

use analytics::auth::{Auth, Credential, IssuerSettings, SigningAlgorithm};
use analytics::clock::Clock;
use analytics::limits::{Limits, Policy, Settings};
use analytics::model::{Caller, Grants, Origin, Principal, Target, TargetKind};
use analytics::store::{Durability, Overrides, Settings as StoreSettings, Store};
use tokio::runtime::Runtime;

/// The median of batches is told: on a busy machine some are interrupted.
const BATCHES: usize = 101;
const BATCH: u32 = 10_000;
const URL: &str = "http://127.0.0.1:8080";

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&store_settings(&directory), Clock::system()).expect("a fresh database");
    let runtime = Runtime::new().expect("a runtime");
    println!("{:<58} {:>8}", "of a request", "ns");
    credentials(&store, &runtime);
    counting(&store, &runtime);
}

fn credentials(store: &Store, runtime: &Runtime) {
    let auth = auth(store);
    let key = runtime.block_on(auth.keys.create("bench", Grants::ALL, None)).expect("a key").key;
    let token = runtime.block_on(auth.issuer.issue_token("bench", Grants::ALL, 3_600)).expect("a token").token;
    for (name, credential) in [
        ("authenticate: a known key", Credential::ApiKey(key.clone())),
        ("authenticate: a known key as the bearer token", Credential::Bearer(key)),
        ("authenticate: a known token of the embedded issuer", Credential::Bearer(token)),
    ] {
        runtime.block_on(async {
            let mut times = vec![];
            for _ in 0..BATCHES {
                let begun = Instant::now();
                for _ in 0..BATCH {
                    black_box(auth.authenticate(black_box(Some(&credential)), false).await.expect("a good credential"));
                }
                times.push(begun.elapsed());
            }
            report(name, times);
        });
    }
}

fn counting(store: &Store, runtime: &Runtime) {
    let settings = Settings { requests_per_minute: 100, ingest_requests_per_minute: 100_000_000, ..Settings::none() };
    let limits = Limits::new(store.clone(), Clock::system(), settings).expect("limits");
    let caller = caller(0);
    measure("take: within a large quota", || drop(limits.take(black_box(&caller), Policy::Ingest)));
    measure("take: refused", || drop(limits.take(black_box(&caller), Policy::Requests)));
    let many: Vec<Caller> = (1..50_000).map(self::caller).collect();
    let mut next = many.iter().cycle();
    measure("take: one of 50,000 callers in turn", || drop(limits.take(next.next().expect("many"), Policy::Requests)));
    for n in 0..1_000 {
        let other = Target::new(TargetKind::Key, format!("other-{n}"));
        let raised = Overrides { requests_per_minute: Some(1_000), ..Overrides::default() };
        runtime.block_on(limits.set_override(other, raised)).expect("an override");
    }
    measure("take: beside 1,000 overrides", || drop(limits.take(black_box(&caller), Policy::Ingest)));
    let peer = "2001:db8::1".parse().expect("an address");
    measure("is_suspect: nobody has failed", || _ = black_box(limits.is_suspect(black_box(peer))));
}

fn measure(name: &str, mut work: impl FnMut()) {
    let batch = |_| {
        let begun = Instant::now();
        (0..BATCH).for_each(|_| work());
        begun.elapsed()
    };
    report(name, (0..BATCHES).map(batch).collect());
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort();
    println!("{name:<58} {:>8}", times[times.len() / 2].as_nanos() / u128::from(BATCH));
}

fn caller(n: u128) -> Caller {
    // As evenly spread as the digests that partitions are made of.
    let partition = n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let targets = vec![Target::new(TargetKind::Token, n.to_string()), Target::new(TargetKind::Client, "client")];
    let origin = Origin::Key("bench".into());
    Caller { principal: Principal::local("bench", Grants::ALL), origin, partition, targets, expires_at: None }
}

fn auth(store: &Store) -> Auth {
    let settings = IssuerSettings {
        url: URL.into(),
        audience: URL.into(),
        algorithm: SigningAlgorithm::EdDsa,
        token_ttl_s: 600,
        login_ttl_s: 3_600,
    };
    Auth::new(store.clone(), Clock::system(), settings, vec![]).expect("no issuer that could be wrong")
}

fn store_settings(directory: &tempfile::TempDir) -> StoreSettings {
    StoreSettings {
        path: directory.path().join("analytics.db"),
        durability: Durability::None,
        bytes_max: 0,
        teams_max: 1_000,
        services_max: 1_000,
        queue_items_max: 1_000,
        span_cache_bytes: 32 << 20,
    }
}
