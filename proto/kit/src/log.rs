//! Logs on stderr: text for a person at a terminal, JSON lines otherwise.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise: at `info` the store's engine logs
/// each file that it opens.
const DEFAULT: &str = "info,fjall=warn,lsm_tree=warn";

/// What is logged of changes and refusals, whatever is logged of the rest.
const AUDIT: &str = "audit";

/// Starts logging for this process, as `RUST_LOG` says: the audit is left out only by a
/// directive that names it. A second call in one
/// process changes nothing.
pub fn init() {
    let filter = filter(std::env::var(EnvFilter::DEFAULT_ENV).ok().as_deref());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

fn filter(wanted: Option<&str>) -> EnvFilter {
    let parsed = wanted.and_then(|wanted| EnvFilter::try_new(wanted).ok());
    let filter = parsed.unwrap_or_else(|| EnvFilter::new(DEFAULT));
    let names_it = |directive: &str| directive.split('=').next().map(str::trim) == Some(AUDIT);
    match wanted.is_some_and(|wanted| wanted.split(',').any(names_it)) {
        true => filter,
        false => match format!("{AUDIT}=info").parse() {
            Ok(audit) => filter.add_directive(audit),
            Err(_) => filter,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_directive_that_names_it_leaves_the_audit_out() {
        for (wanted, logged) in [
            (None, true),
            (Some("error"), true),
            (Some("manager=debug"), true),
            (Some("=nonsense="), true),
            (Some("info,audit=off"), false),
            (Some("audit=warn"), false),
            (Some("audit"), false),
            (Some("manager::rest::audit=debug"), true),
        ] {
            let text = filter(wanted).to_string();
            assert_eq!(text.contains("audit=info"), logged, "{wanted:?}: {text}");
        }
    }
}
