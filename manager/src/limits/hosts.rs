//! A host, as a flag names it.

use std::str::FromStr;

/// A host, or all below one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`
    Any,
    /// `*.example.com`, kept as `.example.com`
    Below(String),
    /// `files.example.com`
    One(String),
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        if text == "*" {
            return Ok(Self::Any);
        }
        let name = text.strip_prefix("*.").unwrap_or(&text);
        let label = |label: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            !label.is_empty() && label.len() <= 63 && label.bytes().all(allowed)
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err("a host such as files.example.com, *.example.com or * is wanted".into());
        }
        Ok(match name.len() == text.len() {
            true => Self::One(text),
            false => Self::Below(format!(".{name}")),
        })
    }
}

impl HostPattern {
    /// Whether a host, in lower case, is one of them.
    pub(crate) fn fits(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            Self::One(name) => host == name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_host_without_more() {
        for text in ["", "*.", "a..b", "http://a", "a:80", "a/b", "*a", "a b"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text:?}");
        }
    }
}
