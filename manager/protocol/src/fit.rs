//! Whether the files of a node that is to be drained have room elsewhere. Pure;
//! asked before the first of them moves.

/// What has to go elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the largest.
    pub largest: u64,
}

impl Load {
    /// Adds what else has to go.
    pub fn add(&mut self, more: Self) {
        self.files += more.files;
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.largest = self.largest.max(more.largest);
    }
}

/// What a node that stays may still take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes.
    pub(crate) bytes: u64,
    /// Files: its inodes.
    pub(crate) files: u64,
}

/// What is short, in a sentence; `None` where all fits.
pub(crate) fn shortfall(load: Load, rooms: &[Room]) -> Option<String> {
    if load.files == 0 {
        return None;
    }
    if rooms.is_empty() {
        return Some("no other node takes files".to_owned());
    }
    let sum = |of: fn(&Room) -> u64| rooms.iter().map(of).fold(0, u64::saturating_add);
    let (bytes, files) = (sum(|room| room.bytes), sum(|room| room.files));
    if bytes < load.bytes {
        let short = load.bytes - bytes;
        return Some(format!(
            "its files have {} bytes, the other nodes have room for {bytes}: {short} bytes short",
            load.bytes
        ));
    }
    if files < load.files {
        let short = load.files - files;
        return Some(format!(
            "it has {} files, the other nodes have inodes for {files}: {short} short",
            load.files
        ));
    }
    let widest = rooms.iter().map(|room| room.bytes).max().unwrap_or(0);
    (widest < load.largest).then(|| {
        format!(
            "its largest file has {} bytes, and no other node has room for more than {widest}",
            load.largest
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_told_with_its_numbers() {
        let load = Load {
            files: 10,
            bytes: 1000,
            largest: 400,
        };
        let room = |bytes, files| Room { bytes, files };
        for (rooms, told) in [
            (vec![], Some("no other node")),
            (vec![room(500, 9), room(499, 9)], Some("1 bytes short")),
            (vec![room(500, 5), room(500, 4)], Some("1 short")),
            (vec![room(399, 9), room(399, 9), room(399, 9)], Some("399")),
            (vec![room(600, 5), room(400, 5)], None),
            (vec![room(u64::MAX, u64::MAX), room(u64::MAX, 1)], None),
        ] {
            let found = shortfall(load, &rooms);
            match told {
                None => assert_eq!(found, None, "{rooms:?}"),
                Some(told) => assert!(found.is_some_and(|text| text.contains(told)), "{rooms:?}"),
            }
        }
        assert_eq!(shortfall(Load::default(), &[]), None, "nothing has to go");
    }
}
