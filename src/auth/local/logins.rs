//! Log-ins: a password gives a pair of tokens, a refresh token the next pair.

use super::token::{Mint, OWN_CLIENT_ID, Purpose, mint, narrow};
use super::{Denied, Issuer, TokenAnswer, password};
use crate::auth::cache::fingerprint;
use crate::auth::secret::{REFRESH_TOKEN, random_text};
use crate::auth::unbroken::unbroken;
use crate::error::Result;
use crate::model::{Grants, Origin};
use crate::store::{Account, Login, Refresh, Refreshed, Snapshot};

/// 22 characters of 62 hold 128 bits.
const SID_LEN: usize = 22;

impl Issuer {
    /// Whether there is an account, of any state, behind a name costs the same time as whether there is none. `may_try` is
    /// asked when the password's turn to be compared has come, `may_begin` once it is right, so that wrong ones use nothing
    /// up; their errors stand in `Denied::Failed`.
    pub async fn log_in(
        &self,
        name: &str,
        password: String,
        may_try: impl FnOnce() -> Result<()>,
        may_begin: impl FnOnce() -> Result<()>,
    ) -> std::result::Result<TokenAnswer, Denied> {
        if password::is_hopeless(&password) {
            return Err(Denied::Client);
        }
        let account = self.0.store.snapshot()?.account(name)?.filter(|account| account.disabled_at.is_none());
        let hash = account.as_ref().map_or(password::NOBODYS_HASH, |account| &account.password_hash);
        let is_right = self.0.passwords.matches_if(may_try, password, hash.to_string()).await?;
        let account = account.filter(|_| is_right).ok_or(Denied::Client)?;
        may_begin()?;
        self.begin(account).await
    }

    /// The refresh token grant (RFC 6749, 6): a new pair; the old refresh token is good no more, and using it again
    /// ends the log-in (RFC 9700, 4.14.2). `scope` narrows this access token alone, not the log-in. `may_go_on` is asked
    /// once the refresh token is known to be good, which it stays if the answer is an error, then in `Denied::Failed`.
    pub async fn refresh(
        &self,
        refresh_token: &str,
        scope: Option<&str>,
        may_go_on: impl FnOnce() -> Result<()>,
    ) -> std::result::Result<TokenAnswer, Denied> {
        let family = REFRESH_TOKEN.parse(refresh_token).ok_or(Denied::Grant)?.id;
        let next = REFRESH_TOKEN.generate_for(family)?;
        let now = self.0.clock.unix_micros();
        let refresh = Refresh {
            family_digest: fingerprint(family),
            secret_digest: fingerprint(refresh_token),
            next_secret_digest: fingerprint(&next),
            now,
            expires_at: self.login_end(now),
        };
        // All that may go wrong comes before the swap: nobody loses a good refresh token to a scope beyond their own.
        let answer = match self.newest(&refresh)? {
            Some((sid, account)) => {
                let grants = narrow(account.grants, scope)?;
                may_go_on()?;
                Some(self.pair(&account, grants, &sid, next).await?)
            }
            None => None,
        };
        match self.swap(refresh).await? {
            Refreshed::Swapped => answer.ok_or(Denied::Grant),
            Refreshed::Reused { account, .. } => Err(Denied::Reused { account }),
            Refreshed::Refused => Err(Denied::Grant),
        }
    }

    /// The account that a refresh token belongs to, if it is of the right form and its log-in is known: to count against.
    pub fn account_of(&self, refresh_token: &str) -> Result<Option<String>> {
        let Some(parts) = REFRESH_TOKEN.parse(refresh_token) else { return Ok(None) };
        let login = self.0.store.snapshot()?.login_of_family(&fingerprint(parts.id))?;
        Ok(login.map(|login| login.account))
    }

