//! How a client is made.

use crate::credential::{Credential, bearer};
use crate::wire::{OnRetry, Wire};
use crate::{Client, Error};
use http::{HeaderMap, HeaderValue};
use reqwest::Url;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::BuilderVerifierExt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may take, with its handshake.
const CONNECT: Duration = Duration::from_secs(5);
/// The same through a socket, behind which it may have to be asked for elsewhere first.
#[cfg(unix)]
const CONNECT_BY_SOCKET: Duration = Duration::from_secs(45);
/// For how long a call that failed is tried again, unless the caller says otherwise.
const DEADLINE: Duration = Duration::from_secs(30);
/// For how long nothing may go and nothing come, unless the caller says otherwise.
const SILENCE: Duration = Duration::from_secs(60);

/// The authorities that are trusted, in PEM.
#[derive(Debug)]
enum Ca {
    File(PathBuf),
    Pem(Vec<u8>),
}

/// Makes a [`Client`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    url: Url,
    credential: Credential,
    ca: Option<Ca>,
    #[cfg(unix)]
    socket: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    deadline: Duration,
    silence: Duration,
    on_retry: Option<OnRetry>,
    trace: HeaderMap,
}

impl Client {
    /// Begins to make a client of the service at this URL, which may have a path below which
    /// a proxy serves the API.
    ///
    /// # Errors
    /// Where it is no URL of HTTP.
    pub fn builder(url: &str) -> Result<Builder, Error> {
        Builder::new(url)
    }
}

impl Builder {
    fn new(url: &str) -> Result<Self, Error> {
        // Not with the URL in it, which may have a password.
        let wrong = |why: &dyn std::fmt::Display| Error::setting("url", why);
        let no_scheme = "must begin with http:// or https://";
        if !url.contains("://") {
            return Err(wrong(&no_scheme));
        }
        let parsed = Url::parse(url).map_err(|error| wrong(&error))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong(&no_scheme));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong(&"must have no query and no fragment"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(wrong(
                &"must have no user and no password; callers have tokens",
            ));
        }
        Ok(Self {
            url: parsed,
            credential: Credential::None,
            ca: None,
            #[cfg(unix)]
            socket: None,
            identity: None,
            deadline: DEADLINE,
            silence: SILENCE,
            on_retry: None,
            trace: HeaderMap::new(),
        })
    }

    /// Calls with this token.
    ///
    /// # Errors
    /// Where it can't be one.
    pub fn token(mut self, token: &str) -> Result<Self, Error> {
        let value = bearer(token).map_err(|why| Error::setting("token", why))?;
        self.credential = Credential::Token(value);
        Ok(self)
    }

    /// Calls with the token that is in this file. It is read again at times, and when the
    /// service does not know the one that was read.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.credential = Credential::file(path.into());
        self
    }

    /// Asks for the token to call with, again where ten seconds have passed or the service does
    /// not know it any more: then with the one that was refused, in place of which another one
    /// is wanted. While that fails the last one is used.
    pub fn token_source<F, T>(mut self, source: F) -> Self
    where
        F: Fn(Option<String>) -> T + Send + Sync + 'static,
        T: Future<Output = io::Result<String>> + Send + 'static,
    {
        self.credential = Credential::asked(move |refused| Box::pin(source(refused)));
        self
    }

    /// Trusts the authorities in this file, in PEM, and no others. Without it those of the
    /// system are trusted.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(Ca::File(path.into()));
        self
    }

    /// The same with authorities that are at hand, in PEM.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(Ca::Pem(pem.into()));
        self
    }

    /// Connects to this socket of the machine, whatever host and port the URL has; those are
    /// what the service is asked for by, and what its certificate must be for. No proxy is used.
    #[cfg(unix)]
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Shows this certificate, in PEM with its chain, where the service asks for one.
    pub fn identity(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((cert.into(), key.into()));
        self
    }

    /// For how long a call is tried again after its first failure, 30 s unless told; an
    /// attempt that has begun is not cut. A download may fail as long each time it broke off
    /// and went on.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// After how long without a byte in either direction a call counts as failed, 60 s unless
    /// told. A token is waited for as long.
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Is called before each pause that an attempt follows, with why the last one failed.
    pub fn on_retry(mut self, call: impl Fn(&Error, Duration) + Send + Sync + 'static) -> Self {
        self.on_retry = Some(OnRetry(Arc::new(call)));
        self
    }

    /// Names a span of the caller's with each request, by the headers of W3C Trace Context: what
    /// the service traces is a part of it. `state` is the `tracestate`, which may be empty.
    ///
    /// # Errors
    /// Where one of them can't be a header.
    pub fn trace(mut self, parent: &str, state: &str) -> Result<Self, Error> {
        for (name, text) in [("traceparent", parent), ("tracestate", state)] {
            let value = HeaderValue::from_str(text).map_err(|why| Error::setting(name, why))?;
            if text.is_empty() {
                self.trace.remove(name);
            } else {
                self.trace.insert(name, value);
            }
        }
        Ok(self)
    }

    /// The client.
    ///
    /// # Errors
    /// Where a file of certificates can't be used.
    pub fn build(self) -> Result<Client, Error> {
        let tls = match self.url.scheme() {
            "https" => tls(self.ca.as_ref(), self.identity.as_ref())?,
            // Without TLS nobody has to be trusted, and there may be no authorities at all.
            _ => trusting(rustls::RootCertStore::empty())?.with_no_client_auth(),
        };
        let mut http = reqwest::Client::builder()
            .default_headers(self.trace)
            .connect_timeout(CONNECT);
        if is_this_machine(&self.url) {
            http = http.no_proxy();
        }
        #[cfg(unix)]
        if let Some(path) = self.socket {
            http = http.no_proxy().unix_socket(path);
            http = http.connect_timeout(CONNECT_BY_SOCKET);
        }
        let http = http
            .tls_backend_preconfigured(tls)
            .http1_only()
            .retry(reqwest::retry::never())
            // Whoever asks for features of the library elsewhere gets none of these here:
            // sizes and digests are those of the bytes as they are stored.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .tcp_nodelay(true)
            .user_agent(concat!("dfs/", env!("CARGO_PKG_VERSION")))
            // A redirect to another host would take the token along or lose the body.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::setting("client", error))?;
        Ok(Client::new(Wire {
            http,
            base: self.url,
            credential: self.credential,
            deadline: self.deadline,
            silence: self.silence,
            on_retry: self.on_retry,
        }))
    }
}

