//! Renaming without replacing, also where the filesystem has no flag for it.

use rustix::fd::AsFd;
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

/// Renames a file; one that already has the new name is left alone. `plain` leaves
/// the flag out even where the filesystem has it.
///
/// # Errors
/// `EXIST`, or the filesystem's own.
pub(super) fn rename(
    old: impl AsFd,
    from: &str,
    new: impl AsFd,
    to: &str,
    plain: bool,
) -> Result<(), Errno> {
    let flagged = match plain {
        true => Err(Errno::INVAL),
        false => rustix::fs::renameat_with(&old, from, &new, to, RenameFlags::NOREPLACE),
    };
    match flagged {
        // FUSE, 9p, NFS and others have no such flag. The committer alone makes
        // names, so that nothing can come between the two calls.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            match rustix::fs::statat(&new, to, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => rustix::fs::renameat(&old, from, &new, to),
                Ok(_) => Err(Errno::EXIST),
                Err(error) => Err(error),
            }
        }
        other => other,
    }
}
