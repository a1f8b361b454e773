//! Which folders there are to be, and what has to be done for one. Pure.

use anyhow::{anyhow, ensure};
use authority::{Authority, Certificate, Pair};
use proto::identity::{Identity, NotAnIdentity, Role};
use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

/// The folder of the authority.
pub(super) const AUTHORITY: &str = "authority";
/// What the folder of a pool's nodes begins with.
pub(super) const NODE: &str = "node-";
/// The longest name of a folder.
const LONGEST: usize = 255;

/// A folder with a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) folder: String,
    pub(super) identity: Identity,
}

/// What a folder has.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) ca: Option<String>,
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
}

/// What is done with a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Made,
    Renewed,
    Kept,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Made => "made",
            Self::Renewed => "renewed",
            Self::Kept => "kept",
        })
    }
}

/// The folder of a pool's nodes.
fn folder_of(pool: &str) -> String {
    format!("{NODE}{}", pool.replace('/', "_"))
}

/// The pools that were named, and those that have a folder, given with its certificate; one
/// called `default` where there are neither. So a run that names none leaves none out.
///
/// # Errors
/// Where a folder does not say whose it is, and no flag does.
pub(super) fn pools(
    named: &[String],
    folders: &BTreeMap<String, Option<String>>,
) -> anyhow::Result<Vec<String>> {
    let mut pools = named.to_vec();
    for (folder, cert) in folders {
        if named.iter().any(|pool| folder_of(pool) == *folder) {
            continue;
        }
        let read = cert.as_ref().map(|cert| Certificate::from_pem(cert));
        let identity = read.and_then(Result::ok).and_then(|read| read.identity());
        let pool = identity.and_then(|identity| match identity.role() {
            Role::Node { pool } if folder_of(pool) == *folder => Some(pool.clone()),
            _ => None,
        });
        let unknown = || anyhow!("{folder} does not say which pool it is for: name it with --pool");
        pools.push(pool.ok_or_else(unknown)?);
    }
    if pools.is_empty() {
        pools.push("default".to_owned());
    }
    Ok(pools)
}

/// The folders of a release with these pools.
///
/// # Errors
/// Names the flag.
pub(super) fn wanted(release: &str, pools: &[String]) -> anyhow::Result<Vec<Wanted>> {
    let identity = |role| {
        Identity::new(release, role).map_err(|error| match error {
            NotAnIdentity::Long => anyhow!("--pool: {error}"),
            _ => anyhow!("--{error}"),
        })
    };
    let mut wanted = vec![
        Wanted {
            folder: "manager".to_owned(),
            identity: identity(Role::Manager)?,
        },
        Wanted {
            folder: "operator".to_owned(),
            identity: identity(Role::Operator)?,
        },
    ];
    let mut whose = BTreeMap::new();
    for pool in pools {
        let folder = folder_of(pool);
        let most = LONGEST - NODE.len();
        ensure!(
            folder.len() <= LONGEST,
            "--pool {pool}: must be {most} characters at the most, to name a folder"
        );
        match whose.insert(folder.clone(), pool) {
            Some(other) if other != pool => anyhow::bail!(
                "--pool {pool}: would share the folder {folder} with the pool {other}; \
                 make its certificates in another DIR, with a copy of authority"
            ),
            Some(_) => continue,
            None => {}
        }
        let pool = pool.clone();
        let identity = identity(Role::Node { pool })?;
        wanted.push(Wanted { folder, identity });
    }
    Ok(wanted)
}

