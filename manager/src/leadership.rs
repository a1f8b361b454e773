//! The name under which this process holds the lease.

/// Who holds the lease, for this process: people find it by machine and port.
pub(crate) fn holder(grpc: u16) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (process, one) = (std::process::id(), uuid::Uuid::new_v4());
    format!("{}:{grpc}/{process}/{one}", host.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_protocol::cluster::leader::elsewhere;
    use manager_protocol::store::Lease;

    #[test]
    fn others_find_the_manager_that_leads_by_machine_and_port() {
        let lease = Lease {
            holder: holder(9000),
            number: 3,
            counter: 9,
            term: 1,
            begun: 0,
        };
        let named = elsewhere(0, Some(&lease)).expect("another one leads");
        assert!(named.ends_with(":9000") && !named.contains('/'), "{named}");
    }
}
