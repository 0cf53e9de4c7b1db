//! The paths of administration, which stand open behind the local socket only.

use hyper::Method;

use crate::error::Result;
use crate::http::path::{self, id_in_path, segment};
use crate::model::Id;

/// What the administrator asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdminRoute {
    CreateKey,
    ListKeys,
    RevokeKey(String),
    RotateKey(String),
    CreateClient,
    ListClients,
    RevokeClient(String),
    CreateAccount,
    ListAccounts,
    ChangeAccount(Id),
    IssueToken,
    ListTokens,
    RevokeToken(String),
    ShowIssuer,
    RotateIssuer,
    ListLimits,
    SetLimit,
    ClearLimit,
    Check,
    ShowUser(Id),
    EndExportLinks(String),
    ShowPrunable,
    PruneUsage,
    PruneEvents,
}

/// Method and path template of each route, by [`AdminRoute::index`].
pub const TEMPLATES: [(&str, &str); 24] = [
    ("POST", "/admin/keys"),
    ("GET", "/admin/keys"),
    ("DELETE", "/admin/keys/{id}"),
    ("POST", "/admin/keys/{id}/rotate"),
    ("POST", "/admin/clients"),
    ("GET", "/admin/clients"),
    ("DELETE", "/admin/clients/{id}"),
    ("POST", "/admin/accounts"),
    ("GET", "/admin/accounts"),
    ("PATCH", "/admin/accounts/{name}"),
    ("POST", "/admin/tokens"),
    ("GET", "/admin/tokens"),
    ("DELETE", "/admin/tokens/{id}"),
    ("GET", "/admin/issuer"),
    ("POST", "/admin/issuer/rotate"),
    ("GET", "/admin/limits"),
    ("PUT", "/admin/limits"),
    ("DELETE", "/admin/limits"),
    ("POST", "/admin/check"),
    ("GET", "/admin/users/{user_id}"),
    ("POST", "/admin/exports/{job_id}/unlink"),
    ("GET", "/admin/prune"),
    ("POST", "/admin/prune/usage"),
    ("POST", "/admin/prune/events"),
];

impl AdminRoute {
    /// None if the path is none of ours; else as [`path::decode`]. HEAD has become GET already.
    pub fn decode(method: &Method, path: &str) -> Option<Result<AdminRoute>> {
        let place = Place::find(path)?;
        Some(match (place, method.as_str()) {
            (Place::Keys, "POST") => Ok(AdminRoute::CreateKey),
            (Place::Keys, "GET") => Ok(AdminRoute::ListKeys),
            (Place::Key(id), "DELETE") => Ok(AdminRoute::RevokeKey(id.to_string())),
            (Place::KeyRotation(id), "POST") => Ok(AdminRoute::RotateKey(id.to_string())),
            (Place::Clients, "POST") => Ok(AdminRoute::CreateClient),
            (Place::Clients, "GET") => Ok(AdminRoute::ListClients),
            (Place::Client(id), "DELETE") => Ok(AdminRoute::RevokeClient(id.to_string())),
            (Place::Accounts, "POST") => Ok(AdminRoute::CreateAccount),
            (Place::Accounts, "GET") => Ok(AdminRoute::ListAccounts),
            (Place::Account(name), "PATCH") => id_in_path("account's name", name).map(AdminRoute::ChangeAccount),
            (Place::Tokens, "POST") => Ok(AdminRoute::IssueToken),
            (Place::Tokens, "GET") => Ok(AdminRoute::ListTokens),
            (Place::Token(id), "DELETE") => Ok(AdminRoute::RevokeToken(id.to_string())),
            (Place::Issuer, "GET") => Ok(AdminRoute::ShowIssuer),
            (Place::IssuerRotation, "POST") => Ok(AdminRoute::RotateIssuer),
            (Place::Limits, "GET") => Ok(AdminRoute::ListLimits),
            (Place::Limits, "PUT") => Ok(AdminRoute::SetLimit),
            (Place::Limits, "DELETE") => Ok(AdminRoute::ClearLimit),
            (Place::Check, "POST") => Ok(AdminRoute::Check),
            (Place::UserRecord(id), "GET") => id_in_path("user id", id).map(AdminRoute::ShowUser),
            (Place::ExportLinks(id), "POST") => Ok(AdminRoute::EndExportLinks(id.to_string())),
            (Place::Prune, "GET") => Ok(AdminRoute::ShowPrunable),
            (Place::PruneUsage, "POST") => Ok(AdminRoute::PruneUsage),
            (Place::PruneEvents, "POST") => Ok(AdminRoute::PruneEvents),
            (place, _) => Err(path::not_allowed(place.methods())),
        })
    }

