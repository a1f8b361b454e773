//! What a person orders by annotations of a pool.

use crate::annotations::{ABANDON, ABANDON_BEGUN, ADOPT, DRAIN, PAUSED};
use crate::names::PoolName;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a person ordered, and was not done yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// A node is to be emptied, and stays.
    pub(crate) drain: Option<DrainOrder>,
    /// A node is to be given up.
    pub(crate) abandon: Option<AbandonOrder>,
    /// Whether objects that lost their owner are taken over, where a person says either.
    pub(crate) adopt: Option<bool>,
    /// Nothing of the pool is to be changed.
    pub(crate) paused: bool,
}

/// An order to empty a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DrainOrder {
    /// The node of this ordinal.
    Node(i32),
    /// It names no node of the pool.
    Malformed,
}

/// An order to give a node up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AbandonOrder {
    /// This node, with this volume.
    Node {
        /// Its ordinal.
        ordinal: i32,
        /// Its volume, which is never nil.
        volume: Uuid,
        /// As it was ordered.
        text: String,
        /// Whether it was noted that the managers are told to.
        has_begun: bool,
    },
    /// It names no node of the pool, or no volume.
    Malformed,
    /// A person took it back, and the note of it is left.
    TakenBack,
}

impl Orders {
    /// Reads them.
    pub(super) fn read(name: &PoolName, annotations: &BTreeMap<String, String>) -> Self {
        let is_true = |text: &String| text == "true";
        Self {
            drain: annotations.get(DRAIN).map(|text| drain(name, text)),
            abandon: abandon(
                name,
                annotations.get(ABANDON),
                annotations.get(ABANDON_BEGUN),
            ),
            adopt: annotations.get(ADOPT).map(is_true),
            paused: annotations.get(PAUSED).is_some_and(is_true),
        }
    }

    /// Whether a person waits for something to be done.
    pub(crate) fn wait(&self) -> bool {
        let abandons = match self.abandon {
            Some(AbandonOrder::Node { .. } | AbandonOrder::Malformed) => true,
            Some(AbandonOrder::TakenBack) | None => false,
        };
        abandons || self.drain.is_some() || self.adopt.is_some()
    }
}

fn drain(name: &PoolName, text: &str) -> DrainOrder {
    name.ordinal(text)
        .map_or(DrainOrder::Malformed, DrainOrder::Node)
}

fn abandon(name: &PoolName, text: Option<&String>, begun: Option<&String>) -> Option<AbandonOrder> {
    let Some(text) = text else {
        return begun.map(|_| AbandonOrder::TakenBack);
    };
    let Some((ordinal, volume)) = node_and_volume(name, text) else {
        return Some(AbandonOrder::Malformed);
    };
    Some(AbandonOrder::Node {
        ordinal,
        volume,
        text: text.clone(),
        has_begun: begun == Some(text),
    })
}

fn node_and_volume(name: &PoolName, text: &str) -> Option<(i32, Uuid)> {
    let (node, volume) = text.split_once('/')?;
    let ordinal = name.ordinal(node)?;
    let volume: Uuid = volume.parse().ok()?;
    // All zero is no volume: a node that never joined has none that could be lost.
    (!volume.is_nil()).then_some((ordinal, volume))
}

#[cfg(test)]
mod tests;
