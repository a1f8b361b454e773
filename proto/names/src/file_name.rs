//! A file's name: one path segment, checked once at the edge.

use std::fmt;
use std::sync::Arc;

/// A valid file name: 1 to 255 bytes of UTF-8, no `/`, no control character,
/// not `.` or `..`. Cheap to clone. Ordered by its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Arc<str>);

/// Why a string is no file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFileName {
    /// The empty string.
    #[error("filename: must not be empty (1 to 255 bytes)")]
    Empty,
    /// Above the limit.
    #[error("filename: is {0} bytes long, the limit is 255 bytes of UTF-8")]
    TooLong(usize),
    /// `.` or `..`.
    #[error("filename: must not be \".\" or \"..\"")]
    Dots,
    /// A path separator.
    #[error("filename: must not contain \"/\"")]
    Slash,
    /// A control character, NUL among them.
    #[error("filename: must not contain control characters, found U+{0:04X}")]
    Control(u32),
    /// Bytes that are no text.
    #[error("filename: must be valid UTF-8")]
    NotUtf8,
}

impl FileName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Checks a name.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn new(name: &str) -> Result<Self, InvalidFileName> {
        match name {
            "" => return Err(InvalidFileName::Empty),
            "." | ".." => return Err(InvalidFileName::Dots),
            _ => {}
        }
        if name.len() > Self::MAX_BYTES {
            return Err(InvalidFileName::TooLong(name.len()));
        }
        if name.contains('/') {
            return Err(InvalidFileName::Slash);
        }
        if let Some(c) = name.chars().find(|c| c.is_control()) {
            return Err(InvalidFileName::Control(u32::from(c)));
        }
        Ok(Self(name.into()))
    }

    /// Checks a name that came as bytes.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn from_bytes(name: &[u8]) -> Result<Self, InvalidFileName> {
        Self::new(std::str::from_utf8(name).map_err(|_| InvalidFileName::NotUtf8)?)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::borrow::Borrow<str> for FileName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_one_path_segment() {
        for good in [
            "a", "...", ".hidden", "a b", "100%", "%2F", "\\", "ü", "名前", "-",
        ] {
            assert_eq!(
                FileName::new(good).map(|n| n.to_string()),
                Ok(good.to_owned())
            );
        }
        let longest = "é".repeat(127) + "x";
        assert_eq!(longest.len(), 255);
        assert!(FileName::new(&longest).is_ok());
        for (bad, why) in [
            ("", InvalidFileName::Empty),
            (".", InvalidFileName::Dots),
            ("..", InvalidFileName::Dots),
            ("a/b", InvalidFileName::Slash),
            ("a\0b", InvalidFileName::Control(0)),
            ("a\nb", InvalidFileName::Control(10)),
            ("a\u{7f}", InvalidFileName::Control(127)),
            ("a\u{85}", InvalidFileName::Control(0x85)),
            (&"x".repeat(256), InvalidFileName::TooLong(256)),
        ] {
            assert_eq!(FileName::new(bad), Err(why));
        }
        assert_eq!(FileName::from_bytes(b"\xff"), Err(InvalidFileName::NotUtf8));
    }

    #[test]
    fn case_and_normalisation_tell_names_apart() {
        assert_ne!(FileName::new("A"), FileName::new("a"));
        assert_ne!(FileName::new("\u{e9}"), FileName::new("e\u{301}"));
    }

    proptest! {
        #[test]
        fn an_accepted_name_is_kept_as_it_was(name in "\\PC{0,300}") {
            if let Ok(accepted) = FileName::new(&name) {
                prop_assert_eq!(accepted.as_str(), &name);
                prop_assert!(name.len() <= 255 && !name.contains('/'));
            }
        }
    }
}
