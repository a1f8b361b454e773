//! A volume that loses a file, or spoils it, while the file moves: the other copy counts
//! from then on, where it is whole (rule 17). Spoilt bytes that the node has not noticed
//! may count for ever, but are no answer to a read (invariant 3).
//!
//! A manager that was told just before that the first one is whole may doom the other. So
//! all of them are killed before, and what they have sent to the store has ended.

use crate::files::Files;
use crate::trouble::Trouble;
use manager_protocol::sim::{CopyKey, Memory};
use manager_protocol::store::{Copy, Record, State};
use manager_protocol::world::Runtime;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// When it begins to look for a file that moves, at the latest.
const BEGINS: Duration = Duration::from_secs(40);
/// How often it is looked for one, and how many times.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS: usize = 12_000;
/// How often it is looked whether the store has nothing to do, and how many times.
const QUIET: Duration = Duration::from_millis(100);
const QUIET_LOOKS: usize = 900;

/// What damages files in one run.
#[derive(Clone)]
pub(crate) struct Damage {
    pub(crate) trouble: Trouble,
    pub(crate) memory: Arc<Memory>,
    pub(crate) files: Files,
}

impl Damage {
    /// Waits for files that move, and damages them.
    pub(crate) async fn run(self) {
        let world = &self.trouble.world;
        world.pause(Duration::ZERO, BEGINS).await;
        let mut looks = 0;
        while !self.moving().any(|record| self.has_another(&record)) {
            looks += 1;
            if looks == LOOKS {
                return;
            }
            world.sleep(LOOK).await;
        }
        let mut killed = BTreeSet::new();
        for _ in 0..QUIET_LOOKS {
            let running = self.trouble.kill_all();
            // One that trouble has started again may have sent something just now.
            let quiet = running.is_empty() && self.trouble.store.under_way() == 0;
            killed.extend(running);
            if quiet {
                for record in self.moving() {
                    self.damage(&record);
                }
                break;
            }
            world.sleep(QUIET).await;
        }
        for place in killed {
            self.trouble.start_manager(place);
        }
    }

    /// Files that move, and of which no copy is doomed.
    fn moving(&self) -> impl Iterator<Item = Record> {
        let records = self.memory.records().into_iter();
        records.filter(|record| {
            let doomed = record.copies.iter().any(|copy| copy.doomed);
            record.state == State::Moving && !doomed
        })
    }

    fn has_another(&self, record: &Record) -> bool {
        let mut others = record.copies.iter().filter(|copy| !record.counts(copy));
        others.any(|copy| self.holds(record, copy))
    }

    fn holds(&self, record: &Record, copy: &Copy) -> bool {
        let nodes = &self.trouble.ground.nodes;
        let node = nodes.iter().find(|node| node.id == copy.node);
        node.is_some_and(|node| {
            let files = node.files();
            files
                .iter()
                .any(|(key, held)| *key == key_of(record, copy) && held.is_sound())
        })
    }

    fn damage(&self, record: &Record) {
        let world = &self.trouble.world;
        let Some(file) = self.files.of(record) else {
            return;
        };
        if !self.has_another(record) {
            self.files.excuse(file);
        }
        let Some(copy) = record.counting_copy() else {
            return;
        };
        let mut nodes = self.trouble.ground.nodes.iter();
        if let Some(node) = nodes.find(|node| node.id == copy.node) {
            let key = key_of(record, copy);
            let (spoilt, noticed) = [(false, true), (true, true), (true, false)]
                [usize::try_from(world.below(3)).unwrap_or_default()];
            world.note(format_args!(
                "{} damages file {file}, spoilt: {spoilt}, noticed: {noticed}",
                node.id
            ));
            node.damage(key, spoilt);
            if spoilt && noticed {
                node.scrub(key);
            }
            if !noticed {
                // Its node takes it for whole, so that the other copy may be removed.
                self.files.excuse(file);
            }
            self.files.damage(file);
        }
    }
}

fn key_of(record: &Record, copy: &Copy) -> CopyKey {
    CopyKey {
        id: record.id,
        generation: copy.generation,
    }
}
