//! Numbers that are written in 16 hex digits.

/// What is not written so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 16 hex digits")]
pub struct NotHex;

/// Reads one.
///
/// # Errors
/// When the text is anything else than 16 hex digits.
pub fn parse(text: &str) -> Result<u64, NotHex> {
    let hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match hex {
        true => u64::from_str_radix(text, 16).map_err(|_| NotHex),
        false => Err(NotHex),
    }
}

/// A type that holds one is written and read so.
#[macro_export]
macro_rules! written_in_hex {
    ($type:ident) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::hex::NotHex;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::hex::parse(text).map(Self)
            }
        }
    };
}
