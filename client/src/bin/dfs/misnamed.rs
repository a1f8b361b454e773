//! Names that no file has: what a person may have meant. Paths have slashes, and names do
//! not; a folder is all files whose names begin so.

use crate::outcome::Usage;
use crate::{hint, paths};
use anyhow::{Error, Result};
use client::{Client, Code, InvalidFileName};
use futures::TryStreamExt;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

/// With more names than that a call does not ask what begins like those that are missing.
const FEW: usize = 10;
/// For how long it asks.
const PATIENCE: Duration = Duration::from_secs(3);

/// A call with names.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) client: &'a Client,
    /// What stands for a slash.
    pub(crate) separator: &'a str,
    /// Whether it takes -r, for all that is in a folder.
    pub(crate) takes_folders: bool,
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
            takes_folders: false,
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
                Some(slash(name, self.separator, self.takes_folders))
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
        let begins = match name.ends_with(self.separator) {
            true => name.to_owned(),
            false => format!("{name}{}", self.separator),
        };
        let mut files = pin!(self.client.list(&begins));
        let first = tokio::time::timeout(PATIENCE, files.try_next()).await;
        // Whoever may not list them is told no more than before.
        first.ok()?.ok()??;
        let all = all(&begins, self.takes_folders);
        Some(format!("files have names that begin with {begins}: {all}"))
    }
}

/// What a path is called that was given in place of a name.
pub(crate) fn slash(path: &str, separator: &str, takes_folders: bool) -> String {
    let last = Path::new(path).file_name().and_then(OsStr::to_str);
    let is = match (paths::typed(path, separator), last) {
        (Some(begins), _) if path.ends_with('/') => {
            let all = all(&begins, takes_folders);
            format!("those of that folder begin with {begins}: {all}")
        }
        (Some(name), Some(last)) if name != last => {
            format!("`dfs put -r` calls that path {name}, and `dfs put` {last}")
        }
        (_, Some(last)) => format!("`dfs put` calls that path {last}"),
        (_, None) => "`dfs ls` lists them".to_owned(),
    };
    format!("names have no slash: {is}")
}

/// The same for prefixes with which no name begins.
pub(crate) fn slashes(prefixes: &[String], separator: &str) -> Option<String> {
    let path = prefixes.iter().find(|prefix| prefix.contains('/'))?;
    Some(slash(path, separator, true))
}

/// Refuses a path as the name that is to be given, and for a folder one of which `get -r` would
/// make no path.
pub(crate) fn check_as(name: Option<&str>, separator: &str, of_folder: bool) -> Result<()> {
    let Some(name) = name else {
        return Ok(());
    };
    let wrong = |why: &str, instead: Option<String>| {
        let such = instead.map(|name| format!(", such as {name}"));
        let such = such.unwrap_or_default();
        Err(Usage(format!("--as {name}: {why}{such}")).into())
    };
    let instead = || paths::typed(name.trim_end_matches('/'), separator);
    if name.contains('/') {
        return wrong("must be a name, which has no slash", instead());
    }
    let below = format!("{name}{separator}x");
    if of_folder && !name.is_empty() && paths::own_path(&below, separator).is_err() {
        return wrong(
            "must be a name of which `dfs get -r` makes a path",
            instead(),
        );
    }
    Ok(())
}

/// What is for all names that begin so, as a shell takes it.
fn all(begins: &str, takes_folders: bool) -> String {
    let quoted = shlex::try_quote(begins).unwrap_or(Cow::Borrowed(begins));
    // Else it would be a flag.
    let dashes = if begins.starts_with('-') { "-- " } else { "" };
    match takes_folders {
        true => format!("`-r {dashes}{quoted}` takes them all"),
        false => format!("`dfs ls {dashes}{quoted}` lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_place_of_a_name_is_answered_with_the_name() {
        for (path, hint) in [
            (
                "photos/a.jpg",
                "`dfs put -r` calls that path photos%2Fa.jpg, and `dfs put` a.jpg",
            ),
            (
                "photos/",
                "begin with photos%2F: `-r 'photos%2F'` takes them all",
            ),
            ("my photos/", "`-r 'my photos%2F'`"),
            ("-x/", "`-r -- '-x%2F'`"),
            ("./a", "`dfs put` calls that path a"),
            ("../a", "`dfs put` calls that path a"),
            ("..", "`dfs ls` lists them"),
        ] {
            let told = slash(path, paths::DEFAULT, true);
            assert!(told.starts_with("names have no slash: "), "{told}");
            assert!(told.contains(hint), "{told}");
        }
        let prefixes = ["a", "b/c"].map(str::to_owned);
        let told = slashes(&prefixes, paths::DEFAULT);
        assert!(told.is_some_and(|told| told.contains("b%2Fc")));
        assert_eq!(slashes(&prefixes[..1], paths::DEFAULT), None);
    }

    #[test]
    fn a_name_to_store_under_is_no_path() {
        let checked = |name, of_folder| {
            check_as(Some(name), paths::DEFAULT, of_folder).map_err(|why| why.to_string())
        };
        let refused = |name| checked(name, false);
        assert_eq!(refused("a%2Fb"), Ok(()));
        assert_eq!(checked("a%2Fb", true), Ok(()));
        assert_eq!(refused("a%b"), Ok(()));
        let why = "--as a%b: must be a name of which `dfs get -r` makes a path, such as a%25b";
        assert_eq!(checked("a%b", true), Err(why.to_owned()));
        assert!(checked(".", true).is_err());
        let why = "--as a/b/: must be a name, which has no slash, such as a%2Fb";
        assert_eq!(refused("a/b/"), Err(why.to_owned()));
        assert!(refused("/").is_err());
        assert!(check_as(None, paths::DEFAULT, true).is_ok());
    }
}
