//! Flags for TLS of the REST API.

use clap::Args;
use kit::reread::Source;
use kit::tls::{ServerFiles, ServerTls, TlsError};
use std::net::SocketAddr;
use std::path::PathBuf;

/// TLS of the REST API.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsArgs {
    /// File with the certificate of the REST API, and those between it and its authority, as PEM, with which --http speaks TLS 1.2 and 1.3; this file and the next two are read again when they change
    #[arg(long, env = "DFS_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// File with the private key of --tls-cert, as PEM without a password
    #[arg(long, env = "DFS_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// File with the authorities, as PEM, of which one must have signed the certificate that each client shows; without it clients are asked for none
    #[arg(
        long,
        env = "DFS_TLS_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_client_ca: Option<PathBuf>,
    /// A second address of the REST API, without TLS; only beside --tls-cert
    #[arg(
        long,
        env = "DFS_HTTP_PLAIN",
        value_name = "ADDR:PORT",
        requires = "tls_cert"
    )]
    pub http_plain: Option<SocketAddr>,
}

impl TlsArgs {
    /// TLS as the flags say, or none without them.
    ///
    /// # Errors
    /// Names the flag and its file.
    pub(crate) fn load(&self) -> Result<Option<ServerTls>, TlsError> {
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        let client_ca = self.tls_client_ca.clone();
        let files = ServerFiles {
            cert: Source::new("--tls-cert", cert.clone()),
            key: Source::new("--tls-key", key.clone()),
            client_ca: client_ca.map(|path| Source::new("--tls-client-ca", path)),
        };
        ServerTls::load(files).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        tls: TlsArgs,
    }

    fn given(flags: &[&str]) -> Result<TlsArgs, clap::Error> {
        let all = ["manager"].into_iter().chain(flags.iter().copied());
        Flags::try_parse_from(all).map(|flags| flags.tls)
    }

    #[test]
    fn a_flag_that_means_nothing_without_another_is_refused_without_it() {
        let (cert, key) = ("--tls-cert=a", "--tls-key=b");
        let (ca, plain) = ("--tls-client-ca=c", "--http-plain=127.0.0.1:1");
        for good in [&[][..], &[cert, key], &[cert, key, ca, plain]] {
            assert!(given(good).is_ok(), "{good:?}");
        }
        for bad in [
            &[cert][..],
            &[key],
            &[ca],
            &[plain],
            &[cert, ca],
            &[key, plain],
        ] {
            assert!(given(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn without_flags_there_is_no_tls_and_a_file_that_is_missing_is_named() {
        assert!(
            given(&[])
                .expect("no flags")
                .load()
                .expect("none")
                .is_none()
        );
        let missing = given(&["--tls-cert=/none", "--tls-key=/none"]);
        let error = missing.expect("flags").load().expect_err("no such file");
        assert!(
            error.to_string().starts_with("--tls-cert /none: "),
            "{error}"
        );
    }
}
