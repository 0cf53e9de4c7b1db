use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Kind, Result};

/// Decompresses gzip (several members too). Errors with `TooLarge` past `bytes_max`, `Invalid` if it is not gzip.
pub fn gunzip(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let mut plain = Vec::with_capacity(bytes.len().saturating_mul(4).min(bytes_max));
    // One byte more than allowed is read, never the whole of what a few bytes may claim to hold.
    let bound = bytes_max as u64 + 1;
    MultiGzDecoder::new(bytes)
        .take(bound)
        .read_to_end(&mut plain)
        .map_err(|e| Error::invalid(format!("the body cannot be decompressed as gzip: {e}")))?;
    if plain.len() > bytes_max {
        let message = format!("the decompressed body is longer than {bytes_max} bytes (limits.body_bytes_max)");
        return Err(Error::new(Kind::TooLarge, message));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_are_joined_as_the_gzip_tool_joins_them() {
        let body = [gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat();
        assert_eq!(gunzip(&body, 100).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn the_bound_counts_decompressed_bytes() {
        let bomb = gzip(&vec![b' '; 1 << 20]);
        assert!(bomb.len() < 8192);
        assert_eq!(gunzip(&bomb, (1 << 20) - 1).unwrap_err().kind, Kind::TooLarge);
        assert_eq!(gunzip(&bomb, 1 << 20).unwrap().len(), 1 << 20);
    }

    #[test]
    fn what_is_not_gzip_or_ends_early_is_refused() {
        let whole = gzip(b"{\"user_id\":\"u\"}");
        for bad in [&b"{}"[..], b"", b"\x1f\x8b", &whole[..whole.len() - 1], &[&whole[..], b"x"].concat()] {
            assert_eq!(gunzip(bad, 100).map_err(|e| e.kind), Err(Kind::Invalid), "{bad:?}");
        }
    }
}