    /// Begins a log-in of an account whose password was right. The tokens are made first: without its row neither is good.
    async fn begin(&self, account: Account) -> std::result::Result<TokenAnswer, Denied> {
        let refresh_token = REFRESH_TOKEN.generate()?;
        let family = REFRESH_TOKEN.parse(&refresh_token).expect("a fresh token is well-formed").id;
        let now = self.0.clock.unix_micros();
        let login = Login {
            id: random_text(SID_LEN)?,
            account: account.name.clone(),
            family_digest: fingerprint(family),
            secret_digest: fingerprint(&refresh_token),
            created_at: now,
            refreshed_at: now,
            expires_at: self.login_end(now),
            revoked_at: None,
        };
        let answer = self.pair(&account, account.grants, &login.id, refresh_token).await?;
        match self.commit_begin(login, account).await? {
            true => Ok(answer),
            // The account was disabled, or got another password, while this one was compared.
            false => Err(Denied::Client),
        }
    }

    async fn commit_begin(&self, login: Login, account: Account) -> Result<bool> {
        let issuer = self.clone();
        unbroken(async move {
            let Some(ended) = issuer.0.store.begin_login(login, account).await? else { return Ok(false) };
            issuer.forget(&ended);
            Ok(true)
        })
        .await
    }

    async fn swap(&self, refresh: Refresh) -> Result<Refreshed> {
        let issuer = self.clone();
        unbroken(async move {
            let refreshed = issuer.0.store.refresh_login(refresh).await?;
            if let Refreshed::Reused { id, .. } = &refreshed {
                issuer.forget(std::slice::from_ref(id));
            }
            Ok(refreshed)
        })
        .await
    }

    /// Forgets the tokens of log-ins that were ended. To be called after the commit.
    fn forget(&self, ended: &[String]) {
        if !ended.is_empty() {
            self.0.cache.forget(|origin| matches!(origin, Origin::Login { sid, .. } if ended.contains(sid)));
        }
    }

    /// The log-in whose newest refresh token this is, and its account. What a log-in was given is what its account has:
    /// had that changed, it would have ended.
    fn newest(&self, refresh: &Refresh) -> Result<Option<(String, Account)>> {
        let snapshot = self.0.store.snapshot()?;
        let is_newest = |login: &Login| login.is_live(refresh.now) && login.secret_digest == refresh.secret_digest;
        let Some(login) = snapshot.login_of_family(&refresh.family_digest)?.filter(is_newest) else { return Ok(None) };
        Ok(snapshot.account(&login.account)?.map(|account| (login.id, account)))
    }

    /// An access token of a log-in, and the refresh token that goes with it.
    async fn pair(
        &self,
        account: &Account,
        grants: Grants,
        sid: &str,
        refresh_token: String,
    ) -> std::result::Result<TokenAnswer, Denied> {
        let settings = &self.0.settings;
        // No longer than the log-in lasts, with which it ends.
        let ttl_s = settings.token_ttl_s.min(settings.login_ttl_s);
        let purpose = Purpose::Login { sid };
        let mint_of = Mint { purpose, subject: &account.name, client_id: OWN_CLIENT_ID, grants, ttl_s };
        let minted = mint(&self.0, mint_of).await?;
        Ok(TokenAnswer::new(minted, grants, ttl_s, Some(refresh_token)))
    }

    /// When a log-in ends that is used now, Unix microseconds.
    fn login_end(&self, now_unix_micros: i64) -> i64 {
        now_unix_micros + i64::from(self.0.settings.login_ttl_s) * 1_000_000
    }
}

/// Whether access tokens of a log-in hold: it has not ended, it is of this account, and the account may log in.
pub(super) fn is_good(snapshot: &Snapshot, sid: &str, account: &str, now_unix_micros: i64) -> Result<bool> {
    let is_live = |login: Login| login.account == account && login.is_live(now_unix_micros);
    if !snapshot.login(sid)?.is_some_and(is_live) {
        return Ok(false);
    }
    Ok(snapshot.account(account)?.is_some_and(|account| account.disabled_at.is_none()))
}

#[cfg(test)]
#[path = "logins_test.rs"]
mod tests;
