//! Every endpoint, and what PRODUCT says that it needs. Written by hand: the matrix compares it with what is served.

use analytics::model::{Role, Scope};

/// What an endpoint asks of a credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Nobody is asked who they are.
    Nothing,
    /// Its own body says who asks; an Authorization header is for clients with Basic only.
    OwnForm,
    /// Its own body says who asks; headers are not looked at.
    OwnBody,
    /// Any credential that holds.
    Anyone,
    Scope(Scope),
    /// A role on top of a scope.
    Role(Scope, Role),
}

pub struct Endpoint {
    pub method: &'static str,
    /// As the OpenAPI document has it.
    pub template: &'static str,
    /// A request that is good in all else.
    pub path_and_query: &'static str,
    pub body: &'static str,
    pub content_type: &'static str,
    pub need: Need,
    /// What a caller gets who may use it.
    pub status: u16,
    /// The policy that it counts against.
    pub policy: &'static str,
}

const JSON: &str = "application/json";
const EXPORT: &str = r#"{"report_type":"system-events","format":"csv","end_date":"0001-01-01"}"#;
const READ: Need = Need::Scope(Scope::ReadAnalytics);
const WRITE: Need = Need::Scope(Scope::WriteEvents);

pub const ENDPOINTS: [Endpoint; 21] = [
    get("/reports/usage-summary", "/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31", READ),
    get("/logs/system-events", "/logs/system-events", READ),
    post("/logs/system-events", r#"{"severity":"info","message":"x"}"#, JSON, WRITE),
    post("/usage/events", r#"{"user_id":"ann"}"#, JSON, WRITE),
    post("/users", r#"{"user_id":"ann"}"#, JSON, WRITE),
    Endpoint {
        method: "PUT",
        template: "/users/{user_id}",
        path_and_query: "/users/ann",
        body: "{}",
        content_type: JSON,
        need: WRITE,
        status: 204,
        policy: "ingest",
    },
    Endpoint {
        method: "DELETE",
        template: "/users/{user_id}",
        path_and_query: "/users/nobody",
        body: "",
        content_type: JSON,
        need: Need::Scope(Scope::Admin),
        // Whoever may erase is told that there is no such user.
        status: 404,
        policy: "minute",
    },
    get("/metrics", "/metrics", Need::Scope(Scope::ReadMetrics)),
    get("/auth/whoami", "/auth/whoami", Need::Anyone),
    post("/oauth/token", "", "application/x-www-form-urlencoded", Need::OwnForm),
    post("/auth/login", r#"{"username":"mallory","password":"correct horse battery"}"#, JSON, Need::OwnBody),
    get("/healthz", "/healthz", Need::Nothing),
    get("/readyz", "/readyz", Need::Nothing),
    get("/openapi.json", "/openapi.json", Need::Nothing),
    get("/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server", Need::Nothing),
    get("/.well-known/jwks.json", "/.well-known/jwks.json", Need::Nothing),
    Endpoint {
        status: 202,
        policy: "minute",
        ..post("/reports/export", EXPORT, JSON, Need::Role(Scope::ReadAnalytics, Role::ReportAdmin))
    },
    get("/reports/export", "/reports/export", READ),
    // Whoever may ask is told that there is no such job.
    Endpoint { status: 404, ..get("/reports/export/{job_id}", "/reports/export/0123456789012345678901", READ) },
    Endpoint {
        method: "DELETE",
        status: 404,
        ..get("/reports/export/{job_id}", "/reports/export/0123456789012345678901", READ)
    },
    Endpoint {
        status: 404,
        ..get("/downloads/export-{job_id}.{extension}", "/downloads/export-0123456789012345678901.csv", READ)
    },
];

const fn get(template: &'static str, path_and_query: &'static str, need: Need) -> Endpoint {
    Endpoint {
        method: "GET",
        template,
        path_and_query,
        body: "",
        content_type: "",
        need,
        status: 200,
        policy: "minute",
    }
}

const fn post(template: &'static str, body: &'static str, content_type: &'static str, need: Need) -> Endpoint {
    let policy = "ingest";
    Endpoint { method: "POST", template, path_and_query: template, body, content_type, need, status: 200, policy }
}
