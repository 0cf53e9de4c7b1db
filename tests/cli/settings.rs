//! Settings, help and what a shell asks for.

use crate::support::{Ended, Place};

fn run(place: &Place, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = place.command();
    command.args(arguments).envs(environment.iter().copied());
    Ended::of(command, b"")
}

#[test]
fn a_bad_setting_is_a_usage_error_that_names_its_place() {
    let place = Place::new();
    place.file("analytics.toml", "[server]\nlisten = 8080\n");
    let ended = run(&place, &["config"], &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.starts_with("error: analytics.toml:2: "), "{}", ended.stderr);
    assert_eq!(run(&place, &["serve"], &[]).code, 2);
}

#[test]
fn an_unknown_setting_is_a_usage_error_wherever_it_comes_from() {
    let place = Place::new();
    let file = place.file("my.toml", "[server]\nlisen = \"127.0.0.1:1\"\n");
    for ended in [
        run(&place, &["config", "--config", &file], &[]),
        run(&place, &["config"], &[("ANALYTICS_CONFIG", &file)]),
        run(&place, &["config"], &[("ANALYTICS_SERVER_LISEN", "127.0.0.1:1")]),
    ] {
        assert_eq!(ended.code, 2, "{}", ended.stdout);
    }
}

#[test]
fn config_shows_each_setting_and_where_it_comes_from() {
    let place = Place::new();
    place.file("analytics.toml", "[server]\nlisten = \"127.0.0.1:1\"\ncontact = \"ops@example.com\"\n");
    let environment = [("ANALYTICS_SERVER_LISTEN", "127.0.0.1:2")];
    let shown = run(&place, &["config", "--database", "x.db"], &environment).ok();
    for value in ["127.0.0.1:2", "ops@example.com", "x.db"] {
        assert!(shown.contains(value), "{shown}");
    }
    // What it prints is a settings file.
    let file = place.file("copy.toml", &shown);
    assert!(run(&place, &["config", "--config", &file], &[]).ok().contains("ops@example.com"));

    let json = run(&place, &["config", "--json", "--database", "x.db"], &environment).json();
    let find = |name: &str| json.as_array().unwrap().iter().find(|setting| setting["name"] == name).unwrap().clone();
    assert_eq!(find("server.listen")["value"], "127.0.0.1:2");
    assert!(find("server.listen")["origin"].as_str().unwrap().contains("ANALYTICS_SERVER_LISTEN"));
}

#[test]
fn analytics_alone_prints_its_help() {
    let place = Place::new();
    let help = run(&place, &[], &[]).ok();
    for word in ["serve", "import", "report", "key", "check", "Examples:"] {
        assert!(help.contains(word), "{help}");
    }
    assert_eq!(run(&place, &["--help"], &[]).ok(), help);
}

#[test]
fn what_is_not_understood_ends_with_2() {
    let place = Place::new();
    for arguments in [&["server"][..], &["serve", "--port", "1"], &["serve", "--demo", "--ephemeral"]] {
        let ended = run(&place, arguments, &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    }
}

#[test]
fn the_apis_description_and_completions_are_printed() {
    let place = Place::new();
    let document = run(&place, &["openapi"], &[]).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&place, &["completions", shell], &[]).ok().contains("ephemeral"), "{shell}");
    }
}
