//! Accounts of people who log in here.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::LOCATION;
use serde::{Deserialize, Serialize};

use super::{described, done, note, read_grants, read_id, role_words, scope_words, time};
use crate::error::{Error, Result};
use crate::http::query::percent_encode;
use crate::http::respond::Reply;
use crate::http::service::Service;
use crate::http::strict_json;
use crate::model::Id;
use crate::store::Account;

/// `POST /admin/accounts`. At least one scope or role.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccountBody {
    name: String,
    password: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
}

/// `PATCH /admin/accounts/{name}`: one change at a time, `disabled`, or `password`, or `scopes` and `roles`, which
/// replace both of the old ones (one left out is empty).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    disabled: Option<bool>,
    password: Option<String>,
    scopes: Option<Vec<String>>,
    roles: Option<Vec<String>>,
}

#[derive(Serialize)]
struct CreatedBody<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct AccountsBody {
    accounts: Vec<AccountBody>,
}

/// An account without its password. Times are RFC 3339.
#[derive(Serialize)]
struct AccountBody {
    name: String,
    scopes: Vec<&'static str>,
    roles: Vec<&'static str>,
    created_at: Option<String>,
    disabled_at: Option<String>,
    last_login_at: Option<String>,
}

/// 201. `Conflict` if the name is taken, `Invalid` if the password is too weak.
pub async fn create(service: &Service, json: &Bytes) -> Result<Reply> {
    let asked: NewAccountBody = strict_json::read_secret(json)?;
    let name = read_id("name", asked.name)?;
    let grants = read_grants(&asked.scopes, &asked.roles)?;
    service.auth.issuer.create_account(name.as_str(), asked.password, grants).await?;
    note(service, "account", "created", name.as_str(), described(grants));
    let reply = Reply::json_of(StatusCode::CREATED, &CreatedBody { name: name.as_str() })?;
    Ok(reply.with(LOCATION, &format!("/admin/accounts/{}", percent_encode(name.as_str()))))
}

/// Every account, disabled ones too, by name.
pub fn list(service: &Service) -> Result<Reply> {
    let accounts = service.auth.issuer.accounts()?.into_iter().map(AccountBody::from).collect();
    Reply::json_of(StatusCode::OK, &AccountsBody { accounts })
}

/// 204; the account's log-ins and tokens end at once, unless it was enabled.
pub async fn change(service: &Service, name: &Id, json: &Bytes) -> Result<Reply> {
    let (issuer, name) = (&service.auth.issuer, name.as_str());
    let asked: ChangeBody = strict_json::read_secret(json)?;
    let (changed, how, detail) = match (asked.disabled, asked.password, asked.scopes, asked.roles) {
        (Some(disabled), None, None, None) => {
            let how = if disabled { "disabled" } else { "enabled" };
            (issuer.set_account_disabled(name, disabled).await?, how, String::new())
        }
        (None, Some(password), None, None) => {
            (issuer.set_account_password(name, password).await?, "given a new password", String::new())
        }
        (None, None, scopes, roles) if scopes.is_some() || roles.is_some() => {
            let grants = read_grants(&scopes.unwrap_or_default(), &roles.unwrap_or_default())?;
            (issuer.set_account_grants(name, grants).await?, "given other scopes and roles", described(grants))
        }
        _ => {
            return Err(Error::invalid(
                "change one thing at a time: \"disabled\", or \"password\", or \"scopes\" and \"roles\"",
            ));
        }
    };
    if changed {
        note(service, "account", how, name, detail);
    }
    done(changed, "there is no such account; names are compared byte for byte")
}

impl From<Account> for AccountBody {
    fn from(account: Account) -> AccountBody {
        AccountBody {
            name: account.name,
            scopes: scope_words(account.grants),
            roles: role_words(account.grants),
            created_at: time(account.created_at),
            disabled_at: account.disabled_at.and_then(time),
            last_login_at: account.last_login_at.and_then(time),
        }
    }
}
