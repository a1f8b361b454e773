//! How much room uploads may still use: what is free, less the reserve and
//! what is promised to uploads in flight.

use crate::fault::Failure;
use proto::v1::Fault;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// As the filesystem told last.
    free: u64,
    total: u64,
    inodes: u64,
    block: u64,
    asked: Instant,
    /// Promised to creates in flight.
    claimed: u64,
    claims: u64,
    /// Written since the filesystem was asked.
    since: u64,
    /// Taken by the files of both trees.
    stored: u64,
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

/// Room promised to one create; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    space: Arc<Space>,
    /// In whole blocks.
    bytes: u64,
    used: u64,
}

impl Space {
    /// Watches the filesystem of `volume`.
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn new(volume: OwnedFd, reserve: u64, capacity: Option<u64>) -> Result<Self, Errno> {
        let now = rustix::fs::fstatvfs(&volume)?;
        let state = State {
            free: now.f_bavail * now.f_frsize,
            total: now.f_blocks * now.f_frsize,
            inodes: inodes(&now),
            block: now.f_frsize.max(1),
            asked: Instant::now(),
            claimed: 0,
            claims: 0,
            since: 0,
            stored: 0,
        };
        Ok(Self {
            volume,
            reserve,
            capacity,
            state: Mutex::new(state),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain numbers: no panic can leave them half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the filesystem anew.
    pub fn refresh(&self) {
        self.ask(&mut self.lock());
    }

    fn ask(&self, state: &mut State) {
        match rustix::fs::fstatvfs(&self.volume) {
            Ok(now) => {
                state.free = now.f_bavail * now.f_frsize;
                state.total = now.f_blocks * now.f_frsize;
                state.inodes = inodes(&now);
                state.since = 0;
                state.asked = Instant::now();
            }
            Err(error) => tracing::warn!(%error, "the filesystem does not tell its free space"),
        }
    }

    /// What uploads may still use.
    pub fn room(&self) -> Room {
        self.room_of(&self.lock())
    }

    fn room_of(&self, state: &State) -> Room {
        let spoken_for = state.claimed + state.since + self.reserve;
        let mut free = state.free.saturating_sub(spoken_for);
        let mut capacity = state.total.saturating_sub(self.reserve);
        if let Some(most) = self.capacity {
            free = free.min(most.saturating_sub(state.stored + state.claimed));
            capacity = capacity.min(most);
        }
        Room {
            free,
            capacity,
            inodes: state.inodes.saturating_sub(state.claims + RESERVED_INODES),
        }
    }

    /// Promises room for a file of `bytes`, or of any size if they are 0.
    ///
    /// # Errors
    /// `NoSpace`.
    pub fn claim(self: &Arc<Self>, bytes: u64) -> Result<Claim, Failure> {
        self.take(bytes, 1)?;
        // Made only now: a claim that is dropped gives back.
        Ok(Claim {
            space: Arc::clone(self),
            bytes: self.blocks(bytes),
            used: 0,
        })
    }

    fn take(&self, bytes: u64, files: u64) -> Result<(), Failure> {
        let mut state = self.lock();
        let need = bytes.div_ceil(state.block) * state.block;
        let fits = |room: Room| room.free >= need.max(1) && (files == 0 || room.inodes > 0);
        let mut room = self.room_of(&state);
        if !fits(room) && state.asked.elapsed() > STALE {
            self.ask(&mut state);
            room = self.room_of(&state);
        }
        if !fits(room) {
            let message = format!("{need} bytes asked, {} free beyond the reserve", room.free);
            return Err(Failure::new(Fault::NoSpace, message));
        }
        state.claimed += need;
        state.claims += files;
        Ok(())
    }

    fn blocks(&self, bytes: u64) -> u64 {
        let block = self.lock().block;
        bytes.div_ceil(block) * block
    }

    /// Counts a file that is in a tree.
    pub fn stored(&self, bytes: u64) {
        let mut state = self.lock();
        let blocks = bytes.div_ceil(state.block) * state.block;
        state.stored += blocks;
    }

    /// Counts a file that has left its tree.
    pub fn removed(&self, bytes: u64) {
        let mut state = self.lock();
        let blocks = bytes.div_ceil(state.block) * state.block;
        state.stored = state.stored.saturating_sub(blocks);
    }
}

/// Inodes that may be used; a filesystem that makes them as needed says 0 of 0.
fn inodes(now: &rustix::fs::StatVfs) -> u64 {
    if now.f_files == 0 {
        u64::MAX >> 1
    } else {
        now.f_favail
    }
}

impl Claim {
    /// Takes more room where the bytes written would exceed what was promised.
    ///
    /// # Errors
    /// `NoSpace`.
    pub fn written(&mut self, bytes: u64) -> Result<(), Failure> {
        self.used += bytes;
        if self.used > self.bytes {
            let more = self.used - self.bytes;
            self.space.take(more, 0)?;
            self.bytes += self.space.blocks(more);
        }
        Ok(())
    }

    /// The file is in the tree: its room is used, no longer promised.
    pub fn settle(self) {
        let mut state = self.space.lock();
        let blocks = self.used.div_ceil(state.block) * state.block;
        state.since += blocks;
        state.stored += blocks;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.space.lock();
        state.claimed -= self.bytes;
        state.claims -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(capacity: u64) -> Arc<Space> {
        let dir = std::fs::File::open(".").expect("the current directory");
        Arc::new(Space::new(dir.into(), 0, Some(capacity)).expect("a filesystem"))
    }

    #[test]
    fn what_is_promised_is_not_promised_twice() {
        let space = space(40_960);
        let first = space.claim(30_000).expect("room");
        assert_eq!(
            space.claim(20_000).expect_err("no room").fault,
            Fault::NoSpace
        );
        drop(first);
        let mut second = space.claim(0).expect("room");
        assert!(second.written(40_000).is_ok());
        assert!(space.claim(0).is_err());
        assert!(second.written(10_000).is_err());
    }

    #[test]
    fn a_delete_makes_room_again() {
        let space = space(8192);
        let mut claim = space.claim(8000).expect("room");
        claim.written(8000).expect("promised");
        claim.settle();
        assert_eq!(space.room().free, 0);
        assert!(space.claim(1).is_err());
        space.removed(8000);
        assert!(space.claim(1).is_ok());
    }
}
