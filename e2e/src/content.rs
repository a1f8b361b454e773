//! Bytes to upload: each number gives bytes of its own, and the same ones each time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// The random numbers of a seed.
pub fn random(seed: u64) -> SplitMix64 {
    SplitMix64::seed_from_u64(seed)
}

/// Fills `out` with the bytes that follow `offset` (a multiple of 8) in the
/// endless content of `seed`; any piece can be made without those before it.
pub fn fill(seed: u64, offset: u64, out: &mut [u8]) {
    debug_assert_eq!(offset % 8, 0, "pieces start at whole words");
    // By which SplitMix64 goes on with each word.
    let golden = 0x9e37_79b9_7f4a_7c15_u64;
    let state = seed
        .wrapping_mul(0xd134_2543_de82_ef95)
        .wrapping_add((offset / 8).wrapping_mul(golden));
    let mut words = random(state);
    for word in out.chunks_mut(8) {
        let bytes = words.next_u64().to_le_bytes();
        word.copy_from_slice(&bytes[..word.len()]);
    }
}

/// `len` bytes that depend on `seed` alone.
pub fn bytes(seed: u64, len: usize) -> Bytes {
    let mut out = vec![0; len];
    fill(seed, 0, &mut out);
    out.into()
}

/// The SHA-256 sum.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// A sum in hexadecimal.
pub fn hex(sum: &[u8]) -> String {
    base16ct::lower::encode_string(sum)
}

/// Base64 with the standard alphabet and padding.
pub fn base64(data: &[u8]) -> String {
    STANDARD.encode(data)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_piece_equals_the_same_range_of_the_whole() {
        let whole = super::bytes(7, 1000);
        let mut piece = [0; 100];
        super::fill(7, 400, &mut piece);
        assert_eq!(piece, whole[400..500]);
        assert_ne!(super::bytes(8, 100), whole[..100]);
    }
}
