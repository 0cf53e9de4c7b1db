//! `GET /metrics`: what the server counts about itself, in the text format of Prometheus.

mod exports;
mod page;
mod retention;
mod store;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::StatusCode;

use self::exports::ExportReading;
use self::page::Page;
use self::retention::RetentionReading;
use super::path::{self, ROUTES};
use super::respond::Reply;
use super::service::Service;
use crate::auth::{Auth, Fetches};
use crate::store::StatsReading;

/// The statuses that this server gives; the last place counts any other.
const STATUSES: [u16; 23] =
    [200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 416, 422, 429, 431, 500, 503, 507];

/// Upper bounds of the duration's buckets, in seconds.
const BUCKETS_S: [f64; 11] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// What a batch holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Intake {
    Usage,
    Log,
    Users,
}

const INTAKES: [&str; 3] = ["usage_events", "system_events", "registrations"];

/// Counters of the HTTP side. Counting takes no lock.
pub struct Metrics {
    /// By route; the last place counts requests that found none.
    routes: [RouteCounters; ROUTES + 1],
    /// Accepted and rejected, by [`Intake`].
    intake: [[AtomicU64; 2]; INTAKES.len()],
    requests: AtomicU64,
    connections: AtomicU64,
    auth_failures: AtomicU64,
}

#[derive(Default)]
struct RouteCounters {
    by_status: [AtomicU64; STATUSES.len() + 1],
    /// Each request in the one bucket it falls into; the last place is beyond all bounds.
    buckets: [AtomicU64; BUCKETS_S.len() + 1],
    micros: AtomicU64,
}

/// What credentials have cost since the start.
#[derive(Clone, Copy, Default)]
struct AuthReading {
    /// Runs of argon2, on secrets that we made and on passwords.
    argon2_runs: (u64, u64),
    fetches: Fetches,
}

/// What others have counted. None of what cannot be read just now.
struct Readings {
    store: StatsReading,
    auth: AuthReading,
    exports: Option<ExportReading>,
    retention: Option<RetentionReading>,
}

/// Counts as one for as long as it lives.
pub struct Open<'m>(&'m AtomicU64);

pub fn get(service: &Service) -> Reply {
    let readings = Readings {
        store: service.store.stats(),
        auth: AuthReading::of(&service.auth),
        exports: ExportReading::of(&service.store).ok(),
        retention: RetentionReading::of(&service.store).ok(),
    };
    let text = service.metrics.render(&readings);
    Reply::new(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.into())
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            routes: std::array::from_fn(|_| RouteCounters::default()),
            intake: Default::default(),
            requests: AtomicU64::default(),
            connections: AtomicU64::default(),
            auth_failures: AtomicU64::default(),
        }
    }
}

impl Metrics {
    /// `route`: its index, or None if the request found none.
    pub fn answered(&self, route: Option<usize>, status: StatusCode, took: Duration) {
        let counters = &self.routes[route.unwrap_or(ROUTES)];
        let status = status_place(status);
        let took_s = took.as_secs_f64();
        let bucket = BUCKETS_S.iter().position(|bound| took_s <= *bound).unwrap_or(BUCKETS_S.len());
        counters.by_status[status].fetch_add(1, Relaxed);
        counters.buckets[bucket].fetch_add(1, Relaxed);
        counters.micros.fetch_add(took.as_micros() as u64, Relaxed);
    }

    pub fn took_in(&self, intake: Intake, accepted: usize, rejected: usize) {
        let [accepted_total, rejected_total] = &self.intake[intake as usize];
        accepted_total.fetch_add(accepted as u64, Relaxed);
        rejected_total.fetch_add(rejected as u64, Relaxed);
    }

    /// A credential did not hold.
    pub fn auth_failed(&self) {
        self.auth_failures.fetch_add(1, Relaxed);
    }

