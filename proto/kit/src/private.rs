//! Files that only their owner may read.

use rustix::fs::{Mode, fsync};
use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Its owner reads and writes it.
const OWN: u32 = 0o600;

/// From now on this process makes files and directories that nobody but their owner
/// may read: records, files of clients, names.
pub fn files() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Replaces a file: a power cut leaves the old one or the new one, whole. Blocks.
///
/// # Errors
/// When it can't be written; the old one is still there then.
pub fn replace(dir: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let next = dir.join(format!("{name}.new"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(OWN);
    let mut file = options.open(&next)?;
    // One that was left behind may have another mode.
    file.set_permissions(Permissions::from_mode(OWN))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&next, dir.join(name))?;
    Ok(fsync(File::open(dir)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_replaced_is_its_owners_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let (file, left) = (dir.path().join("key"), dir.path().join("key.new"));
        for path in [&file, &left] {
            std::fs::write(path, "something longer").expect("written");
            std::fs::set_permissions(path, Permissions::from_mode(0o644)).expect("changed");
        }
        replace(dir.path(), "key", b"new").expect("replaced");
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "new");
        let mode = file.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, OWN);
        assert!(!left.exists());
        assert!(replace(&dir.path().join("none"), "key", b"new").is_err());
    }
}
