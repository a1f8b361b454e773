//! The bounds of the REST API, each a flag.

use clap::Args;
use kit::units::{size_above_0, time};
use std::time::Duration;

/// What one upload counts at the most against `--max-upload-bytes`: about what
/// the buffers between its socket and its node can hold.
pub(super) const UPLOAD_BUFFERS: u64 = 1 << 20;

/// Bounds of the REST API.
#[derive(Debug, Clone, Args)]
pub struct RestLimits {
    /// Longest request body that is taken, base64 included (suffixes KiB, MiB, GiB, TiB)
    #[arg(long, env = "DFS_MAX_BODY_BYTES", value_name = "SIZE", default_value = "1TiB",
          value_parser = size_above_0)]
    pub max_body_bytes: u64,
    /// Longest head of a request, from the method to the empty line; longer ones are answered 431
    #[arg(long, env = "DFS_MAX_HEADER_BYTES", value_name = "SIZE", default_value = "32KiB",
          value_parser = header_size)]
    pub max_header_bytes: u64,
    /// How long a client may take to send the head of a request, from its first byte
    #[arg(long, env = "DFS_HEADER_TIMEOUT", value_name = "TIME", default_value = "15s",
          value_parser = time)]
    pub header_timeout: Duration,
    /// How long a request's body may pause before the upload is given up
    #[arg(long, env = "DFS_BODY_IDLE_TIMEOUT", value_name = "TIME", default_value = "30s",
          value_parser = time)]
    pub body_idle_timeout: Duration,
    /// How long a connection may stay open without a request
    #[arg(long, env = "DFS_IDLE_TIMEOUT", value_name = "TIME", default_value = "75s",
          value_parser = time)]
    pub idle_timeout: Duration,
    /// How long a client may take no byte of an answer before it is cut off
    #[arg(long, env = "DFS_WRITE_IDLE_TIMEOUT", value_name = "TIME", default_value = "60s",
          value_parser = time)]
    pub write_idle_timeout: Duration,
    /// Connections served at once; further ones wait in the system's queue
    #[arg(long, env = "DFS_MAX_CONNECTIONS", value_name = "N", default_value = "4096",
          value_parser = count)]
    pub max_connections: usize,
    /// Uploads in flight at once; further ones wait
    #[arg(long, env = "DFS_MAX_UPLOADS", value_name = "N", default_value = "1024",
          value_parser = count)]
    pub max_uploads: usize,
    /// Bytes of uploads in flight that are held at once, 1 MiB at most for each; further ones wait
    #[arg(long, env = "DFS_MAX_UPLOAD_BYTES", value_name = "SIZE", default_value = "256MiB",
          value_parser = upload_bytes)]
    pub max_upload_bytes: u64,
    /// Downloads in flight at once; further ones wait
    #[arg(long, env = "DFS_MAX_DOWNLOADS", value_name = "N", default_value = "1024",
          value_parser = count)]
    pub max_downloads: usize,
    /// How long a request waits at one of these bounds before it is answered 429
    #[arg(long, env = "DFS_MAX_WAIT", value_name = "TIME", default_value = "10s",
          value_parser = time)]
    pub max_wait: Duration,
}

fn header_size(text: &str) -> Result<u64, String> {
    match size_above_0(text)? {
        bytes @ 1024..=1_048_576 => Ok(bytes),
        _ => Err("must be from 1KiB to 1MiB".to_owned()),
    }
}

fn upload_bytes(text: &str) -> Result<u64, String> {
    let bytes = size_above_0(text)?;
    let most = tokio::sync::Semaphore::MAX_PERMITS as u64;
    if (UPLOAD_BUFFERS..=most).contains(&bytes) {
        return Ok(bytes);
    }
    Err("must be 1MiB or more, as one upload needs that much".to_owned())
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must not be 0".to_owned()),
        Ok(number) if number <= 1_000_000 => Ok(number),
        _ => Err("a number from 1 to 1000000 is wanted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        rest: RestLimits,
    }

    #[test]
    fn every_default_is_accepted() {
        let flags = Flags::try_parse_from(["manager"]).expect("defaults parse");
        assert_eq!(flags.rest.max_body_bytes, 1 << 40);
        assert_eq!(flags.rest.body_idle_timeout, Duration::from_secs(30));
    }

    #[test]
    fn a_bad_value_is_refused_by_its_flag() {
        let cases = [
            ("--max-body-bytes", "0"),
            ("--max-body-bytes", "1XB"),
            ("--max-body-bytes", "99999999999TiB"),
            ("--max-header-bytes", "1"),
            ("--header-timeout", "soon"),
            ("--body-idle-timeout", "0s"),
            ("--idle-timeout", "5"),
            ("--write-idle-timeout", "-1s"),
            ("--max-connections", "0"),
            ("--max-uploads", "many"),
            ("--max-upload-bytes", "1KiB"),
            ("--max-downloads", "-1"),
            ("--max-wait", "9999h"),
        ];
        for (flag, value) in cases {
            let given = format!("{flag}={value}");
            let error = Flags::try_parse_from(["manager", &given]).expect_err(&given);
            assert!(error.to_string().contains(flag), "{error}");
        }
    }
}
