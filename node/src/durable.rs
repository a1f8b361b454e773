//! Small files beside the trees, replaced whole.

use rustix::fs::fsync;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Replaces a file by a value's JSON: a power cut leaves the old one or the new
/// one, whole. Blocks.
///
/// # Errors
/// When it can't be written; the old one is still there then.
pub(crate) fn replace(dir: &Path, name: &str, value: &impl Serialize) -> std::io::Result<()> {
    let next = dir.join(format!("{name}.new"));
    let mut file = File::create(&next)?;
    serde_json::to_writer_pretty(&mut file, value)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&next, dir.join(name))?;
    fsync(File::open(dir)?)?;
    // The volume's own directory may be new as well, unless we may not open its parent:
    // then somebody else made it.
    if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
        match File::open(parent) {
            Ok(parent) => fsync(parent)?,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
