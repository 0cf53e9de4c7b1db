//! `analytics`: a reporting and analytics server in one binary and one SQLite file.
//!
//! A map of the crate, from the outside in. An arrow never points back up (`.ci/layers` holds this):
//!
//! - [`cli`]: the command line; a thin `main` calls it.
//! - [`app`]: settings, wiring, start and stop.
//! - [`http`]: the only part that serves with hyper.
//! - [`export`]: jobs that write reports into files; the only part that writes CSV and XLSX.
//! - [`maintenance`]: retention, in the background.
//! - [`audit`]: the server's own trail in its own log.
//! - [`auth`]: who asks, and what they may do.
//! - [`limits`]: how often.
//! - [`ingest`]: the only part that decodes what comes in (JSON, NDJSON, CSV).
//! - [`store`]: the only part that knows SQLite; facts, rollups, the event log, control tables.
//! - [`model`]: the vocabulary.
//! - [`error`], [`clock`]: one error type; the only file that reads the time.

pub mod app;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod error;
pub mod export;
pub mod http;
pub mod ingest;
pub mod limits;
pub mod maintenance;
pub mod model;
pub mod store;
