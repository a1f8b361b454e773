//! What the file system can do with no service at all: threads that each make
//! a durable file exactly as a node does, in shared leaf directories of 36.

use crate::{content, tree::MAX_ENTRIES};
use anyhow::{Context, Result};
use parking_lot::Mutex;
use rustix::fs::{AtFlags, Mode, OFlags, fsync, linkat, mkdirat, open, openat};
use rustix::io::write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The leaf directory that is being filled: one at a time, as on a node.
struct Leaf {
    root: OwnedFd,
    current: Arc<OwnedFd>,
    used: usize,
    made: usize,
}

impl Leaf {
    fn new(root: OwnedFd) -> Result<Self> {
        let current = Arc::new(Self::make(&root, 0)?);
        Ok(Self {
            root,
            current,
            used: 0,
            made: 1,
        })
    }

    fn make(root: &OwnedFd, number: usize) -> Result<OwnedFd> {
        let name = format!("{number}");
        mkdirat(root, &name, Mode::RWXU)?;
        Ok(openat(
            root,
            &name,
            OFlags::DIRECTORY | OFlags::RDONLY,
            Mode::empty(),
        )?)
    }

    /// The next slot; once the directory is full, the first one of a new directory.
    fn take(&mut self) -> Result<(Arc<OwnedFd>, usize)> {
        if self.used == MAX_ENTRIES {
            self.current = Arc::new(Self::make(&self.root, self.made)?);
            self.made += 1;
            self.used = 0;
        }
        self.used += 1;
        Ok((Arc::clone(&self.current), self.used))
    }
}

/// Durable files a second of `size` bytes by `threads` threads.
pub(super) fn measure(folder: &Path, size: usize, threads: usize, length: Duration) -> Result<f64> {
    let folder = tempfile::Builder::new()
        .prefix("limit-")
        .tempdir_in(folder)?;
    let root = open(
        folder.path(),
        OFlags::DIRECTORY | OFlags::RDONLY,
        Mode::empty(),
    )?;
    let leaf = Mutex::new(Leaf::new(root)?);
    let data = content::bytes(1, size);
    let start = Instant::now();
    let done: Result<Vec<u64>> = std::thread::scope(|scope| {
        let work = || -> Result<u64> {
            let mut done = 0;
            while start.elapsed() < length {
                one(&leaf, &data)?;
                done += 1;
            }
            Ok(done)
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter()
            .map(|thread| {
                thread
                    .join()
                    .map_err(|_| anyhow::anyhow!("a thread panicked"))?
            })
            .collect()
    });
    Ok(done?.iter().sum::<u64>() as f64 / start.elapsed().as_secs_f64())
}

/// `O_TMPFILE`, write, fsync, linkat, fsync directory.
fn one(leaf: &Mutex<Leaf>, data: &[u8]) -> Result<()> {
    let (directory, slot) = leaf.lock().take()?;
    let flags = OFlags::TMPFILE | OFlags::WRONLY;
    let file = openat(&*directory, ".", flags, Mode::RUSR | Mode::WUSR);
    let file = file.context("O_TMPFILE")?;
    let mut rest = data;
    while !rest.is_empty() {
        let written = write(&file, rest)?;
        rest = &rest[written..];
    }
    fsync(&file)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let name = format!("f{slot}");
    linkat(
        rustix::fs::CWD,
        path,
        &*directory,
        name,
        AtFlags::SYMLINK_FOLLOW,
    )?;
    fsync(&*directory)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn the_limit_is_measured_where_there_is_o_tmpfile() {
        let folder = crate::cluster::binaries::scratch().unwrap();
        let length = std::time::Duration::from_millis(100);
        assert!(super::measure(&folder, 1024, 4, length).unwrap() > 0.0);
    }
}
