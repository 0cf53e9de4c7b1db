//! `user`: what is held of one, and erasing one, in a stopped database or in a running server.

use super::arguments::{Global, HistoryName, UserCommand, UserErase, UserShow};
use super::output::{Failure, Outcome, print};
use crate::app::{Access, Admin, say};
use crate::clock::Clock;
use crate::error::Error;
use crate::http::percent_encode;

pub fn run(global: Global, command: UserCommand) -> Outcome {
    if let UserCommand::Show(arguments) = &command {
        refuse_reversed(arguments)?;
    }
    let settings = super::settings(global, vec![])?;
    super::block_on(async {
        let admin = Admin::open(&settings, Access::Existing, Clock::system()).await?;
        let outcome = match command {
            UserCommand::Show(arguments) => show(&admin, &arguments).await,
            UserCommand::Erase(arguments) => erase(&admin, &arguments).await,
        };
        admin.close().await;
        outcome
    })
}

fn refuse_reversed(arguments: &UserShow) -> Outcome {
    match (arguments.start, arguments.end) {
        (Some(start), Some(end)) if start > end => {
            Err(Failure::Usage(format!("--start {start} lies after --end {end}; give the earlier day first")))
        }
        _ => Ok(()),
    }
}

/// Indented wherever it goes, so that a file and a terminal show the same; a script parses either.
async fn show(admin: &Admin, arguments: &UserShow) -> Outcome {
    let bounds = [("start_date", arguments.start), ("end_date", arguments.end)];
    let given = bounds.iter().filter_map(|(name, day)| day.map(|day| format!("{name}={day}")));
    let path =
        format!("/admin/users/{}?{}", percent_encode(arguments.user_id.as_str()), given.collect::<Vec<_>>().join("&"));
    let body = admin.send("GET", &path, "").await?.body;
    let record: serde_json::Value =
        serde_json::from_slice(&body).map_err(|e| Error::internal(format!("an unexpected answer: {e}")))?;
    // The alternate form of a JSON value is the indented one.
    print(&format!("{record:#}\n"))
}

async fn erase(admin: &Admin, arguments: &UserErase) -> Outcome {
    let UserErase { user_id, history } = arguments;
    let (word, outcome) = match history {
        HistoryName::Keep => ("keep", "counts of the past stay, nobody's any more"),
        HistoryName::Remove => ("remove", "counts of the past are as if the user had never been"),
    };
    let path = format!("/users/{}?history={word}", percent_encode(user_id.as_str()));
    admin.send("DELETE", &path, "").await?;
    say(&format!("User {user_id} is erased; {outcome}."));
    Ok(())
}
