//! How a drain stands, and why it holds where it does.

use crate::core::Core;
use crate::nodes::NodeReport;
use crate::state::StuckFiles;
use messages::NodeId;
use schemars::JsonSchema;
use serde::Serialize;

/// How many files that can't move are named.
const NAMES: usize = 3;

/// One drain, as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DrainLine {
    /// The node.
    pub node: String,
    /// Whether it was ordered; a node may also come with a sealed volume.
    pub ordered: bool,
    /// Whether the node itself takes no more files, durably.
    pub sealed: bool,
    /// Files still on it; missing while it is unavailable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_left: Option<u64>,
    /// Copies in quarantine, which only a person takes away.
    pub quarantined: u64,
    /// Files a second that left it over the last minute.
    pub rate: f64,
    /// Seconds until it is empty at that rate; missing while nothing leaves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
    /// Why it holds, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
}

/// What a drain may have to wait for.
#[derive(Debug, Default)]
struct Facts {
    store_away: Option<String>,
    unavailable: bool,
    /// Why it takes no writes, if it takes none.
    read_only: Option<String>,
    sealed: bool,
    files: u64,
    quarantined: u64,
    corrupt: Vec<String>,
    missing: Vec<String>,
    stuck: StuckFiles,
    short: Option<String>,
}

/// Why a drain holds; pure.
fn holds(facts: &Facts) -> Option<String> {
    if let Some(why) = &facts.store_away {
        return Some(format!("the metadata store is away: {why}"));
    }
    if facts.unavailable {
        return Some("the node is unavailable; its files stay its own until it is back".to_owned());
    }
    if let Some(why) = &facts.read_only {
        let why = match why.as_str() {
            "" => String::new(),
            why => format!(" ({why})"),
        };
        return Some(format!(
            "the node is read-only{why}: restart it once its disk takes writes"
        ));
    }
    if !facts.sealed {
        return Some("the node is not sealed yet".to_owned());
    }
    if let Some(short) = facts.short.as_ref().filter(|_| facts.files > 0) {
        return Some(short.clone());
    }
    for (names, what, cure) in [
        (&facts.corrupt, "corrupt", "delete them"),
        (
            &facts.missing,
            "missing",
            "delete them, or bring their bytes back",
        ),
    ] {
        if !names.is_empty() {
            let some = names[..names.len().min(NAMES)].join(", ");
            let more = if names.len() > NAMES { ", …" } else { "" };
            let count = names.len();
            return Some(format!(
                "{count} files can't move, they are {what} ({some}{more}): {cure}"
            ));
        }
    }
    if let Some(first) = facts.stuck.first.first()
        && facts.files <= facts.stuck.files
    {
        let (count, name, why) = (facts.stuck.files, &first.name, &first.why);
        return Some(format!(
            "the files that are left ({count}) could not be moved and are tried again; {name}: {why}"
        ));
    }
    (facts.files == 0 && facts.quarantined > 0).then(|| {
        let count = facts.quarantined;
        format!("{count} copies are in quarantine: adopt or remove them")
    })
}

/// A drained node, as it reports itself at this moment.
pub(super) struct Seen<'a> {
    id: &'a NodeId,
    report: NodeReport,
    /// Missing while it is unavailable.
    files: Option<u64>,
    corrupt: Vec<String>,
    read_only: Option<String>,
    rate: f64,
}

impl<'a> Seen<'a> {
    /// Reads what a node last reported.
    pub(super) fn now(core: &Core, id: &'a NodeId) -> Self {
        let node = core.nodes.available(id);
        let corrupt = node.as_ref().map(|node| node.corrupt()).unwrap_or_default();
        Self {
            id,
            report: node.as_ref().map(|node| node.report()).unwrap_or_default(),
            files: node.as_ref().map(|node| node.files()),
            corrupt: corrupt.iter().map(|copy| copy.name.clone()).collect(),
            read_only: node.as_ref().and_then(|node| node.read_only_why()),
            rate: node.as_ref().map_or(0.0, |node| node.leave_rate()),
        }
    }

    /// How its drain stands.
    pub(super) fn line(self, core: &Core, ordered: bool, short: Option<String>) -> DrainLine {
        let Self { report, rate, .. } = self;
        let facts = Facts {
            store_away: core.known.store_health.away(),
            unavailable: self.files.is_none(),
            read_only: self.read_only,
            sealed: report.sealed,
            files: self.files.unwrap_or(0),
            quarantined: report.quarantined,
            corrupt: self.corrupt,
            missing: core.known.missing.names_on(self.id),
            stuck: core.known.moves.stuck.on(self.id),
            short,
        };
        DrainLine {
            node: self.id.to_string(),
            ordered,
            sealed: report.sealed,
            files_left: self.files,
            quarantined: report.quarantined,
            rate,
            seconds_left: self
                .files
                .filter(|files| rate > 0.0 && *files > 0)
                .map(|files| (files as f64 / rate).round()),
            holds: holds(&facts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StuckFile;

    fn stuck(files: u64) -> StuckFiles {
        StuckFiles {
            files,
            first: vec![StuckFile {
                name: "a".to_owned(),
                node: "n".to_owned(),
                why: "the disk is full".to_owned(),
            }],
        }
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("f{i}")).collect()
    }

    #[test]
    fn a_drain_that_holds_says_what_it_waits_for() {
        let sealed = |change: fn(&mut Facts)| {
            let mut facts = Facts {
                sealed: true,
                files: 9,
                ..Facts::default()
            };
            change(&mut facts);
            facts
        };
        for (facts, reported) in [
            (sealed(|_| ()), None),
            (Facts::default(), Some("not sealed")),
            (
                sealed(|facts| facts.store_away = Some("gone".to_owned())),
                Some("store is away: gone"),
            ),
            (
                Facts {
                    unavailable: true,
                    ..Facts::default()
                },
                Some("unavailable"),
            ),
            (
                sealed(|facts| facts.read_only = Some("EROFS".to_owned())),
                Some("read-only (EROFS): restart it"),
            ),
            (
                sealed(|facts| facts.read_only = Some(String::new())),
                Some("read-only: restart it"),
            ),
            (
                sealed(|facts| facts.short = Some("5 bytes short".to_owned())),
                Some("5 bytes short"),
            ),
            (
                sealed(|facts| facts.corrupt = names(4)),
                Some("4 files can't move, they are corrupt (f0, f1, f2, …)"),
            ),
            (
                sealed(|facts| (facts.missing, facts.files) = (names(1), 0)),
                Some("missing (f0)"),
            ),
            (
                sealed(|facts| facts.stuck = stuck(9)),
                Some("left (9) could not be moved and are tried again; a: the disk is full"),
            ),
            (sealed(|facts| facts.stuck = stuck(8)), None),
            (
                sealed(|facts| {
                    (facts.quarantined, facts.files) = (2, 0);
                    facts.short = Some("no room".to_owned());
                }),
                Some("2 copies are in quarantine"),
            ),
        ] {
            let found = holds(&facts);
            match reported {
                None => assert_eq!(found, None, "{facts:?}"),
                Some(text) => assert!(
                    found.as_ref().is_some_and(|found| found.contains(text)),
                    "{facts:?}: {found:?}"
                ),
            }
        }
    }
}
