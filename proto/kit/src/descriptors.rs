//! File descriptors: the soft limit is raised at the start, and connections may hold
//! only a share of it, so that files, store and links never run out of theirs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What connections of a port may take of the process's descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The REST API: one half.
    Rest,
    /// An inner port: a sixteenth, at most [`INNER`].
    Inner,
    /// An ops port: a sixteenth, at most [`OPS`].
    Ops,
}

/// Connections on an inner port at once, where there are descriptors enough.
pub const INNER: usize = 1024;
/// Connections on an ops port at once, where there are descriptors enough.
pub const OPS: usize = 64;

/// Raises the soft limit of open files to the hard one, and returns what it is now.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
    limit_now()
}

/// The soft limit of open files; `u64::MAX` where there is none.
pub fn limit_now() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many connections a port may hold under a limit of open files: never more
/// than its share, nor than `wanted`, and one at least.
pub fn connections(limit: u64, port: Port, wanted: usize) -> usize {
    let (part, most) = match port {
        Port::Rest => (2, usize::MAX),
        Port::Inner => (16, INNER),
        Port::Ops => (16, OPS),
    };
    let share = usize::try_from(limit / part).unwrap_or(usize::MAX);
    share.min(most).min(wanted).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_files_store_and_links() {
        let all = usize::MAX;
        for (limit, rest, inner, ops) in [
            (64, 32, 4, 4),
            (1024, 512, 64, 64),
            (4096, 2048, 256, 64),
            (1 << 20, 4096, 1024, 64),
            (u64::MAX, 4096, 1024, 64),
        ] {
            assert_eq!(connections(limit, Port::Rest, 4096), rest, "{limit}");
            assert_eq!(connections(limit, Port::Inner, all), inner, "{limit}");
            assert_eq!(connections(limit, Port::Ops, all), ops, "{limit}");
            let held = (rest + inner + ops) as u64;
            assert!(held <= limit - limit / 4, "{limit}: {held}");
        }
        assert_eq!(connections(0, Port::Ops, all), 1);
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert_eq!(raise(), hard);
        assert_eq!(limit_now(), hard);
    }
}
