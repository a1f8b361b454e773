//! What must hold of store and nodes once all is settled.

use crate::files::{Files, Number};
use manager_protocol::sim::{Ground, Memory};
use manager_protocol::store::{Record, State};
use std::collections::BTreeSet;

/// Everything that is wrong with records and copies, in words.
pub(crate) fn wrong(
    ground: &Ground,
    memory: &Memory,
    files: &Files,
    kept: &BTreeSet<Number>,
    gone: &BTreeSet<Number>,
) -> Vec<String> {
    let records = memory.records();
    let undue = memory.dooms().undue().into_iter();
    let undue = undue.map(|copy| format!("{copy:?} was removed, and no record had doomed it"));
    let mut wrong: Vec<String> = undue.collect();
    for record in &records {
        let excused = files.of(record).is_some_and(|file| files.is_excused(file));
        if !excused {
            wrong.extend(record_is_wrong(ground, files, record));
        }
        if let Some(file) = files.of(record).filter(|file| gone.contains(file)) {
            wrong.push(format!(
                "file {file} came back after its delete: {record:?}"
            ));
        }
    }
    let there: BTreeSet<_> = records
        .iter()
        .filter_map(|record| files.of(record))
        .collect();
    for file in kept.difference(&there) {
        wrong.push(format!("file {file} of {} is lost", files.name(*file)));
    }
    for node in &ground.nodes {
        for (key, held) in node.files() {
            let lists = |record: &&Record| {
                record.id == key.id
                    && record
                        .copies
                        .iter()
                        .any(|copy| copy.node == node.id && copy.generation == key.generation)
            };
            if !records.iter().any(|record| lists(&record)) {
                wrong.push(format!(
                    "{} has {} without a record: {key:?}",
                    node.id, held.name
                ));
            }
        }
        // Nothing here was set back, abandoned or rebuilt: no bytes lose their record.
        for (key, held) in node.quarantined() {
            wrong.push(format!(
                "{} has {} in quarantine: {key:?}",
                node.id, held.name
            ));
        }
        if node.open_creates() > 0 {
            wrong.push(format!("{} has creates that never end", node.id));
        }
    }
    wrong
}

/// Invariant 5, and that the record is settled.
fn record_is_wrong(ground: &Ground, files: &Files, record: &Record) -> Option<String> {
    let node = ground.nodes.iter().find(|node| node.id == record.node);
    let why = if record.state != State::Stored || record.copies.len() != 1 {
        "is not settled"
    } else if let Some(node) = node {
        let copies = node.files();
        let held = copies
            .iter()
            .find(|(key, _)| key.id == record.id && key.generation == record.generation);
        match (held, files.of(record)) {
            (None, _) => "is not on its node",
            (Some(_), None) => "is no client's",
            (Some((_, held)), Some(file)) if held.bytes != files.bytes(file) => "has other bytes",
            (Some((_, held)), Some(_)) if held.name != record.name => "has another name there",
            (Some(_), Some(_)) => return None,
        }
    } else {
        "names no node"
    };
    Some(format!("{} {why}: {record:?}", record.name))
}
