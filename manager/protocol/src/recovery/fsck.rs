//! `fsck`: compares store and nodes and reports each difference. It only reads, and keeps the
//! order of the merge (rule 11), so that what is under way is never reported as a difference.

use crate::core::Core;
use crate::nodes::Node;
use crate::recovery::listed::Listed;
use crate::recovery::merge::{self, Doubt, MergeError, Standing, readable, standing};
use crate::recovery::quarantine;
use crate::store::{Record, State};
use futures::{StreamExt, TryStreamExt};
use messages::v1::Finding;
use messages::{FileName, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Records that are read at a time.
const PAGE: usize = 512;

/// Where findings go.
pub(crate) type Findings = mpsc::Sender<Finding>;

/// The kinds of difference.
mod kind {
    pub(super) const NODE_UNAVAILABLE: &str = "node-unavailable";
    pub(super) const BYTES_WITHOUT_RECORD: &str = "bytes-without-record";
    pub(super) const UNREADABLE: &str = "unreadable-file";
    pub(super) const MISSING_BYTES: &str = "missing-bytes";
    pub(super) const UNSETTLED: &str = "unsettled-record";
    pub(super) const QUARANTINED: &str = "quarantined";
    pub(super) const CORRUPT: &str = "corrupt-file";
}

/// Compares everything, and reports each difference as it is found.
///
/// # Errors
/// When store or nodes fail meanwhile: then nothing is certain.
pub async fn run(core: &Arc<Core>, findings: &Findings) -> Result<(), MergeError> {
    let before = unsettled(core).await?;
    for row in core.store.nodes().await? {
        match core.nodes.available(&row.id) {
            Some(node) => check_node(core, &node, findings).await?,
            None => {
                let records = !core.store.listed_on(&row.id, None, 1).await?.is_empty();
                if records {
                    tell(
                        findings,
                        kind::NODE_UNAVAILABLE,
                        &row.id,
                        "its files can't be checked",
                    )
                    .await;
                }
            }
        }
    }
    // What was unsettled before and has not changed since waits for something.
    let after = unsettled(core).await?;
    for (name, record) in after {
        let stuck = before
            .get(&name)
            .is_some_and(|b| b.rev == record.rev && b.id == record.id);
        if stuck && !core.is_busy(&record.id) {
            let detail = format!("it is {:?} at rev {}", record.state, record.rev);
            tell_record(findings, kind::UNSETTLED, &record, &detail).await;
        }
    }
    Ok(())
}

async fn unsettled(core: &Core) -> Result<BTreeMap<FileName, Record>, MergeError> {
    let mut all = BTreeMap::new();
    let mut after: Option<FileName> = None;
    loop {
        let page = core.store.unsettled(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(all);
        };
        after = Some(last.name.clone());
        all.extend(page.into_iter().map(|record| (record.name.clone(), record)));
    }
}

async fn check_node(
    core: &Arc<Core>,
    node: &Arc<Node>,
    findings: &Findings,
) -> Result<(), MergeError> {
    let mut inventory = node.link.inventory(false, 0).await?;
    while let Some(batch) = inventory.next().await {
        let entries = batch?.entries;
        for entry in entries.iter().filter(|entry| readable(entry).is_none()) {
            tell(findings, kind::UNREADABLE, &node.id, &entry.unreadable).await;
        }
        for (name, meta, leaf) in merge::unlisted(core, node, &entries).await? {
            let record = core.store.get(&name).await?;
            if standing(record.as_ref(), &node.id, meta) == Standing::Listed {
                continue;
            }
            // A delete may have ended since the inventory's line was read.
            let asked = messages::FileId::from_wire(&meta.id)
                .map(|id| crate::nodes::copy_ref(id, meta.generation, &name, Some(leaf)));
            let still = match asked {
                Ok(copy) => node.link.inspect(vec![copy]).await?.iter().any(|s| s.held),
                Err(_) => true,
            };
            if still {
                let found = Finding {
                    kind: kind::BYTES_WITHOUT_RECORD.to_owned(),
                    node_id: node.id.to_string(),
                    name: name.to_string(),
                    id: meta.id.clone(),
                    generation: meta.generation,
                    detail: "no record lists this copy".to_owned(),
                };
                // A caller that has gone needs no findings.
                let _ = findings.send(found).await;
            }
        }
    }
    check_records(core, node, findings).await?;
    check_corrupt(core, node, findings).await?;
    let mut quarantined = quarantine::list(node).await?;
    while let Some(held) = quarantined.try_next().await? {
        let meta = held.meta.unwrap_or_default();
        let found = Finding {
            kind: kind::QUARANTINED.to_owned(),
            node_id: held.node_id,
            name: meta.name,
            id: meta.id,
            generation: meta.generation,
            detail: held.reason,
        };
        let _ = findings.send(found).await;
    }
    Ok(())
}

/// Reports corrupt copies that count for a record; others are differences of other kinds.
async fn check_corrupt(core: &Core, node: &Node, findings: &Findings) -> Result<(), MergeError> {
    for copy in node.link.list_corrupt().await? {
        let Ok(name) = FileName::new(&copy.name) else {
            continue;
        };
        let Some(record) = core.store.get(&name).await? else {
            continue;
        };
        let counts = record.node == node.id
            && record.generation == copy.generation
            && record.id.as_bytes()[..] == copy.id[..];
        if counts {
            let detail = "its bytes do not match its record";
            tell_record(findings, kind::CORRUPT, &record, detail).await;
        }
    }
    Ok(())
}

async fn check_records(core: &Core, node: &Node, findings: &Findings) -> Result<(), MergeError> {
    let mut listed = Listed::on(core, &node.id, PAGE);
    while let Some(page) = listed.next().await? {
        for (record, doubt) in merge::doubted(core, node, &page).await? {
            if record.state != State::Stored {
                continue;
            }
            let (kind, why) = match doubt {
                Doubt::Denied => (kind::MISSING_BYTES, "its node denies it"),
                Doubt::Unreadable => (kind::UNREADABLE, "its node can't read it"),
            };
            tell_record(findings, kind, &record, why).await;
        }
    }
    Ok(())
}

async fn tell(findings: &Findings, kind: &str, node: &NodeId, detail: &str) {
    let found = Finding {
        kind: kind.to_owned(),
        node_id: node.to_string(),
        detail: detail.to_owned(),
        ..Finding::default()
    };
    let _ = findings.send(found).await;
}

async fn tell_record(findings: &Findings, kind: &str, record: &Record, detail: &str) {
    let found = Finding {
        kind: kind.to_owned(),
        node_id: record.node.to_string(),
        name: record.name.to_string(),
        id: record.id.to_wire(),
        generation: record.generation,
        detail: detail.to_owned(),
    };
    let _ = findings.send(found).await;
}
