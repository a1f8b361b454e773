//! The bounds of the REST API, each a flag.

use super::HostPattern;
use clap::Args;
#[cfg(test)]
use clap::FromArgMatches;
use kit::units::{size, size_above_0, time};
use std::fmt;
use std::time::Duration;

/// The least of `--max-upload-bytes`: some pieces of one upload.
const LEAST_UPLOAD_BYTES: u64 = 1 << 20;
/// The least of `--max-request-heads`: the longest heads there can be, twice.
const LEAST_REQUEST_HEADS: u64 = 4 << 20;

/// How slow a client may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MinRate {
    /// Bytes a second; 0 is no rule.
    pub(crate) bytes_per_second: u64,
    /// The time that it is averaged over.
    pub(crate) grace: Duration,
}

impl fmt::Display for MinRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bytes_per_second,
            grace,
        } = self;
        write!(f, "{bytes_per_second} bytes a second over {grace:?}")
    }
}

/// Bounds of the REST API.
#[derive(Debug, Clone, Args)]
pub struct RestLimits {
    /// Hosts that are served beside localhost and addresses, such as files.example.com, *.example.com or * (separated by commas); without it, none when --http is a loopback address, any when it is not
    #[arg(
        long,
        env = "DFS_ALLOWED_HOSTS",
        value_name = "HOST",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<HostPattern>,
    /// Longest request body that is taken, base64 included (suffixes KiB, MiB, GiB, TiB)
    #[arg(long, env = "DFS_MAX_BODY_BYTES", value_name = "SIZE", default_value = "1TiB",
          value_parser = size_above_0)]
    pub max_body_bytes: u64,
    /// Longest head of a request, from the method to the empty line; longer ones are answered 431
    #[arg(long, env = "DFS_MAX_HEADER_BYTES", value_name = "SIZE", default_value = "32KiB",
          value_parser = header_size)]
    pub max_header_bytes: u64,
    /// How long a client may take to send the head of a request, from its first byte; of the first request of a connection, from when it is accepted, the handshake of TLS included
    #[arg(long, env = "DFS_HEADER_TIMEOUT", value_name = "TIME", default_value = "15s",
          value_parser = time)]
    pub header_timeout: Duration,
    /// How long a request's body may pause before the upload is given up
    #[arg(long, env = "DFS_BODY_IDLE_TIMEOUT", value_name = "TIME", default_value = "30s",
          value_parser = time)]
    pub body_idle_timeout: Duration,
    /// How long a connection may stay open without a request, once it has brought one
    #[arg(long, env = "DFS_IDLE_TIMEOUT", value_name = "TIME", default_value = "75s",
          value_parser = time)]
    pub idle_timeout: Duration,
    /// How long a client may take no byte of an answer before it is cut off
    #[arg(long, env = "DFS_WRITE_IDLE_TIMEOUT", value_name = "TIME", default_value = "60s",
          value_parser = time)]
    pub write_idle_timeout: Duration,
    /// Bytes a second that an upload must bring, averaged over --rate-grace; slower ones are answered 408; 0 for no rule
    #[arg(long, env = "DFS_MIN_UPLOAD_RATE", value_name = "SIZE", default_value = "1KiB",
          value_parser = size)]
    pub min_upload_rate: u64,
    /// Bytes a second that a client must take of an answer, averaged over --rate-grace; slower ones are cut off; 0 for no rule
    #[arg(long, env = "DFS_MIN_DOWNLOAD_RATE", value_name = "SIZE", default_value = "1KiB",
          value_parser = size)]
    pub min_download_rate: u64,
    /// How long a client may stay below these rates before it is too slow
    #[arg(long, env = "DFS_RATE_GRACE", value_name = "TIME", default_value = "60s",
          value_parser = time)]
    pub rate_grace: Duration,
    /// Share, in percent, of each of the bounds below, and of each node's streams for large files, that one client address (for IPv6 one /64), or one caller that is known, may take
    #[arg(long, env = "DFS_CLIENT_SHARE", value_name = "PERCENT", default_value = "75",
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub client_share: u8,
    /// Requests a second of one caller, on average; a burst of five seconds' worth is let in, and past it the answer is 429; 0 for no bound. A caller is who a token names, or else a client address
    #[arg(
        long,
        env = "DFS_CALLER_REQUESTS_PER_SECOND",
        value_name = "N",
        default_value_t = 0
    )]
    pub caller_requests_per_second: u32,
    /// Bytes of files a second, up and down, of one caller, on average; what is under way goes on, and the next request is answered 429 until it is made up for; 0 for no bound
    #[arg(long, env = "DFS_CALLER_BYTES_PER_SECOND", value_name = "SIZE", default_value = "0",
          value_parser = size)]
    pub caller_bytes_per_second: u64,
    /// Connections served at once; further ones wait in the system's queue
    #[arg(long, env = "DFS_MAX_CONNECTIONS", value_name = "N", default_value = "4096",
          value_parser = count)]
    pub max_connections: usize,
    /// Uploads in flight at once; further ones wait
    #[arg(long, env = "DFS_MAX_UPLOADS", value_name = "N", default_value = "1024",
          value_parser = count)]
    pub max_uploads: usize,
    /// Bytes of uploads in flight that are held at once; further ones wait
    #[arg(long, env = "DFS_MAX_UPLOAD_BYTES", value_name = "SIZE", default_value = "256MiB",
          value_parser = upload_bytes)]
    pub max_upload_bytes: u64,
    /// Downloads in flight at once; further ones wait
    #[arg(long, env = "DFS_MAX_DOWNLOADS", value_name = "N", default_value = "1024",
          value_parser = count)]
    pub max_downloads: usize,
    /// Other requests in flight at once (HEAD, DELETE, /status); further ones wait
    #[arg(long, env = "DFS_MAX_REQUESTS", value_name = "N", default_value = "1024",
          value_parser = count)]
    pub max_requests: usize,
    /// Bytes of the heads of all requests in flight, those that wait included, with 2 KiB for each; further ones are answered 429 at once
    #[arg(long, env = "DFS_MAX_REQUEST_HEADS", value_name = "SIZE", default_value = "64MiB",
          value_parser = head_bytes)]
    pub max_request_heads: u64,
    /// How long a request waits at one of these bounds before it is answered 429
    #[arg(long, env = "DFS_MAX_WAIT", value_name = "TIME", default_value = "10s",
          value_parser = time)]
    pub max_wait: Duration,
}

