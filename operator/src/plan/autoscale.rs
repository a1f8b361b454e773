//! How many nodes the files need, where autoscaling is on.
//!
//! More nodes are wanted at once, fewer only when that was so for a whole window,
//! and neither while the files per node are within the dead band.

use std::time::{Duration, Instant};

/// How the number of nodes follows their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Autoscale {
    /// Fewest nodes, not more than the most.
    pub(crate) least: i32,
    /// Most nodes.
    pub(crate) most: i32,
    /// Files that a node shall hold, one at least.
    pub(crate) files_per_node: i64,
    /// How far it may be from that, in percent, less than 100.
    pub(crate) dead_band: i32,
    /// How long fewer nodes must have been enough before the pool shrinks.
    pub(crate) patience: Duration,
}

/// What is remembered from one reconcile to the next; a restart begins a new window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    low: Option<Low>,
}

/// Fewer nodes are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Low {
    /// Fewer than these.
    than: i32,
    since: Instant,
    /// The most that were needed since.
    most: i32,
}

/// The nodes that are wanted, and what to remember; pure. `current` is what was
/// wanted until now.
pub(crate) fn decide(
    auto: &Autoscale,
    files: i64,
    current: i32,
    window: Window,
    now: Instant,
) -> (i32, Window) {
    let clamp = |nodes: i64| {
        let nodes = nodes.clamp(i64::from(auto.least), i64::from(auto.most));
        i32::try_from(nodes).unwrap_or(auto.most)
    };
    let clamped = clamp(i64::from(current));
    if clamped != current {
        return (clamped, Window::default());
    }
    let per_node = i128::from(auto.files_per_node);
    let band = i128::from(auto.dead_band);
    let held = i128::from(files) * 100;
    let ceiling = |capacity: i128| {
        let nodes = (held + capacity - 1) / capacity;
        clamp(i64::try_from(nodes).unwrap_or(i64::MAX))
    };
    if held > i128::from(current) * per_node * (100 + band) {
        let grown = ceiling(per_node * 100);
        return (grown.max(current), Window::default());
    }
    // The fewest nodes that would each be below the target by the dead band.
    let enough = ceiling(per_node * (100 - band));
    if enough >= current {
        return (current, Window::default());
    }
    let mut low = window.low.filter(|low| low.than == current).unwrap_or(Low {
        than: current,
        since: now,
        most: enough,
    });
    low.most = low.most.max(enough);
    // The window stays until `current` has changed: this reconcile may fail later on.
    let wanted = match now.duration_since(low.since) >= auto.patience {
        true => low.most,
        false => current,
    };
    (wanted, Window { low: Some(low) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto() -> Autoscale {
        Autoscale {
            least: 2,
            most: 6,
            files_per_node: 1000,
            dead_band: 10,
            patience: Duration::from_secs(60),
        }
    }

    #[test]
    fn more_nodes_come_at_once_and_fewer_after_a_window() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let none = Window::default();
        for (files, current, wanted) in [
            (0, 2, 2),
            (2200, 2, 2),
            (2201, 2, 3),
            (9999, 2, 6),
            (0, 1, 2),
            (0, 9, 6),
            (2800, 3, 3),
        ] {
            assert_eq!(
                decide(&auto(), files, current, none, start).0,
                wanted,
                "{files} {current}"
            );
        }
        let (wanted, window) = decide(&auto(), 1000, 5, none, at(0));
        assert_eq!(wanted, 5);
        // A busier moment within the window counts.
        let (wanted, window) = decide(&auto(), 2500, 5, window, at(30));
        assert_eq!(wanted, 5);
        let (wanted, passed) = decide(&auto(), 1000, 5, window, at(60));
        assert_eq!(wanted, 3);
        // So it is still where that was not written down, and a new window where it was.
        assert_eq!(decide(&auto(), 1000, 5, passed, at(61)).0, 3);
        assert_eq!(decide(&auto(), 1000, 3, passed, at(61)).0, 3);
        // And one that needs them all begins it anew.
        let (_, window) = decide(&auto(), 4900, 5, window, at(40));
        assert_eq!(decide(&auto(), 1000, 5, window, at(61)).0, 5);
    }
}
