//! The routes of administration, and what they change.

use analytics::audit::Audit;
use analytics::limits::Settings as LimitSettings;
use serde_json::{Value, json};

use super::oauth::limited;
use super::server::Server;

/// Makes something, and gives one field of the answer.
fn make(server: &Server, path: &str, body: Value, field: &str) -> (Value, String) {
    let (status, made) = server.admin("POST", path, &body.to_string());
    assert_eq!(status, 201, "{made}");
    let field = made[field].as_str().unwrap().to_string();
    (made, field)
}

#[test]
fn a_rotated_key_goes_on_beside_the_new_one_for_as_long_as_was_said() {
    let server = Server::start();
    let order = json!({"owner": "bi", "scopes": ["read:analytics"], "roles": ["report_admin"]});
    let (made, old) = make(&server, "/admin/keys", order, "key");
    let path = format!("/admin/keys/{}/rotate", made["id"].as_str().unwrap());
    let (made, new) = make(&server, &path, json!({"overlap_s": 3600}), "key");
    assert_eq!((&made["expires_at"], &made["old_expires_at"]), (&Value::Null, &json!("2025-06-01T13:00:00Z")));
    let who = server.whoami(&new).json();
    assert_eq!((&who["subject"], &who["roles"]), (&json!("bi"), &json!(["report_admin"])));
    assert_eq!(server.whoami(&old).status, 200);
    server.pass(3600);
    server.whoami(&old).error(401, "Unauthorized");
    assert_eq!(server.whoami(&new).status, 200);

    assert_eq!(server.admin("POST", &path, r#"{"overlap_s":0}"#).0, 404);
    assert_eq!(server.admin("POST", "/admin/keys/none/rotate", r#"{"overlap_s":0}"#).0, 404);
    for body in ["", "{}", r#"{"overlap_s":-1}"#, r#"{"overlap_s":7776001}"#] {
        assert_eq!(server.admin("POST", &path, body).0, 400, "{body}");
    }
}

#[test]
fn clients_accounts_and_tokens_are_listed_without_a_secret() {
    let server = Server::start();
    let (_, secret) = make(&server, "/admin/clients", json!({"name": "etl", "scopes": ["admin"]}), "secret");
    let ann = json!({"name": "ann/ä", "password": "correct horse battery", "roles": ["report_admin"]});
    make(&server, "/admin/accounts", ann.clone(), "name");
    let order = json!({"subject": "cron", "scopes": ["read:metrics"], "ttl_s": 3600});
    let (issued, token) = make(&server, "/admin/tokens", order, "token");
    assert_eq!(issued["expires_at"], "2025-06-01T13:00:00Z");

    let list = |what: &str| server.admin("GET", &format!("/admin/{what}"), "").1[what].clone();
    let created = json!("2025-06-01T12:00:00Z");
    let client = &list("clients")[0];
    assert_eq!((&client["name"], &client["scopes"], &client["roles"]), (&json!("etl"), &json!(["admin"]), &json!([])));
    assert_eq!((&client["created_at"], &client["revoked_at"]), (&created, &Value::Null));
    let account = &list("accounts")[0];
    let expected = json!({"name": "ann/ä", "scopes": [], "roles": ["report_admin"], "created_at": created,
        "disabled_at": null, "last_login_at": null});
    assert_eq!(*account, expected);
    let listed = &list("tokens")[0];
    let expected = json!({"id": issued["id"], "subject": "cron", "scopes": ["read:metrics"], "roles": [],
        "created_at": created, "expires_at": "2025-06-01T13:00:00Z", "revoked_at": null});
    assert_eq!(*listed, expected);
    let all = ["clients", "accounts", "tokens"].map(|what| list(what).to_string()).concat();
    for secret in [&secret, &token, "argon2", "tag", "hash"] {
        assert!(!all.contains(secret), "{secret} stands in {all}");
    }
    assert_eq!(server.admin("POST", "/admin/accounts", &ann.to_string()).0, 409);
}

#[test]
fn an_issued_token_is_good_until_it_is_revoked() {
    let server = Server::start();
    let order = json!({"subject": "cron", "scopes": ["read:metrics"], "ttl_s": 3600});
    let (made, token) = make(&server, "/admin/tokens", order, "token");
    assert_eq!(server.whoami(&token).json()["subject"], "cron");
    let path = format!("/admin/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(server.admin("DELETE", &path, "").0, 204);
    server.whoami(&token).error(401, "Unauthorized");
    assert_eq!(server.admin("DELETE", &path, "").0, 404);
}

#[test]
fn an_account_is_changed_one_thing_at_a_time() {
    let server = Server::start();
    let ann = json!({"name": "ann/ä", "password": "correct horse battery", "scopes": ["admin"]});
    make(&server, "/admin/accounts", ann, "name");
    let change = |body: &str| server.admin("PATCH", "/admin/accounts/ann%2F%C3%A4", body);
    for good in [r#"{"disabled":true}"#, r#"{"disabled":false}"#, r#"{"scopes":["read:analytics"],"roles":[]}"#] {
        assert_eq!(change(good).0, 204, "{good}");
    }
    assert_eq!(server.admin("GET", "/admin/accounts", "").1["accounts"][0]["scopes"], json!(["read:analytics"]));
    let table = [
        ("{}", "one thing at a time"),
        (r#"{"disabled":true,"scopes":["admin"]}"#, "one thing at a time"),
        (r#"{"disabled":true,"password":"correct horse"}"#, "one thing at a time"),
        (r#"{"password":"hunter2"}"#, "12 to 1024 bytes"),
        (r#"{"password":{"hunter2":1}}"#, "wrong type"),
        (r#"{"scopes":[]}"#, "at least one of"),
        (r#"{"roles":["boss"]}"#, "unknown role \"boss\"; known: report_admin"),
        (r#"{"name":"bob"}"#, "unknown field `name`"),
    ];
    for (body, told) in table {
        let (status, error) = change(body);
        let message = error["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(told) && !message.contains("hunter2"), "{body}: {message}");
    }
    assert_eq!(server.admin("PATCH", "/admin/accounts/bob", r#"{"disabled":true}"#).0, 404);
}

#[test]
fn a_new_signing_key_leaves_old_tokens_good() {
    let server = Server::start();
    let order = json!({"subject": "cron", "scopes": ["read:metrics"], "ttl_s": 3600});
    let (_, before) = make(&server, "/admin/tokens", order.clone(), "token");
    let (status, rotated) = server.admin("POST", "/admin/issuer/rotate", "");
    assert_eq!(status, 200);
    let (_, after) = make(&server, "/admin/tokens", order, "token");
    assert_eq!([server.whoami(&before).status, server.whoami(&after).status], [200, 200]);
    let (_, shown) = server.admin("GET", "/admin/issuer", "");
    assert_eq!((&shown["url"], shown["kids"].as_array().unwrap().len()), (&json!("http://127.0.0.1"), 2));
    assert!(shown["kids"].as_array().unwrap().contains(&rotated["kid"]));
}

#[test]
fn a_limit_of_its_own_is_obeyed_at_once_and_gone_once_cleared() {
    let server = Server::start_wired(limited(LimitSettings { requests_per_minute: 1, ..LimitSettings::none() }));
    let (made, key) = make(&server, "/admin/keys", json!({"owner": "bi", "scopes": ["admin"]}), "key");
    let id = made["id"].as_str().unwrap();
    let ask = || server.whoami(&key).status;
    assert_eq!([ask(), ask()], [200, 429]);
    let limit = json!({"kind": "key", "name": id, "requests_per_minute": 3, "exports_per_day": 0});
    assert_eq!(server.admin("PUT", "/admin/limits", &limit.to_string()).0, 204);
    assert_eq!([ask(), ask(), ask()], [200, 200, 429]);
    let expected = json!({"limits": [{"kind": "key", "name": id, "requests_per_minute": 3,
        "ingest_requests_per_minute": null, "exports_per_day": 0, "tokens_per_minute": null, "tokens_per_hour": null}]});
    assert_eq!(server.admin("GET", "/admin/limits", "").1, expected);
    let path = format!("/admin/limits?kind=key&name={id}");
    assert_eq!(server.admin("DELETE", &path, "").0, 204);
    assert_eq!(server.admin("DELETE", &path, "").0, 404);
    assert_eq!(ask(), 429);
}

#[test]
fn a_limit_that_cannot_be_is_refused_by_name() {
    let server = Server::start();
    let table = [
        (json!({"kind": "user", "name": "x", "exports_per_day": 1}), "\"kind\" must be token or key"),
        (json!({"kind": "key", "name": "", "exports_per_day": 1}), "\"name\" must be 1 to"),
        (
            json!({"kind": "subject", "name": "https://idp.example", "exports_per_day": 1}),
            "\"name\" must be the issuer",
        ),
        (json!({"kind": "key", "name": "x"}), "at least one figure: requests_per_minute"),
        (json!({"kind": "key", "name": "x", "requests_per_minute": 1_000_001}), "\"requests_per_minute\" must be"),
        (json!({"kind": "key", "name": "x", "requests_per_minute": -1}), "the body"),
        (json!({"kind": "key", "name": "x", "requests_per_hour": 1}), "unknown field `requests_per_hour`"),
    ];
    for (body, told) in table {
        let (status, error) = server.admin("PUT", "/admin/limits", &body.to_string());
        assert!(status == 400 && error["message"].as_str().unwrap().contains(told), "{body}: {error}");
    }
    for query in ["", "?kind=key", "?name=x", "?kind=x&name=x", "?kind=key&name=x&x=1"] {
        assert_eq!(server.admin("DELETE", &format!("/admin/limits{query}"), "").0, 400, "{query}");
    }
}

#[test]
fn every_change_stands_in_the_audit_trail_and_no_secret_does() {
    let mut audit = Audit::off();
    let server = Server::start_wired(|wiring| {
        wiring.audit = Audit::new(wiring.store.clone(), wiring.clock.clone());
        audit = wiring.audit.clone();
    });
    let (key, secret) = make(&server, "/admin/keys", json!({"owner": "bi", "scopes": ["admin"]}), "key");
    let id = key["id"].as_str().unwrap();
    let ann = json!({"name": "ann", "password": "correct horse battery", "scopes": ["admin"]});
    make(&server, "/admin/accounts", ann, "name");
    assert_eq!(server.admin("PATCH", "/admin/accounts/ann", r#"{"password":"another good one"}"#).0, 204);
    assert_eq!(server.admin("PATCH", "/admin/accounts/bob", r#"{"disabled":true}"#).0, 404);
    assert_eq!(server.admin("DELETE", &format!("/admin/keys/{id}"), "").0, 204);
    server.runtime.block_on(audit.flush());
    let log = server.get("/logs/system-events?service=analytics").json();
    assert_eq!(log["events"].as_array().unwrap().len(), 4, "{log}");
    let text = log.to_string();
    assert!(text.contains(id) && text.contains("ann"), "{text}");
    for hidden in [secret.as_str(), "correct horse battery", "another good one", "bob"] {
        assert!(!text.contains(hidden), "{hidden} stands in {text}");
    }
}

#[test]
fn nobody_administers_over_the_network() {
    let server = Server::start();
    for path in ["clients", "accounts", "accounts/ann", "tokens", "issuer", "issuer/rotate", "limits", "keys/a/rotate"]
    {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            server.request(method, &format!("/admin/{path}"), &[], b"{}").error(404, "Not Found");
        }
    }
}

#[test]
fn slices_of_pruning_are_bounded_and_read_strictly() {
    let server = Server::start();
    let (usage, events) = ("/admin/prune/usage", "/admin/prune/events");
    let table = [
        (usage, json!({"before": "2024-13-01", "user_days_max": 1}), "\"before\" must be a calendar date"),
        (usage, json!({"before": "2024-01-01", "user_days_max": 0}), "from 1 to 10000"),
        (usage, json!({"before": "2024-01-01"}), "user_days_max"),
        (events, json!({"exports_since": "2025-01-01T00:00:00Z", "events_max": 10_001}), "from 1 to 10000"),
        (events, json!({"exports_since": "2025-01-01", "events_max": 1}), "\"exports_since\""),
        (events, json!({"info_before": 1, "exports_since": "2025-01-01T00:00:00Z", "events_max": 1}), "string"),
        (
            events,
            json!({"error_before": "2025-06-01T12:00:01Z", "exports_since": "2025-01-01T00:00:00Z", "events_max": 1}),
            "the future",
        ),
    ];
    for (path, body, part) in table {
        let (status, error) = server.admin("POST", path, &body.to_string());
        assert_eq!(status, 400, "{body}");
        assert!(error["message"].as_str().unwrap().contains(part), "{body}: {error}");
    }
    for query in ["usage_before=2024", "info_before=x", "log_bytes_max=0", "before=2024-01-01"] {
        assert_eq!(server.admin("GET", &format!("/admin/prune?{query}"), "").0, 400, "{query}");
    }
    let (status, nothing) = server.admin("GET", "/admin/prune", "");
    assert_eq!((status, &nothing["usage"], &nothing["events"][0]["before"]), (200, &Value::Null, &Value::Null));
}
