//! A file's id: chosen anew for every upload, never used again.

use std::fmt;
use uuid::Uuid;

/// The id of one upload's file, a UUID of version 7. A name that is deleted and
/// uploaded again has another id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(Uuid);

/// Bytes that are no file id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("id: must be the 16 bytes of a UUID, got {0} bytes")]
pub struct InvalidFileId(usize);

impl FileId {
    /// Chooses a new id at random.
    pub fn random() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of a file that is new at this time, in milliseconds since 1970, with 74 of
    /// these random bits.
    pub fn new(unix_ms: u64, random: u128) -> Self {
        let [bits @ .., _, _, _, _, _, _] = random.to_le_bytes();
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &bits).into_uuid())
    }

    /// The id's 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id as the bytes of a message's field.
    pub fn to_wire(self) -> bytes::Bytes {
        bytes::Bytes::copy_from_slice(self.as_bytes())
    }

    /// Reads an id from a message's field.
    ///
    /// # Errors
    /// When it is not 16 bytes long.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, InvalidFileId> {
        Uuid::from_slice(bytes)
            .map(Self)
            .map_err(|_| InvalidFileId(bytes.len()))
    }
}

impl From<[u8; 16]> for FileId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for FileId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
