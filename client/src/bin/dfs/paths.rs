//! How paths become names, which have no slash, and names paths again.

use anyhow::{Context, Result, ensure};
use percent_encoding::percent_decode_str;
use std::path::{Component, Path, PathBuf};

/// What stands for a slash unless something else is asked for.
pub(crate) const DEFAULT: &str = "%2F";

/// Checks what is to stand for a slash: nothing that an escaped part could have in it, or
/// that two parts could have at their seam.
pub(crate) fn separator(text: &str) -> Result<String, String> {
    let mut characters = text.chars();
    let single = match (characters.next(), characters.next()) {
        (Some(one), None) => !one.is_alphanumeric() && !one.is_control() && !"/%".contains(one),
        _ => false,
    };
    match single || text == DEFAULT {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "must be one character that is no letter, no digit, no / and no %, or {DEFAULT}"
        )),
    }
}

/// The name for a path of which each part is a name.
pub(crate) fn name(path: &Path, separator: &str) -> Result<String> {
    let parts = path.components().filter_map(|part| match part {
        Component::CurDir => None,
        Component::Normal(part) => Some(part.to_str().context("its name is no UTF-8")),
        Component::Prefix(_) | Component::RootDir | Component::ParentDir => {
            Some(Err(anyhow::anyhow!("it leads out of its folder")))
        }
    });
    let parts: Result<Vec<String>> = parts
        .map(|part| part.map(|part| escaped(part, separator)))
        .collect();
    Ok(parts?.join(separator))
}

/// What `dfs put -r` calls a path that a person typed in place of a name; with a slash at its
/// end it is what the names of all in that folder begin with.
pub(crate) fn typed(path: &str, separator: &str) -> Option<String> {
    let name = name(Path::new(path), separator).ok()?;
    let begins = if path.ends_with('/') { separator } else { "" };
    (!name.is_empty()).then(|| name + begins)
}

/// A part without a `%` of its own and without what stands for a slash.
fn escaped(part: &str, separator: &str) -> String {
    let part = part.replace('%', "%25");
    let hex = separator.bytes().map(|byte| format!("%{byte:02X}"));
    match separator {
        DEFAULT => part,
        _ => part.replace(separator, &hex.collect::<String>()),
    }
}

/// The path for a name, which never leads out of the folder it is put in.
pub(crate) fn path(name: &str, separator: &str) -> Result<PathBuf> {
    let mut path = PathBuf::new();
    for part in name.split(separator) {
        let part = percent_decode_str(part).decode_utf8();
        let part = part.with_context(|| format!("{name:?} is no path in UTF-8"))?;
        ensure!(
            is_plain(&part) && !part.chars().any(char::is_control),
            "{name:?} is no path below a folder"
        );
        path.push(&*part);
    }
    Ok(path)
}

/// The same for a name that a path has: no two names have the same path then.
pub(crate) fn own_path(name: &str, separator: &str) -> Result<PathBuf> {
    let path = path(name, separator)?;
    let is_own = self::name(&path, separator)? == name;
    ensure!(is_own, "{name:?} is no name that {} has", path.display());
    Ok(path)
}

/// Whether it names something in a folder, on whatever system this is.
pub(crate) fn is_plain(name: &str) -> bool {
    let path = Path::new(name);
    let mut parts = path.components();
    let single = matches!(parts.next(), Some(Component::Normal(part)) if part == path.as_os_str());
    single && parts.next().is_none()
}

/// The prefixes without those that another one covers: what begins so is met once.
pub(crate) fn distinct(prefixes: &[String]) -> Vec<String> {
    let mut sorted = prefixes.to_vec();
    sorted.sort_unstable();
    sorted.dedup_by(|next, before| next.starts_with(before.as_str()));
    sorted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_leads_nowhere_but_below() {
        for bad in [
            "",
            "%2F",
            "a%2F",
            "..%2Fa",
            "a%2F..",
            ".",
            "%2E%2E%2Fa",
            "a%2f",
            "a%00b",
            "%FF",
            "%2Fetc%2Fpasswd",
        ] {
            assert!(path(bad, DEFAULT).is_err(), "{bad}");
        }
        for bad in ["a/../b", "../b", "/b"] {
            assert!(name(Path::new(bad), DEFAULT).is_err(), "{bad}");
        }
        assert_eq!(
            name(Path::new("./a/b c.txt"), "%2F").unwrap(),
            "a%2Fb c.txt"
        );
        assert_eq!(name(Path::new("a/100%"), "%2F").unwrap(), "a%2F100%25");
        assert_eq!(name(Path::new("ü/名 前"), DEFAULT).unwrap(), "ü%2F名 前");
        assert_eq!(name(Path::new("a:b/c"), ":").unwrap(), "a%3Ab:c");
        assert_eq!(path("a%3Ab:c", ":").unwrap(), Path::new("a:b/c"));
    }

    #[test]
    fn a_path_that_was_typed_has_the_name_of_its_file_or_the_beginning_of_its_folder() {
        for (path, separator, name) in [
            ("photos/a.jpg", DEFAULT, Some("photos%2Fa.jpg")),
            ("./photos/2026/", DEFAULT, Some("photos%2F2026%2F")),
            ("photos/100%", DEFAULT, Some("photos%2F100%25")),
            ("photos/a", ":", Some("photos:a")),
            ("/photos/a", DEFAULT, None),
            ("../a", DEFAULT, None),
            ("./", DEFAULT, None),
        ] {
            assert_eq!(typed(path, separator).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn what_cannot_be_undone_is_no_separator() {
        for bad in ["", "/", "a/", "%", "%2f", "__", "2", "x", "\n"] {
            assert!(separator(bad).is_err(), "{bad}");
        }
        for good in ["%2F", ":", "_", "∕"] {
            assert_eq!(separator(good).as_deref(), Ok(good));
        }
    }

    #[test]
    fn what_begins_with_two_of_them_is_met_once() {
        let given = ["photos-old", "a", "photos", "ab", "a", "b"].map(str::to_owned);
        assert_eq!(distinct(&given), ["a", "b", "photos"]);
        assert_eq!(distinct(&["x".to_owned(), String::new()]), [""]);
    }

    proptest! {
        #[test]
        fn a_path_comes_back(
            parts in prop::collection::vec("[a-z%2F:_.∕é ]{1,6}", 1..5),
            separator in prop::sample::select(vec!["%2F", ":", "_", "∕"]),
        ) {
            let whole: PathBuf = parts.iter().collect();
            prop_assume!(parts.iter().all(|part| part != "." && part != ".."));
            let name = name(&whole, separator).unwrap();
            prop_assert!(!name.contains('/'));
            prop_assert_eq!(path(&name, separator).unwrap(), whole);
        }
    }
}
