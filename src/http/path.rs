//! Routing: method and path to a [`Route`], and nothing else. Pure, so that one table tests it.

use hyper::Method;

use super::admin::{self, AdminRoute};
use super::downloads::ExportFile;
use super::query;
use crate::error::{Error, Kind, Result};
use crate::model::Id;

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    UsageSummary,
    ReadSystemEvents,
    AppendSystemEvents,
    RecordUsage,
    RegisterUsers,
    RegisterUser(Id),
    EraseUser(Id),
    Health,
    Ready,
    OpenApi,
    Metrics,
    /// `POST /oauth/token`
    FetchToken,
    LogIn,
    WhoAmI,
    IssuerMetadata,
    IssuerKeys,
    RequestExport,
    ListExports,
    /// By the job's id, which may be none of ours.
    ShowExport(String),
    RemoveExport(String),
    Download(ExportFile),
    Admin(AdminRoute),
}

/// How many routes there are, those of administration among them.
pub const ROUTES: usize = TEMPLATES.len() + admin::TEMPLATES.len();

/// Whether a request came in through the local socket, where the routes of administration are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entrance {
    Network,
    Local,
}

/// Errors with `NotFound` for an unknown path, `MethodNotAllowed` for a path that knows other methods, `Invalid` for an
/// id that is none.
pub fn decode(method: &Method, path: &str, entrance: Entrance) -> Result<Route> {
    // HEAD is GET without the body (RFC 9110, 9.3.2).
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    if let Some(route) = AdminRoute::decode(method, path).filter(|_| entrance == Entrance::Local) {
        return route.map(Route::Admin);
    }
    let place = Place::find(path).ok_or_else(|| {
        Error::new(Kind::NotFound, "there is nothing at this path; /openapi.json lists every endpoint")
    })?;
    match (place, method.as_str()) {
        (Place::UsageSummary, "GET") => Ok(Route::UsageSummary),
        (Place::SystemEvents, "GET") => Ok(Route::ReadSystemEvents),
        (Place::SystemEvents, "POST") => Ok(Route::AppendSystemEvents),
        (Place::UsageEvents, "POST") => Ok(Route::RecordUsage),
        (Place::Users, "POST") => Ok(Route::RegisterUsers),
        (Place::User(segment), "PUT") => Ok(Route::RegisterUser(id_in_path("user id", segment)?)),
        (Place::User(segment), "DELETE") => Ok(Route::EraseUser(id_in_path("user id", segment)?)),
        (Place::Health, "GET") => Ok(Route::Health),
        (Place::Ready, "GET") => Ok(Route::Ready),
        (Place::OpenApi, "GET") => Ok(Route::OpenApi),
        (Place::Metrics, "GET") => Ok(Route::Metrics),
        (Place::Token, "POST") => Ok(Route::FetchToken),
        (Place::LogIn, "POST") => Ok(Route::LogIn),
        (Place::WhoAmI, "GET") => Ok(Route::WhoAmI),
        (Place::IssuerMetadata, "GET") => Ok(Route::IssuerMetadata),
        (Place::IssuerKeys, "GET") => Ok(Route::IssuerKeys),
        (Place::Exports, "POST") => Ok(Route::RequestExport),
        (Place::Exports, "GET") => Ok(Route::ListExports),
        (Place::Export(id), "GET") => Ok(Route::ShowExport(id.to_string())),
        (Place::Export(id), "DELETE") => Ok(Route::RemoveExport(id.to_string())),
        (Place::Download(file), "GET") => Ok(Route::Download(file)),
        (place, _) => Err(not_allowed(place.methods())),
    }
}

/// Method and path template of a route by its [`Route::index`]; None past the last.
pub fn template(index: usize) -> Option<(&'static str, &'static str)> {
    TEMPLATES.iter().chain(&admin::TEMPLATES).nth(index).copied()
}

