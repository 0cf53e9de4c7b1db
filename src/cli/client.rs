//! `client`: applications that get access tokens with an id and a secret.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::{Collection, ask, day_or_never, state, with_admin, words};
use super::arguments::{ClientCommand, ClientCreate, Global};
use super::issuer::Issuer;
use super::output::{Outcome, print, print_json};
use super::pasted;
use super::report::{Align, table};
use crate::app::{Access, Admin, say};
use crate::clock::Clock;

const CLIENTS: Collection =
    Collection { noun: "Client", known: "valid client", path: "/admin/clients", list: "client list" };

pub fn run(global: Global, command: ClientCommand) -> Outcome {
    let access = match command {
        ClientCommand::Create(_) => Access::MayCreate,
        ClientCommand::List { .. } | ClientCommand::Revoke { .. } => Access::Existing,
    };
    with_admin(global, access, async |admin, clock| match command {
        ClientCommand::Create(arguments) => create(admin, &arguments).await,
        ClientCommand::List { json } => list(admin, clock, json).await,
        ClientCommand::Revoke { ids } => {
            let ids: Vec<String> = ids.iter().map(|id| pasted::client_id(id)).collect();
            CLIENTS.revoke(admin, &ids).await
        }
    })
}

#[derive(Deserialize)]
struct NewClient {
    id: String,
    secret: String,
}

async fn create(admin: &Admin, arguments: &ClientCreate) -> Outcome {
    let ClientCreate { name, granted, json } = arguments;
    // Before anything is made: a failure after it would lose the secret.
    let token_url = Issuer::read(admin).await?.token_url;
    let told = json!({"name": name.as_str(), "scopes": granted.scopes(), "roles": granted.roles()});
    let NewClient { id, secret } = ask(admin, "POST", CLIENTS.path, &told).await?;
    if *json {
        return print_json(&json!({
            "client_id": id, "client_secret": secret, "name": name.as_str(), "scopes": granted.scopes(),
            "roles": granted.roles(), "token_url": token_url,
        }));
    }
    say(&format!("Client {id} ({name}) for {}. Its secret is shown this once:", granted.words()));
    print(&format!("client_id={id}\nclient_secret={secret}\n"))?;
    // With names in the secret's place: what is pasted stays in the shell's history.
    say(&format!(
        "It gets an access token so:\n  curl -u \"$client_id:$client_secret\" -d grant_type=client_credentials {token_url}"
    ));
    Ok(())
}

#[derive(Deserialize, Serialize)]
struct Listed {
    id: String,
    name: String,
    scopes: Vec<String>,
    roles: Vec<String>,
    created_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Clients {
    clients: Vec<Listed>,
}

async fn list(admin: &Admin, clock: &Clock, json: bool) -> Outcome {
    let clients: Clients = ask(admin, "GET", CLIENTS.path, &Value::Null).await?;
    if json {
        return print_json(&clients);
    }
    if clients.clients.is_empty() {
        say("There is no client yet; `analytics client create --name ci --scope read:analytics` makes one.");
        return Ok(());
    }
    let columns = ["id", "name", "scopes and roles", "state", "created", "last used"].map(|head| (head, Align::Left));
    let rows: Vec<_> = clients.clients.iter().map(|client| row(client, clock.unix_micros())).collect();
    print(&table(&columns, &rows))
}

fn row(client: &Listed, now: i64) -> Vec<String> {
    let revoked = client.revoked_at.as_deref().map(|at| ("revoked", at));
    vec![
        client.id.clone(),
        client.name.clone(),
        words(&client.scopes, &client.roles),
        state(revoked, None, now),
        day_or_never(&client.created_at),
        day_or_never(&client.last_used_at),
    ]
}
