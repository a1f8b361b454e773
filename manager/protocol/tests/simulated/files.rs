//! The files that clients of a run upload: each has bytes that no other has, so that bytes
//! which are read, or a record that is found, tell which one they are.

use bytes::Bytes;
use manager_protocol::sim::Process;
use manager_protocol::store::Record;
use names::FileName;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes of a number at the beginning of each file.
const NUMBER: u64 = 8;
/// Sizes: as a rule small enough for one message, and sometimes too large for that.
const SMALL: u64 = 3000;
const LARGE: u64 = 700_000;
/// One in so many is large.
const LARGE_ONES: u64 = 6;

/// Which file it is, whatever became of it.
pub(crate) type Number = usize;

struct File {
    name: FileName,
    bytes: Bytes,
}

/// All files of a run.
#[derive(Clone, Default)]
pub(crate) struct Files(Arc<Mutex<All>>);

#[derive(Default)]
struct All {
    files: Vec<File>,
    by_hash: BTreeMap<[u8; 32], Number>,
    /// Those whose last whole copy was damaged, or may be removed.
    excused: BTreeSet<Number>,
    damaged: BTreeSet<Number>,
}

impl Files {
    /// Makes a new file of a name.
    pub(crate) fn draw(&self, world: &Process, name: &FileName) -> (Number, Bytes) {
        let most = if world.one_in(LARGE_ONES) {
            LARGE
        } else {
            SMALL
        };
        let size = NUMBER + world.below(most);
        let mut all = self.0.lock();
        let number = all.files.len();
        let seed = (number as u64).to_le_bytes();
        let bytes: Bytes = (0..size).map(|at| byte(&seed, at)).collect();
        all.by_hash.insert(Sha256::digest(&bytes).into(), number);
        all.files.push(File {
            name: name.clone(),
            bytes: bytes.clone(),
        });
        (number, bytes)
    }

    /// Which file has these bytes, all of them and no others.
    pub(crate) fn with_bytes(&self, bytes: &[u8]) -> Option<Number> {
        let all = self.0.lock();
        all.by_hash
            .get(&<[u8; 32]>::from(Sha256::digest(bytes)))
            .copied()
    }

    /// Which file a record is of.
    pub(crate) fn of(&self, record: &Record) -> Option<Number> {
        self.0.lock().by_hash.get(&record.sha256).copied()
    }

    /// Nothing is expected of a file any more, but that no wrong bytes are read: its last
    /// whole copy was damaged, or a spoilt one may outlast it.
    pub(crate) fn excuse(&self, number: Number) {
        self.0.lock().excused.insert(number);
    }

    /// Whether nothing is expected of a file any more.
    pub(crate) fn is_excused(&self, number: Number) -> bool {
        self.0.lock().excused.contains(&number)
    }

    /// Of how many files nothing is expected any more.
    pub(crate) fn excused(&self) -> usize {
        self.0.lock().excused.len()
    }

    /// The copy of a file that counts was damaged.
    pub(crate) fn damage(&self, number: Number) {
        self.0.lock().damaged.insert(number);
    }

    /// All files that were damaged.
    pub(crate) fn damaged(&self) -> BTreeSet<Number> {
        self.0.lock().damaged.clone()
    }

    /// The name of a file.
    pub(crate) fn name(&self, number: Number) -> FileName {
        self.0.lock().files[number].name.clone()
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, number: Number) -> Bytes {
        self.0.lock().files[number].bytes.clone()
    }
}

fn byte(seed: &[u8; 8], at: u64) -> u8 {
    match usize::try_from(at) {
        Ok(at) if at < seed.len() => seed[at],
        _ => (at.wrapping_mul(0x9e37_79b9) >> 11) as u8 ^ seed[0],
    }
}
