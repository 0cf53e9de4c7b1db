//! The public keys of an issuer.

/// Keys by `kid`, each with the algorithms that fit its type.
#[derive(Clone, Default)]
pub struct KeySet {}

impl KeySet {
    /// Reads a JWKS (RFC 7517). Keys for encryption, symmetric and unknown ones are left out; a set without a usable
    /// key is an error.
    pub fn from_jwks(_json: &[u8]) -> Result<KeySet, String> {
        todo!()
    }

    /// Reads PEM public keys.
    pub fn from_pem(_pem: &[u8]) -> Result<KeySet, String> {
        todo!()
    }
}