    /// Position in [`TEMPLATES`].
    pub fn index(&self) -> usize {
        match self {
            AdminRoute::CreateKey => 0,
            AdminRoute::ListKeys => 1,
            AdminRoute::RevokeKey(_) => 2,
            AdminRoute::RotateKey(_) => 3,
            AdminRoute::CreateClient => 4,
            AdminRoute::ListClients => 5,
            AdminRoute::RevokeClient(_) => 6,
            AdminRoute::CreateAccount => 7,
            AdminRoute::ListAccounts => 8,
            AdminRoute::ChangeAccount(_) => 9,
            AdminRoute::IssueToken => 10,
            AdminRoute::ListTokens => 11,
            AdminRoute::RevokeToken(_) => 12,
            AdminRoute::ShowIssuer => 13,
            AdminRoute::RotateIssuer => 14,
            AdminRoute::ListLimits => 15,
            AdminRoute::SetLimit => 16,
            AdminRoute::ClearLimit => 17,
            AdminRoute::Check => 18,
            AdminRoute::ShowUser(_) => 19,
            AdminRoute::EndExportLinks(_) => 20,
            AdminRoute::ShowPrunable => 21,
            AdminRoute::PruneUsage => 22,
            AdminRoute::PruneEvents => 23,
        }
    }

    /// The query parameters that it knows.
    pub fn parameters(&self) -> &'static [&'static str] {
        match self {
            AdminRoute::ClearLimit => &["kind", "name"],
            AdminRoute::ShowUser(_) => &["start_date", "end_date"],
            AdminRoute::ShowPrunable => {
                &["usage_before", "info_before", "warning_before", "error_before", "log_bytes_max"]
            }
            AdminRoute::CreateKey
            | AdminRoute::ListKeys
            | AdminRoute::RevokeKey(_)
            | AdminRoute::RotateKey(_)
            | AdminRoute::CreateClient
            | AdminRoute::ListClients
            | AdminRoute::RevokeClient(_)
            | AdminRoute::CreateAccount
            | AdminRoute::ListAccounts
            | AdminRoute::ChangeAccount(_)
            | AdminRoute::IssueToken
            | AdminRoute::ListTokens
            | AdminRoute::RevokeToken(_)
            | AdminRoute::ShowIssuer
            | AdminRoute::RotateIssuer
            | AdminRoute::ListLimits
            | AdminRoute::SetLimit
            | AdminRoute::Check
            | AdminRoute::EndExportLinks(_)
            | AdminRoute::PruneUsage
            | AdminRoute::PruneEvents => &[],
        }
    }
}

