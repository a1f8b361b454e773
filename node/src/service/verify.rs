//! Re-reads copies and compares them with their records.

use crate::disk::{Copy, Found, Place};
use crate::fault::Failure;
use crate::node::{Node, gone};
use crc_fast::{CrcAlgorithm, Digest};
use proto::CHUNK;
use proto::v1::Fault;
use sha2::Digest as _;
use std::sync::Arc;

/// Whether each copy is there and has the bytes that its record names.
pub(super) async fn verify(node: &Arc<Node>, copies: Vec<Copy>) -> Result<Vec<bool>, Failure> {
    let node = Arc::clone(node);
    // A thread of its own, bounded by the caller's permit: this takes long.
    tokio::task::spawn_blocking(move || {
        let intact = copies
            .iter()
            .map(|copy| match node.disk.find(Place::Data, copy)? {
                Some(found) => is_intact(&found),
                None => Ok(false),
            });
        intact.collect()
    })
    .await
    .unwrap_or_else(|_| Err(gone()))
}

fn is_intact(found: &Found) -> Result<bool, Failure> {
    let mut crc = Digest::new(CrcAlgorithm::Crc64Nvme);
    let mut sha = found.meta.sha256.map(|_| sha2::Sha256::new());
    let mut offset = 0;
    while offset < found.meta.size {
        let length = CHUNK.min(usize::try_from(found.meta.size - offset).unwrap_or(CHUNK));
        let piece = match found.read(offset, length) {
            Ok(piece) => piece,
            // Too short.
            Err(failure) if failure.fault == Fault::Checksum => return Ok(false),
            Err(failure) => return Err(failure),
        };
        crc.update(&piece);
        if let Some(sha) = &mut sha {
            sha.update(&piece);
        }
        offset += length as u64;
    }
    let sha = sha.map(|sha| <[u8; 32]>::from(sha.finalize()));
    Ok(found.is_whole()? && crc.finalize() == found.meta.crc64 && sha == found.meta.sha256)
}
