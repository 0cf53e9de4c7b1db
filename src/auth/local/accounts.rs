//! Accounts of the embedded issuer: people who log in here with a password.

use super::Issuer;
use crate::error::Result;
use crate::model::Grants;
use crate::store::Account;

impl Issuer {
    /// Errors with `Conflict` if the name is taken, `Invalid` if the password is too weak.
    pub async fn create_account(&self, _name: &str, _password: String, _grants: Grants) -> Result<()> {
        todo!()
    }

    /// Every account, disabled ones too, by name.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        todo!()
    }

    /// Disabling ends its log-ins and tokens at once. False if there is no such account.
    pub async fn set_account_disabled(&self, _name: &str, _disabled: bool) -> Result<bool> {
        todo!()
    }

    /// Ends its log-ins and tokens at once. False if there is no such account; `Invalid` if the password is too weak.
    pub async fn set_account_password(&self, _name: &str, _password: String) -> Result<bool> {
        todo!()
    }

    /// Ends its log-ins and tokens at once. False if there is no such account.
    pub async fn set_account_grants(&self, _name: &str, _grants: Grants) -> Result<bool> {
        todo!()
    }
}