/// What a path names, whatever the method.
enum Place<'a> {
    Keys,
    Key(&'a str),
    KeyRotation(&'a str),
    Clients,
    Client(&'a str),
    Accounts,
    Account(&'a str),
    Tokens,
    Token(&'a str),
    Issuer,
    IssuerRotation,
    Limits,
    Check,
    UserRecord(&'a str),
    ExportLinks(&'a str),
    Prune,
    PruneUsage,
    PruneEvents,
}

impl<'a> Place<'a> {
    fn find(path: &'a str) -> Option<Place<'a>> {
        match path {
            "/admin/keys" => Some(Place::Keys),
            "/admin/clients" => Some(Place::Clients),
            "/admin/accounts" => Some(Place::Accounts),
            "/admin/tokens" => Some(Place::Tokens),
            "/admin/issuer" => Some(Place::Issuer),
            "/admin/issuer/rotate" => Some(Place::IssuerRotation),
            "/admin/limits" => Some(Place::Limits),
            "/admin/check" => Some(Place::Check),
            "/admin/prune" => Some(Place::Prune),
            "/admin/prune/usage" => Some(Place::PruneUsage),
            "/admin/prune/events" => Some(Place::PruneEvents),
            _ => Place::find_one(path),
        }
    }

    /// What a path with an id in it names.
    fn find_one(path: &'a str) -> Option<Place<'a>> {
        if let Some(id) = path.strip_suffix("/rotate").and_then(|path| segment(path, "/admin/keys/")) {
            return Some(Place::KeyRotation(id));
        }
        if let Some(id) = path.strip_suffix("/unlink").and_then(|path| segment(path, "/admin/exports/")) {
            return Some(Place::ExportLinks(id));
        }
        let one = |prefix| segment(path, prefix);
        (one("/admin/keys/").map(Place::Key))
            .or_else(|| one("/admin/clients/").map(Place::Client))
            .or_else(|| one("/admin/accounts/").map(Place::Account))
            .or_else(|| one("/admin/tokens/").map(Place::Token))
            .or_else(|| one("/admin/users/").map(Place::UserRecord))
    }

    fn methods(&self) -> &'static str {
        match self {
            Place::Keys | Place::Clients | Place::Accounts | Place::Tokens => "GET, HEAD, POST, OPTIONS",
            Place::Key(_) | Place::Client(_) | Place::Token(_) => "DELETE, OPTIONS",
            Place::KeyRotation(_) | Place::IssuerRotation | Place::Check => "POST, OPTIONS",
            Place::ExportLinks(_) | Place::PruneUsage | Place::PruneEvents => "POST, OPTIONS",
            Place::Account(_) => "PATCH, OPTIONS",
            Place::Issuer | Place::UserRecord(_) | Place::Prune => "GET, HEAD, OPTIONS",
            Place::Limits => "GET, HEAD, PUT, DELETE, OPTIONS",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::http::path::{Entrance, Route, decode};

    #[test]
    fn administration_is_only_behind_the_local_entrance() {
        let id = |text: &str| Id::new(text).unwrap();
        let table = [
            (Method::HEAD, "/admin/keys", AdminRoute::ListKeys),
            (Method::DELETE, "/admin/keys/abc", AdminRoute::RevokeKey("abc".into())),
            (Method::POST, "/admin/keys/rotate/rotate", AdminRoute::RotateKey("rotate".into())),
            (Method::PATCH, "/admin/accounts/a%2Fb", AdminRoute::ChangeAccount(id("a/b"))),
            (Method::GET, "/admin/users/a%2Fb", AdminRoute::ShowUser(id("a/b"))),
        ];
        for (method, path, expected) in table {
            assert_eq!(decode(&method, path, Entrance::Local), Ok(Route::Admin(expected)), "{method} {path}");
        }
        for (method, template) in TEMPLATES {
            let refused = decode(&method.parse().unwrap(), template, Entrance::Network).unwrap_err();
            assert_eq!(refused.kind, Kind::NotFound, "{method} {template}");
        }
    }

    #[test]
    fn what_is_not_there_says_so() {
        for path in ["/admin", "/admin/", "/admin/keys/", "/admin/keys/a/b", "/admin/clients/a/rotate"] {
            assert_eq!(decode(&Method::GET, path, Entrance::Local).unwrap_err().kind, Kind::NotFound, "{path}");
        }
        let allowed = decode(&Method::GET, "/admin/accounts/ann", Entrance::Local).unwrap_err().kind;
        assert_eq!(allowed, Kind::MethodNotAllowed("PATCH, OPTIONS"));
        let unreadable = decode(&Method::PATCH, "/admin/accounts/%ff", Entrance::Local).unwrap_err();
        assert_eq!(unreadable.kind, Kind::Invalid);
    }
}
