//! Sizes and times as flags take them.

use std::time::Duration;

/// The longest time that a flag takes.
const DAY: Duration = Duration::from_secs(86_400);
/// The longest that one for rare things takes.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Reads `4096`, `32KiB`, `1GiB`: a number of bytes, 0 included.
///
/// # Errors
/// Says what is wanted.
pub fn size(text: &str) -> Result<u64, String> {
    let bytes: bytesize::ByteSize = text
        .parse()
        .map_err(|_| "a size such as 4096, 32KiB or 1GiB is wanted".to_owned())?;
    // The crate saturates; the largest file offset is the largest size.
    match bytes.as_u64() {
        bytes if bytes <= i64::MAX as u64 => Ok(bytes),
        _ => Err("is too large".to_owned()),
    }
}

/// The same, but not 0.
///
/// # Errors
/// Says what is wanted.
pub fn size_above_0(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("must not be 0".to_owned()),
        bytes => Ok(bytes),
    }
}

/// Reads `500ms`, `30s`, `5m`: more than nothing and a day at the most.
///
/// # Errors
/// Says what is wanted.
pub fn time(text: &str) -> Result<Duration, String> {
    time_up_to(text, DAY, "must be a day at the most")
}

/// The same, up to a year: `12h`, `7days`.
///
/// # Errors
/// Says what is wanted.
pub fn long_time(text: &str) -> Result<Duration, String> {
    time_up_to(text, YEAR, "must be a year at the most")
}

/// The same, up to any time; `too_long` says how long it may be.
///
/// # Errors
/// Says what is wanted.
pub fn time_up_to(text: &str, longest: Duration, too_long: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|_| "a time such as 500ms, 30s or 5m is wanted".to_owned())?;
    match time {
        Duration::ZERO => Err("must not be 0".to_owned()),
        time if time <= longest => Ok(time),
        _ => Err(too_long.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("32KiB", 32 << 10),
            ("1 GiB", 1 << 30),
            ("1kB", 1000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "1X", "99999999999TiB", "1e9"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(size_above_0("0KiB").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("5m"), Ok(Duration::from_secs(300)));
        for text in ["", "0s", "5", "-1s", "soon", "25h"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert_eq!(long_time("7days"), Ok(DAY * 7));
        assert!(long_time("2years").is_err());
    }
}