/// Whether no proxy can be meant.
fn is_this_machine(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
            address.is_some_and(|address| address.is_loopback())
        }
        None => false,
    }
}

type Unidentified = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn versions() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.map_err(|error| Error::setting("TLS", error))
}

fn trusting(roots: rustls::RootCertStore) -> Result<Unidentified, Error> {
    Ok(versions()?.with_root_certificates(roots))
}

fn tls(ca: Option<&Ca>, identity: Option<&(PathBuf, PathBuf)>) -> Result<ClientConfig, Error> {
    let builder = match ca {
        Some(ca) => trusting(ca.roots()?)?,
        None => {
            let trusting = versions()?.with_platform_verifier();
            trusting.map_err(|error| Error::setting("TLS", error))?
        }
    };
    let Some((cert, key)) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let own = PrivateKeyDer::from_pem_file(key).map_err(|error| in_file(key, &error))?;
    let config = builder.with_client_auth_cert(certificates(cert)?, own);
    config.map_err(|error| in_file(cert, &error))
}

impl Ca {
    fn roots(&self) -> Result<rustls::RootCertStore, Error> {
        let (all, what) = match self {
            Self::File(path) => (certificates(path)?, path.display().to_string()),
            Self::Pem(pem) => {
                let what = "authorities to trust".to_owned();
                let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
                (at_least_one(all, &what)?, what)
            }
        };
        let mut roots = rustls::RootCertStore::empty();
        for certificate in all {
            let added = roots.add(certificate);
            added.map_err(|error| Error::setting(what.as_str(), error))?;
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    at_least_one(all, &path.display().to_string())
}

/// Certificates that were read, one at the least.
fn at_least_one(
    read: Result<Vec<CertificateDer<'static>>, rustls_pki_types::pem::Error>,
    what: &str,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = read.map_err(|error| Error::setting(what, error))?;
    if all.is_empty() {
        return Err(Error::setting(what, "no certificate in it"));
    }
    Ok(all)
}

/// A file that can't be used.
fn in_file(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::setting(path.display().to_string(), why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_url_that_is_none_is_refused_with_its_reason() {
        for (url, why) in [
            ("files:8000", "must begin with http"),
            ("ftp://files", "must begin with http"),
            ("http://files/?a=b", "no query"),
            ("http://me:secret@files", "no user"),
            ("127.0.0.1:8000", "must begin with http"),
            ("", "must begin with http"),
        ] {
            let error = Builder::new(url).unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn no_proxy_is_asked_for_this_machine() {
        let is = |url: &str| is_this_machine(&url.parse().unwrap());
        assert!(
            [
                "http://127.0.0.1:8000",
                "http://localhost",
                "http://[::1]:8000"
            ]
            .iter()
            .all(|url| is(url))
        );
        assert!(
            !["http://10.0.0.1:8000", "http://files", "http://127.example"]
                .iter()
                .any(|url| is(url))
        );
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        let build = || {
            Builder::new("https://files")
                .unwrap()
                .ca_file(&path)
                .build()
        };
        assert!(build().unwrap_err().to_string().contains("ca.crt"));
        std::fs::write(&path, "nothing").unwrap();
        let error = build().unwrap_err().to_string();
        assert!(error.contains("no certificate in it"), "{error}");
        let of_text = Builder::new("https://files").unwrap().ca_pem("nothing");
        let error = of_text.build().unwrap_err().to_string();
        assert!(
            error.contains("authorities to trust: no certificate"),
            "{error}"
        );
    }
}
