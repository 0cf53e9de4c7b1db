//! A server with jobs that the test itself sees to: no exporter runs, so each stays as it is put.

use analytics::http::Wiring;
use analytics::limits::{Limits, Settings as LimitSettings};
use analytics::model::{Grants, Role, Roles, Scope, Scopes};
use analytics::store::{ExportDirectory, ExportError, ExportJob, Finished, Store};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::server::{Answer, Server};

pub const USAGE: &str =
    r#"{"report_type":"usage-summary","format":"csv","start_date":"2025-01-01","end_date":"2025-01-31"}"#;
pub const EVENTS: &str = r#"{"report_type":"system-events","format":"xlsx"}"#;
/// Files are kept so long here (microseconds).
pub const KEPT_MICROS: i64 = 7 * 86_400 * 1_000_000;

pub struct Jobs {
    pub server: Server,
    pub store: Store,
    pub directory: ExportDirectory,
}

impl Jobs {
    pub fn start() -> Jobs {
        Jobs::start_wired(|_| {})
    }

    pub fn with_limits(settings: LimitSettings) -> Jobs {
        Jobs::start_wired(|wiring| {
            wiring.limits = Limits::new(wiring.store.clone(), wiring.clock.clone(), settings).unwrap();
        })
    }

    pub fn start_wired(change: impl FnOnce(&mut Wiring)) -> Jobs {
        let mut parts = None;
        let server = Server::start_wired(|wiring| {
            change(wiring);
            parts = Some((wiring.store.clone(), wiring.exports.clone()));
        });
        let (store, directory) = parts.unwrap();
        directory.prepare().unwrap();
        Jobs { server, store, directory }
    }

    /// A key that may ask for exports, and may see everybody's.
    pub fn report_admin(&self, owner: &str) -> String {
        self.server.key_of(owner, grants(&[Scope::ReadAnalytics], true))
    }

    /// A key that may read, and no more.
    pub fn reader(&self, owner: &str) -> String {
        self.server.key_of(owner, grants(&[Scope::ReadAnalytics], false))
    }

    pub fn ask(&self, method: &str, target: &str, key: &str) -> Answer {
        self.server.request_as(method, target, &[("X-API-Key", key)], b"")
    }

    pub fn order_as(&self, key: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[("X-API-Key", key)], headers].concat();
        self.server.request_as("POST", "/reports/export", &headers, body.as_bytes())
    }

    /// Asks for an export, and gives the job's id.
    #[track_caller]
    pub fn order(&self, key: &str, body: &str) -> String {
        let answer = self.order_as(key, &[], body);
        assert_eq!(answer.status, 202, "{}", answer.text());
        id_of(&answer)
    }

    pub fn show(&self, id: &str, key: &str) -> Value {
        let answer = self.ask("GET", &format!("/reports/export/{id}"), key);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Begins jobs until it is this one's turn.
    pub fn begin(&self, id: &str) -> ExportJob {
        loop {
            let begun = self.store.begin_export(u32::MAX, self.server.clock.unix_micros());
            let job = self.server.runtime.block_on(begun).unwrap().expect("it is in the queue");
            if job.id == id {
                return job;
            }
        }
    }

    /// Gives a job this file, as whole.
    pub fn complete(&self, id: &str, bytes: &[u8]) {
        let job = self.begin(id);
        let draft = self.directory.draft(&job.file_name()).unwrap();
        std::fs::write(draft.path(), bytes).unwrap();
        draft.publish(&self.directory.path_of(&job.file_name())).unwrap();
        let now = self.server.clock.unix_micros();
        let (bytes, sha256) = (bytes.len() as u64, hex(bytes));
        let finished = Finished { rows: 31, bytes, sha256, expires_at: now + KEPT_MICROS };
        assert!(self.server.runtime.block_on(self.store.complete_export(&job, finished, now)).unwrap());
    }

    pub fn fail(&self, id: &str, code: &str, message: &str) {
        let job = self.begin(id);
        let error = ExportError { code: code.into(), message: message.into() };
        let failed = self.store.fail_export(&job, error, self.server.clock.unix_micros());
        assert!(self.server.runtime.block_on(failed).unwrap());
    }
}

pub fn id_of(answer: &Answer) -> String {
    answer.json()["job_id"].as_str().unwrap().to_string()
}

pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn grants(scopes: &[Scope], is_report_admin: bool) -> Grants {
    let roles: &[Role] = if is_report_admin { &[Role::ReportAdmin] } else { &[] };
    Grants { scopes: scopes.iter().copied().collect::<Scopes>(), roles: roles.iter().copied().collect::<Roles>() }
}
