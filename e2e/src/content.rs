//! Bytes to upload: each number gives bytes of its own, and the same ones each time.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The next number of the SplitMix64 sequence (Steele, Lea, Flood: "Fast
/// splittable pseudorandom number generators", 2014).
pub fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fills `out` with the bytes that follow `offset` (a multiple of 8) in the
/// endless content of `seed`; any piece can be made without those before it.
pub fn fill(seed: u64, offset: u64, out: &mut [u8]) {
    debug_assert_eq!(offset % 8, 0, "pieces start at whole words");
    let golden = 0x9e37_79b9_7f4a_7c15_u64;
    let mut state = seed
        .wrapping_mul(0xd134_2543_de82_ef95)
        .wrapping_add((offset / 8).wrapping_mul(golden));
    for word in out.chunks_mut(8) {
        let bytes = splitmix(&mut state).to_le_bytes();
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
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Base64 with the standard alphabet and padding.
pub fn base64(data: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(data)
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