impl Route {
    /// Position in tables of counters; below [`ROUTES`].
    pub fn index(&self) -> usize {
        match self {
            Route::UsageSummary => 0,
            Route::ReadSystemEvents => 1,
            Route::AppendSystemEvents => 2,
            Route::RecordUsage => 3,
            Route::RegisterUsers => 4,
            Route::RegisterUser(_) => 5,
            Route::EraseUser(_) => 6,
            Route::Health => 7,
            Route::Ready => 8,
            Route::OpenApi => 9,
            Route::Metrics => 10,
            Route::FetchToken => 11,
            Route::LogIn => 12,
            Route::WhoAmI => 13,
            Route::IssuerMetadata => 14,
            Route::IssuerKeys => 15,
            Route::RequestExport => 16,
            Route::ListExports => 17,
            Route::ShowExport(_) => 18,
            Route::RemoveExport(_) => 19,
            Route::Download(_) => 20,
            Route::Admin(route) => TEMPLATES.len() + route.index(),
        }
    }
}

/// Method and path template of each route over the network, by [`Route::index`].
pub const TEMPLATES: [(&str, &str); 21] = [
    ("GET", "/reports/usage-summary"),
    ("GET", "/logs/system-events"),
    ("POST", "/logs/system-events"),
    ("POST", "/usage/events"),
    ("POST", "/users"),
    ("PUT", "/users/{user_id}"),
    ("DELETE", "/users/{user_id}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", "/metrics"),
    ("POST", "/oauth/token"),
    ("POST", "/auth/login"),
    ("GET", "/auth/whoami"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/jwks.json"),
    ("POST", "/reports/export"),
    ("GET", "/reports/export"),
    ("GET", "/reports/export/{job_id}"),
    ("DELETE", "/reports/export/{job_id}"),
    ("GET", "/downloads/export-{job_id}.{extension}"),
];

/// What a path names, whatever the method.
enum Place<'a> {
    UsageSummary,
    SystemEvents,
    UsageEvents,
    Users,
    User(&'a str),
    Health,
    Ready,
    OpenApi,
    Metrics,
    Token,
    LogIn,
    WhoAmI,
    IssuerMetadata,
    IssuerKeys,
    Exports,
    Export(&'a str),
    Download(ExportFile),
}

impl Place<'_> {
    fn find(path: &str) -> Option<Place<'_>> {
        match path {
            "/reports/usage-summary" => Some(Place::UsageSummary),
            "/logs/system-events" => Some(Place::SystemEvents),
            "/usage/events" => Some(Place::UsageEvents),
            "/users" => Some(Place::Users),
            "/healthz" => Some(Place::Health),
            "/readyz" => Some(Place::Ready),
            "/openapi.json" => Some(Place::OpenApi),
            "/metrics" => Some(Place::Metrics),
            "/oauth/token" => Some(Place::Token),
            "/auth/login" => Some(Place::LogIn),
            "/auth/whoami" => Some(Place::WhoAmI),
            "/.well-known/oauth-authorization-server" => Some(Place::IssuerMetadata),
            "/.well-known/jwks.json" => Some(Place::IssuerKeys),
            "/reports/export" => Some(Place::Exports),
            _ => Place::find_one(path),
        }
    }

    /// What a path with a name in it names.
    fn find_one(path: &str) -> Option<Place<'_>> {
        (segment(path, "/users/").map(Place::User))
            .or_else(|| segment(path, "/reports/export/").map(Place::Export))
            .or_else(|| segment(path, "/downloads/").and_then(ExportFile::parse).map(Place::Download))
    }

    fn methods(&self) -> &'static str {
        match self {
            Place::UsageSummary
            | Place::Health
            | Place::Ready
            | Place::OpenApi
            | Place::Metrics
            | Place::WhoAmI
            | Place::IssuerMetadata
            | Place::IssuerKeys
            | Place::Download(_) => "GET, HEAD, OPTIONS",
            Place::SystemEvents | Place::Exports => "GET, HEAD, POST, OPTIONS",
            Place::UsageEvents | Place::Users | Place::Token | Place::LogIn => "POST, OPTIONS",
            Place::User(_) => "PUT, DELETE, OPTIONS",
            Place::Export(_) => "GET, HEAD, DELETE, OPTIONS",
        }
    }
}

/// The refusal of a path that knows these methods only.
pub fn not_allowed(methods: &'static str) -> Error {
    Error::new(Kind::MethodNotAllowed(methods), format!("this path does not know that method; it knows {methods}"))
}

/// The one segment behind `prefix`, not empty. Ids that hold a slash come with it as %2F.
pub fn segment<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    path.strip_prefix(prefix).filter(|segment| !segment.is_empty() && !segment.contains('/'))
}

