//! What each caller asks for and moves. The counters of a caller are kept with its shares,
//! so that counting looks nothing up. At most [`NAMED`] callers have a label of their own.

use manager_callers::{Account, Identity};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};
use std::collections::HashMap;
use std::sync::Arc;

/// Callers with a label of their own: the first since the start.
const NAMED: usize = 100;
/// The label of all callers without a name.
const ANYONE: &str = "anyone";
/// The label of all further callers.
const OTHER: &str = "other";
/// Statuses of refusals.
const REFUSALS: [u16; 3] = [401, 403, 429];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallerLabels {
    caller: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    caller: String,
    status: u16,
}

/// The counters of one label, and those of all together that count the same.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    requests: Counter,
    refusals: [Counter; REFUSALS.len()],
    received: Counter,
    sent: Counter,
    all_received: Counter,
    all_sent: Counter,
}

impl Counts {
    /// Counts a request by the status of its answer.
    pub(crate) fn answered(&self, status: u16) {
        self.requests.inc();
        let mut refusals = REFUSALS.iter().zip(&self.refusals);
        if let Some((_, refused)) = refusals.find(|(refusal, _)| **refusal == status) {
            refused.inc();
        }
    }

    /// Counts bytes of a file received.
    pub(crate) fn received(&self, bytes: u64) {
        self.received.inc_by(bytes);
        self.all_received.inc_by(bytes);
    }

    /// Counts bytes of a file sent.
    pub(crate) fn sent(&self, bytes: u64) {
        self.sent.inc_by(bytes);
        self.all_sent.inc_by(bytes);
    }
}

/// The counters of all callers.
pub(crate) struct CallerMetrics {
    families: Families,
    named: Mutex<HashMap<Account, Arc<Counts>>>,
    anyone: Arc<Counts>,
    other: Arc<Counts>,
}

#[derive(Default)]
struct Families {
    requests: Family<CallerLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    received: Family<CallerLabels, Counter>,
    sent: Family<CallerLabels, Counter>,
    all_received: Counter,
    all_sent: Counter,
}

impl Families {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "caller_requests",
            "Requests by caller",
            self.requests.clone(),
        );
        registry.register(
            "caller_refusals",
            "Requests answered 401, 403 or 429, by caller and status",
            self.refusals.clone(),
        );
        let bytes = [
            ("received", "Bytes of files received", &self.all_received),
            ("sent", "Bytes of files sent", &self.all_sent),
        ];
        for (name, help, counter) in bytes {
            registry.register_with_unit(name, help, Unit::Bytes, counter.clone());
        }
        let bytes = [
            (
                "caller_received",
                "Bytes of files received, by caller",
                &self.received,
            ),
            ("caller_sent", "Bytes of files sent, by caller", &self.sent),
        ];
        for (name, help, family) in bytes {
            registry.register_with_unit(name, help, Unit::Bytes, family.clone());
        }
    }

    /// The counters of a label.
    fn of(&self, caller: &str) -> Arc<Counts> {
        let labels = CallerLabels {
            caller: caller.to_owned(),
        };
        let refusal = |status| {
            let caller = caller.to_owned();
            let labels = RefusalLabels { caller, status };
            self.refusals.get_or_create(&labels).clone()
        };
        Arc::new(Counts {
            requests: self.requests.get_or_create(&labels).clone(),
            refusals: REFUSALS.map(refusal),
            received: self.received.get_or_create(&labels).clone(),
            sent: self.sent.get_or_create(&labels).clone(),
            all_received: self.all_received.clone(),
            all_sent: self.all_sent.clone(),
        })
    }
}

