//! Authorities as the entries of a Secret.

use super::{Chain, Previous};
use crate::authority::Authority;
use crate::error::{AuthorityError, ChainError};
use std::collections::BTreeMap;

/// Certificate and key of the authority that signs.
const CURRENT: [&str; 2] = ["tls.crt", "tls.key"];
/// Those of the one that comes next.
const NEXT: [&str; 2] = ["next.crt", "next.key"];
/// The certificate of the one before.
const PREVIOUS: &str = "previous.crt";

impl Chain {
    /// The entries to keep: keys are among them.
    pub fn entries(&self) -> BTreeMap<String, String> {
        let mut entries = BTreeMap::new();
        let mut keep = |name: &str, text: &str| {
            entries.insert(name.to_owned(), text.to_owned());
        };
        for ([cert, key], authority) in [(CURRENT, Some(&self.current)), (NEXT, self.next.as_ref())]
        {
            if let Some(authority) = authority {
                keep(cert, authority.cert());
                keep(key, authority.key());
            }
        }
        if let Some(previous) = &self.previous {
            keep(PREVIOUS, &previous.cert);
        }
        entries
    }

    /// Reads entries that were kept; others beside them don't matter.
    ///
    /// # Errors
    /// Names the entry that is missing or malformed.
    pub fn from_entries(entries: &BTreeMap<String, String>) -> Result<Self, ChainError> {
        let has = |name: &&str| entries.contains_key(*name);
        let next = NEXT.iter().any(has);
        let previous = entries
            .get(PREVIOUS)
            .map(|cert| Previous::of(cert).map_err(|error| ChainError::Entry(PREVIOUS, error)));
        Ok(Self {
            previous: previous.transpose()?,
            current: authority(entries, CURRENT)?,
            next: next.then(|| authority(entries, NEXT)).transpose()?,
        })
    }
}

fn authority(
    entries: &BTreeMap<String, String>,
    [cert, key]: [&'static str; 2],
) -> Result<Authority, ChainError> {
    let entry = |name: &'static str| entries.get(name).ok_or(ChainError::Missing(name));
    Authority::from_pem(entry(cert)?, entry(key)?).map_err(|error| {
        let of_key = matches!(error, AuthorityError::NoKey | AuthorityError::OtherKey);
        ChainError::Entry(if of_key { key } else { cert }, error)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Terms;
    use super::*;
    use crate::verify::{manager, second};

    fn chain() -> Chain {
        let (terms, now) = (Terms::default(), second(1_000_000_000));
        let mut chain = Chain::first("files.dfs", &terms, now).expect("made");
        let life = terms.authority;
        for now in [now + life * 3 / 4, now + life * 4 / 5] {
            assert!(chain.advance(&terms, now).expect("made"));
        }
        // With a next one beside the previous one.
        chain.next = Some(Authority::new("files.dfs", life, now).expect("made"));
        chain
    }

    #[test]
    fn what_was_kept_is_read_as_it_was() {
        let chain = chain();
        let entries = chain.entries();
        assert_eq!(entries.len(), 5, "{:?}", entries.keys());
        let again = Chain::from_entries(&entries).expect("read");
        assert_eq!(again.entries(), entries);
        assert_eq!(again.trust(), chain.trust());
        let (terms, now) = (Terms::default(), second(1_050_000_000));
        let manager = manager("files.dfs");
        let pair = again.sign(&manager, &terms, now).expect("signed");
        assert!(!chain.is_due(&pair.cert, &manager, now));
        let first = Chain::first("files.dfs", &terms, now).expect("made");
        assert_eq!(first.entries().len(), 2);
        assert!(Chain::from_entries(&first.entries()).is_ok());
    }

    #[test]
    fn what_is_missing_or_malformed_is_named_without_its_text() {
        let good = chain().entries();
        let said = |entries| {
            let refused = Chain::from_entries(&entries).expect_err("refused");
            refused.to_string()
        };
        for name in ["tls.crt", "tls.key", "next.crt", "next.key"] {
            let mut entries = good.clone();
            entries.remove(name);
            assert_eq!(said(entries), format!("{name}: is missing"));
        }
        for name in good.keys() {
            let mut entries = good.clone();
            entries.insert(name.clone(), "horse".to_owned());
            let said = said(entries);
            assert!(said.starts_with(&format!("{name}: must be ")), "{said}");
            assert!(!said.contains("horse"), "{said}");
        }
        let mut entries = good.clone();
        entries.insert("tls.key".to_owned(), good["next.key"].clone());
        let other = "tls.key: the key is not that of the certificate";
        assert_eq!(said(entries), other);
        assert!(said(BTreeMap::new()).contains("tls.crt"));
    }
}
