//! Bounds and rates, each a flag.

mod hosts;
mod rest;

use clap::Args;
use manager_protocol::settings::Settings;

pub(crate) use hosts::HostPattern;
pub(crate) use rest::{MinRate, RestLimits};

/// Bounds and rates of the manager's own work.
#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Files a second that balancing moves at the most; 0 for no limit
    #[arg(
        long,
        env = "DFS_MOVE_FILES_PER_SECOND",
        value_name = "N",
        default_value_t = 1000
    )]
    pub move_files_per_second: u32,
    /// Bytes a second that balancing moves at the most, 0 for no limit (suffixes KiB, MiB, GiB)
    #[arg(long, env = "DFS_MOVE_BYTES_PER_SECOND", value_name = "SIZE", default_value = "100MiB",
          value_parser = kit::units::size)]
    pub move_bytes_per_second: u64,
    /// Records kept in memory, some 500 bytes each: these files are served while the store is away
    #[arg(
        long,
        env = "DFS_CACHED_FILES",
        value_name = "N",
        default_value_t = 100_000
    )]
    pub cached_files: usize,
}

impl Limits {
    /// What the protocol uses of them.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            move_files_per_second: self.move_files_per_second,
            move_bytes_per_second: self.move_bytes_per_second,
            cached_files: self.cached_files,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        limits: Limits,
    }

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_protocol() {
        let flags = Flags::parse_from(["manager"]);
        assert_eq!(flags.limits.settings(), Settings::default());
    }
}