impl RestLimits {
    /// How slow an upload may be.
    pub(crate) fn upload_rate(&self) -> MinRate {
        MinRate {
            bytes_per_second: self.min_upload_rate,
            grace: self.rate_grace,
        }
    }

    /// How slow a reader may be.
    pub(crate) fn download_rate(&self) -> MinRate {
        MinRate {
            bytes_per_second: self.min_download_rate,
            grace: self.rate_grace,
        }
    }

    /// What one client may take of a bound.
    pub(crate) fn share_of(&self, bound: usize) -> usize {
        (bound / 100 * usize::from(self.client_share)
            + bound % 100 * usize::from(self.client_share) / 100)
            .max(1)
    }
}

fn header_size(text: &str) -> Result<u64, String> {
    match size_above_0(text)? {
        bytes @ 1024..=1_048_576 => Ok(bytes),
        _ => Err("must be from 1KiB to 1MiB".to_owned()),
    }
}

fn head_bytes(text: &str) -> Result<u64, String> {
    let bytes = size_above_0(text)?;
    if (LEAST_REQUEST_HEADS..=1 << 40).contains(&bytes) {
        return Ok(bytes);
    }
    Err("must be from 4MiB to 1TiB".to_owned())
}

fn upload_bytes(text: &str) -> Result<u64, String> {
    let bytes = size_above_0(text)?;
    let most = tokio::sync::Semaphore::MAX_PERMITS as u64;
    if (LEAST_UPLOAD_BYTES..=most).contains(&bytes) {
        return Ok(bytes);
    }
    Err("must be 1MiB or more".to_owned())
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must not be 0".to_owned()),
        Ok(number) if number <= 1_000_000 => Ok(number),
        _ => Err("a number from 1 to 1000000 is wanted".to_owned()),
    }
}

#[cfg(test)]
impl RestLimits {
    /// As a command line gives them.
    pub(crate) fn given(flags: &[&str]) -> clap::error::Result<Self> {
        let command = Self::augment_args(clap::Command::new("manager"));
        let flags = ["manager"].iter().chain(flags);
        Self::from_arg_matches(&command.try_get_matches_from(flags)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_accepted() {
        let limits = RestLimits::given(&[]).expect("defaults parse");
        assert_eq!(limits.max_body_bytes, 1 << 40);
        assert_eq!(limits.body_idle_timeout, Duration::from_secs(30));
    }

    #[test]
    fn one_client_may_take_its_share_and_one_place_at_least() {
        let limits = RestLimits::given(&["--client-share=75"]).expect("good flags");
        let shares = [1, 2, 10, 1024, 150].map(|bound| limits.share_of(bound));
        assert_eq!(shares, [1, 1, 7, 768, 112]);
    }

    #[test]
    fn a_bad_value_is_refused_by_its_flag() {
        let cases = [
            ("--allowed-hosts", "http://files.example"),
            ("--max-body-bytes", "0"),
            ("--max-body-bytes", "1XB"),
            ("--max-body-bytes", "99999999999TiB"),
            ("--max-header-bytes", "1"),
            ("--header-timeout", "soon"),
            ("--body-idle-timeout", "0s"),
            ("--idle-timeout", "5"),
            ("--write-idle-timeout", "-1s"),
            ("--min-upload-rate", "slow"),
            ("--rate-grace", "1"),
            ("--client-share", "0"),
            ("--client-share", "101"),
            ("--max-connections", "0"),
            ("--max-uploads", "many"),
            ("--max-upload-bytes", "1KiB"),
            ("--max-downloads", "-1"),
            ("--max-requests", "0"),
            ("--max-request-heads", "1MiB"),
            ("--max-wait", "9999h"),
        ];
        for (flag, value) in cases {
            let given = format!("{flag}={value}");
            let error = RestLimits::given(&[&given]).expect_err(&given);
            assert!(error.to_string().contains(flag), "{error}");
        }
    }
}