/// Reads an id that stands in a path, percent-encoded. `what` names it in the refusal (`Invalid`).
pub fn id_in_path(what: &str, segment: &str) -> Result<Id> {
    let invalid = |rule: &str| Error::invalid(format!("the {what} in the path {rule}"));
    Id::new(query::percent_decode(segment).map_err(invalid)?).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn route(method: &str, path: &str) -> Result<Route> {
        decode(&Method::from_bytes(method.as_bytes()).unwrap(), path, Entrance::Network)
    }

    #[test]
    fn method_and_path_lead_to_a_route() {
        let table = [
            ("GET", "/reports/usage-summary", Route::UsageSummary),
            ("HEAD", "/reports/usage-summary", Route::UsageSummary),
            ("GET", "/logs/system-events", Route::ReadSystemEvents),
            ("POST", "/logs/system-events", Route::AppendSystemEvents),
            ("POST", "/usage/events", Route::RecordUsage),
            ("POST", "/users", Route::RegisterUsers),
            ("PUT", "/users/u1", Route::RegisterUser(id("u1"))),
            ("PUT", "/users/a%2Fb%20c", Route::RegisterUser(id("a/b c"))),
            ("PUT", "/users/a+b", Route::RegisterUser(id("a+b"))),
            ("DELETE", "/users/%F0%9F%A6%80", Route::EraseUser(id("🦀"))),
            ("DELETE", "/users/..", Route::EraseUser(id(".."))),
            ("GET", "/healthz", Route::Health),
            ("GET", "/readyz", Route::Ready),
            ("GET", "/openapi.json", Route::OpenApi),
            ("GET", "/metrics", Route::Metrics),
            ("POST", "/oauth/token", Route::FetchToken),
            ("POST", "/auth/login", Route::LogIn),
            ("HEAD", "/auth/whoami", Route::WhoAmI),
            ("GET", "/.well-known/oauth-authorization-server", Route::IssuerMetadata),
            ("GET", "/.well-known/jwks.json", Route::IssuerKeys),
            ("POST", "/reports/export", Route::RequestExport),
            ("HEAD", "/reports/export", Route::ListExports),
            ("GET", "/reports/export/J1", Route::ShowExport("J1".into())),
            ("DELETE", "/reports/export/..", Route::RemoveExport("..".into())),
        ];
        for (method, path, expected) in table {
            assert_eq!(route(method, path), Ok(expected), "{method} {path}");
        }
    }

    #[test]
    fn what_is_not_there_says_so() {
        let not_found = [
            "",
            "/",
            "*",
            "/users/",
            "/users/a/b",
            "/healthz/",
            "/Healthz",
            "/admin/keys",
            "//healthz",
            "/reports/export/",
        ];
        for path in not_found {
            assert_eq!(route("GET", path).unwrap_err().kind, Kind::NotFound, "{path:?}");
        }
        let allow = |method: &str, path: &str| match route(method, path).unwrap_err().kind {
            Kind::MethodNotAllowed(methods) => methods,
            other => panic!("{method} {path}: {other:?}"),
        };
        assert_eq!(allow("DELETE", "/reports/usage-summary"), "GET, HEAD, OPTIONS");
        assert_eq!(allow("GET", "/users/u1"), "PUT, DELETE, OPTIONS");
        assert_eq!(allow("get", "/healthz"), "GET, HEAD, OPTIONS");
        for path in ["/users/%zz", "/users/%f", "/users/%ff", "/users/%00"] {
            assert_eq!(route("PUT", path).unwrap_err().kind, Kind::Invalid, "{path:?}");
        }
    }

    #[test]
    fn every_template_decodes_to_the_route_of_its_index() {
        for index in 0..ROUTES {
            let (method, template) = template(index).unwrap();
            let path = template.replace("{user_id}", "u1").replace("{id}", "k1").replace("{name}", "n1");
            let path = path.replace("{job_id}", &"j".repeat(22)).replace("{extension}", "csv.gz");
            let route = decode(&Method::from_bytes(method.as_bytes()).unwrap(), &path, Entrance::Local).unwrap();
            assert_eq!(route.index(), index, "{method} {template}");
        }
        assert_eq!(template(ROUTES), None);
    }
}
