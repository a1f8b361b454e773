//! The flag that turns traces on.

use super::collector::{Collector, OtlpError};
use http::Uri;
use std::convert::Infallible;
use std::str::FromStr;

/// The flag of traces.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OtlpArgs {
    /// Collector that traces are sent to by OTLP over gRPC, as http://HOST:PORT; without one nothing is traced
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<Endpoint>,
}

/// Where a collector is, as it was written.
#[derive(Debug, Clone)]
pub struct Endpoint(String);

impl FromStr for Endpoint {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl OtlpArgs {
    /// Begins to trace, under the name of this service unless `OTEL_SERVICE_NAME` is set.
    /// Must be called within the runtime.
    ///
    /// # Errors
    /// Names the flag.
    pub fn start(&self, service: &'static str) -> Result<Collector, OtlpError> {
        let text = self.otlp_endpoint.as_ref().map_or("", |at| at.0.trim());
        match text {
            // A variable that is empty counts as one that is not set.
            "" => Ok(Collector::default()),
            text => Collector::start(&endpoint(text)?, service),
        }
    }
}

/// Reads a collector's address.
fn endpoint(text: &str) -> Result<String, OtlpError> {
    let uri: Uri = text.parse().map_err(|_| OtlpError::NoUrl)?;
    if uri.scheme_str() == Some("https") {
        return Err(OtlpError::Tls);
    }
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    match uri.authority() {
        // A name and a password would be in the log.
        Some(authority) if authority.as_str().contains('@') => Err(OtlpError::NoUrl),
        Some(authority) if uri.scheme_str() == Some("http") && bare => {
            Ok(format!("http://{authority}"))
        }
        _ => Err(OtlpError::NoUrl),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_a_bare_url() {
        for (text, read) in [
            ("http://collector:4317", Some("http://collector:4317")),
            ("http://[::1]:4317/", Some("http://[::1]:4317")),
            ("http://collector:4318/v1/traces", None),
            ("collector:4317", None),
            ("https://collector:4317", None),
            ("grpc://collector:4317", None),
            ("http://", None),
            ("http://user:secret@collector:4317", None),
            ("a b", None),
        ] {
            assert_eq!(endpoint(text).ok().as_deref(), read, "{text}");
        }
        let error = endpoint("https://collector:4317").expect_err("TLS");
        assert!(error.to_string().starts_with("--otlp-endpoint: "));
    }

    #[test]
    fn an_empty_variable_turns_nothing_on() {
        let empty = OtlpArgs {
            otlp_endpoint: Some(Endpoint(String::new())),
        };
        for args in [empty, OtlpArgs::default()] {
            let collector = args.start("test").expect("off");
            assert!(!collector.tracer().is_on());
        }
    }
}
