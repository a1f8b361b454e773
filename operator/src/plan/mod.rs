//! What is to be done about a pool, decided from what is there. Nothing here
//! asks or changes anything.

pub(crate) mod autoscale;
pub(crate) mod roll;
pub(crate) mod scale;
pub(crate) mod storage;
pub(crate) mod store;

/// What is written on a claim about its volume, by [`crate::mark`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing: a person made it, or an earlier release.
    #[default]
    Missing,
    /// No file is there: its node has never started, or left empty.
    Empty,
    /// Its node has started, and may have joined a store.
    Started,
    /// Its node joined with this volume.
    Volume(uuid::Uuid),
}

/// A node of the pool, as pods and managers report it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NodeFacts {
    /// Its ordinal.
    pub(crate) ordinal: i32,
    /// Its pod, if there is one.
    pub(crate) pod: Option<PodFacts>,
    /// What the managers know of it, if they do.
    pub(crate) known: Option<Known>,
    /// Its drain, if it is drained.
    pub(crate) drain: Option<DrainFacts>,
    /// Whether its claim is being deleted: it goes, files and all, when the pod stops.
    pub(crate) losing: bool,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PodFacts {
    /// The revision of the template that it was made of.
    pub(crate) revision: String,
    /// Whether it is ready.
    pub(crate) ready: bool,
    /// Why it is not, as far as the cluster says.
    pub(crate) why: Option<String>,
    /// Whether that is a failure, and not only that it is starting or stopping.
    pub(crate) fails: bool,
    /// The machine that it runs on.
    pub(crate) machine: Option<String>,
    /// Whether it has not been ready for so long that it may never be.
    pub(crate) overdue: bool,
    /// Whether it has not been ready yet since it was made.
    pub(crate) fresh: bool,
}

/// A node as the managers know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Whether it is joined and reports.
    pub(crate) available: bool,
    /// Whether its files and the records were compared since it joined.
    pub(crate) merged: bool,
    /// Its volume; all zero where it never joined.
    pub(crate) volume: uuid::Uuid,
    /// Copies whose bytes do not match their records.
    pub(crate) corrupt: u64,
    /// Why a node that came under its name is refused.
    pub(crate) refused: Option<Refusal>,
}

/// Why a node is not admitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// As the managers say it.
    pub(crate) why: String,
    /// What it is about.
    pub(crate) about: About,
}

/// What a refusal is about. Each of them keeps the pool as it is, but only the first can
/// be mended by another store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum About {
    /// The volume belongs to another store than the managers'.
    Store,
    /// The node has records on another volume than the one that came.
    Volume,
    /// Anything else.
    #[default]
    Other,
}

/// A drain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DrainFacts {
    /// Whether it was ordered, so that it outlives the node's absence; a node may
    /// also come with a sealed volume.
    pub(crate) ordered: bool,
    /// Sealed, and nothing left: no file, no copy in quarantine, no record.
    pub(crate) done: bool,
    /// No record lists it, and it never joined: what is on its volume is not known.
    pub(crate) unseen: bool,
    /// Records that list the node.
    pub(crate) records: u64,
    /// Files on it.
    pub(crate) files: u64,
    /// Why it holds, where it does.
    pub(crate) holds: Option<String>,
    /// Seconds until it is done, where that can be estimated.
    pub(crate) seconds_left: Option<u64>,
}

impl NodeFacts {
    /// Whether it serves: its pod is ready, and the managers have it joined and merged.
    pub(crate) fn serves(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.ready)
            && self
                .known
                .as_ref()
                .is_some_and(|known| known.available && known.merged)
    }

    /// Whether nothing is lost without it: the managers do not know it, or it was drained
    /// to the end. What lies in quarantine is seen only while the node is there.
    pub(crate) fn left_empty(&self) -> bool {
        let Some(known) = &self.known else {
            return true;
        };
        let drain = self.drain.as_ref().filter(|drain| drain.ordered);
        drain.is_some_and(|drain| drain.records == 0 && (drain.done || !known.available))
    }
}
