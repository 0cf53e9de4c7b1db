//! Log-ins: a password gives a pair of tokens, a refresh token the next pair.

use super::{Denied, Issuer, TokenAnswer};
use crate::error::Result;
use crate::store::Snapshot;

impl Issuer {
    /// Whether there is an account, of any state, behind a name costs the same time as whether there is none.
    pub async fn log_in(&self, _name: &str, _password: String) -> std::result::Result<TokenAnswer, Denied> {
        todo!()
    }

    /// The refresh token grant (RFC 6749, 6): a new pair; the old refresh token is good no more, and using it again
    /// ends the log-in.
    pub async fn refresh(
        &self,
        _refresh_token: &str,
        _scope: Option<&str>,
    ) -> std::result::Result<TokenAnswer, Denied> {
        todo!()
    }

    /// The account that a refresh token belongs to, if it is of the right form and its log-in is known: to count against.
    pub fn account_of(&self, _refresh_token: &str) -> Result<Option<String>> {
        todo!()
    }
}

/// Whether access tokens of a log-in hold: it has not ended, it is of this account, and the account may log in.
pub(super) fn is_good(_snapshot: &Snapshot, _sid: &str, _account: &str, _now_unix_micros: i64) -> Result<bool> {
    todo!()
}
