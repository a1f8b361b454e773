//! What is known of a token by itself: whether it can be one at all, the key that it is
//! remembered by, and the end that it claims.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The longest token that the API server is asked about.
const LONGEST: usize = 16 << 10;

/// The SHA-256 of a token: the token itself is never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// The key of a token.
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// Whether it can be a token; nobody is asked about what can't.
pub(super) fn is_plausible(token: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic();
    !token.is_empty() && token.len() <= LONGEST && token.bytes().all(visible)
}

/// The claims of a JWT, as far as they are read.
#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
}

/// When a token ends by its own claim, `exp` of a JWT, in seconds since 1970. What is no
/// JWT claims nothing. Nobody has verified the claim here: it is read of tokens alone
/// that the API server has accepted, and can only shorten their use.
pub(super) fn claimed_end(token: &str) -> Option<u64> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    // The cast rounds down, and ends at both ends of the range.
    claims.exp.map(|seconds| seconds as u64)
}

/// The moment of such an end; none where it is too far away to be counted.
pub(super) fn moment(end: u64, now: Instant, wall: SystemTime) -> Option<Instant> {
    let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(end))?;
    // What has ended already ends now.
    let left = end.duration_since(wall).unwrap_or_default();
    now.checked_add(left)
}

#[cfg(test)]
mod tests {
    use super::super::tests::jwt;
    use super::*;

    #[test]
    fn a_token_is_short_and_visible() {
        let longest = "x".repeat(LONGEST);
        for good in ["x", "a.b.c", "!~", &longest] {
            assert!(is_plausible(good));
        }
        let too_long = "x".repeat(LONGEST + 1);
        for bad in ["", " ", "a b", "a\n", "a\u{7f}", "ä", &too_long] {
            assert!(!is_plausible(bad));
        }
    }

    #[test]
    fn a_key_is_a_digest_and_tokens_have_different_ones() {
        assert_ne!(Key::of("a"), Key::of("b"));
        let Key(digest) = Key::of("abc");
        assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn the_end_is_read_of_a_jwt_and_of_nothing_else() {
        for (claims, wanted) in [
            (r#"{"exp":1700000000}"#, Some(1_700_000_000)),
            (
                r#"{"iss":"x","exp":1700000000.9,"sub":"y"}"#,
                Some(1_700_000_000),
            ),
            (r#"{"exp":-1}"#, Some(0)),
            (r#"{"exp":1e300}"#, Some(u64::MAX)),
            (r#"{"exp":"soon"}"#, None),
            (r#"{"exp":null}"#, None),
            (r#"{"sub":"x"}"#, None),
            ("[]", None),
            ("no JSON", None),
        ] {
            assert_eq!(claimed_end(&jwt(claims)), wanted, "{claims}");
        }
        let good = jwt(r#"{"exp":1}"#);
        let parts: Vec<&str> = good.split('.').collect();
        let two = parts[..2].join(".");
        for other in [
            "",
            "opaque",
            "a.!.c",
            &two,
            &format!("{good}.x"),
            &format!("{good}.x.y"),
        ] {
            assert_eq!(claimed_end(other), None, "{other}");
        }
    }

    #[test]
    fn an_end_has_its_moment() {
        let now = Instant::now();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(100_500);
        assert_eq!(
            moment(130, now, wall),
            Some(now + Duration::from_millis(29_500))
        );
        assert_eq!(moment(99, now, wall), Some(now));
        assert_eq!(moment(u64::MAX, now, wall), None);
    }
}
