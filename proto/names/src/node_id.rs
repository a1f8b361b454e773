//! A node's id: chosen by whoever starts it, the same for as long as its volume lives.

use std::fmt;
use std::sync::Arc;

/// A valid node id: 1 to 253 bytes of letters, digits and `.`, `_`, `-`, `/`
/// (in Kubernetes it is namespace/pod). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

/// A string that is no node id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node id {0:?}: must be 1 to 253 letters, digits or any of . _ - /")]
pub struct InvalidNodeId(String);

impl NodeId {
    /// Checks a node id.
    ///
    /// # Errors
    /// When it is empty, too long or has other characters.
    pub fn new(id: &str) -> Result<Self, InvalidNodeId> {
        let fits = (1..=253).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
        if fits {
            Ok(Self(id.into()))
        } else {
            Err(InvalidNodeId(id.to_owned()))
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for NodeId {
    type Err = InvalidNodeId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kubernetes_names_with_a_namespace() {
        for good in ["n1", "default/pool-node-0", "a.b_c"] {
            assert!(NodeId::new(good).is_ok());
        }
        for bad in ["", "a b", "ü", "a\0", &"x".repeat(254)] {
            assert!(NodeId::new(bad).is_err());
        }
    }
}
