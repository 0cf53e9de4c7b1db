//! The keys that sign the issuer's tokens.

use serde_json::Value;

use super::Issuer;
use crate::error::Result;

impl Issuer {
    /// The public keys (RFC 7517), retired ones too while tokens that they signed may live.
    pub fn jwks(&self) -> Result<Value> {
        todo!()
    }

    /// Makes a new signing key at once; the old one stays published. Gives the new `kid`.
    pub async fn rotate(&self) -> Result<String> {
        todo!()
    }
}
