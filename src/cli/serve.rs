//! `serve`: runs the server until it is asked to stop.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::Serialize;

use super::arguments::{Global, Serve};
use super::output::{Failure, Outcome, print_json};
use crate::app::settings::Settings;
use crate::app::{PrivateDir, Running, Signals, load_sample, room_for_connections, say, start};
use crate::clock::Clock;
use crate::error::Error;
use crate::model::Grants;
use crate::store::{ApiKey, Durability};

/// The token of a database that is thrown away: for longer than any such server runs.
const TOKEN_TTL_S: u32 = 10 * 365 * 86_400;

/// What a test suite reads from standard output.
#[derive(Serialize)]
struct Ready {
    url: String,
    token: String,
    api_key: String,
}

pub fn run(global: Global, arguments: &Serve) -> Outcome {
    let throw_away = arguments.demo || arguments.ephemeral;
    if throw_away && global.database.is_some() {
        let message = "--demo and --ephemeral make a temporary database of their own; leave --database out";
        return Err(Failure::Usage(message.into()));
    }
    let mut flags: Vec<_> = arguments.listen.clone().map(|address| ("server.listen", address)).into_iter().collect();
    if arguments.ephemeral && flags.is_empty() {
        flags.push(("server.listen", "127.0.0.1:0".into()));
    }
    let mut settings = super::settings(global, flags)?;
    // Outlives everything that has files in it: removed when this function returns, whatever has happened.
    let private_dir = throw_away.then(PrivateDir::create).transpose()?;
    if let Some(dir) = &private_dir {
        settings.store.path = dir.path().join("analytics.db");
        settings.store.durability = Durability::None;
        settings.exports.directory = PathBuf::new();
        // Whoever reads our address connects to us, not to what stands before some other server; and tokens say so, too.
        settings.http.public_url.clear();
        settings.issuer.url.clear();
        settings.without_audit_unless_set();
    }
    if arguments.ephemeral {
        settings.without_limits_unless_set();
    }
    keep_memory_to_ourselves();
    leave_files_for_the_database(&mut settings);
    super::block_on(serve(settings, arguments))
}

/// No core dump, and no debugger of another process: keys, passwords and tokens stand in our memory. Only here: a command
/// that fails may well be looked at. What the system does not let us do is no reason not to serve.
fn keep_memory_to_ourselves() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn leave_files_for_the_database(settings: &mut Settings) {
    let wanted = settings.http.connections_max;
    let room = room_for_connections(wanted);
    if room < wanted {
        settings.http.connections_max = room;
        say(&format!(
            "warning: this process may open so few files that it takes {room} connections at once, not {wanted} \
             (server.connections_max); raise the limit: `ulimit -n`, or LimitNOFILE= of systemd"
        ));
    }
}

async fn serve(settings: Settings, arguments: &Serve) -> Outcome {
    let throw_away = arguments.demo || arguments.ephemeral;
    let mut signals =
        Signals::listen(throw_away).map_err(|e| Error::internal(format!("cannot listen for signals: {e}")))?;
    let database = settings.store.path.clone();
    let running = start(settings, Clock::system()).await?;
    if arguments.demo {
        load_sample(running.store()).await?;
    }
    if throw_away {
        greet_with_keys(&running, arguments.demo).await?;
    } else {
        greet(&running, &database)?;
    }
    warn_of_plain_text(&running);
    tokio::select! {
        () = signals.next() => {}
        reason = running.failure() => {
            let message = format!("the database can no longer be written to: {reason}");
            return Err(Failure::Failed(Error::internal(message)));
        }
    }
    say("stopping once requests under way have ended; a second signal stops at once");
    tokio::select! {
        () = running.stop() => Ok(()),
        () = signals.next() => Err(Failure::Told),
    }
}

fn greet(running: &Running, database: &Path) -> Outcome {
    say(&format!("listening on http://{}, database {}", running.address, database.display()));
    let now = Clock::system().unix_micros();
    let is_valid = |key: &ApiKey| key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now);
    if !running.auth.keys.list()?.iter().any(is_valid) {
        say(&format!(
            "There is no valid API key. Make one:\n  analytics key create --owner me --scope read:analytics \
             --scope write:events --database {}",
            shell_quoted(&database.to_string_lossy())
        ));
    }
    Ok(())
}

fn warn_of_plain_text(running: &Running) {
    if !running.address.ip().is_loopback() && running.url.starts_with("http://") {
        say(&format!(
            "warning: clients elsewhere reach {} without TLS, so keys and tokens can be read on their way; put a proxy in front \
             and set server.public_url to its https address",
            running.url
        ));
    }
}

async fn greet_with_keys(running: &Running, demo: bool) -> Outcome {
    let token = running.auth.issuer.issue_token("token", Grants::ALL, TOKEN_TTL_S).await?;
    let api_key = running.auth.keys.create_for_session("api_key", Grants::ALL)?;
    let ready = Ready { url: running.url.clone(), token: token.token, api_key };
    say(&format!("listening on http://{}, everything is gone at exit", running.address));
    if demo {
        say(&lines_to_paste(&ready));
    }
    // Whoever does not read it does not need it.
    match print_json(&ready) {
        Err(Failure::ReaderGone) => Ok(()),
        printed => printed,
    }
}

fn lines_to_paste(ready: &Ready) -> String {
    // The key is shorter than the token, and does the same.
    let Ready { url, api_key, .. } = ready;
    // As it was called: it need not stand in PATH.
    let program = shell_quoted(&std::env::args().next().unwrap_or_else(|| "analytics".into()));
    format!(
        "Sample data from November 2024 to May 2025. Try:\n\n  \
         curl -H 'Authorization: Bearer {api_key}' '{url}/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31'\n  \
         curl -H 'Authorization: Bearer {api_key}' '{url}/reports/usage-summary?start_date=2024-11-01&end_date=2025-05-21&interval=month'\n  \
         curl -H 'Authorization: Bearer {api_key}' '{url}/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31&group_by=team'\n  \
         curl -H 'X-API-Key: {api_key}' '{url}/logs/system-events?limit=3'\n  \
         curl -H 'X-API-Key: {api_key}' '{url}/logs/system-events?severity=warning&limit=3&page=2'\n  \
         curl -H 'X-API-Key: {api_key}' -d '{{\"user_id\":\"u-001\",\"service\":\"web\"}}' '{url}/usage/events'\n  \
         curl -H 'X-API-Key: {api_key}' -d '{{\"report_type\":\"usage-summary\",\"format\":\"xlsx\",\"start_date\":\"2025-01-01\",\"end_date\":\"2025-01-31\"}}' '{url}/reports/export'\n  \
         ANALYTICS_TOKEN='{api_key}' {program} export usage-summary --start 2025-01-01 --end 2025-01-31 -o january.xlsx --url '{url}'\n"
    )
}

/// For pasting into a shell: as it is where that is safe, else in single quotes.
fn shell_quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:,@".contains(&byte);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_string(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_database_cannot_be_a_named_one() {
        let global = Global { database: Some("a.db".into()), config: None };
        let refused = run(global, &Serve { listen: None, demo: false, ephemeral: true });
        assert!(matches!(refused, Err(Failure::Usage(_))));
    }

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        let cases = [("/var/lib/a.db", "/var/lib/a.db"), ("my data.db", "'my data.db'"), ("it's", r"'it'\''s'")];
        for (path, quoted) in cases {
            assert_eq!(shell_quoted(path), quoted);
        }
    }
}
