//! Which node receives a file: the one with the fewest, uploads in flight
//! counted. Pure; [`crate::nodes::Nodes::place`] acts on it.

/// The room a file of unknown size needs before it is begun.
const UNKNOWN_SIZE: u64 = 64 * 1024;

/// What placement sees of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Files, those on their way included.
    pub files: u64,
    /// Bytes that an upload may use.
    pub free: u64,
    /// Inodes that uploads may use.
    pub free_inodes: u64,
    /// Not draining, read-only, silent or about to stop.
    pub writable: bool,
}

/// Why no node was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unplaced {
    /// No node takes files now.
    NoneAvailable,
    /// Nodes take files, but none has room for this one.
    NoRoom,
}

/// Chooses the candidate with the fewest files among those with room for
/// `size` bytes; the first of equals.
///
/// # Errors
/// Distinguishes having no node from having no room.
pub(crate) fn choose(candidates: &[Candidate], size: Option<u64>) -> Result<usize, Unplaced> {
    let needed = size.unwrap_or(UNKNOWN_SIZE);
    let writable = || candidates.iter().enumerate().filter(|(_, c)| c.writable);
    writable()
        .filter(|(_, c)| c.free >= needed && c.free > 0 && c.free_inodes > 0)
        .min_by_key(|(i, c)| (c.files, *i))
        .map(|(i, _)| i)
        .ok_or_else(|| match writable().next() {
            Some(_) => Unplaced::NoRoom,
            None => Unplaced::NoneAvailable,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(files: u64, free: u64) -> Candidate {
        Candidate {
            files,
            free,
            free_inodes: 1,
            writable: true,
        }
    }

    #[test]
    fn the_emptiest_node_with_room_receives_the_file() {
        let mib = 1 << 20;
        let closed = Candidate {
            writable: false,
            ..node(0, mib)
        };
        for (candidates, size, chosen) in [
            (vec![], None, Err(Unplaced::NoneAvailable)),
            (vec![closed], None, Err(Unplaced::NoneAvailable)),
            (vec![node(5, mib), node(4, mib), node(4, mib)], None, Ok(1)),
            (vec![closed, node(9, mib)], Some(10), Ok(1)),
            (vec![node(0, 10), node(9, mib)], Some(11), Ok(1)),
            (
                vec![node(0, 10), node(9, 20)],
                Some(21),
                Err(Unplaced::NoRoom),
            ),
            (vec![node(0, 0)], Some(0), Err(Unplaced::NoRoom)),
            (
                vec![Candidate {
                    free_inodes: 0,
                    ..node(0, mib)
                }],
                Some(1),
                Err(Unplaced::NoRoom),
            ),
        ] {
            assert_eq!(choose(&candidates, size), chosen, "{candidates:?} {size:?}");
        }
    }

    proptest! {
        #[test]
        fn placing_one_after_another_keeps_nodes_within_one_file(
            nodes in 1usize..9, files in 0u64..500
        ) {
            let mut all = vec![node(0, u64::MAX); nodes];
            for _ in 0..files {
                let chosen = choose(&all, Some(1)).expect("there is room");
                all[chosen].files += 1;
            }
            let max = all.iter().map(|c| c.files).max().unwrap_or(0);
            let min = all.iter().map(|c| c.files).min().unwrap_or(0);
            prop_assert!(max - min <= 1);
        }
    }
}
