//! The id of one client request, which runs through the logs of manager and nodes.

use crate::world::World;
use std::fmt;

/// A request's id, 16 hex digits in logs and in `X-Request-Id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace(pub u64);

impl Trace {
    /// Draws an id.
    pub fn random(world: &World) -> Self {
        Self(world.random())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_16_hex_digits() {
        assert_eq!(Trace(255).to_string(), "00000000000000ff");
    }
}
