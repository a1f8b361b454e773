//! Where a service is: which of the flags, variables and files that say so counts.

use crate::outcome::Usage;

/// What says where the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `--url`.
    Url,
    /// `--kube`.
    Kube,
    /// `--place`.
    Place,
    /// Nothing: the place that the config file says is meant, or else this machine.
    Usual,
    /// Nothing, but it was called as a plugin of kubectl: the namespace's only release.
    Only,
}

/// Those that can be given, in the order in which their variables count.
const GIVEN: [(Way, &str); 3] = [
    (Way::Url, "url"),
    (Way::Kube, "kube"),
    (Way::Place, "place"),
];

/// What was given, and how.
pub(crate) struct Given<'a> {
    /// Whether a flag was given; a value that it has without that is of its variable.
    pub(crate) said: &'a dyn Fn(&str) -> bool,
    /// Whether it has a value.
    pub(crate) has: &'a dyn Fn(Way) -> bool,
    /// Whether it was called as a plugin of kubectl.
    pub(crate) plugin: bool,
    /// Whether `--namespace` was given.
    pub(crate) namespace: bool,
}

/// What counts: a flag for more than a variable, and never two of them, nor a file of places
/// beside what is none.
pub(crate) fn way(given: &Given<'_>) -> Result<Way, Usage> {
    let way = meant(given)?;
    if !(given.said)("config") || matches!(way, Way::Place | Way::Usual) {
        return Ok(way);
    }
    let by = match GIVEN.iter().find(|(one, _)| *one == way) {
        Some((_, flag)) if (given.said)(flag) => format!("--{flag}"),
        Some((_, flag)) => format!("DFS_{}", flag.to_uppercase()),
        None => "kubectl".to_owned(),
    };
    Err(Usage(format!(
        "--config: is not read, since {by} says where the service is; name a place with --place"
    )))
}

/// Where it is, whether or not a file of places was named.
fn meant(given: &Given<'_>) -> Result<Way, Usage> {
    let has = |way: &(Way, &str)| (given.has)(way.0);
    let said = |way: &(Way, &str)| has(way) && (given.said)(way.1);
    let flags: Vec<_> = GIVEN.iter().filter(|way| said(way)).collect();
    if let [(_, first), .., (_, last)] = flags.as_slice() {
        let text = format!("--{last}: says where the service is, and so does --{first}");
        return Err(Usage(text));
    }
    if let [(way, flag)] = flags.as_slice() {
        let text = format!("--namespace: is that of a release, and --{flag} says where it is");
        let of_release = *way == Way::Kube || !given.namespace;
        return of_release.then_some(*way).ok_or(Usage(text));
    }
    let of_variable = GIVEN.iter().find(|way| has(way)).map(|(way, _)| *way);
    Ok(match (given.plugin, of_variable) {
        // kubectl has one service in mind, that of its cluster.
        (true, _) if given.namespace => Way::Only,
        (true, _) if (given.has)(Way::Kube) => Way::Kube,
        (true, _) => Way::Only,
        (false, found) => found.unwrap_or(Way::Usual),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of flags and variables.
    fn of(flags: &[&str], variables: &[&str], plugin: bool) -> Result<Way, String> {
        let has = |way: Way| {
            let name = GIVEN.iter().find(|(one, _)| *one == way).map(|(_, n)| *n);
            name.is_some_and(|name| flags.contains(&name) || variables.contains(&name))
        };
        let given = Given {
            said: &|flag| flags.contains(&flag),
            has: &has,
            plugin,
            namespace: flags.contains(&"namespace"),
        };
        way(&given).map_err(|Usage(text)| text)
    }

    #[test]
    fn a_flag_counts_for_more_than_a_variable() {
        for (flags, variables, way) in [
            (&[][..], &[][..], Way::Usual),
            (&["url"], &[], Way::Url),
            (&["kube"], &[], Way::Kube),
            (&["place"], &[], Way::Place),
            (&["place"], &["url", "kube"], Way::Place),
            (&["kube"], &["url", "place"], Way::Kube),
            (&["url"], &["kube", "place"], Way::Url),
            (&[], &["url", "kube", "place"], Way::Url),
            (&[], &["kube", "place"], Way::Kube),
            (&[], &["place"], Way::Place),
        ] {
            assert_eq!(
                of(flags, variables, false),
                Ok(way),
                "{flags:?} {variables:?}"
            );
        }
    }

    #[test]
    fn a_plugin_of_kubectl_means_a_release_unless_a_flag_says_otherwise() {
        for (flags, variables, way) in [
            (&[][..], &[][..], Way::Only),
            (&["namespace"], &[], Way::Only),
            (&[], &["url", "place"], Way::Only),
            (&[], &["url", "kube"], Way::Kube),
            (&["namespace"], &["kube"], Way::Only),
            (&["namespace", "kube"], &[], Way::Kube),
            (&["url"], &["kube"], Way::Url),
        ] {
            assert_eq!(
                of(flags, variables, true),
                Ok(way),
                "{flags:?} {variables:?}"
            );
        }
        let both = of(&["namespace", "url"], &[], true).expect_err("both");
        assert!(both.contains("--namespace"), "{both}");
    }

    #[test]
    fn a_file_of_places_is_read_or_refused() {
        for (flags, variables, plugin, way) in [
            (&["config"][..], &[][..], false, Way::Usual),
            (&["config"], &["place"], false, Way::Place),
            (&["config", "place"], &["url", "kube"], false, Way::Place),
            (&["config", "place"], &[], true, Way::Place),
        ] {
            assert_eq!(of(flags, variables, plugin), Ok(way), "{flags:?}");
        }
        for (flags, variables, plugin, by) in [
            (&["config", "url"][..], &[][..], false, "--url says"),
            (&["config", "kube"], &["url"], false, "--kube says"),
            (&["config"], &["url", "place"], false, "DFS_URL says"),
            (&["config"], &["kube"], false, "DFS_KUBE says"),
            (&["config"], &[], true, "kubectl says"),
            (&["config", "namespace"], &["place"], true, "kubectl says"),
        ] {
            let told = of(flags, variables, plugin).expect_err("refused");
            assert!(told.starts_with("--config: "), "{told}");
            assert!(told.contains(by), "{told}");
        }
    }

    #[test]
    fn two_flags_that_say_where_it_is_are_refused() {
        for (flags, text) in [
            (
                &["url", "kube"][..],
                "--kube: says where the service is, and so does --url",
            ),
            (
                &["kube", "place"],
                "--place: says where the service is, and so does --kube",
            ),
            (
                &["url", "place"],
                "--place: says where the service is, and so does --url",
            ),
            (&["url", "kube", "place"], "--place: says"),
        ] {
            let told = of(flags, &[], false).expect_err("refused");
            assert!(told.starts_with(text), "{told}");
        }
    }
}
