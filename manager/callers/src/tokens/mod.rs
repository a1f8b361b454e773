//! Callers that a file names: one JSON object on a line, with the SHA-256 of the
//! caller's token, never the token itself.

mod file;
mod new;

pub use file::{Entry, TokensError};
pub use new::new;

use crate::budget::{of_prefix, prefix_owner};
use crate::{Identity, Kind, Rates, Rights};
use file::Digest;
use names::{Budget, Owner, Quota};
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

/// The lines of a file.
#[derive(Debug, Default)]
struct Table {
    named: HashMap<Digest, Arc<Named>>,
    /// What bounds the callers of a prefix, where that is bounded.
    bounded: HashMap<Owner, Budget>,
}

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
        for whose in unbounded(&self.0.read(), &table) {
            tracing::warn!("the file of callers has no limits for {whose} any more");
        }
        *self.0.write() = table;
        Ok(())
    }

    /// Whose token it is.
    pub fn find(&self, token: &str) -> Option<Arc<Named>> {
        self.0.read().named.get(&Digest::of(token)).cloned()
    }

    /// What bounds an owner, if it is a prefix of the file.
    pub(crate) fn quota(&self, owner: Owner) -> Option<Quota> {
        let table = self.0.read();
        table.bounded.get(&owner).map(|budget| budget.quota)
    }
}

/// Whose limits a file has no more that the one before had; pure.
fn unbounded(before: &Table, after: &Table) -> Vec<Arc<str>> {
    let gone = |(owner, _): &(&Owner, &Budget)| !after.bounded.contains_key(owner);
    let gone = before.bounded.iter().filter(gone);
    gone.map(|(_, budget)| budget.whose.clone()).collect()
}

fn table(text: &str) -> Result<Table, TokensError> {
    let entries = file::entries(text)?;
    let mut table = Table::default();
    for (line, entry) in &entries {
        let (Some(prefix), Some(quota)) = (&entry.prefix, entry.quota()) else {
            continue;
        };
        let budget = of_prefix(prefix, quota);
        let other = table.bounded.insert(budget.owner, budget);
        if other.is_some_and(|other| other.quota != quota) {
            return Err(TokensError::Limits { line: *line });
        }
    }
    for (line, entry) in entries {
        let prefix = entry.prefix.as_deref().filter(|prefix| !prefix.is_empty());
        let budget = prefix.map(|prefix| {
            let bounded = table.bounded.get(&prefix_owner(prefix)).cloned();
            bounded.unwrap_or_else(|| of_prefix(prefix, Quota::default()))
        });
        let rates = Rates {
            requests: entry.requests_per_second,
            bytes: entry.bytes_per_second,
        };
        let identity = Identity::new(Kind::Token, &entry.name, prefix)
            .with_rates(rates)
            .with_budget(budget);
        let named = Arc::new(Named {
            identity,
            rights: entry.rights.into_iter().collect(),
        });
        if table.named.insert(entry.sha256, named).is_some() {
            return Err(TokensError::Twice { line });
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests;
