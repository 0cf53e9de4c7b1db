//! The command line, as a person or a script meets it: the real binary, its output, its exit codes.

mod check;
mod ephemeral;
mod import;
mod keys;
mod readme;
mod report;
mod serve;
mod settings;
mod support;
mod users;
