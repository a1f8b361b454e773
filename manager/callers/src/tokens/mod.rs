//! Callers that a file names: one JSON object on a line, with the SHA-256 of the
//! caller's token, never the token itself.

mod file;
mod new;

pub use file::{Entry, TokensError};
pub use new::new;

use crate::{Identity, Kind, Rates, Rights};
use file::Digest;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// A caller of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// Who it is.
    pub identity: Identity,
    /// What it may do.
    pub rights: Rights,
}

type Table = HashMap<Digest, Arc<Named>>;

/// The callers of a file, as it was read last.
#[derive(Debug)]
pub struct Tokens(RwLock<Table>);

impl Tokens {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Names the line and what is wrong with it, and repeats nothing of it.
    pub fn parse(text: &str) -> Result<Self, TokensError> {
        Ok(Self(RwLock::new(table(text)?)))
    }

    /// Replaces all of them by those of another text.
    ///
    /// # Errors
    /// As [`Self::parse`]; then nothing changes.
    pub fn replace(&self, text: &str) -> Result<(), TokensError> {
        let table = table(text)?;
        *self.0.write() = table;
        Ok(())
    }

    /// Whose token it is.
    pub fn find(&self, token: &str) -> Option<Arc<Named>> {
        self.0.read().get(&Digest::of(token)).cloned()
    }
}

fn table(text: &str) -> Result<Table, TokensError> {
    let mut table = Table::new();
    for (line, entry) in file::entries(text)? {
        let prefix = entry.prefix.as_deref();
        let named = Named {
            identity: Identity::new(Kind::Token, &entry.name, prefix).with_rates(Rates {
                requests: entry.requests_per_second,
                bytes: entry.bytes_per_second,
            }),
            rights: entry.rights.into_iter().collect(),
        };
        if table.insert(entry.sha256, Arc::new(named)).is_some() {
            return Err(TokensError::Twice { line });
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests;
