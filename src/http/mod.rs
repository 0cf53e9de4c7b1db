//! The only part that serves with hyper.
//!
//! The path of a request: `conn` accepts it, `guarded` holds its raw head against `guard`, `service` finds its
//! route (`path`), its principal (`credentials`) and its parameters (`query`); one file per endpoint answers it;
//! `respond` turns the outcome, good or bad, into a response.

mod admin;
mod admit;
mod attempt;
mod body;
mod budget;
mod client_address;
mod conn;
mod cors;
mod credentials;
mod cursor;
mod downloads;
mod encoding;
mod etag;
mod exports;
mod file_body;
mod guard;
mod guarded;
mod http_date;
mod idempotency_key;
mod ingest;
mod link;
mod local;
mod login;
mod metrics;
mod oauth_error;
mod oauth_form;
mod oauth_token;
mod openapi;
mod path;
mod peers;
mod probes;
mod query;
mod range;
mod refuse;
mod remote;
mod request_body;
mod request_id;
mod respond;
mod service;
mod settings;
mod strict_json;
mod system_events;
mod threads;
mod usage_summary;
mod users;
mod well_known;
mod whoami;
mod wiring;

pub use admin::{EventsToPrune, Prunable, Slice, UsageToPrune};
pub use conn::{serve_local, serve_tcp};
pub use local::{Local, LocalResponse, SocketClient};
pub use openapi::DOCUMENT as OPENAPI;
pub use query::percent_encode;
pub use remote::{Download, Remote, harmless, refusal_message};
pub use service::{Peer, Service};
pub use settings::Settings;
pub use threads::Threads;
pub use wiring::Wiring;