    pub fn request(&self) -> Open<'_> {
        Open::new(&self.requests)
    }

    pub fn connection(&self) -> Open<'_> {
        Open::new(&self.connections)
    }

    fn render(&self, readings: &Readings) -> String {
        let Readings { store, auth, exports, retention } = readings;
        let mut page = Page::default();
        self.render_requests(&mut page);
        self.render_durations(&mut page);
        page.family("analytics_http_requests_in_flight", "gauge", "Requests under way.");
        page.sample("", &[], self.requests.load(Relaxed));
        page.family("analytics_http_connections", "gauge", "Open connections, local ones too.");
        page.sample("", &[], self.connections.load(Relaxed));
        self.render_intake(&mut page);
        self.render_refusals(&mut page);
        render_auth(&mut page, auth);
        store::render(&mut page, store);
        exports.iter().for_each(|exports| exports::render(&mut page, exports));
        retention.iter().for_each(|retention| retention::render(&mut page, store, retention));
        page.family("analytics_build_info", "gauge", "1, labelled with the version that runs.");
        page.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.into_text()
    }

    fn render_requests(&self, page: &mut Page) {
        page.family("analytics_http_requests_total", "counter", "Requests answered, by route and status.");
        for (route, counters) in self.routes.iter().enumerate() {
            let (method, template) = labels(route);
            for (place, count) in counters.by_status.iter().enumerate() {
                let count = count.load(Relaxed);
                if count > 0 {
                    let status = STATUSES.get(place).map_or("other".into(), u16::to_string);
                    page.sample("", &[("method", method), ("route", template), ("status", &status)], count);
                }
            }
        }
    }

    fn render_durations(&self, page: &mut Page) {
        let name = "analytics_http_request_duration_seconds";
        page.family(name, "histogram", "Time from a request's head to its answer, by route.");
        for (route, counters) in self.routes.iter().enumerate() {
            let (method, template) = labels(route);
            let each = counters.buckets.each_ref().map(|bucket| bucket.load(Relaxed));
            if each.iter().sum::<u64>() == 0 {
                continue;
            }
            let mut sum = 0;
            let cumulative = each.map(|count| {
                sum += count;
                sum
            });
            let seconds = counters.micros.load(Relaxed) as f64 / 1e6;
            page.histogram(&[("method", method), ("route", template)], &BUCKETS_S, &cumulative, sum, seconds);
        }
    }

    fn render_intake(&self, page: &mut Page) {
        page.family("analytics_ingest_items_total", "counter", "Items of batches, by kind and outcome.");
        for (kind, counts) in INTAKES.iter().zip(&self.intake) {
            for (outcome, count) in ["accepted", "rejected"].iter().zip(counts) {
                page.sample("", &[("kind", kind), ("outcome", outcome)], count.load(Relaxed));
            }
        }
    }

    fn render_refusals(&self, page: &mut Page) {
        page.family("analytics_auth_failures_total", "counter", "Credentials that did not hold.");
        page.sample("", &[], self.auth_failures.load(Relaxed));
        page.family(
            "analytics_auth_refusals_total",
            "counter",
            "Good credentials that did not reach far enough (403).",
        );
        page.sample("", &[], self.answered_so_far(StatusCode::FORBIDDEN));
        page.family("analytics_rate_limited_total", "counter", "Requests beyond a limit (429).");
        page.sample("", &[], self.answered_so_far(StatusCode::TOO_MANY_REQUESTS));
    }

    /// Over all routes.
    fn answered_so_far(&self, status: StatusCode) -> u64 {
        let place = status_place(status);
        self.routes.iter().map(|counters| counters.by_status[place].load(Relaxed)).sum()
    }
}

fn status_place(status: StatusCode) -> usize {
    STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len())
}

fn render_auth(page: &mut Page, auth: &AuthReading) {
    page.family("analytics_argon2_runs_total", "counter", "Runs of argon2, each some 20 ms of one core.");
    let (secrets, passwords) = auth.argon2_runs;
    page.sample("", &[("for", "secrets")], secrets);
    page.sample("", &[("for", "passwords")], passwords);
    page.family("analytics_issuer_fetches_total", "counter", "Requests to trusted issuers.");
    page.sample("", &[("kind", "keys")], auth.fetches.keys);
    page.sample("", &[("kind", "introspection")], auth.fetches.introspections);
}

impl AuthReading {
    fn of(auth: &Auth) -> AuthReading {
        AuthReading { argon2_runs: auth.issuer.argon2_runs(), fetches: auth.trusted.fetches() }
    }
}

fn labels(route: usize) -> (&'static str, &'static str) {
    path::template(route).unwrap_or(("", "none"))
}

