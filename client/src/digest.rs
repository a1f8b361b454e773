//! The SHA-256 of a file: in hex in bodies, and in the fields of RFC 9530.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use sfv::{Dictionary, ListEntry, Parser};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

/// Of the whole file.
pub(crate) const REPR_DIGEST: &str = "repr-digest";
const ALGORITHM: &str = "sha-256";
/// What is read of a file at once.
const PIECE: usize = 256 << 10;

/// The SHA-256 of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 32]);

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sha256: must be 64 hex digits")]
pub struct InvalidDigest;

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a file's bytes.
    ///
    /// # Errors
    /// Where it can't be read.
    pub async fn of_file(path: &Path) -> io::Result<Self> {
        let path = path.to_owned();
        let hashed = tokio::task::spawn_blocking(move || {
            let (mut file, mut hash) = (File::open(path)?, Sha256::new());
            let mut piece = vec![0; PIECE];
            loop {
                match file.read(&mut piece)? {
                    0 => return Ok(Self::from(hash)),
                    read => hash.update(&piece[..read]),
                }
            }
        });
        hashed.await.map_err(io::Error::other)?
    }

    /// The digest's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The value of the field [`REPR_DIGEST`].
    pub(crate) fn field(&self) -> String {
        format!("{ALGORITHM}=:{}:", STANDARD.encode(self.0))
    }

    /// What [`REPR_DIGEST`] states.
    pub(crate) fn stated(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(REPR_DIGEST)?;
        let fields: Dictionary = Parser::new(value.as_bytes()).parse().ok()?;
        match fields.get(ALGORITHM)? {
            ListEntry::Item(item) => {
                let bytes = item.bare_item.as_byte_sequence()?;
                Some(Self(bytes.try_into().ok()?))
            }
            ListEntry::InnerList(_) => None,
        }
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<Sha256> for Digest {
    /// Of all that was hashed.
    fn from(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return Err(InvalidDigest);
        }
        let read = base16ct::mixed::decode(text, &mut bytes).map(drop);
        read.map_err(|_| InvalidDigest)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_digest_is_the_same_in_hex_and_in_a_field() {
        let digest = Digest::of(b"Hello, world!\n");
        let hex = "d9014c4624844aa5bac314773d6b689ad467fa4e1d1a50a1b8a99d5a95f72ff5";
        assert_eq!(digest.to_string(), hex);
        assert_eq!(hex.parse(), Ok(digest));
        let field = "sha-256=:2QFMRiSESqW6wxR3PWtomtRn+k4dGlChuKmdWpX3L/U=:";
        assert_eq!(digest.field(), field);
        let mut headers = HeaderMap::new();
        assert_eq!(Digest::stated(&headers), None);
        headers.insert(REPR_DIGEST, field.parse().unwrap());
        assert_eq!(Digest::stated(&headers), Some(digest));
        for bad in ["sha-256=1", "sha-512=:AAAA:", "sha-256=:AAAA:", "("] {
            headers.insert(REPR_DIGEST, bad.parse().unwrap());
            assert_eq!(Digest::stated(&headers), None, "{bad}");
        }
        for bad in [
            "",
            "00",
            &hex[1..],
            &format!("{hex}00"),
            &hex.replace('d', "g"),
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(InvalidDigest), "{bad}");
        }
    }
}
