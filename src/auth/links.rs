//! Signed links to one file each, for tools that cannot send a credential.
//!
//! A link names what its maker's access rests on; it is good only while that lasts, and its job's key signs all of it. So a
//! link ends with its time, its file, its job's key, and its maker's access, whichever is first.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::Auth;
use crate::error::{Error, Result};
use crate::model::{Origin, Principal, Role, Scope};

/// What a link made behind the local socket rests on: nothing that could end but the job's key.
pub const ADMINISTRATOR: &str = "administrator";

/// So that no signature of ours could ever mean something else.
const LABEL: &str = "analytics download link 1";

/// All that a link says.
pub struct Claim<'l> {
    pub job_id: &'l str,
    pub file_name: &'l str,
    /// Unix seconds: it is good before.
    pub expires_at_s: i64,
    /// What its maker's access rests on, as [`named`].
    pub by: &'l str,
}

/// A key for a job's links.
pub fn random_key() -> Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|e| Error::internal(format!("no random numbers from the system: {e}")))?;
    Ok(key)
}

/// As base64url without padding.
pub fn sign(key: &[u8; 32], claim: &Claim) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&hmac_key(key), claim.text().as_bytes()))
}

/// Whether the signature is ours; takes as long for any wrong one.
pub fn is_genuine(key: &[u8; 32], claim: &Claim, signature: &str) -> bool {
    let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
    hmac::verify(&hmac_key(key), claim.text().as_bytes(), &signature).is_ok()
}

/// An origin as a link names it.
pub fn named(origin: &Origin) -> String {
    match origin {
        Origin::Key(id) => format!("key:{id}"),
        Origin::Client(id) => format!("client:{id}"),
        Origin::Login { sid, .. } => format!("login:{sid}"),
        Origin::Issued(jti) => format!("issued:{jti}"),
        Origin::Trusted(issuer) => format!("trusted:{issuer}"),
    }
}

impl Auth {
    /// Whether a link's maker may still download what is `owner`'s (issuer, subject). Only of a genuine link.
    pub fn still_may_download(&self, by: &str, owner: (&str, &str)) -> Result<bool> {
        if by == ADMINISTRATOR {
            return Ok(true);
        }
        let Some((kind, name)) = by.split_once(':') else { return Ok(false) };
        let maker = match kind {
            "key" => self.keys.principal_of(name)?,
            "client" => self.issuer.principal_of_client(name)?,
            "login" => self.issuer.principal_of_login(name)?,
            "issued" => self.issuer.principal_of_issued(name)?,
            // Its tokens cannot be asked about later: its links end with the token that they were made by.
            "trusted" => return Ok(self.trusted.knows(name)),
            _ => None,
        };
        Ok(maker.is_some_and(|maker| may_download(&maker, owner)))
    }
}

fn may_download(maker: &Principal, owner: (&str, &str)) -> bool {
    let is_owner = (maker.issuer.as_str(), maker.subject.as_str()) == owner;
    maker.grants.scopes.contains(Scope::ReadAnalytics) && (is_owner || maker.grants.roles.contains(Role::ReportAdmin))
}

fn hmac_key(key: &[u8; 32]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

impl Claim<'_> {
    /// None of the first four parts holds a line feed, so no two claims are one text.
    fn text(&self) -> String {
        format!("{LABEL}\n{}\n{}\n{}\n{}", self.job_id, self.file_name, self.expires_at_s, self.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: Claim = Claim { job_id: "abc", file_name: "export-abc.csv", expires_at_s: 1_700_000_000, by: "key:k" };

    #[test]
    fn a_signature_is_good_for_every_part_of_its_claim_and_no_other() {
        let key = [7; 32];
        let signature = sign(&key, &CLAIM);
        assert!(is_genuine(&key, &CLAIM, &signature));
        let altered = [
            Claim { job_id: "abd", ..CLAIM },
            Claim { file_name: "export-abc.xlsx", ..CLAIM },
            Claim { expires_at_s: 1_700_000_001, ..CLAIM },
            Claim { by: "key:l", ..CLAIM },
            Claim { by: ADMINISTRATOR, ..CLAIM },
        ];
        for claim in altered {
            assert!(!is_genuine(&key, &claim, &signature), "{}", claim.text());
        }
        assert!(!is_genuine(&[8; 32], &CLAIM, &signature));
        for wrong in ["", "x", "%%", &signature[1..], &format!("{signature}A"), &format!("{signature}=")] {
            assert!(!is_genuine(&key, &CLAIM, wrong), "{wrong}");
        }
    }
}
