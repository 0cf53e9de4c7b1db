//! The README's first look: what it shows is what the server says.

use serde_json::Value;

use crate::ephemeral::ThrowAway;

/// A `curl` line of the README and the answer shown below it.
struct Example {
    path: String,
    body: Option<String>,
    answer: Value,
}

fn examples() -> Vec<Example> {
    let readme = include_str!("../../README.md");
    let first_look = readme.split("\n## ").find(|section| section.starts_with("A first look")).expect("the section");
    let mut blocks = first_look.split("```").skip(1).step_by(2);
    let mut examples = vec![];
    while let (Some(command), Some(answer)) = (blocks.next(), blocks.next()) {
        let (_, path) = command.split_once("http://127.0.0.1:8080").expect("a request to the demo's address");
        let body = command.split_once("-d '").and_then(|(_, rest)| rest.split_once('\''));
        examples.push(Example {
            path: path.trim().trim_end_matches('\'').to_string(),
            body: body.map(|(body, _)| body.to_string()),
            answer: serde_json::from_str(answer.trim_start_matches("json")).expect("the answer is JSON"),
        });
    }
    examples
}

#[test]
fn every_request_of_the_readme_has_the_answer_shown_there() {
    let server = ThrowAway::start(&["--demo", "--listen", "127.0.0.1:0"]);
    let examples = examples();
    assert!(examples.len() >= 5, "{} examples", examples.len());
    for Example { path, body, answer } in examples {
        assert_eq!(server.send(&path, body.as_deref()), answer, "{path}");
    }
}
