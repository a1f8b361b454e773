//! What is derived from the token of the inner ports: the keys of pools, and tickets of
//! copies. Whoever has one learns nothing of the token, or of another one.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The key of a pool, which lets its nodes join and managers reach them, and opens
/// nothing else.
pub fn pool_key(token: &str, pool: &str) -> String {
    let key = mac(token.as_bytes(), &[b"pool key", pool.as_bytes()]);
    format!("pool-{}", base16ct::lower::encode_string(&key))
}

/// The ticket that a key gives for one copy, in one session of the node that takes it.
pub fn ticket(key: &[u8], id: &[u8], generation: u32, session: u64) -> [u8; 32] {
    let (generation, session) = (generation.to_be_bytes(), session.to_be_bytes());
    mac(key, &[b"ticket", &generation, &session, id])
}

/// HMAC-SHA256 (RFC 2104) over parts, of which only the last may be of any length.
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.expect("HMAC takes keys of every length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are in Secrets and on the wire between releases.
    #[test]
    fn keys_and_tickets_stay_what_they_are() {
        let key = pool_key("0123456789abcdef", "a/p");
        assert_eq!(
            key,
            "pool-5f5d2223ca329b71ba64e95ac58e5f6b2144f7b118f68379d23821e5cbd79100"
        );
        let ticket = ticket(key.as_bytes(), b"0123456789abcdef", 2, 7);
        assert_eq!(
            base16ct::lower::encode_string(&ticket),
            "87e5e5ead004bfa6caa91df22ec0a3224fceca3ffd9f789dd456ac1c4cf36b1e"
        );
    }
}
