//! The part of an upload that has come and is not written yet.

use bytes::Bytes;

/// Bytes that are written in one go, while the next ones arrive.
const BYTES: usize = 512 * 1024;
/// Chunks that are written in one go: each costs memory of its own, however short
/// it is, and the system takes no more at once.
const CHUNKS: usize = 1024;

/// Chunks in a row.
#[derive(Default)]
pub(super) struct Piece {
    chunks: Vec<Bytes>,
    bytes: usize,
}

impl Piece {
    /// Adds a chunk; once there is enough, returns everything for writing.
    pub(super) fn push(&mut self, chunk: Bytes) -> Option<Vec<Bytes>> {
        if chunk.is_empty() {
            return None;
        }
        self.bytes += chunk.len();
        self.chunks.push(chunk);
        if self.bytes < BYTES && self.chunks.len() < CHUNKS {
            return None;
        }
        self.bytes = 0;
        Some(std::mem::take(&mut self.chunks))
    }

    /// What is left at the end.
    pub(super) fn end(self) -> Vec<Bytes> {
        self.chunks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many chunks each write has, where chunks of these sizes come.
    fn written(sizes: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut piece = Piece::default();
        let mut all: Vec<usize> = sizes
            .into_iter()
            .filter_map(|size| piece.push(vec![0; size].into()))
            .map(|full| full.len())
            .collect();
        all.push(piece.end().len());
        all
    }

    #[test]
    fn short_chunks_are_written_by_their_number() {
        let all = written(std::iter::repeat_n(1, 10 * CHUNKS + 1));
        assert_eq!(all, [[CHUNKS; 10].as_slice(), &[1]].concat());
        assert_eq!(written([BYTES / 2, BYTES / 2 - 1, 1, 7]), [3, 1]);
        assert_eq!(written([2 * BYTES, 1]), [1, 1]);
    }

    #[test]
    fn empty_chunks_are_not_kept() {
        assert_eq!(written(std::iter::repeat_n(0, 10 * CHUNKS)), [0]);
    }

    #[test]
    fn chunks_keep_their_order() {
        let mut piece = Piece::default();
        for chunk in ["a", "", "bc"] {
            assert!(piece.push(chunk.into()).is_none());
        }
        assert_eq!(piece.end(), ["a", "bc"]);
    }
}
