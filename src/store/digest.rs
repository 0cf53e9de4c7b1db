use sha2::{Digest, Sha256};

/// The database's secret, which keys every digest of an id: nobody outside can aim collisions.
#[derive(Clone)]
pub struct DigestKey([u8; 32]);

/// What the text is, so that equal texts of different kinds have different digests.
#[derive(Clone, Copy)]
pub enum Kind {
    User = 1,
    Session = 2,
    Event = 3,
    Secret = 4,
}

impl DigestKey {
    pub fn new(bytes: [u8; 32]) -> DigestKey {
        DigestKey(bytes)
    }

    /// 128 bits of SHA-256: two texts share one with the probability of 2^-128, as good as never.
    pub fn digest(&self, kind: Kind, text: &str) -> [u8; 16] {
        let hash = Sha256::new().chain_update(self.0).chain_update([kind as u8]).chain_update(text).finalize();
        hash[..16].try_into().expect("SHA-256 has 32 bytes")
    }

    /// 64 bits of the same, for look-ups that compare the text afterwards.
    pub fn short(&self, kind: Kind, text: &str) -> i64 {
        i64::from_le_bytes(self.digest(kind, text)[..8].try_into().expect("16 bytes"))
    }
}
