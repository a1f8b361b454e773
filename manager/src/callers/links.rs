//! The keys that sign links: those of a file, or one that the store keeps.

use anyhow::{Context, anyhow};
use kit::reread::{self, Source};
use kit::token::{self, MIN_LENGTH, MOST};
use manager_callers::link::Keys;
use manager_protocol::store::{Store, StoreError};
use parking_lot::RwLock;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The flag that names the file.
const FLAG: &str = "--link-key-file";
/// Where the keys come from.
pub(crate) enum Links {
    /// A file, as it was read last.
    File(Arc<RwLock<Keys>>),
    /// The store, which is asked when the first link is made or used: a manager starts
    /// although its store takes no change.
    Store(Arc<dyn Store>, OnceCell<Keys>),
}

impl Links {
    /// # Errors
    /// Names the flag.
    pub(super) fn load(file: Option<PathBuf>, store: Arc<dyn Store>) -> anyhow::Result<Self> {
        let Some(file) = file else {
            return Ok(Self::Store(store, OnceCell::new()));
        };
        let file = Source::new(FLAG, file);
        let text = file.read().with_context(|| file.to_string())?;
        let keys = parse(&text).map_err(|why| anyhow!("{file}: {why}"))?;
        let keys = Arc::new(RwLock::new(keys));
        let held = Arc::downgrade(&keys);
        reread::follow(
            "the key of links",
            vec![file],
            vec![text],
            held,
            |keys, texts| {
                *keys.write() = parse(&texts.concat())?;
                Ok(())
            },
        );
        Ok(Self::File(keys))
    }

    /// The keys as they are now.
    ///
    /// # Errors
    /// When the store has to be asked and fails.
    pub(crate) async fn keys(&self) -> Result<Keys, StoreError> {
        match self {
            Self::File(keys) => Ok(keys.read().clone()),
            Self::Store(store, kept) => {
                let ask = || async {
                    let key = store.link_key(rand::random()).await?;
                    Ok(Keys::new(key.to_vec(), Vec::new()))
                };
                kept.get_or_try_init(ask).await.cloned()
            }
        }
    }
}

/// The keys of a file, each on a line. They are printable: zeros, as a file may have after a
/// crash, are the same key as none (RFC 2104).
fn parse(text: &str) -> Result<Keys, String> {
    let wanted = || {
        format!(
            "one or {MOST} lines of {MIN_LENGTH} printable ASCII characters or more, without white space, are wanted"
        )
    };
    let keys = token::secrets(text).ok_or_else(wanted)?;
    let mut keys = keys.into_iter().map(String::into_bytes);
    let first = keys.next().ok_or_else(wanted)?;
    Ok(Keys::new(first, keys.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_protocol::sim::Memory;

    #[test]
    fn a_file_has_one_key_or_two_of_a_decent_length() {
        for good in [
            "0123456789abcdef",
            "\n0123456789abcdef\n 0123456789abcdeg \n",
        ] {
            assert!(parse(good).is_ok(), "{good:?}");
        }
        let three = "0123456789abcdef\n".repeat(3);
        let zeros = "\0".repeat(32);
        for bad in [&zeros, "", "short", "0123456789abcdef\nshort", &three] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn managers_of_one_store_have_one_key() {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let links = || Links::load(None, store.clone()).expect("no file");
        let terms = manager_callers::link::Terms {
            number: manager_callers::link::Number(1),
            name: proto::FileName::new("a").expect("a name"),
            allows: manager_callers::link::Allows::Put(1),
            ends: 1,
            by: manager_callers::Account(1),
            owner: None,
        };
        let (one, other) = (links(), links());
        let signature = one.keys().await.expect("a key").sign(&terms);
        assert!(
            other
                .keys()
                .await
                .expect("a key")
                .signed(&terms, &signature)
        );
    }
}
