//! Files that only their owner may read.

use rustix::fs::Mode;

/// From now on this process makes files and directories that nobody but their owner
/// may read: records, files of clients, names.
pub fn files() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}
