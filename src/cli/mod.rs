//! The command line: one file per command.

mod account;
mod admin;
mod arguments;
mod backup;
mod check;
mod client;
mod config;
mod duration;
mod export;
mod import;
mod issuer;
mod jobs;
mod key;
mod limit;
mod output;
mod password;
mod pasted;
mod prune;
mod report;
mod restore;
mod serve;
mod token;
mod user;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::arguments::{Arguments, Command, Completions, Global};
use self::output::{Failure, Outcome, print};
use crate::app::settings::{Settings, Sources};
use crate::error::Error;
use crate::http;

/// Runs the command of this process's arguments. The exit code is 0 if it is done, 1 if it failed, 2 if it was not
/// understood.
pub fn main() -> ExitCode {
    output::exit_code(run(Arguments::parse()))
}

fn run(arguments: Arguments) -> Outcome {
    let global = arguments.global;
    match arguments.command {
        None => print(&Arguments::command().render_help().to_string()),
        Some(Command::Serve(arguments)) => serve::run(global, &arguments),
        Some(Command::Import(arguments)) => import::run(global, &arguments),
        Some(Command::Report(arguments)) => report::run(global, &arguments),
        Some(Command::Export { command }) => export::run(global, &command),
        Some(Command::Jobs { command }) => jobs::run(global, command),
        Some(Command::Key { command }) => key::run(global, command),
        Some(Command::Client { command }) => client::run(global, command),
        Some(Command::Account { command }) => account::run(global, command),
        Some(Command::Token { command }) => token::run(global, command),
        Some(Command::Issuer { command }) => issuer::run(global, command),
        Some(Command::Limit { command }) => limit::run(global, command),
        Some(Command::User { command }) => user::run(global, command),
        Some(Command::Backup(arguments)) => backup::run(global, &arguments),
        Some(Command::Restore(arguments)) => restore::run(global, &arguments),
        Some(Command::Prune(arguments)) => prune::run(global, &arguments),
        Some(Command::Check(arguments)) => check::run(global, &arguments),
        Some(Command::Config(arguments)) => config::run(global, &arguments),
        Some(Command::Openapi) => print(http::OPENAPI),
        Some(Command::Completions(arguments)) => completions(&arguments),
    }
}

fn completions(arguments: &Completions) -> Outcome {
    let mut script = vec![];
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "analytics", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The settings under the flags that every command takes and those of this one: (setting, value).
fn settings(global: Global, flags: Vec<(&'static str, String)>) -> Outcome<Settings> {
    let mut flags = flags;
    flags.extend(global.database.map(|path| ("database.path", path)));
    // A name or value that is no UTF-8 can be no setting of ours, but must not stop us either.
    let environment = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    let sources = Sources { config: global.config, environment, flags };
    Settings::load(sources).map_err(|error| Failure::Usage(error.message))
}

/// Runs a command's work on a runtime of its own.
fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::internal(format!("cannot start threads: {e}")))?;
    // Boxed, so that the runtime's loop is compiled once for each kind of outcome, not for each command.
    let work: Pin<Box<dyn Future<Output = Outcome<T>> + '_>> = Box::pin(work);
    let outcome = runtime.block_on(work);
    // Work that nobody waits for any more must not hold the process back.
    runtime.shutdown_background();
    outcome
}
