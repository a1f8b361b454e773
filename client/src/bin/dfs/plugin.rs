//! As a plugin of kubectl: under the name `kubectl-dfs`, which kubectl calls for `kubectl dfs`.

use crate::args::{self, OF_ALL};
use crate::release;
use clap::{Arg, ArgMatches, Command};
use std::ffi::OsStr;
use std::path::Path;

/// The file's name by which kubectl finds its plugin.
const FILE: &str = "kubectl-dfs";
/// What a person calls.
const CALLED: &str = "kubectl dfs";
/// The flag that kubectl's own commands have.
const NAMESPACE: &str = "namespace";

/// Whether kubectl called it, by the name that it was called by.
pub(crate) fn is_called(by: Option<&OsStr>) -> bool {
    let name = by.and_then(|by| Path::new(by).file_name());
    name.is_some_and(|name| {
        let name = name.to_string_lossy();
        name.strip_suffix(".exe").unwrap_or(&name) == FILE
    })
}

/// The command with its flags, as a plugin with those of kubectl.
pub(crate) fn command(plugin: bool) -> Command {
    let command = args::command();
    if !plugin {
        return command;
    }
    let namespace = Arg::new(NAMESPACE)
        .long(NAMESPACE)
        .short('n')
        .global(true)
        .value_name("NAMESPACE")
        .value_parser(release::namespace)
        .help_heading(OF_ALL)
        .help("The namespace of the release [default: that of the context]");
    // What is short for something else in one of the commands is so for kubectl's flag.
    command
        .bin_name(CALLED)
        .arg(namespace)
        .mut_subcommand("mirror", |mirror| {
            mirror.mut_arg("dry_run", |flag| flag.short(None))
        })
}

/// The namespace that kubectl's flag names.
pub(crate) fn namespace(plugin: bool, matches: &ArgMatches) -> Option<String> {
    match plugin {
        true => matches.get_one::<String>(NAMESPACE).cloned(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_name_decides() {
        let is = |by: &str| is_called(Some(OsStr::new(by)));
        assert!(
            ["kubectl-dfs", "/usr/bin/kubectl-dfs", "./kubectl-dfs.exe"]
                .into_iter()
                .all(is)
        );
        assert!(
            !["dfs", "/opt/kubectl-dfs/dfs", "kubectl-dfs2"]
                .into_iter()
                .any(is)
        );
        assert!(!is_called(None));
    }

    #[test]
    fn the_flags_of_a_command_stand_before_those_that_all_have() {
        for plugin in [false, true] {
            let help = command(plugin).try_get_matches_from(["dfs", "ls", "--help"]);
            let help = help.unwrap_err().to_string();
            let (own, of_all) = help.split_once(OF_ALL).unwrap();
            assert!(own.contains("--long") && own.contains("--help"), "{help}");
            let flags = ["--url", "--deadline", "--json", "--quiet"];
            let apart = |flag: &&str| !own.contains(*flag) && of_all.contains(*flag);
            assert!(flags.iter().all(apart), "{help}");
            assert_eq!(of_all.contains("--namespace"), plugin);
            assert!(!own.contains("--namespace"));
        }
    }

    #[test]
    fn the_flags_of_both_names_fit_together() {
        command(false).debug_assert();
        command(true).debug_assert();
        let of = |plugin: bool, args: &[&str]| command(plugin).try_get_matches_from(args);
        let matches = of(true, &["kubectl-dfs", "ls", "-n", "team"]).unwrap();
        assert_eq!(namespace(true, &matches).as_deref(), Some("team"));
        assert!(of(false, &["dfs", "ls", "-n", "team"]).is_err());
        let wrong = of(true, &["kubectl-dfs", "ls", "-n", "a/b"]).unwrap_err();
        let wrong = wrong.to_string();
        assert!(
            wrong.contains("'--namespace <NAMESPACE>': must be"),
            "{wrong}"
        );
        let mirror = |plugin, flag| of(plugin, &["dfs", "mirror", "folder", flag]);
        assert!(mirror(false, "-n").is_ok());
        assert!(mirror(true, "-n").is_err());
        assert!(mirror(true, "--dry-run").is_ok());
        for (plugin, called, usage) in [
            (true, "kubectl-dfs", "Usage: kubectl dfs ls"),
            (false, "dfs", "Usage: dfs ls"),
        ] {
            let help = of(plugin, &[called, "ls", "--help"]).unwrap_err();
            assert!(help.to_string().contains(usage), "{help}");
        }
    }
}
