//! How much room uploads may still use: what is free, less the reserve and what
//! is about to be written. Bytes and inodes under way are counted once: from when
//! they are claimed until the filesystem, asked anew, reports them as gone. What
//! a client announces is only compared with the room; it reserves nothing.

use crate::fault::Failure;
use parking_lot::Mutex;
use proto::v1::Fault;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Inodes kept back, so that directories can still be made.
const RESERVED_INODES: u64 = 64;
/// The oldest figures on which a refusal may rest.
const STALE: Duration = Duration::from_millis(50);

/// The room on a volume.
#[derive(Debug)]
pub struct Space {
    volume: OwnedFd,
    reserve: u64,
    /// The most bytes that files may take, where a flag sets it.
    capacity: Option<u64>,
    /// Held while the filesystem is asked, which may take long.
    asking: Mutex<()>,
    /// Plain numbers: no panic can leave them half changed.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What the filesystem reported last.
    now: Figures,
    asked: Instant,
    /// Claimed, and about to be written.
    pending: Amount,
    /// Written since the filesystem was asked.
    since: Amount,
    /// Taken by files that are not in a tree yet.
    open: u64,
    /// Taken by the files of both trees.
    stored: u64,
}

/// What a filesystem reports.
#[derive(Debug, Clone, Copy)]
struct Figures {
    free: u64,
    total: u64,
    inodes: u64,
    block: u64,
}

/// Bytes, in whole blocks, and inodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    bytes: u64,
    inodes: u64,
}

/// What may still be used, in bytes and inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that uploads may still use.
    pub free: u64,
    /// All bytes that files could ever take.
    pub capacity: u64,
    /// Inodes that uploads may still use.
    pub inodes: u64,
}

/// The room that one create takes; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    space: Arc<Space>,
    /// Bytes of the file.
    used: u64,
    /// What is claimed but not written.
    pending: Amount,
    settled: bool,
}

impl Figures {
    fn of(volume: &OwnedFd) -> Result<Self, Errno> {
        let now = rustix::fs::fstatvfs(volume)?;
        Ok(Self {
            free: now.f_bavail * now.f_frsize,
            total: now.f_blocks * now.f_frsize,
            inodes: inodes(&now),
            block: now.f_frsize.max(1),
        })
    }
}

impl State {
    fn room(&self, reserve: u64, most: Option<u64>) -> Room {
        let gone = self.pending.bytes + self.since.bytes + reserve;
        let mut free = self.now.free.saturating_sub(gone);
        let mut capacity = self.now.total.saturating_sub(reserve);
        if let Some(most) = most {
            free = free.min(most.saturating_sub(self.stored + self.open));
            capacity = capacity.min(most);
        }
        let inodes = self.pending.inodes + self.since.inodes + RESERVED_INODES;
        Room {
            free,
            capacity,
            inodes: self.now.inodes.saturating_sub(inodes),
        }
    }

    /// Takes in new figures, which already include what was written `before`.
    fn learn(&mut self, now: Figures, before: Amount) {
        self.now = now;
        self.since.bytes = self.since.bytes.saturating_sub(before.bytes);
        self.since.inodes = self.since.inodes.saturating_sub(before.inodes);
        self.asked = Instant::now();
    }

    fn claim(&mut self, more: Amount) {
        self.pending.bytes += more.bytes;
        self.pending.inodes += more.inodes;
        self.open += more.bytes;
    }

    /// What was claimed is written, or at least tried.
    fn write(&mut self, claimed: Amount) {
        self.pending.bytes -= claimed.bytes;
        self.pending.inodes -= claimed.inodes;
        self.since.bytes += claimed.bytes;
        self.since.inodes += claimed.inodes;
    }

    fn blocks(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.now.block) * self.now.block
    }
}

