//! The way to a node.

/// Where a node is reached, and how.
#[derive(Debug, Clone, Copy)]
pub struct Address<'a> {
    /// The endpoint that it advertises.
    pub endpoint: &'a str,
    /// Its pool.
    pub pool: &'a str,
    /// Whether it joined with a certificate, and so speaks TLS.
    pub secured: bool,
}
