//! The README's examples: what it shows is what the server says.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ephemeral::ThrowAway;

/// A `curl` line of the README and the answer shown below it.
struct Example {
    path: String,
    body: Option<String>,
    answer: Value,
}

/// Of one section: every `curl` line that an answer follows.
fn examples(title: &str) -> Vec<Example> {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with(title)).expect("the section");
    let blocks: Vec<_> = section.split("```").skip(1).step_by(2).collect();
    let answered = |pair: &&[&str]| pair[0].starts_with("sh\n") && pair[1].starts_with("json\n");
    blocks.windows(2).filter(answered).map(|pair| example(pair[0], pair[1])).collect()
}

fn example(command: &str, answer: &str) -> Example {
    let (_, path) = command.split_once("http://127.0.0.1:8080").expect("a request to the demo's address");
    let body = command.split_once("-d '").and_then(|(_, rest)| rest.split_once('\''));
    Example {
        path: path.trim().trim_end_matches('\'').to_string(),
        body: body.map(|(body, _)| body.to_string()),
        answer: serde_json::from_str(answer.trim_start_matches("json")).expect("the answer is JSON"),
    }
}

#[test]
fn every_request_of_the_readme_has_the_answer_shown_there() {
    let server = ThrowAway::start(&["--demo", "--listen", "127.0.0.1:0"]);
    let (first_look, access) = (examples("A first look"), examples("Who may do what"));
    assert!(first_look.len() >= 5 && !access.is_empty(), "{} and {} examples", first_look.len(), access.len());
    for Example { path, body, answer } in first_look.into_iter().chain(access) {
        let told = server.send(&path, body.as_deref());
        assert_eq!(without_expiry(told), without_expiry(answer), "{path}");
    }
}

#[test]
fn an_export_goes_as_the_readme_says() {
    let server = ThrowAway::start(&["--demo", "--listen", "127.0.0.1:0"]);
    let [make, look] = <[Example; 2]>::try_from(examples("Exports")).ok().expect("two requests with answers");
    let shown_id = make.answer["job_id"].as_str().unwrap();
    let made = server.send(&make.path, make.body.as_deref());
    let id = made["job_id"].as_str().unwrap_or_else(|| panic!("{made}"));
    let as_shown = |answer: &Value| -> Value {
        let text = answer.to_string().replace(id, shown_id).replace(server.word("url"), "http://127.0.0.1:8080");
        without_times(serde_json::from_str(&text).unwrap())
    };
    assert_eq!(as_shown(&made), make.answer);
    let deadline = Instant::now() + Duration::from_secs(60);
    let job = loop {
        let job = server.send(&look.path.replace(shown_id, id), None);
        if job["status"] != "queued" && job["status"] != "processing" {
            break job;
        }
        assert!(Instant::now() < deadline, "{job}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(as_shown(&job), without_times(look.answer));
    let section = include_str!("../../README.md");
    assert!(section.contains(&format!("-OJ http://127.0.0.1:8080/downloads/export-{shown_id}.csv")));
}

/// A job's times are those of the clock.
fn without_times(mut answer: Value) -> Value {
    for (name, value) in answer.as_object_mut().expect("an object") {
        if name.ends_with("_at") {
            assert!(value.is_string(), "{name}: {value}");
            *value = Value::Null;
        }
    }
    answer
}

/// The demo's token expires so long after the start of the server.
fn without_expiry(mut answer: Value) -> Value {
    if let Some(expiry) = answer.get_mut("expires_at") {
        assert!(expiry.is_string(), "{expiry}");
        *expiry = Value::Null;
    }
    answer
}
