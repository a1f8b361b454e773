//! The file of tokens.

use crate::Verb;
use names::Quota;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::error::Category;
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use subtle::ConstantTimeEq;

/// The most lines of a file.
pub(super) const MOST: usize = 5_000;
/// The longest name of a caller, in characters.
const LONGEST_NAME: usize = 63;

/// Why a file of tokens is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// Not the JSON that is wanted.
    #[error("line {line}: {why}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What is wrong, without anything of the line's text.
        why: String,
    },
    /// A token that another line has too.
    #[error("line {line}: another line has the same `sha256`")]
    Twice {
        /// Counted from 1.
        line: usize,
    },
    /// Limits other than those that another line has for its prefix.
    #[error(
        "line {line}: `stored_files` and `stored_bytes` hold for all callers of a prefix, and \
         another line has other ones"
    )]
    Limits {
        /// Counted from 1.
        line: usize,
    },
    /// Nobody is in it, or too many are.
    #[error("has {found} callers; 1 to {MOST} are allowed")]
    Count {
        /// How many.
        found: usize,
    },
}

/// The SHA-256 of a token. It is compared in a time that does not depend on it.
#[derive(Debug, Clone, Copy, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The map's hash is keyed at random in each process, so that the place of a digest
/// says nothing to who measures.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base16ct::lower::encode_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = [0; 32];
        match base16ct::mixed::decode(text.trim(), &mut digest) {
            Ok(all) if all.len() == 32 => Ok(Self(digest)),
            _ => Err(D::Error::custom("`sha256` must be 64 hex digits")),
        }
    }
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The caller's name; several lines may have it, each with a token of its own.
    pub name: String,
    /// Of its token.
    pub sha256: Digest,
    /// What it may do.
    pub rights: Vec<Verb>,
    /// What the names of its files begin with; any name where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Requests a second, in place of what holds for all; 0 for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// Bytes of files a second, in place of what holds for all; 0 for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Files that callers of the prefix may have stored; 0 for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_files: Option<u64>,
    /// Bytes of these; 0 for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
}

impl Entry {
    /// What bounds the callers of its prefix, if it says so.
    pub(super) fn quota(&self) -> Option<Quota> {
        let said = self.stored_files.is_some() || self.stored_bytes.is_some();
        said.then(|| Quota {
            files: self.stored_files.filter(|most| *most > 0),
            bytes: self.stored_bytes.filter(|most| *most > 0),
        })
    }

    /// What is wrong with it, if anything is.
    pub(super) fn fault(&self) -> Option<String> {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let length = self.name.chars().count();
        if length == 0 || length > LONGEST_NAME || !self.name.chars().all(good) {
            return Some(format!(
                "`name` must be 1 to {LONGEST_NAME} letters, digits, dots, dashes or underscores"
            ));
        }
        if self.rights.is_empty() {
            return Some("`rights` must name one of get, list, create, delete, admin".to_owned());
        }
        let prefix = self.prefix.as_deref().unwrap_or_default();
        if prefix.len() > 255 || prefix.contains(|c: char| c == '/' || c.is_control()) {
            return Some(
                "`prefix` must be 255 bytes at the most, without / and control characters"
                    .to_owned(),
            );
        }
        if prefix.is_empty() && self.quota().is_some() {
            return Some(
                "`stored_files` and `stored_bytes` bound callers of a `prefix`, which is missing"
                    .to_owned(),
            );
        }
        None
    }
}

/// The lines with what they say; empty ones and those that begin with `#` say nothing.
pub(super) fn entries(text: &str) -> Result<Vec<(usize, Entry)>, TokensError> {
    let lines = text
        .lines()
        .zip(1..)
        .map(|(text, line)| (line, text.trim()));
    let lines: Vec<(usize, &str)> = lines
        .filter(|(_, text)| !text.is_empty() && !text.starts_with('#'))
        .collect();
    if lines.is_empty() || lines.len() > MOST {
        return Err(TokensError::Count { found: lines.len() });
    }
    let entry = |(line, text)| {
        let malformed = |why| TokensError::Malformed { line, why };
        let entry: Entry = serde_json::from_str(text).map_err(|error| malformed(said(&error)))?;
        match entry.fault() {
            Some(why) => Err(malformed(why)),
            None => Ok((line, entry)),
        }
    };
    lines.into_iter().map(entry).collect()
}

/// What is wrong, in words of our own: the parser's repeat what they found, which may be
/// a token that stands where it should not.
fn said(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => {
            "is not what is wanted: \"name\", \"sha256\" of 64 hex digits, \"rights\" of get, list, \
             create, delete and admin, and perhaps \"prefix\", \"requests_per_second\", \
             \"bytes_per_second\", \"stored_files\" and \"stored_bytes\""
        }
        Category::Syntax | Category::Eof | Category::Io => "is no JSON object",
    };
    format!("{what} (column {})", error.column())
}
