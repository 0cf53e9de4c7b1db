use crate::support::{Place, SUMMARY};

const ISSUE: [&str; 6] = ["token", "issue", "--subject", "ci", "--scope", "read:analytics"];

#[test]
fn the_token_alone_stands_on_standard_output_and_works_at_once() {
    let place = Place::new();
    let server = place.serve();
    let issued = place.run(&ISSUE);
    assert!(issued.stderr.contains("shown this once"), "{}", issued.stderr);
    let token = issued.ok();
    assert_eq!((token.lines().count(), token.matches('.').count()), (1, 2), "{token}");
    assert_eq!(server.get(SUMMARY, token.trim_end()).0, 200);
    let (status, who) = server.get("/auth/whoami", token.trim_end());
    assert_eq!((status, &who["issuer"], &who["subject"]), (200, &"local".into(), &"ci".into()), "{who}");
}

#[test]
fn a_token_issued_while_the_server_is_stopped_is_good_where_the_issuers_address_is_fixed() {
    let place = Place::new();
    place.file("analytics.toml", "[issuer]\nurl = \"https://analytics.example.com\"\n");
    let issued = place.run(&[&ISSUE[..], &["--ttl", "90d"]].concat());
    assert!(issued.stderr.contains("https://analytics.example.com"), "{}", issued.stderr);
    let token = issued.ok();
    assert_eq!(place.serve().get(SUMMARY, token.trim_end()).0, 200);
}

#[test]
fn a_revoked_token_is_refused_at_once() {
    let place = Place::new();
    let server = place.serve();
    let made = place.run(&[&ISSUE[..], &["--json"]].concat()).json();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let other = place.run(&ISSUE).ok();
    assert_eq!(server.get(SUMMARY, token).0, 200);
    // The whole token, as it was found.
    let revoked = place.run(&["token", "revoke", token]);
    assert!(revoked.stderr.contains(id) && !revoked.stderr.contains(token), "{}", revoked.stderr);
    revoked.ok();
    assert_eq!(server.get(SUMMARY, token).0, 401);
    assert_eq!(server.get(SUMMARY, other.trim_end()).0, 200);

    let again = place.run(&["token", "revoke", id]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("token list"), "{}", again.stderr);
}

#[test]
fn the_list_of_tokens_tells_who_may_do_what_and_until_when() {
    let place = Place::new();
    let made = place.run(&[&ISSUE[..], &["--role", "report_admin", "--ttl", "1h", "--json"]].concat()).json();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    for _server in [None, Some(place.serve())] {
        let table = place.run(&["token", "list"]).ok();
        let line = table.lines().find(|line| line.contains(id)).unwrap();
        assert!(line.contains("ci") && line.contains("read:analytics report_admin"), "{table}");
        assert!(line.contains("until") && !table.contains(token), "{table}");
        let list = place.run(&["token", "list", "--json"]).json();
        assert_eq!(list["tokens"][0]["expires_at"], made["expires_at"]);
    }
}

#[test]
fn tokens_of_before_a_rotation_stay_good() {
    let place = Place::new();
    let server = place.serve();
    let old = place.run(&ISSUE).ok();
    let before = place.run(&["issuer", "show", "--json"]).json();
    let kid = place.run(&["issuer", "rotate", "--json"]).json()["kid"].as_str().unwrap().to_string();
    let new = place.run(&ISSUE).ok();
    for token in [old, new] {
        assert_eq!(server.get(SUMMARY, token.trim_end()).0, 200);
    }
    let shown = place.run(&["issuer", "show"]).ok();
    assert!(shown.contains(&kid) && shown.contains(&server.url), "{shown}");
    assert!(shown.contains("/.well-known/oauth-authorization-server"), "{shown}");
    assert!(!before.to_string().contains(&kid), "{before}");
}
