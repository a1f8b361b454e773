//! How numbers and bytes are written for people and programs.

use proto::FileId;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time of a record. The formats of HTTP and RFC 3339 end with the year 9999; only
/// a damaged record has a later time.
pub(crate) fn moment(ms: u64) -> SystemTime {
    const END: u64 = 253_402_300_799_999;
    UNIX_EPOCH + Duration::from_millis(ms.min(END))
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub(crate) fn rfc3339(ms: u64) -> String {
    humantime::format_rfc3339_millis(moment(ms)).to_string()
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// A file's id as people read it; empty where there is none.
pub(crate) fn id(wire: &[u8]) -> String {
    let id = FileId::from_wire(wire).ok();
    id.map(|id| id.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_digests_have_their_usual_forms() {
        assert_eq!(rfc3339(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(hex(&[0, 1, 0xab, 0xff]), "0001abff");
    }
}