impl Space {
    /// Watches the filesystem of `volume`.
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn new(volume: OwnedFd, reserve: u64, capacity: Option<u64>) -> Result<Self, Errno> {
        let state = State {
            now: Figures::of(&volume)?,
            asked: Instant::now(),
            pending: Amount::default(),
            since: Amount::default(),
            open: 0,
            stored: 0,
        };
        Ok(Self {
            volume,
            reserve,
            capacity,
            asking: Mutex::default(),
            state: Mutex::new(state),
        })
    }

    /// Asks the filesystem anew. Blocks for as long as it does not answer, but does not
    /// hold up callers that only read the last figures.
    pub fn refresh(&self) {
        let _one_at_a_time = self.asking.lock();
        let before = self.state.lock().since;
        match Figures::of(&self.volume) {
            Ok(now) => self.state.lock().learn(now, before),
            Err(error) => tracing::warn!(%error, "the filesystem does not report its free space"),
        }
    }

    /// What uploads may still use.
    pub fn room(&self) -> Room {
        self.state.lock().room(self.reserve, self.capacity)
    }

    /// Begins a file, for which a client announced `bytes` (0: it announced nothing).
    /// They have to fit, but are not reserved.
    ///
    /// # Errors
    /// `NoSpace`.
    pub fn claim(self: &Arc<Self>, bytes: u64) -> Result<Claim, Failure> {
        let file = Amount {
            bytes: 0,
            inodes: 1,
        };
        self.take(file, bytes.max(1))?;
        // Made only after the room is taken: a claim that is dropped gives it back.
        Ok(Claim {
            space: Arc::clone(self),
            used: 0,
            pending: file,
            settled: false,
        })
    }

    /// Claims `more`, if there is room for it and for at least `need` bytes.
    fn take(&self, more: Amount, need: u64) -> Result<(), Failure> {
        let fits = |state: &State| {
            let room = state.room(self.reserve, self.capacity);
            let need = state.blocks(need).max(more.bytes);
            (room.free >= need && room.inodes >= more.inodes, room, need)
        };
        let mut state = self.state.lock();
        let mut found = fits(&state);
        if !found.0 && state.asked.elapsed() > STALE {
            drop(state);
            self.refresh();
            state = self.state.lock();
            found = fits(&state);
        }
        let (true, ..) = found else {
            let (_, room, need) = found;
            let message = format!(
                "{need} bytes and {} inodes asked, {} and {} are free beyond the reserve",
                more.inodes, room.free, room.inodes
            );
            return Err(Failure::new(Fault::NoSpace, message));
        };
        state.claim(more);
        Ok(())
    }

    /// Bytes that a file of this size takes, in whole blocks.
    pub fn blocks(&self, bytes: u64) -> u64 {
        self.state.lock().blocks(bytes)
    }

    /// Counts what the files of a tree take, each in whole blocks.
    pub fn stored(&self, blocks: u64) {
        self.state.lock().stored += blocks;
    }

    /// Counts a file that has left its tree.
    pub fn removed(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.stored = state.stored.saturating_sub(state.blocks(bytes));
    }

    /// Counts a directory that was made.
    pub fn made_directory(&self) {
        let mut state = self.state.lock();
        state.since.inodes += 1;
        state.since.bytes += state.now.block;
    }
}

/// Inodes that may be used; a filesystem that makes them as needed reports 0 of 0.
fn inodes(now: &rustix::fs::StatVfs) -> u64 {
    if now.f_files == 0 {
        u64::MAX >> 1
    } else {
        now.f_favail
    }
}

impl Claim {
    /// The file is made: its inode is used.
    pub fn made(&mut self) {
        self.written();
    }

    /// Claims room for bytes that have come and are about to be written.
    ///
    /// # Errors
    /// `NoSpace`.
    pub fn write(&mut self, bytes: u64) -> Result<(), Failure> {
        let more = self.space.blocks(self.used + bytes) - self.space.blocks(self.used);
        let more = Amount {
            bytes: more,
            inodes: 0,
        };
        self.space.take(more, more.bytes)?;
        self.used += bytes;
        self.pending.bytes += more.bytes;
        Ok(())
    }

