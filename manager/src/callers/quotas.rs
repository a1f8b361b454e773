//! The flag that bounds what the callers of a namespace may have stored.

use kit::units::size;
use proto::Quota;
use std::str::FromStr;

/// Stands for each namespace that is not named.
const OTHERS: &str = "*";
/// The longest name of a namespace.
const LONGEST: usize = 63;

/// What bounds one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceQuota {
    /// Its name; nothing for each that is not named.
    pub namespace: Option<String>,
    /// What may be stored.
    pub quota: Quota,
}

impl FromStr for NamespaceQuota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "NAMESPACE=FILES/BYTES is wanted, such as team-a=1000/10GiB or *=0/1TiB";
        let (namespace, quota) = text.split_once('=').ok_or(wanted)?;
        let (files, bytes) = quota.split_once('/').ok_or(wanted)?;
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let named = (1..=LONGEST).contains(&namespace.len())
            && namespace.chars().all(good)
            && !namespace.starts_with('-')
            && !namespace.ends_with('-');
        if namespace != OTHERS && !named {
            return Err(format!("{namespace:?} is no namespace"));
        }
        let files: u64 = files
            .parse()
            .map_err(|_| format!("{files:?} is no number of files"))?;
        let bound = |most: u64| Some(most).filter(|most| *most > 0);
        Ok(Self {
            namespace: (namespace != OTHERS).then(|| namespace.to_owned()),
            quota: Quota {
                files: bound(files),
                bytes: bound(size(bytes)?),
            },
        })
    }
}

/// Refuses what bounds a namespace twice.
///
/// # Errors
/// Names it.
pub(super) fn once(quotas: &[NamespaceQuota]) -> Result<(), String> {
    let twice = quotas.iter().enumerate().find(|(at, quota)| {
        let before = &quotas[..*at];
        before
            .iter()
            .any(|other| other.namespace == quota.namespace)
    });
    match twice {
        Some((_, quota)) => Err(format!(
            "{} is bounded twice",
            quota.namespace.as_deref().unwrap_or(OTHERS)
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_namespace_with_files_and_bytes() {
        let read = |text: &str| text.parse::<NamespaceQuota>();
        let quota = |namespace: Option<&str>, files, bytes| NamespaceQuota {
            namespace: namespace.map(str::to_owned),
            quota: Quota { files, bytes },
        };
        let team = quota(Some("team-a"), Some(1000), Some(10 << 30));
        assert_eq!(read("team-a=1000/10GiB"), Ok(team));
        assert_eq!(read("*=0/4096"), Ok(quota(None, None, Some(4096))));
        assert_eq!(read("a=7/0"), Ok(quota(Some("a"), Some(7), None)));
        for bad in [
            "",
            "a",
            "a=1",
            "a=/1",
            "a=1/",
            "=1/1",
            "A=1/1",
            "a_b=1/1",
            "-a=1/1",
            "a-=1/1",
            "a=-1/1",
            "a=1/-1",
            "a=1/2/3",
            "**=1/1",
            &format!("{}=1/1", "a".repeat(64)),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_namespace_is_bounded_once() {
        let all = |texts: &[&str]| -> Vec<NamespaceQuota> {
            let read = |text: &&str| text.parse().expect("good");
            texts.iter().map(read).collect()
        };
        assert_eq!(once(&all(&["a=1/1", "b=1/1", "*=1/1"])), Ok(()));
        let twice = |texts| once(&all(texts)).expect_err("twice");
        assert!(twice(&["a=1/1", "b=1/1", "a=2/1"]).starts_with("a "));
        assert!(twice(&["*=1/1", "*=1/1"]).starts_with("* "));
    }
}
