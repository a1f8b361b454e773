//! Names that no file has: what a person may have meant. Paths have slashes, and names do
//! not; a folder is all files whose names begin so.

use crate::outcome::Usage;
use crate::{hint, paths};
use anyhow::{Error, Result};
use client::{Client, Code, InvalidFileName};
use futures::TryStreamExt;
use std::pin::pin;
use std::time::Duration;

/// With more names than that a call does not ask what begins like those that are missing.
const FEW: usize = 10;
/// For how long it asks.
const PATIENCE: Duration = Duration::from_secs(10);

/// What lists all that is in a folder.
pub(crate) const LISTS: &str = "dfs ls";

/// A call with names.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) client: &'a Client,
    /// What stands for a slash.
    pub(crate) separator: &'a str,
    /// The command for all that is in a folder.
    pub(crate) folder: &'static str,
    /// Whether these are names of files, and not what names begin with.
    pub(crate) of_files: bool,
    /// How many.
    pub(crate) names: usize,
}

impl<'a> Named<'a> {
    /// Names of a command that knows nothing of folders.
    pub(crate) fn listed(client: &'a Client, names: &[String]) -> Self {
        Self {
            client,
            separator: paths::DEFAULT,
            folder: LISTS,
            of_files: true,
            names: names.len(),
        }
    }

    /// Why it failed with a name, and what may have been meant by that.
    pub(crate) async fn explain(&self, name: &str, error: impl Into<Error>) -> Error {
        let error = error.into();
        let known = hint::known(&error);
        let hint = match known {
            Some(client::Error::Name(InvalidFileName::Slash)) => {
                Some(slash(name, self.separator, self.folder))
            }
            Some(known) if known.code() == Some(Code::FileDoesNotExist) => {
                self.is_folder(name).await
            }
            _ => None,
        };
        hint::with(error, hint)
    }

    /// What to call if files begin with that name as those in a folder do.
    async fn is_folder(&self, name: &str) -> Option<String> {
        if !self.of_files || self.names > FEW {
            return None;
        }
        let begins = format!("{name}{}", self.separator);
        let mut files = pin!(self.client.list(&begins));
        let first = tokio::time::timeout(PATIENCE, files.try_next()).await;
        // Whoever may not list them is told no more than before.
        first.ok()?.ok()??;
        let call = call(self.folder, &begins);
        Some(format!("files have names that begin with {begins}: {call}"))
    }
}

/// What a path is called that was given in place of a name.
pub(crate) fn slash(path: &str, separator: &str, folder: &str) -> String {
    match paths::typed(path, separator) {
        Some(begins) if path.ends_with('/') => {
            let call = call(folder, &begins);
            format!("names have no slash: what `dfs put -r` stored of that folder is {call}")
        }
        Some(name) => format!("names have no slash: `dfs put -r` calls that path {name}"),
        None => "names have no slash: `dfs ls` lists them".to_owned(),
    }
}

/// The same for prefixes with which no name begins.
pub(crate) fn slashes(prefixes: &[String], separator: &str, folder: &str) -> Option<String> {
    let path = prefixes.iter().find(|prefix| prefix.contains('/'))?;
    Some(slash(path, separator, folder))
}

/// Refuses a path as the name that is to be given.
pub(crate) fn check_as(name: Option<&str>, separator: &str) -> Result<()> {
    let Some(name) = name.filter(|name| name.contains('/')) else {
        return Ok(());
    };
    let instead = paths::typed(name.trim_end_matches('/'), separator);
    let instead = instead.map(|name| format!(", such as {name}"));
    let instead = instead.unwrap_or_default();
    let text = format!("--as {name}: must be a name, which has no slash{instead}");
    Err(Usage(text).into())
}

/// A command with one argument, as a shell takes it.
fn call(command: &str, argument: &str) -> String {
    let quoted = shlex::try_quote(argument);
    quoted.map_or_else(
        |_| format!("`{command}`"),
        |quoted| format!("`{command} {quoted}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_place_of_a_name_is_answered_with_the_name() {
        for (path, hint) in [
            (
                "photos/a.jpg",
                "`dfs put -r` calls that path photos%2Fa.jpg",
            ),
            (
                "photos/",
                "stored of that folder is `dfs get -r 'photos%2F'`",
            ),
            ("my photos/", "`dfs get -r 'my photos%2F'`"),
            ("../a", "`dfs ls` lists them"),
        ] {
            let told = slash(path, paths::DEFAULT, "dfs get -r");
            assert!(told.starts_with("names have no slash: "), "{told}");
            assert!(told.contains(hint), "{told}");
        }
        let prefixes = ["a", "b/c"].map(str::to_owned);
        let told = slashes(&prefixes, paths::DEFAULT, "dfs rm -r");
        assert!(told.is_some_and(|told| told.ends_with("b%2Fc")));
        assert_eq!(slashes(&prefixes[..1], paths::DEFAULT, "dfs rm -r"), None);
    }

    #[test]
    fn a_name_to_store_under_is_no_path() {
        let refused = |name| check_as(Some(name), paths::DEFAULT).map_err(|why| why.to_string());
        assert_eq!(refused("a%2Fb"), Ok(()));
        let why = "--as a/b/: must be a name, which has no slash, such as a%2Fb";
        assert_eq!(refused("a/b/"), Err(why.to_owned()));
        assert!(refused("/").is_err());
        assert!(check_as(None, paths::DEFAULT).is_ok());
    }
}