    /// What was claimed is written.
    pub fn written(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.space.state.lock().write(pending);
    }

    /// The file is in the tree.
    pub fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.space.state.lock();
        let blocks = state.blocks(self.used);
        state.open = state.open.saturating_sub(blocks);
        state.write(self.pending);
        if self.settled {
            state.stored += blocks;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(capacity: u64) -> Arc<Space> {
        let dir = std::fs::File::open(".").expect("the current directory");
        Arc::new(Space::new(dir.into(), 0, Some(capacity)).expect("a filesystem"))
    }

    fn fault(result: Result<impl Sized, Failure>) -> Option<Fault> {
        result.err().map(|failure| failure.fault)
    }

    #[test]
    fn what_is_announced_holds_nothing_and_what_comes_is_counted_once() {
        let space = space(40_960);
        let announced = space.claim(40_000).expect("it fits");
        let mut first = space.claim(30_000).expect("nothing is held by the other");
        assert_eq!(fault(space.claim(50_000)), Some(Fault::NoSpace));
        first.write(30_000).expect("room");
        first.written();
        let mut second = space.claim(0).expect("room");
        assert_eq!(fault(second.write(20_000)), Some(Fault::NoSpace));
        second.write(8_000).expect("room");
        assert_eq!(
            fault(space.claim(1)),
            Some(Fault::NoSpace),
            "all is claimed"
        );
        drop(first);
        assert!(space.claim(30_000).is_ok());
        drop(announced);
    }

    #[test]
    fn many_small_pieces_take_what_one_large_one_takes() {
        let space = space(40_960);
        let mut claim = space.claim(0).expect("room");
        for _ in 0..4096 {
            claim.write(10).expect("room");
            claim.written();
        }
        assert_eq!(space.room().free, 0);
    }

    #[test]
    fn a_delete_makes_room_again() {
        let space = space(8192);
        let mut claim = space.claim(8000).expect("room");
        claim.write(8000).expect("room");
        claim.settle();
        assert_eq!(space.room().free, 0);
        assert!(space.claim(1).is_err());
        space.removed(8000);
        assert!(space.claim(1).is_ok());
    }

    /// A filesystem of 100 blocks and 100 inodes.
    fn state() -> State {
        State {
            now: figures(100, 100),
            asked: Instant::now(),
            pending: Amount::default(),
            since: Amount::default(),
            open: 0,
            stored: 0,
        }
    }

    fn figures(blocks: u64, inodes: u64) -> Figures {
        Figures {
            free: blocks * 4096,
            total: 100 * 4096,
            inodes,
            block: 4096,
        }
    }

    #[test]
    fn bytes_under_way_are_not_gone_twice_whenever_the_filesystem_is_asked() {
        let mut state = state();
        for written in 0..60 {
            let block = Amount {
                bytes: 4096,
                inodes: 0,
            };
            let free = |state: &State| state.room(0, None).free / 4096;
            state.claim(block);
            assert_eq!(free(&state), 99 - written, "claimed");
            state.write(block);
            assert_eq!(free(&state), 99 - written, "written");
            if written % 7 == 0 {
                let before = state.since;
                // One more is written while the filesystem answers.
                state.learn(figures(99 - written, 100), before);
                assert_eq!(free(&state), 99 - written, "asked");
            }
        }
    }

    #[test]
    fn inodes_are_counted_as_they_go_and_not_only_when_the_filesystem_is_asked() {
        let mut state = state();
        let file = Amount {
            bytes: 0,
            inodes: 1,
        };
        for made in 0..36 {
            assert_eq!(state.room(0, None).inodes, 36 - made);
            state.claim(file);
            state.write(file);
        }
        assert_eq!(state.room(0, None).inodes, 0, "the reserve is left");
        let before = state.since;
        state.learn(figures(100, 64), before);
        assert_eq!(state.room(0, None).inodes, 0);
    }
}
