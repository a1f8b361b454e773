//! Re-reads one copy and compares it with its record.

use crate::disk::Found;
use crc_fast::{CrcAlgorithm, Digest};
use proto::CHUNK;
use proto::v1::Fault;
use sha2::Digest as _;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its bytes are those that its record names.
    Intact,
    /// They are not, for this reason.
    Corrupt(String),
    /// It could not be read, for this reason: whether its bytes are intact is not
    /// known.
    Unreadable(String),
    /// It was not read to its end.
    BrokenOff,
}

/// Reads the file from front to back, from the disk rather than from memory
/// where the system allows that. `go_on` is called with the size of each piece before
/// that is read, and ends the check by returning false.
pub(crate) fn check(found: &Found, go_on: &mut dyn FnMut(u64) -> bool) -> Verdict {
    let mut crc = Digest::new(CrcAlgorithm::Crc64Nvme);
    let mut sha = found.meta.sha256.map(|_| sha2::Sha256::new());
    let mut offset = 0;
    match found.is_whole() {
        Ok(true) => {}
        Ok(false) => return Verdict::Corrupt(super::NOT_WHOLE.to_owned()),
        Err(failure) => return Verdict::Unreadable(failure.message),
    }
    found.drop_cached();
    found.expect_sequential();
    while offset < found.meta.size {
        let length = CHUNK.min(usize::try_from(found.meta.size - offset).unwrap_or(CHUNK));
        if !go_on(length as u64) {
            return Verdict::BrokenOff;
        }
        let piece = match found.read(offset, length) {
            Ok(piece) => piece,
            // Cut off meanwhile.
            Err(failure) if failure.fault == Fault::Checksum => {
                return Verdict::Corrupt(failure.message);
            }
            Err(failure) => return Verdict::Unreadable(failure.message),
        };
        crc.update(&piece);
        if let Some(sha) = &mut sha {
            sha.update(&piece);
        }
        offset += length as u64;
    }
    found.drop_cached();
    let sha = sha.map(|sha| <[u8; 32]>::from(sha.finalize()));
    if crc.finalize() == found.meta.crc64 && sha == found.meta.sha256 {
        Verdict::Intact
    } else {
        Verdict::Corrupt("its bytes fail their checksum".to_owned())
    }
}
