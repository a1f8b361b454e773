//! What the service answers about files.

use crate::digest::Digest;
use crate::{FileId, text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, SystemTime};

/// A file that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its name.
    pub filename: String,
    /// Its id, which no other file ever has.
    #[serde(with = "text")]
    pub id: FileId,
    /// Bytes.
    pub size: u64,
    /// When it was stored.
    #[serde(with = "text::time")]
    pub created: SystemTime,
    /// The media type that was given with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
}

/// A file of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What is known since it was stored.
    #[serde(flatten)]
    pub file: Stored,
    /// The node that holds it.
    pub node: String,
}

impl std::ops::Deref for Listed {
    type Target = Stored;

    fn deref(&self) -> &Stored {
        &self.file
    }
}

/// What the head of a download has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileInfo {
    /// Its name.
    pub filename: String,
    /// Its id, which no other file ever has.
    #[serde(with = "text")]
    pub id: FileId,
    /// Bytes.
    pub size: u64,
    /// When it was stored, to the second.
    #[serde(serialize_with = "text::to_the_second")]
    pub created: SystemTime,
    /// The media type that was given with it, or else one guessed from the name.
    pub content_type: String,
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFor {
    /// Fetching the file as it is now.
    Get {
        /// How long the link lasts: a second to 7 days.
        expires: Duration,
    },
    /// Storing one file under the name, while that is free.
    Put {
        /// How long the link lasts: a second to 7 days.
        expires: Duration,
        /// The most bytes that may be stored.
        max_bytes: u64,
    },
}

/// A URL that carries a right of its own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where it leads. Whoever has it needs no other credential.
    pub url: String,
    /// `GET` or `PUT`.
    pub method: String,
    /// The file's name.
    pub filename: String,
    /// When it ends.
    #[serde(with = "text::time")]
    pub expires: SystemTime,
    /// Its number, by which the audit names it.
    pub link: String,
}

impl fmt::Debug for Link {
    /// Without the URL, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("method", &self.method)
            .field("filename", &self.filename)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}
