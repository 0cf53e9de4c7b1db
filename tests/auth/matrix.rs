//! Every endpoint with every kind of credential: status, headers and body follow from two tables by one rule.

use std::collections::BTreeSet;

use analytics::model::{Role, Scope};
use serde_json::Value;

use crate::credentials::{self, Credential, Held, PASSWORD, Worth};
use crate::endpoints::{ENDPOINTS, Endpoint, Need};
use crate::server::{Answer, QUOTA, Server};

/// What an answer must be.
#[derive(PartialEq, Debug)]
struct Expected {
    status: u16,
    /// The exact challenge, if there must be one.
    challenge: Option<String>,
    /// Of the body; None where it is not an error of ours.
    error: Option<&'static str>,
    /// Whether the request was counted.
    counted: bool,
}

#[test]
fn every_endpoint_answers_every_credential_as_the_contract_says() {
    let server = Server::start();
    let form = client_credentials(&server);
    server
        .runtime
        .block_on(server.running().auth.issuer.create_account("mallory", PASSWORD.into(), Default::default()))
        .expect("an account");
    let credentials = credentials::all(&server);
    let mut wrong = vec![];
    let mut table = String::new();
    for credential in &credentials {
        let mut row = format!("{:<38}", credential.name);
        for endpoint in &ENDPOINTS {
            let answer = ask(&server, endpoint, credential, &form);
            let expected = expected(endpoint, credential);
            row += &format!(" {}", answer.status);
            wrong.extend(
                differences(&answer, &expected, endpoint.policy)
                    .map(|what| format!("{} {} with {}: {what}", endpoint.method, endpoint.template, credential.name)),
            );
            wrong.extend(leak(&answer, credential).map(|what| {
                format!("{} {} with {} shows {what}", endpoint.method, endpoint.template, credential.name)
            }));
        }
        table += &(row + "\n");
    }
    println!("{}{table}", legend());
    println!("{} endpoints x {} credentials", ENDPOINTS.len(), credentials.len());
    assert!(wrong.is_empty(), "{} of the answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The document has every route of the network: a test beside the routes holds that.
#[test]
fn no_endpoint_is_missing_from_the_matrix() {
    let document: Value = serde_json::from_str(analytics::http::OPENAPI).expect("the document is JSON");
    let served: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys();
            methods.filter(|name| *name != "parameters").map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let tested: BTreeSet<(String, String)> =
        ENDPOINTS.iter().map(|endpoint| (endpoint.method.into(), endpoint.template.into())).collect();
    assert_eq!(served, tested);
}

#[test]
fn no_two_credentials_of_the_matrix_have_one_name() {
    let server = Server::start();
    let names: Vec<String> = credentials::all(&server).into_iter().map(|credential| credential.name).collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

#[test]
fn what_a_credential_is_worth_is_what_whoami_says() {
    let server = Server::start();
    for credential in credentials::all(&server) {
        let Worth::Holds(held) = &credential.worth else { continue };
        let answer = server.send("GET", "/auth/whoami", &credential.headers, "");
        assert_eq!(answer.status, 200, "{}: {}", credential.name, answer.text);
        let told = answer.json();
        let words = |name: &str| -> BTreeSet<String> {
            told[name].as_array().expect("a list").iter().map(|word| word.as_str().expect("a word").into()).collect()
        };
        let Held { issuer, subject, grants } = &**held;
        assert_eq!((&told["issuer"], &told["subject"]), (&issuer.as_str().into(), &subject.as_str().into()));
        assert_eq!(
            words("scopes"),
            grants.scopes.iter().map(|scope| scope.to_string()).collect(),
            "{}",
            credential.name
        );
        assert_eq!(words("roles"), grants.roles.iter().map(|role| role.to_string()).collect(), "{}", credential.name);
    }
}

/// The rule: from what an endpoint needs and what a credential is worth.
fn expected(endpoint: &Endpoint, credential: &Credential) -> Expected {
    let plain = |status, error| Expected { status, challenge: None, error, counted: false };
    let admitted =
        Expected { counted: true, ..plain(endpoint.status, (endpoint.status >= 400).then_some("Not Found")) };
    let scheme = credential
        .headers
        .iter()
        .find_map(|(name, value)| (*name == "authorization").then(|| value.split(' ').next().unwrap_or_default()));
    let (scope, role) = match endpoint.need {
        Need::Nothing | Need::OwnBody => return plain(endpoint.status, None),
        Need::OwnForm => {
            return match scheme {
                None => plain(endpoint.status, None),
                // Two ways to say who the client is are one too many (RFC 6749, 2.3).
                Some("Basic") if credential.name != "basic that is no base64" => plain(400, None),
                // No way to say it that we know (RFC 6749, 5.2).
                _ => Expected { challenge: Some("Basic realm=\"analytics\"".into()), ..plain(401, None) },
            };
        }
        Need::Anyone => (None, None),
        Need::Scope(scope) => (Some(scope), None),
        Need::Role(scope, role) => (Some(scope), Some(role)),
    };
    let challenge = |parameters: &str| Some(format!("Bearer realm=\"analytics\"{parameters}"));
    match &credential.worth {
        Worth::Missing => Expected { challenge: challenge(""), ..plain(401, Some("Unauthorized")) },
        Worth::Nothing => {
            Expected { challenge: challenge(", error=\"invalid_token\""), ..plain(401, Some("Unauthorized")) }
        }
        Worth::Unclear => plain(400, Some("Bad Request")),
        // A page of another site is not played here: Basic changes things.
        Worth::Holds(held) => match lacking(held, scope, role) {
            Some(what) => Expected {
                challenge: challenge(&format!(", error=\"insufficient_scope\", scope=\"{what}\"")),
                counted: true,
                ..plain(403, Some("Forbidden"))
            },
            None => admitted,
        },
    }
}

/// The first thing that the credential was not given: the scope comes before the role.
fn lacking(held: &Held, scope: Option<Scope>, role: Option<Role>) -> Option<&'static str> {
    let scope = scope.filter(|scope| !held.grants.scopes.contains(*scope)).map(Scope::as_str);
    scope.or_else(|| role.filter(|role| !held.grants.roles.contains(*role)).map(Role::as_str))
}

fn ask(server: &Server, endpoint: &Endpoint, credential: &Credential, form: &str) -> Answer {
    let mut headers = credential.headers.clone();
    if !endpoint.content_type.is_empty() {
        headers.push(("content-type", endpoint.content_type.into()));
    }
    let body = if endpoint.need == Need::OwnForm { form } else { endpoint.body };
    server.send(endpoint.method, endpoint.path_and_query, &headers, body)
}

fn differences(answer: &Answer, expected: &Expected, policy: &str) -> impl Iterator<Item = String> {
    let mut wrong = vec![];
    let mut compare = |what: &str, is: String, should: String| {
        if is != should {
            wrong.push(format!("{what} is {is}, not {should}"));
        }
    };
    compare("the status", answer.status.to_string(), expected.status.to_string());
    compare(
        "the challenge",
        format!("{:?}", answer.header("www-authenticate")),
        format!("{:?}", expected.challenge.as_deref()),
    );
    if let Some(error) = expected.error {
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        compare("error", body["error"].to_string(), format!("\"{error}\""));
        let told = body["message"].as_str().is_some_and(|message| message.len() > 10);
        compare("a message", told.to_string(), "true".into());
    }
    let due = expected.counted.then(|| format!("\"{policy}\";q={QUOTA};w=60"));
    compare("RateLimit-Policy", format!("{:?}", answer.header("ratelimit-policy")), format!("{:?}", due.as_deref()));
    compare("RateLimit", answer.header("ratelimit").is_some().to_string(), expected.counted.to_string());
    compare("X-Request-Id", answer.header("x-request-id").is_some().to_string(), "true".into());
    wrong.into_iter()
}

/// A credential that an answer shows again, if it is long enough to be one.
fn leak(answer: &Answer, credential: &Credential) -> Option<String> {
    let sent = credential.headers.iter().filter_map(|(_, value)| value.split(' ').next_back());
    let told = |secret: &str| {
        secret.len() > 20 && (answer.text.contains(secret) || format!("{:?}", answer.headers).contains(secret))
    };
    sent.filter(|secret| told(secret)).map(|_| "what was sent".to_string()).next()
}

fn client_credentials(server: &Server) -> String {
    let issuer = &server.running().auth.issuer;
    let grants =
        analytics::model::Grants { scopes: [Scope::ReadAnalytics].into_iter().collect(), ..Default::default() };
    let client = server.runtime.block_on(issuer.create_client("matrix", grants)).expect("a client");
    format!("grant_type=client_credentials&client_id={}&client_secret={}", client.id, client.secret)
}

fn legend() -> String {
    let lines = ENDPOINTS.iter().enumerate().map(|(column, endpoint)| {
        format!("{:>40}. {} {} needs {:?}\n", column + 1, endpoint.method, endpoint.template, endpoint.need)
    });
    lines.collect()
}