/// What has to be done with a folder.
pub(super) fn state(
    found: &Found,
    authority: &Authority,
    identity: &Identity,
    now: SystemTime,
) -> State {
    let Some(cert) = found.cert.clone() else {
        return State::Made;
    };
    let key = found.key.clone().unwrap_or_default();
    let trusts = found.ca.as_deref().map(str::trim) == Some(authority.cert().trim());
    let is_due = authority.is_due(&cert, identity, now);
    match trusts && !is_due && (Pair { cert, key }).fits() {
        true => State::Kept,
        false => State::Renewed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const DAY: Duration = Duration::from_secs(86_400);

    fn now() -> SystemTime {
        UNIX_EPOCH + DAY * 20_000
    }

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn each_kind_of_process_has_a_folder() {
        let pools = texts(&["default", "dfs/fast", "default"]);
        let wanted = wanted("files", &pools).expect("good");
        let lines: Vec<_> = wanted
            .iter()
            .map(|each| format!("{} {}", each.folder, each.identity))
            .collect();
        assert_eq!(
            lines,
            [
                "manager spiffe://files/manager",
                "operator spiffe://files/operator",
                "node-default spiffe://files/node/default",
                "node-dfs_fast spiffe://files/node/dfs/fast",
            ]
        );
    }

    #[test]
    fn what_can_have_no_folder_is_refused_with_its_flag() {
        let said = |release, pools: &[&str]| {
            let refused = wanted(release, &texts(pools)).expect_err("refused");
            refused.to_string()
        };
        assert!(said("Files", &[]).starts_with("--release \"Files\": must be 1 to 255"));
        assert!(said("files", &["a//b"]).starts_with("--pool \"a//b\": must be letters"));
        let both = said("files", &["a/b", "a_b"]);
        assert!(
            both.contains("--pool a_b: would share the folder node-a_b"),
            "{both}"
        );
        let long = "a".repeat(251);
        assert!(said("files", &[&long]).contains("must be 250 characters at the most"));
        assert!(wanted("files", &[long[1..].to_owned()]).is_ok());
    }

    #[test]
    fn pools_that_have_a_folder_need_not_be_named_again() {
        let authority = Authority::new("files", DAY, now()).expect("made");
        let cert = |pool: &str| {
            let pool = pool.to_owned();
            let identity = Identity::new("files", Role::Node { pool }).expect("good");
            let pair = authority.sign(&identity, DAY, now()).expect("signed");
            Some(pair.cert)
        };
        let there = |all: &[(&str, Option<String>)]| {
            let owned = all.iter().cloned();
            let owned = owned.map(|(name, cert)| (name.to_owned(), cert));
            owned.collect::<BTreeMap<_, _>>()
        };
        let asked = |named: &[&str], all: &BTreeMap<_, _>| pools(&texts(named), all);
        assert_eq!(asked(&[], &there(&[])).expect("good"), ["default"]);
        assert_eq!(asked(&["b"], &there(&[])).expect("good"), ["b"]);
        let fast = there(&[("node-dfs_fast", cert("dfs/fast"))]);
        assert_eq!(asked(&[], &fast).expect("good"), ["dfs/fast"]);
        assert_eq!(asked(&["b"], &fast).expect("good"), ["b", "dfs/fast"]);
        for bad in [None, Some("words".to_owned()), cert("other")] {
            let unknown = there(&[("node-a", bad)]);
            let said = asked(&[], &unknown).expect_err("refused").to_string();
            assert!(said.contains("--pool"), "{said}");
            assert_eq!(asked(&["a"], &unknown).expect("named"), ["a"]);
        }
    }

    #[test]
    fn a_certificate_is_kept_while_all_of_it_is_good() {
        let [authority, other] =
            ["files", "files"].map(|it| Authority::new(it, DAY * 90, now()).expect("made"));
        let identity = Identity::new("files", Role::Manager).expect("good");
        let pair = authority.sign(&identity, DAY * 30, now()).expect("signed");
        let good = Found {
            ca: Some(authority.cert().to_owned()),
            cert: Some(pair.cert),
            key: Some(pair.key),
        };
        let of = |found: &Found, day| state(found, &authority, &identity, now() + DAY * day);
        assert_eq!(of(&good, 0), State::Kept);
        assert_eq!(of(&good, 19), State::Kept);
        assert_eq!(of(&good, 20), State::Renewed);
        assert_eq!(of(&Found::default(), 0), State::Made);
        let half = Found {
            cert: None,
            ..good.clone()
        };
        assert_eq!(of(&half, 0), State::Made, "it never was complete");
        let strange = |text: &str| Some(text.to_owned());
        for bad in [
            Found {
                ca: None,
                ..good.clone()
            },
            Found {
                ca: strange(other.cert()),
                ..good.clone()
            },
            Found {
                key: None,
                ..good.clone()
            },
            Found {
                key: strange(other.key()),
                ..good.clone()
            },
            Found {
                cert: strange("words"),
                ..good.clone()
            },
        ] {
            assert_eq!(of(&bad, 0), State::Renewed, "{bad:?}");
        }
        let operator = Identity::new("files", Role::Operator).expect("good");
        assert_eq!(state(&good, &authority, &operator, now()), State::Renewed);
        assert_eq!(state(&good, &other, &identity, now()), State::Renewed);
    }
}
