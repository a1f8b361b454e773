//! Small files beside the trees, replaced whole.

use rustix::fs::fsync;
use serde::Serialize;
use std::fs::File;
use std::path::Path;

/// Replaces a file by a value's JSON: a power cut leaves the old one or the new
/// one, whole. Blocks.
///
/// # Errors
/// When it can't be written; the old one is still there then.
pub(crate) fn replace(dir: &Path, name: &str, value: &impl Serialize) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    kit::private::replace(dir, name, &bytes)?;
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
