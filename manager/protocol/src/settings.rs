//! What an operator of the service may set of the protocol.

/// Rates and bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Files a second that balancing moves at the most; 0 for no limit.
    pub move_files_per_second: u32,
    /// Bytes a second that balancing moves at the most; 0 for no limit.
    pub move_bytes_per_second: u64,
    /// Records that are kept in memory.
    pub cached_files: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            move_files_per_second: 1000,
            move_bytes_per_second: 100 << 20,
            cached_files: 100_000,
        }
    }
}
