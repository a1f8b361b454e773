//! Which hosts are served. A page in a browser on the same machine, or in the same
//! network, may reach the service by a name that its author points here (DNS
//! rebinding): under that name the browser takes the service for the page's own site.

use crate::limits::HostPattern;
use std::net::IpAddr;

/// The hosts that are served.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    allowed: Vec<HostPattern>,
    /// No host was named, and other machines can reach the service: by which names they
    /// do so can't be known.
    open: bool,
}

impl Hosts {
    pub(super) fn new(allowed: Vec<HostPattern>, loopback: bool) -> Self {
        let open = allowed.is_empty() && !loopback;
        Self { allowed, open }
    }

    /// Whether requests for a host are served. Addresses always are: no name
    /// stands between them and this machine.
    pub(super) fn serves(&self, host: &str) -> bool {
        let host = canonical(host);
        self.open
            || host.parse::<IpAddr>().is_ok()
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.allowed.iter().any(|pattern| pattern.fits(&host))
    }

    /// Whether a host was named, so that its pages may change files.
    pub(super) fn names(&self, host: &str) -> bool {
        let host = canonical(host);
        let named = |pattern: &&HostPattern| **pattern != HostPattern::Any;
        self.allowed
            .iter()
            .filter(named)
            .any(|pattern| pattern.fits(&host))
    }
}

/// In lower case, without the brackets of IPv6 and without the root's dot.
fn canonical(host: &str) -> String {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host).to_ascii_lowercase();
    match host.strip_suffix('.') {
        Some(relative) => relative.to_owned(),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(allowed: &[&str], loopback: bool) -> Hosts {
        let parse = |text: &&str| text.parse().expect("a pattern");
        Hosts::new(allowed.iter().map(parse).collect(), loopback)
    }

    #[test]
    fn on_loopback_only_its_names_and_addresses_are_served_unless_more_are_named() {
        let plain = hosts(&[], true);
        for host in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "[::1]",
            "10.0.0.7",
        ] {
            assert!(plain.serves(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "x",
            "",
        ] {
            assert!(!plain.serves(host), "{host}");
        }
        let named = hosts(&["Files.example", "*.svc"], true);
        for host in ["files.example", "manager.dfs.svc", "localhost"] {
            assert!(named.serves(host), "{host}");
        }
        for host in ["other.example", "svc", "xsvc", "a.files.example"] {
            assert!(!named.serves(host), "{host}");
        }
    }

    #[test]
    fn beyond_loopback_any_host_is_served_until_some_are_named() {
        assert!(hosts(&[], false).serves("manager.dfs.svc.cluster.local"));
        assert!(!hosts(&["files.example"], false).serves("manager.dfs.svc"));
        assert!(hosts(&["*"], false).serves("manager.dfs.svc"));
        assert!(!hosts(&["*"], false).names("evil.example"));
    }
}
