//! `account`: people who log in with a password.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::{Collection, day_or_never, state, with_admin, words};
use super::arguments::{AccountCommand, AccountCreate, Global};
use super::output::{Outcome, print, print_json};
use super::report::{Align, table};
use super::{admin, password};
use crate::app::{Access, Admin, say};
use crate::clock::Clock;

const ACCOUNTS: Collection =
    Collection { noun: "Account", known: "account", path: "/admin/accounts", list: "account list" };

pub fn run(global: Global, command: AccountCommand) -> Outcome {
    match command {
        AccountCommand::Create(arguments) => create(global, &arguments),
        AccountCommand::List { json } => {
            with_admin(global, Access::Existing, async |admin, clock| list(admin, clock, json).await)
        }
        AccountCommand::Disable { name } => {
            let outcome = "is disabled; its log-ins and tokens have ended";
            change(global, name.name.as_str(), json!({"disabled": true}), outcome)
        }
        AccountCommand::Enable { name } => {
            let outcome = "is enabled; it logs in with the password that it had";
            change(global, name.name.as_str(), json!({"disabled": false}), outcome)
        }
        AccountCommand::Password { name, password } => {
            let password = password::read(&password, name.name.as_str())?;
            let outcome = "has the new password; its log-ins and tokens have ended";
            change(global, name.name.as_str(), json!({"password": password}), outcome)
        }
        AccountCommand::Role { name, granted } => {
            let outcome = format!("now has {}; its log-ins and tokens have ended", granted.words());
            let told = json!({"scopes": granted.scopes(), "roles": granted.roles()});
            change(global, name.name.as_str(), told, &outcome)
        }
    }
}

/// The password is read before the database is taken: a person who types holds nobody up.
fn create(global: Global, arguments: &AccountCreate) -> Outcome {
    let AccountCreate { name, granted, password } = arguments;
    let name = name.name.as_str();
    let password = password::read(password, name)?;
    let told =
        json!({"name": name, "password": password, "scopes": granted.scopes(), "roles": granted.roles()}).to_string();
    with_admin(global, Access::MayCreate, async |admin, _| {
        admin.send("POST", ACCOUNTS.path, told).await?;
        say(&format!("Account {name} is made, for {}; it logs in at POST /auth/login.", granted.words()));
        Ok(())
    })
}

fn change(global: Global, name: &str, told: Value, outcome: &str) -> Outcome {
    with_admin(global, Access::Existing, async |admin, _| {
        let answer = admin.send("PATCH", &ACCOUNTS.path_of(name), told.to_string()).await;
        ACCOUNTS.found(name, answer)?;
        say(&format!("Account {name} {outcome}."));
        Ok(())
    })
}

#[derive(Deserialize, Serialize)]
struct Listed {
    name: String,
    scopes: Vec<String>,
    roles: Vec<String>,
    created_at: Option<String>,
    disabled_at: Option<String>,
    last_login_at: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Accounts {
    accounts: Vec<Listed>,
}

async fn list(admin: &Admin, clock: &Clock, json: bool) -> Outcome {
    let accounts: Accounts = admin::ask(admin, "GET", ACCOUNTS.path, &Value::Null).await?;
    if json {
        return print_json(&accounts);
    }
    if accounts.accounts.is_empty() {
        say("There is no account yet; `analytics account create alice --scope read:analytics` makes one.");
        return Ok(());
    }
    let columns = ["name", "scopes and roles", "state", "created", "last log-in"].map(|head| (head, Align::Left));
    let rows: Vec<_> = accounts.accounts.iter().map(|account| row(account, clock.unix_micros())).collect();
    print(&table(&columns, &rows))
}

fn row(account: &Listed, now: i64) -> Vec<String> {
    let disabled = account.disabled_at.as_deref().map(|at| ("disabled", at));
    vec![
        account.name.clone(),
        words(&account.scopes, &account.roles),
        state(disabled, None, now),
        day_or_never(&account.created_at),
        day_or_never(&account.last_login_at),
    ]
}
