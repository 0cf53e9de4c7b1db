//! The command line, as a person or a script meets it: the real binary, its output, its exit codes.

mod accounts;
mod backup;
mod check;
mod clients;
mod ephemeral;
mod export;
mod import;
mod jobs;
mod keys;
mod limits;
mod prune;
mod readme;
mod remote_export;
mod report;
mod scripted;
mod serve;
mod settings;
mod support;
mod tokens;
mod users;
