//! What a person says of a service in a cluster: whose release it is, and who calls.

use std::str::FromStr;
use std::time::Duration;

/// A release of the chart, as `[NAMESPACE/]RELEASE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) namespace: Option<String>,
    /// Without a name the only one of the namespace is meant.
    pub(crate) name: Option<String>,
}

/// A ServiceAccount, as `[NAMESPACE/]NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// That of the release, unless told.
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

/// Which service of a cluster, and who calls.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) release: Release,
    /// The context of the kubeconfig, the current one unless told.
    pub(crate) context: Option<String>,
    pub(crate) account: Option<Account>,
    /// Whether there is a token already.
    pub(crate) has_token: bool,
    /// Whether the authority is known already.
    pub(crate) has_ca: bool,
    /// For how long to wait for a manager that is ready.
    pub(crate) patience: Duration,
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = parts(text)?;
        Ok(Self {
            namespace,
            name: Some(name),
        })
    }
}

impl FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = parts(text)?;
        Ok(Self { namespace, name })
    }
}

fn parts(text: &str) -> Result<(Option<String>, String), String> {
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, text),
    };
    if !namespace.is_none_or(is_namespace) || !is_name(name) {
        let form = "lower-case letters, digits, - and ., with a letter or a digit at both ends";
        return Err(format!("must be NAME or NAMESPACE/NAME, of {form}"));
    }
    Ok((namespace.map(str::to_owned), name.to_owned()))
}

/// The name of a namespace.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    match is_namespace(text) {
        true => Ok(text.to_owned()),
        false => Err(
            "must be of up to 63 lower-case letters, digits and -, with a letter or a \
                      digit at both ends"
                .to_owned(),
        ),
    }
}

fn is_namespace(text: &str) -> bool {
    is_name(text) && text.len() <= 63 && !text.contains('.')
}

/// Whether an object of Kubernetes may be called so: a name goes into paths and selectors.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().last()];
    text.len() <= 253
        && ends.iter().all(|end| end.is_some_and(inner))
        && text
            .bytes()
            .all(|byte| inner(byte) || b"-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_namespace_may_stand_before_a_name() {
        let files: Release = "files".parse().unwrap();
        assert_eq!(files.namespace, None);
        assert_eq!(files.name.as_deref(), Some("files"));
        let files: Release = "team-a/files.eu-2".parse().unwrap();
        assert_eq!(files.namespace.as_deref(), Some("team-a"));
        assert_eq!(files.name.as_deref(), Some("files.eu-2"));
        let account: Account = "team/uploader".parse().unwrap();
        assert_eq!(account.namespace.as_deref(), Some("team"));
        assert_eq!(account.name, "uploader");
    }

    #[test]
    fn a_namespace_has_the_form_of_a_label() {
        for good in ["a", "team-1", &"a".repeat(63)] {
            assert_eq!(namespace(good).as_deref(), Ok(good));
        }
        for bad in ["", "A", "a/b", "a.b", "-a", "a b", "..", &"a".repeat(64)] {
            let why = namespace(bad).unwrap_err();
            assert!(why.contains("lower-case letters"), "{bad:?}: {why}");
            assert!(
                format!("{bad}/files").parse::<Release>().is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in [
            "", "/", "a/", "/a", "a/b/c", "A", "a_b", "-a", "a-", "a,b", "a/..", "a=b", "a b",
        ] {
            assert!(bad.parse::<Release>().is_err(), "{bad:?}");
            assert!(bad.parse::<Account>().is_err(), "{bad:?}");
        }
    }
}