impl CallerMetrics {
    /// Adds them to the manager's metrics.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let families = Families::default();
        families.register(registry);
        Self {
            named: Mutex::default(),
            anyone: families.of(ANYONE),
            other: families.of(OTHER),
            families,
        }
    }

    /// Those of a caller that is known.
    pub(crate) fn of(&self, identity: &Identity) -> Arc<Counts> {
        let mut named = self.named.lock();
        if let Some(own) = named.get(&identity.account()) {
            return own.clone();
        }
        if named.len() >= NAMED {
            return self.other.clone();
        }
        let own = self.families.of(&identity.to_string());
        named.insert(identity.account(), own.clone());
        own
    }

    /// Those of whoever has no name.
    pub(crate) fn anyone(&self) -> &Arc<Counts> {
        &self.anyone
    }

    /// Those of a caller whose name only its own requests tell.
    pub(crate) fn of_account(&self, account: Account) -> Arc<Counts> {
        let named = self.named.lock();
        named.get(&account).unwrap_or(&self.other).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_callers::Kind;
    use prometheus_client::encoding::text::encode;

    fn read(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).expect("text");
        text
    }

    fn has(registry: &Registry, line: &str) {
        let text = read(registry);
        assert!(text.lines().any(|one| one == line), "no {line} in {text}");
    }

    #[test]
    fn each_caller_is_counted_by_its_name() {
        let mut registry = Registry::with_prefix("dfs_manager");
        let metrics = CallerMetrics::new(&mut registry);
        let ci = metrics.of(&Identity::new(Kind::Token, "ci", None));
        for status in [200, 404, 429, 403, 429] {
            ci.answered(status);
        }
        ci.received(10);
        ci.sent(3);
        metrics.anyone().answered(401);
        metrics.anyone().sent(4);
        let account = "system:serviceaccount:team:web";
        let pod = Identity::new(Kind::Kubernetes, account, None);
        metrics.of(&pod).answered(200);
        for line in [
            r#"dfs_manager_caller_requests_total{caller="token:ci"} 5"#,
            r#"dfs_manager_caller_refusals_total{caller="token:ci",status="429"} 2"#,
            r#"dfs_manager_caller_refusals_total{caller="token:ci",status="403"} 1"#,
            r#"dfs_manager_caller_refusals_total{caller="anyone",status="401"} 1"#,
            r#"dfs_manager_caller_received_bytes_total{caller="token:ci"} 10"#,
            r#"dfs_manager_caller_sent_bytes_total{caller="token:ci"} 3"#,
            r#"dfs_manager_caller_requests_total{caller="system:serviceaccount:team:web"} 1"#,
            "dfs_manager_received_bytes_total 10",
            "dfs_manager_sent_bytes_total 7",
        ] {
            has(&registry, line);
        }
    }

    #[test]
    fn only_the_first_callers_have_a_label_of_their_own() {
        let mut registry = Registry::default();
        let metrics = CallerMetrics::new(&mut registry);
        let caller = |number| {
            let name = format!("c{number}");
            metrics.of(&Identity::new(Kind::Token, &name, None))
        };
        for _ in 0..2 {
            for number in 0..NAMED + 50 {
                caller(number).answered(200);
            }
        }
        has(&registry, r#"caller_requests_total{caller="token:c0"} 2"#);
        has(&registry, r#"caller_requests_total{caller="token:c99"} 2"#);
        has(&registry, r#"caller_requests_total{caller="other"} 100"#);
        let text = read(&registry);
        let series = text
            .lines()
            .filter(|line| line.starts_with("caller_requests_total{"))
            .count();
        assert_eq!(series, NAMED + 2);
    }

    #[test]
    fn an_account_has_a_label_once_its_name_was_told() {
        let metrics = CallerMetrics::new(&mut Registry::default());
        let ci = Identity::new(Kind::Token, "ci", None);
        assert!(Arc::ptr_eq(
            &metrics.of_account(ci.account()),
            &metrics.other
        ));
        let own = metrics.of(&ci);
        assert!(Arc::ptr_eq(&metrics.of_account(ci.account()), &own));
    }

    #[test]
    fn a_name_with_quotes_ends_no_label() {
        let mut registry = Registry::default();
        let metrics = CallerMetrics::new(&mut registry);
        let odd = Identity::new(Kind::Kubernetes, "a\"b\\c\nd", None);
        metrics.of(&odd).answered(200);
        let line = r#"caller_requests_total{caller="kubernetes:a\"b\\c\nd"} 1"#;
        has(&registry, line);
    }
}
