//! Places that a file of the caller's names: where a service is, and how it is called.

use crate::outcome::Usage;
use crate::release::{Account, Release};
use anyhow::{Context, Error, Result};
use etcetera::BaseStrategy;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The file, in the folder for settings of this system.
const FILE: &str = "dfs/config.toml";

/// A service, and how it is called. What a flag gives counts for more.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Named {
    pub(crate) url: Option<String>,
    /// A service in a cluster, in place of a URL.
    #[serde(deserialize_with = "text")]
    pub(crate) kube: Option<Release>,
    pub(crate) context: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) service_account: Option<Account>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    #[serde(deserialize_with = "time")]
    pub(crate) deadline: Option<Duration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Places {
    /// The place that is meant where none is named.
    default: Option<String>,
    #[serde(default)]
    places: BTreeMap<String, Named>,
}

/// The place of that name, or else the one that the file says is meant, if any. Only a file
/// that is named has to be there.
pub(crate) fn named(file: Option<&Path>, name: Option<&str>) -> Result<Option<Named>> {
    let Some(path) = file.map(Path::to_owned).or_else(usual) else {
        return chosen(Places::default(), name).map_err(Error::from);
    };
    let places = match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|why| Usage(why.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound && file.is_none() => {
            Ok(Places::default())
        }
        Err(error) => Err(Usage(error.to_string())),
    };
    let named = places.and_then(|places| chosen(places, name));
    let named = named.with_context(|| path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(named.map(|named| named.within(folder)))
}

/// Where the file is unless it is said. Without a home there is none.
fn usual() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.config_dir().join(FILE))
}

fn chosen(mut places: Places, name: Option<&str>) -> Result<Option<Named>, Usage> {
    let Some(name) = name.map(str::to_owned).or(places.default) else {
        return Ok(None);
    };
    let named = places.places.remove(&name);
    named.map(Some).ok_or_else(|| {
        let known: Vec<String> = places.places.into_keys().collect();
        let known = match known.as_slice() {
            [] => "it names none".to_owned(),
            known => format!("it has {}", known.join(", ")),
        };
        Usage(format!("place {name}: there is no such place, {known}"))
    })
}

impl Named {
    /// Its files, where they are seen from that folder. `~` is the home.
    fn within(mut self, folder: &Path) -> Self {
        let home = etcetera::home_dir().ok();
        let files = [
            &mut self.token_file,
            &mut self.ca,
            &mut self.cert,
            &mut self.key,
        ];
        for path in files.into_iter().flatten() {
            *path = match (path.strip_prefix("~"), &home) {
                (Ok(below), Some(home)) => home.join(below),
                _ => folder.join(&*path),
            };
        }
        self
    }
}

fn text<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err = String>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text)
        .map(Some)
        .map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = r#"
        default = "office"
        [places.office]
        url = "https://files.example"
        token_file = "office.token"
        ca = "/etc/ca.crt"
        deadline = "1m"
        [places.home]
        url = "http://10.0.0.1:8000"
        [places.cluster]
        kube = "dfs/files"
        context = "team"
        service_account = "uploader"
    "#;

    fn read(text: &str, name: Option<&str>) -> Result<Named> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("config.toml");
        std::fs::write(&file, text)?;
        let mut named = named(Some(&file), name)?.unwrap_or_default();
        let token = named.token_file.take();
        named.token_file = token.map(|path| path.strip_prefix(&folder).unwrap().to_owned());
        Ok(named)
    }

    #[test]
    fn a_place_is_found_by_its_name_or_is_the_one_that_is_meant() {
        let office = read(TEXT, None).unwrap();
        assert_eq!(office.url.as_deref(), Some("https://files.example"));
        assert_eq!(
            office.token_file.as_deref(),
            Some(Path::new("office.token"))
        );
        assert_eq!(office.ca.as_deref(), Some(Path::new("/etc/ca.crt")));
        assert_eq!(office.deadline, Some(Duration::from_secs(60)));
        let home = read(TEXT, Some("home")).unwrap();
        assert_eq!(home.url.as_deref(), Some("http://10.0.0.1:8000"));
        assert_eq!(home.token_file, None);
        let cluster = read(TEXT, Some("cluster")).unwrap();
        assert_eq!(cluster.kube, "dfs/files".parse().ok());
        assert_eq!(cluster.context.as_deref(), Some("team"));
        assert_eq!(cluster.service_account, "uploader".parse().ok());
        assert_eq!(read("", None).unwrap(), Named::default());
        assert!(chosen(Places::default(), None).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_with_the_file_is_named() {
        for (text, name, why) in [
            (
                TEXT,
                Some("hone"),
                "place hone: there is no such place, it has cluster, home, office",
            ),
            ("", Some("home"), "it names none"),
            ("default = 'a'", None, "place a: there is no such place"),
            ("[places.a]\nurl = 1", None, "expected a string"),
            ("[places.a]\ntoken = 'x'", None, "unknown field `token`"),
            ("[places.a]\ndeadline = '1 moon'", None, "unknown time unit"),
            ("[places.a]\nkube = 'a/b/c'", None, "NAMESPACE/NAME"),
            ("[places", None, "unclosed table"),
        ] {
            let error = format!("{:#}", read(text, name).unwrap_err());
            assert!(error.contains("config.toml: "), "{error}");
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(named(Some(Path::new("/none/config.toml")), None).is_err());
    }
}