impl<'m> Open<'m> {
    fn new(count: &'m AtomicU64) -> Open<'m> {
        count.fetch_add(1, Relaxed);
        Open(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Day, EventCutoffs, Timestamp};
    use std::collections::HashMap;

    /// Name with labels, to value. Panics on a line that is none of the format.
    fn parse(text: &str) -> HashMap<String, f64> {
        let mut samples = HashMap::new();
        let mut typed = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                typed = rest.split(' ').next().unwrap().to_string();
            } else if !line.starts_with("# HELP ") {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert!(name.starts_with(&typed), "{name} stands under {typed}");
                assert!(samples.insert(name.to_string(), value.parse().unwrap()).is_none(), "{name} stands twice");
            }
        }
        samples
    }

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let metrics = Metrics::default();
        metrics.answered(Some(0), StatusCode::OK, Duration::from_millis(2));
        metrics.answered(Some(0), StatusCode::OK, Duration::from_secs(60));
        metrics.answered(Some(0), StatusCode::BAD_REQUEST, Duration::ZERO);
        metrics.answered(None, StatusCode::NOT_FOUND, Duration::ZERO);
        metrics.answered(None, StatusCode::IM_A_TEAPOT, Duration::ZERO);
        metrics.answered(Some(1), StatusCode::FORBIDDEN, Duration::ZERO);
        metrics.answered(Some(2), StatusCode::FORBIDDEN, Duration::ZERO);
        metrics.answered(Some(1), StatusCode::TOO_MANY_REQUESTS, Duration::ZERO);
        metrics.auth_failed();
        metrics.took_in(Intake::Log, 5, 2);
        let auth = AuthReading { argon2_runs: (4, 7), fetches: Fetches { keys: 2, introspections: 9 } };
        let _open = metrics.connection();
        drop(metrics.request());
        let pruning = Some(1_700_000_000_000_000);
        let readings = Readings {
            store: StatsReading {
                commits: 3,
                pruned_user_days: 12,
                pruning_unix_micros: pruning,
                ..StatsReading::default()
            },
            auth,
            exports: Some(ExportReading { jobs: [5, 2, 8, 1], failed: 6, file_bytes: 1_000 }),
            retention: Some(RetentionReading {
                usage_horizon: Day::parse("2024-01-01").ok(),
                event_floors: EventCutoffs([None, None, Timestamp::parse("2024-01-01T00:00:00Z").ok()]),
                log_bytes: 130,
            }),
        };
        let samples = parse(&metrics.render(&readings));
        let route = "method=\"GET\",route=\"/reports/usage-summary\"";
        let expected = [
            (format!("analytics_http_requests_total{{{route},status=\"200\"}}"), 2.0),
            (format!("analytics_http_requests_total{{{route},status=\"400\"}}"), 1.0),
            ("analytics_http_requests_total{method=\"\",route=\"none\",status=\"404\"}".into(), 1.0),
            ("analytics_http_requests_total{method=\"\",route=\"none\",status=\"other\"}".into(), 1.0),
            (format!("analytics_http_request_duration_seconds_bucket{{{route},le=\"0.001\"}}"), 1.0),
            (format!("analytics_http_request_duration_seconds_bucket{{{route},le=\"10\"}}"), 2.0),
            (format!("analytics_http_request_duration_seconds_bucket{{{route},le=\"+Inf\"}}"), 3.0),
            (format!("analytics_http_request_duration_seconds_count{{{route}}}"), 3.0),
            ("analytics_ingest_items_total{kind=\"system_events\",outcome=\"rejected\"}".into(), 2.0),
            ("analytics_auth_failures_total".into(), 1.0),
            ("analytics_auth_refusals_total".into(), 2.0),
            ("analytics_rate_limited_total".into(), 1.0),
            ("analytics_argon2_runs_total{for=\"passwords\"}".into(), 7.0),
            ("analytics_issuer_fetches_total{kind=\"introspection\"}".into(), 9.0),
            ("analytics_http_connections".into(), 1.0),
            ("analytics_http_requests_in_flight".into(), 0.0),
            ("analytics_store_commits_total".into(), 3.0),
            ("analytics_export_jobs{state=\"processing\"}".into(), 2.0),
            ("analytics_export_jobs{state=\"failed\"}".into(), 1.0),
            ("analytics_export_failures_total".into(), 6.0),
            ("analytics_export_file_bytes".into(), 1_000.0),
            ("analytics_pruned_user_days_total".into(), 12.0),
            ("analytics_retired_events_total".into(), 0.0),
            ("analytics_log_bytes".into(), 130.0),
            ("analytics_log_floor_timestamp_seconds{severity=\"error\"}".into(), 1_704_067_200.0),
            ("analytics_usage_horizon_timestamp_seconds".into(), 1_704_067_200.0),
            ("analytics_pruning_last_run_timestamp_seconds".into(), 1_700_000_000.0),
        ];
        for (name, value) in expected {
            assert_eq!(samples.get(&name), Some(&value), "{name}");
        }
    }
}
