//! Accounts of the embedded issuer: people who log in here with a password.

use std::future::Future;

use super::{Issuer, password};
use crate::auth::unbroken::unbroken;
use crate::error::{Error, Kind, Result};
use crate::model::{Grants, Id, Origin};
use crate::store::Account;

impl Issuer {
    /// Errors with `Conflict` if the name is taken, `Invalid` if it is no id or the password is too weak, `Busy` if too
    /// many passwords wait to be hashed.
    pub async fn create_account(&self, name: &str, password: String, grants: Grants) -> Result<()> {
        Id::new(name).map_err(|rule| Error::invalid(format!("the account's name {rule}")))?;
        password::check(&password)?;
        let account = Account {
            name: name.to_string(),
            grants,
            password_hash: self.0.passwords.hash(password).await?,
            created_at: self.0.clock.unix_micros(),
            disabled_at: None,
            last_login_at: None,
        };
        if self.0.store.create_account(account).await? {
            return Ok(());
        }
        let message = format!("there is an account {name:?} already; `analytics account list` shows all");
        Err(Error::new(Kind::Conflict, message))
    }

    /// Every account, disabled ones too, by name.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        self.0.store.snapshot()?.accounts()
    }

    /// Disabling ends its log-ins and tokens at once; they stay ended when it is enabled again. False if there is no such
    /// account.
    pub async fn set_account_disabled(&self, name: &str, disabled: bool) -> Result<bool> {
        let (store, owned, now) = (self.0.store.clone(), name.to_string(), self.0.clock.unix_micros());
        self.change(name, async move { store.set_account_disabled(owned, disabled, now).await }).await
    }

    /// Ends its log-ins and tokens at once. False if there is no such account; errors with `Invalid` if the password is
    /// too weak, `Busy` if too many wait to be hashed.
    pub async fn set_account_password(&self, name: &str, password: String) -> Result<bool> {
        password::check(&password)?;
        let hash = self.0.passwords.hash(password).await?;
        let (store, owned, now) = (self.0.store.clone(), name.to_string(), self.0.clock.unix_micros());
        self.change(name, async move { store.set_account_password(owned, hash, now).await }).await
    }

    /// Ends its log-ins and tokens at once. False if there is no such account.
    pub async fn set_account_grants(&self, name: &str, grants: Grants) -> Result<bool> {
        let (store, owned, now) = (self.0.store.clone(), name.to_string(), self.0.clock.unix_micros());
        self.change(name, async move { store.set_account_grants(owned, grants, now).await }).await
    }

    /// After the commit that ends an account's log-ins, their tokens are forgotten: whoever verifies one from now on reads
    /// what was committed.
    async fn change(&self, name: &str, commit: impl Future<Output = Result<bool>> + Send + 'static) -> Result<bool> {
        let (issuer, name) = (self.clone(), name.to_string());
        unbroken(async move {
            let changed = commit.await?;
            issuer.0.cache.forget(|origin| matches!(origin, Origin::Login { account, .. } if *account == name));
            Ok(changed)
        })
        .await
    }
}
