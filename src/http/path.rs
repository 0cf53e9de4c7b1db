//! Routing: method and path to a [`Route`], and nothing else. Pure, so that one table tests it.

use hyper::Method;

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
    CreateKey,
    ListKeys,
    RevokeKey(String),
    Check,
    ShowUser(Id),
}

/// How many routes there are.
pub const ROUTES: usize = 16;

/// Whether a request came in through the local socket, where the routes of administration are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entrance {
    Network,
    Local,
}

/// Errors with `NotFound` for an unknown path, `MethodNotAllowed` for a path that knows other methods, `Invalid` for an
/// id that is none.
pub fn decode(method: &Method, path: &str, entrance: Entrance) -> Result<Route> {
    let place = Place::find(path, entrance).ok_or_else(|| {
        Error::new(Kind::NotFound, "there is nothing at this path; /openapi.json lists every endpoint")
    })?;
    // HEAD is GET without the body (RFC 9110, 9.3.2).
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    match (place, method.as_str()) {
        (Place::UsageSummary, "GET") => Ok(Route::UsageSummary),
        (Place::SystemEvents, "GET") => Ok(Route::ReadSystemEvents),
        (Place::SystemEvents, "POST") => Ok(Route::AppendSystemEvents),
        (Place::UsageEvents, "POST") => Ok(Route::RecordUsage),
        (Place::Users, "POST") => Ok(Route::RegisterUsers),
        (Place::User(segment), "PUT") => Ok(Route::RegisterUser(user_id(segment)?)),
        (Place::User(segment), "DELETE") => Ok(Route::EraseUser(user_id(segment)?)),
        (Place::Health, "GET") => Ok(Route::Health),
        (Place::Ready, "GET") => Ok(Route::Ready),
        (Place::OpenApi, "GET") => Ok(Route::OpenApi),
        (Place::Metrics, "GET") => Ok(Route::Metrics),
        (Place::Keys, "POST") => Ok(Route::CreateKey),
        (Place::Keys, "GET") => Ok(Route::ListKeys),
        (Place::Key(segment), "DELETE") => Ok(Route::RevokeKey(segment.to_string())),
        (Place::Check, "POST") => Ok(Route::Check),
        (Place::UserRecord(segment), "GET") => Ok(Route::ShowUser(user_id(segment)?)),
        (place, _) => Err(place.not_allowed()),
    }
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
            Route::CreateKey => 11,
            Route::ListKeys => 12,
            Route::RevokeKey(_) => 13,
            Route::Check => 14,
            Route::ShowUser(_) => 15,
        }
    }
}

/// Method and path template of each route, by [`Route::index`].
pub const TEMPLATES: [(&str, &str); ROUTES] = [
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
    ("POST", "/admin/keys"),
    ("GET", "/admin/keys"),
    ("DELETE", "/admin/keys/{id}"),
    ("POST", "/admin/check"),
    ("GET", "/admin/users/{user_id}"),
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
    Keys,
    Key(&'a str),
    Check,
    UserRecord(&'a str),
}

impl Place<'_> {
    fn find(path: &str, entrance: Entrance) -> Option<Place<'_>> {
        match path {
            "/reports/usage-summary" => Some(Place::UsageSummary),
            "/logs/system-events" => Some(Place::SystemEvents),
            "/usage/events" => Some(Place::UsageEvents),
            "/users" => Some(Place::Users),
            "/healthz" => Some(Place::Health),
            "/readyz" => Some(Place::Ready),
            "/openapi.json" => Some(Place::OpenApi),
            "/metrics" => Some(Place::Metrics),
            _ => match segment(path, "/users/") {
                Some(id) => Some(Place::User(id)),
                None if entrance == Entrance::Local => Place::find_local(path),
                None => None,
            },
        }
    }

    fn find_local(path: &str) -> Option<Place<'_>> {
        match path {
            "/admin/keys" => Some(Place::Keys),
            "/admin/check" => Some(Place::Check),
            _ => match segment(path, "/admin/keys/") {
                Some(id) => Some(Place::Key(id)),
                None => segment(path, "/admin/users/").map(Place::UserRecord),
            },
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Place::UsageSummary
            | Place::Health
            | Place::Ready
            | Place::OpenApi
            | Place::Metrics
            | Place::UserRecord(_) => "GET, HEAD, OPTIONS",
            Place::SystemEvents => "GET, HEAD, POST, OPTIONS",
            Place::UsageEvents | Place::Users | Place::Check => "POST, OPTIONS",
            Place::User(_) => "PUT, DELETE, OPTIONS",
            Place::Keys => "GET, HEAD, POST, OPTIONS",
            Place::Key(_) => "DELETE, OPTIONS",
        }
    }

    fn not_allowed(&self) -> Error {
        let methods = self.methods();
        Error::new(Kind::MethodNotAllowed(methods), format!("this path does not know that method; it knows {methods}"))
    }
}

/// The one segment behind `prefix`, not empty. Ids that hold a slash come with it as %2F.
fn segment<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    path.strip_prefix(prefix).filter(|segment| !segment.is_empty() && !segment.contains('/'))
}

fn user_id(segment: &str) -> Result<Id> {
    let id =
        query::percent_decode(segment).map_err(|rule| Error::invalid(format!("the user id in the path {rule}")))?;
    Id::new(id).map_err(|rule| Error::invalid(format!("the user id in the path {rule}")))
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
        ];
        for (method, path, expected) in table {
            assert_eq!(route(method, path), Ok(expected), "{method} {path}");
        }
    }

    #[test]
    fn what_is_not_there_says_so() {
        let not_found = ["", "/", "*", "/users/", "/users/a/b", "/healthz/", "/Healthz", "/admin/keys", "//healthz"];
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
    fn administration_is_only_behind_the_local_entrance() {
        let at = |method: Method, path| decode(&method, path, Entrance::Local);
        assert_eq!(at(Method::POST, "/admin/keys"), Ok(Route::CreateKey));
        assert_eq!(at(Method::GET, "/admin/keys"), Ok(Route::ListKeys));
        assert_eq!(at(Method::DELETE, "/admin/keys/abc"), Ok(Route::RevokeKey("abc".into())));
        assert_eq!(at(Method::POST, "/admin/check"), Ok(Route::Check));
        assert_eq!(at(Method::GET, "/admin/users/a%2Fb"), Ok(Route::ShowUser(id("a/b"))));
        assert_eq!(at(Method::GET, "/healthz"), Ok(Route::Health));
        for path in ["/admin/keys", "/admin/keys/abc", "/admin/check", "/admin/users/abc"] {
            assert_eq!(route("POST", path).unwrap_err().kind, Kind::NotFound, "{path}");
        }
    }

    #[test]
    fn every_template_decodes_to_the_route_of_its_index() {
        for (index, (method, template)) in TEMPLATES.iter().enumerate() {
            let path = template.replace("{user_id}", "u1").replace("{id}", "k1");
            let route = decode(&Method::from_bytes(method.as_bytes()).unwrap(), &path, Entrance::Local).unwrap();
            assert_eq!(route.index(), index, "{method} {template}");
        }
    }
}
