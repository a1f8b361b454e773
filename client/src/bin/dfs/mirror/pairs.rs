//! What there is on both sides, name by name.

use anyhow::{Result, ensure};
use client::Listed;
use futures::stream::{self, LocalBoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use std::cmp::Ordering;
use std::iter::Peekable;
use std::vec::IntoIter;

/// What is in the folder under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Here {
    pub(super) name: String,
    /// Its bytes; `None` where it is a link, a device or the like.
    pub(super) size: Option<u64>,
}

/// What there is under a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Here(Here),
    There(Listed),
    Both(Here, Listed),
}

impl Pair {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Here(here) | Self::Both(here, _) => &here.name,
            Self::There(there) => &there.filename,
        }
    }
}

/// Pairs both sides up, each in the order of its names. After an error there are no more:
/// what was not listed would count as missing.
pub(super) fn pairs<'a>(
    here: Vec<Here>,
    there: impl Stream<Item = Result<Listed>> + 'a,
) -> impl Stream<Item = Result<Pair>> + 'a {
    let sides = Sides {
        here: here.into_iter().peekable(),
        there: there.fuse().boxed_local(),
        next: None,
        last: String::new(),
    };
    stream::try_unfold(sides, |mut sides| async move {
        let pair = sides.pair().await?;
        Ok(pair.map(|pair| (pair, sides)))
    })
}

struct Sides<'a> {
    here: Peekable<IntoIter<Here>>,
    there: LocalBoxStream<'a, Result<Listed>>,
    /// What was listed and not paired up.
    next: Option<Listed>,
    /// The last name that was listed.
    last: String,
}

impl Sides<'_> {
    async fn pair(&mut self) -> Result<Option<Pair>> {
        if self.next.is_none() {
            self.next = self.listed().await?;
        }
        let names = (self.here.peek(), &self.next);
        let order = match names {
            (Some(here), Some(there)) => here.name.cmp(&there.filename),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let here = self.here.next_if(|_| order.is_le());
        let there = self.next.take_if(|_| order.is_ge());
        Ok(match (here, there) {
            (Some(here), Some(there)) => Some(Pair::Both(here, there)),
            (Some(here), None) => Some(Pair::Here(here)),
            (None, there) => there.map(Pair::There),
        })
    }

    async fn listed(&mut self) -> Result<Option<Listed>> {
        let Some(file) = self.there.try_next().await? else {
            return Ok(None);
        };
        let name = &file.filename;
        ensure!(&self.last < name, "{name} is listed after {}", self.last);
        self.last.clone_from(name);
        Ok(Some(file))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn here(name: &str) -> Here {
        Here {
            name: name.to_owned(),
            size: Some(1),
        }
    }

    fn listed(name: &str) -> Listed {
        let digest = "0".repeat(64);
        serde_json::from_value(serde_json::json!({
            "filename": name,
            "id": "01a210eb-4e12-73ea-91ea-c90301660f8e",
            "size": 1,
            "created": "2026-11-25T04:16:26.130Z",
            "node": "node-1",
            "sha256": digest,
        }))
        .unwrap()
    }

    fn paired(here: Vec<Here>, there: Vec<Result<Listed>>) -> Vec<Result<Pair>> {
        futures::executor::block_on(pairs(here, stream::iter(there)).collect())
    }

    proptest! {
        #[test]
        fn each_name_is_met_once_with_all_that_has_it(
            ours in prop::collection::btree_set("[a-c%é]{1,3}", 0..12),
            theirs in prop::collection::btree_set("[a-c%é]{1,3}", 0..12),
        ) {
            let ours_listed = ours.iter().map(|name| here(name)).collect();
            let theirs_listed = theirs.iter().map(|name| Ok(listed(name))).collect();
            let met: Vec<Pair> = paired(ours_listed, theirs_listed)
                .into_iter()
                .collect::<Result<_>>()
                .unwrap();
            let both: BTreeSet<_> = ours.union(&theirs).cloned().collect();
            prop_assert!(met.iter().map(Pair::name).eq(&both));
            for pair in met {
                let sides = (ours.contains(pair.name()), theirs.contains(pair.name()));
                let expected = match pair {
                    Pair::Here(_) => (true, false),
                    Pair::There(_) => (false, true),
                    Pair::Both(..) => (true, true),
                };
                prop_assert_eq!(sides, expected);
            }
        }
    }

    #[test]
    fn what_was_not_listed_is_not_missing() {
        let there = vec![Ok(listed("a")), Err(anyhow::anyhow!("it broke off"))];
        let met = paired(["a", "b", "c"].map(here).into(), there);
        assert_eq!(met.len(), 2);
        assert!(matches!(met[0], Ok(Pair::Both(..))), "{met:?}");
        assert!(met[1].is_err());
    }

    #[test]
    fn a_listing_in_another_order_is_refused() {
        let there = ["b", "a"].map(|name| Ok(listed(name)));
        let met = paired(vec![here("c")], there.into());
        let Some(Err(error)) = met.last() else {
            panic!("{met:?}");
        };
        assert_eq!(error.to_string(), "a is listed after b");
    }
}
