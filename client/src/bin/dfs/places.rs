//! Places that a file of the caller's names: where a service is, and how it is called.

use crate::outcome::Usage;
use crate::release::{Account, Release};
use anyhow::{Context, Result};
use etcetera::BaseStrategy;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Where a service listens unless told otherwise.
pub(crate) const URL: &str = "http://127.0.0.1:8000";
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
        let named = chosen(Places::default(), name);
        return named.context("there is no folder for settings; name a file with --config");
    };
    let places = match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|why| Usage(why.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound && file.is_none() => match name {
            None => Ok(Places::default()),
            Some(name) => Err(Usage(format!(
                "place {name}: there is no such file; {}",
                written(name)
            ))),
        },
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
    let Some(named) = places.places.remove(&name) else {
        let known: Vec<String> = places.places.into_keys().collect();
        let known = match known.as_slice() {
            [] => format!("it names none; {}", written(&name)),
            known => format!("it has {}", known.join(", ")),
        };
        let text = format!("place {name}: there is no such place, {known}");
        return Err(Usage(text));
    };
    match named.contradiction() {
        None => Ok(Some(named)),
        Some(why) => Err(Usage(format!("place {name}: {why}"))),
    }
}

/// How a place is written.
fn written(name: &str) -> String {
    // What is a string in JSON is a quoted key in TOML, too.
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let key = match !name.is_empty() && name.chars().all(bare) {
        true => name.to_owned(),
        false => serde_json::Value::from(name).to_string(),
    };
    format!("a place is a line in it such as: places.{key}.url = \"https://files.example:8000\"")
}

impl Named {
    /// What does not fit together in it, or would not be used.
    fn contradiction(&self) -> Option<String> {
        if self.url.is_some() && self.kube.is_some() {
            return Some("a place has url or kube, and not both".to_owned());
        }
        if self.cert.is_some() != self.key.is_some() {
            return Some("a place needs cert and key, or neither".to_owned());
        }
        if self.token_file.is_some() && self.service_account.is_some() {
            let text = "token_file says whom to call as, and so does service_account";
            return Some(text.to_owned());
        }
        if self.kube.is_some() {
            return None;
        }
        let of_cluster = [
            ("context", self.context.is_some()),
            ("service_account", self.service_account.is_some()),
        ];
        if let Some(fields) = given(&of_cluster) {
            return Some(format!("{fields}: needs kube"));
        }
        let url = self.url.as_deref().unwrap_or(URL);
        let fields = given(&self.of_tls()).filter(|_| !is_https(url))?;
        // Not with the URL in it, which may have a password.
        Some(format!("{fields}: needs a url that begins with https://"))
    }

    /// What is used with TLS alone.
    pub(crate) fn of_tls(&self) -> [(&'static str, bool); 3] {
        [
            ("ca", self.ca.is_some()),
            ("cert", self.cert.is_some()),
            ("key", self.key.is_some()),
        ]
    }

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

/// The names of what is given, if anything is.
pub(crate) fn given(fields: &[(&str, bool)]) -> Option<String> {
    let names: Vec<&str> = fields
        .iter()
        .filter(|(_, is_given)| *is_given)
        .map(|(name, _)| *name)
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Whether a service at this URL has TLS.
pub(crate) fn is_https(url: &str) -> bool {
    let scheme = url.trim_start().split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
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
    fn what_does_not_fit_together_names_the_fields() {
        for (fields, why) in [
            ("kube = 'a'\nurl = 'http://b'", "url or kube"),
            ("url = 'https://b'\ncert = 'a'", "cert and key, or neither"),
            ("url = 'http://b'\ncontext = 'a'", "context: needs kube"),
            ("service_account = 'a'", "service_account: needs kube"),
            (
                "url = 'http://b'\ncontext = 'a'\nservice_account = 'b'",
                "context, service_account: needs kube",
            ),
            (
                "kube = 'a'\ntoken_file = 'b'\nservice_account = 'c'",
                "token_file says whom to call as, and so does service_account",
            ),
            (
                "url = 'http://b'\nca = 'a'",
                "ca: needs a url that begins with https://",
            ),
            ("cert = 'a'\nkey = 'b'", "cert, key: needs a url"),
        ] {
            let error = read(&format!("[places.a]\n{fields}"), Some("a")).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains("place a: "), "{error}");
            assert!(error.contains(why), "{error}");
        }
        for fields in [
            "url = 'HTTPS://b'\nca = 'a'\ncert = 'a'\nkey = 'b'",
            "kube = 'a'\nca = 'a'\ntoken_file = 'b'\ncontext = 'c'",
            "deadline = '1s'\ntoken_file = 'b'",
        ] {
            read(&format!("[places.a]\n{fields}"), Some("a")).unwrap();
        }
    }

    #[test]
    fn a_place_can_be_written_as_an_error_says() {
        for name in ["home", "my place", "ü.\"", ""] {
            let told = written(name);
            let (_, line) = told.split_once(": ").unwrap();
            let named = read(line, Some(name)).unwrap();
            assert_eq!(named.url.as_deref(), Some("https://files.example:8000"));
        }
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
