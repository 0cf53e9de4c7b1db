use serde_json::Value;

use crate::support::{Place, SUMMARY, Server, post_form};

const CREATE: [&str; 6] = ["client", "create", "--name", "nightly", "--scope", "read:analytics"];

/// The two lines of `client create`, as a shell takes them.
fn id_and_secret(stdout: &str) -> (String, String) {
    let line = |name: &str| {
        let line = stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("{name} in {stdout}")).to_string()
    };
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    (line("client_id"), line("client_secret"))
}

fn fetch_token(server: &Server, id: &str, secret: &str) -> (u16, Value) {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    post_form(&format!("{}/oauth/token", server.url), &form)
}

#[test]
fn a_client_made_while_the_server_is_stopped_gets_a_token_that_reads() {
    let place = Place::new();
    let made = place.run(&CREATE);
    assert!(made.stderr.contains("curl -u \"$client_id:$client_secret\""), "{}", made.stderr);
    assert!(made.stderr.contains("/oauth/token") && made.stderr.contains("shown this once"), "{}", made.stderr);
    let (id, secret) = id_and_secret(&made.stdout);
    assert!(!made.stderr.contains(&secret), "{}", made.stderr);

    let server = place.serve();
    let (status, answer) = fetch_token(&server, &id, &secret);
    assert_eq!((status, &answer["token_type"]), (200, &"Bearer".into()), "{answer}");
    assert_eq!(server.get(SUMMARY, answer["access_token"].as_str().unwrap()).0, 200);
}

#[test]
fn revoking_a_client_ends_its_tokens_on_a_running_server_at_once() {
    let place = Place::new();
    let server = place.serve();
    let made = place.run(&[&CREATE[..], &["--role", "report_admin", "--json"]].concat()).json();
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
    assert_eq!(made["token_url"], format!("{}/oauth/token", server.url));
    assert_eq!(made["roles"], serde_json::json!(["report_admin"]));
    let (_, answer) = fetch_token(&server, id, secret);
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(server.get(SUMMARY, token).0, 200);

    // Whoever finds a secret can revoke what it belongs to.
    let revoked = place.run(&["client", "revoke", secret]);
    assert!(revoked.stderr.contains(id) && !revoked.stderr.contains(secret), "{}", revoked.stderr);
    revoked.ok();
    assert_eq!(server.get(SUMMARY, token).0, 401);
    let (status, answer) = fetch_token(&server, id, secret);
    assert_eq!((status, &answer["error"]), (401, &"invalid_client".into()));

    let again = place.run(&["client", "revoke", id]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("client list"), "{}", again.stderr);
}

#[test]
fn the_list_of_clients_tells_what_each_may_do_and_no_secret() {
    let place = Place::new();
    assert!(place.run(&["client", "list"]).stderr.contains("no database"));
    let (id, secret) = id_and_secret(&place.run(&[&CREATE[..], &["--role", "report_admin"]].concat()).ok());
    for _server in [None, Some(place.serve())] {
        let table = place.run(&["client", "list"]).ok();
        let line = table.lines().find(|line| line.contains(&id)).unwrap();
        assert!(line.contains("nightly") && line.contains("read:analytics report_admin"), "{table}");
        assert!(!table.contains(&secret) && !table.contains("argon2"), "{table}");
        let list = place.run(&["client", "list", "--json"]).json();
        assert_eq!(list["clients"][0]["id"], id.as_str());
    }
}
