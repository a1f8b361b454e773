//! What the service acknowledged, kept outside of it, and the load that fills
//! it: after any crash the two are compared (invariants 2 to 4).

use crate::content;
use crate::library::names;
use crate::wire::{self, Route};
use anyhow::Result;
use bytes::Bytes;
use client::{Client, Code, Error};
use parking_lot::Mutex;
use rand_xoshiro::rand_core::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How far a file got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Sent; no answer. It may be there whole, or not at all.
    Uploading,
    /// Acknowledged, or seen whole after a cut. It must be there.
    Stored,
    /// Its delete was sent; no answer. As `Uploading`.
    Deleting,
    /// Acknowledged, or seen absent after a cut. It must not be there.
    Deleted,
}

impl State {
    /// Whether nobody has acknowledged how it ended.
    fn is_doubt(self) -> bool {
        matches!(self, Self::Uploading | Self::Deleting)
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    seed: u64,
    size: usize,
    state: State,
    round: usize,
}

/// What one check found.
#[derive(Debug, Default, Clone)]
pub struct Findings {
    /// Files that were checked.
    pub checked: usize,
    /// Files whose state nobody had acknowledged.
    pub in_doubt: usize,
    /// What contradicts an acknowledgement.
    pub faults: Vec<String>,
}

/// How the load behaves.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Clients at once.
    pub clients: usize,
    /// Pause of a client after each acknowledgement.
    pub pause: Duration,
    /// Deletes in a hundred operations.
    pub deletes: u64,
}

/// The journal; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    files: Arc<Mutex<BTreeMap<String, Entry>>>,
}

/// How long one request of the load or check may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Journal {
    fn set(&self, name: &str, state: State) {
        if let Some(entry) = self.files.lock().get_mut(name) {
            entry.state = state;
        }
    }

    /// How many files of a round are in a state.
    pub fn count(&self, round: usize, state: State) -> usize {
        self.files
            .lock()
            .values()
            .filter(|e| e.round == round && e.state == state)
            .count()
    }

    /// The names of the files that must be there, once all doubts are settled.
    pub fn stored(&self) -> Vec<String> {
        let files = self.files.lock();
        let stored = files
            .iter()
            .filter(|(_, entry)| entry.state == State::Stored);
        stored.map(|(name, _)| name.clone()).collect()
    }

    /// Uploads and deletes until it is dropped or every client met an error.
    pub async fn load(&self, client: wire::Client, round: usize, seed: u64, load: Load) {
        let mut tasks = JoinSet::new();
        for number in 0..load.clients {
            let (journal, client) = (self.clone(), client.clone());
            let mut random = content::random(seed ^ (number as u64).wrapping_mul(0x9e37_79b9));
            tasks.spawn(async move {
                let mut mine = Vec::new();
                for count in 0_u64.. {
                    let delete = random.next_u64() % 100 < load.deletes;
                    let done = match mine.len() {
                        known @ 1.. if delete => {
                            let at = random.next_u64() as usize % known;
                            let name: String = mine.swap_remove(at);
                            journal.delete(&client, &name).await
                        }
                        _ => {
                            let name = format!("r{round}-c{number}-{count}");
                            let seed = random.next_u64();
                            let done = journal.upload(&client, &name, seed, round).await;
                            mine.push(name);
                            done
                        }
                    };
                    if done.is_err() {
                        // Its outcome is unknown; and most likely the power is off.
                        return;
                    }
                    tokio::time::sleep(load.pause).await;
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn upload(
        &self,
        client: &wire::Client,
        name: &str,
        seed: u64,
        round: usize,
    ) -> Result<()> {
        let size = match seed % 20 {
            0 => 200_000,
            1..=4 => 20_000,
            other => other as usize * 100,
        };
        let entry = Entry {
            seed,
            size,
            state: State::Uploading,
            round,
        };
        self.files.lock().insert(name.to_owned(), entry);
        let route = Route::ALL[seed as usize / 20 % Route::ALL.len()];
        let upload = client.upload(route, name, content::bytes(seed, size));
        tokio::time::timeout(PATIENCE, upload).await??.expect(201)?;
        self.set(name, State::Stored);
        Ok(())
    }

    async fn delete(&self, client: &wire::Client, name: &str) -> Result<()> {
        self.set(name, State::Deleting);
        tokio::time::timeout(PATIENCE, client.delete(name))
            .await??
            .expect(204)?;
        self.set(name, State::Deleted);
        Ok(())
    }

    /// Reads every file of the rounds from `from` on, then the listing. What was
    /// acknowledged must hold from the first moment. What was in doubt may be undecided
    /// until the janitor has settled it; then what is read decides it, and must stay true.
    pub async fn check(&self, client: &Client, from: usize) -> Result<Findings> {
        let chosen: Vec<(String, bool)> = {
            let files = self.files.lock();
            let chosen = files.iter().filter(|(_, entry)| entry.round >= from);
            chosen
                .map(|(name, entry)| (name.clone(), entry.state.is_doubt()))
                .collect()
        };
        let mut findings = Findings {
            checked: chosen.len(),
            ..Findings::default()
        };
        let (doubts, sure): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|(_, doubt)| *doubt);
        let names =
            |chosen: Vec<(String, bool)>| chosen.into_iter().map(|(name, _)| name).collect();
        self.check_all(client, names(sure), &mut findings).await?;
        wait_settled(client).await?;
        self.check_all(client, names(doubts), &mut findings).await?;
        self.check_listing(client, &mut findings).await?;
        Ok(findings)
    }

    async fn check_all(
        &self,
        client: &Client,
        names: Vec<String>,
        findings: &mut Findings,
    ) -> Result<()> {
        let queue = Arc::new(Mutex::new(names));
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let (journal, client, queue) = (self.clone(), client.clone(), Arc::clone(&queue));
            tasks.spawn(async move {
                let mut part = Findings::default();
                loop {
                    let name = queue.lock().pop();
                    let Some(name) = name else {
                        return anyhow::Ok(part);
                    };
                    journal.check_one(&client, &name, &mut part).await?;
                }
            });
        }
        while let Some(part) = tasks.join_next().await {
            let part = part??;
            findings.in_doubt += part.in_doubt;
            findings.faults.extend(part.faults);
        }
        Ok(())
    }

    async fn check_one(&self, client: &Client, name: &str, part: &mut Findings) -> Result<()> {
        let Some(entry) = self.files.lock().get(name).copied() else {
            return Ok(());
        };
        let seen = match patient_get(client, name).await? {
            Ok(body) if body == content::bytes(entry.seed, entry.size) => Ok(State::Stored),
            Ok(body) => Err(format!(
                "{} bytes instead of {}, or others",
                body.len(),
                entry.size
            )),
            Err(error) if error.code() == Some(Code::FileDoesNotExist) => Ok(State::Deleted),
            Err(error) => Err(format!("{error:?}")),
        };
        let doubt = entry.state.is_doubt();
        part.in_doubt += usize::from(doubt);
        match seen {
            Ok(seen) if doubt || seen == entry.state => self.set(name, seen),
            Ok(seen) => part
                .faults
                .push(format!("{name}: {:?}, but {seen:?}", entry.state)),
            Err(fault) => part
                .faults
                .push(format!("{name}: {:?}, but {fault}", entry.state)),
        }
        Ok(())
    }

    /// All files in doubt were read before, so the listing must agree exactly.
    async fn check_listing(&self, client: &Client, findings: &mut Findings) -> Result<()> {
        let listed = tokio::time::timeout(PATIENCE * 4, names(client)).await??;
        let files = self.files.lock();
        for name in &listed {
            if files
                .get(name)
                .is_none_or(|entry| entry.state == State::Deleted)
            {
                findings
                    .faults
                    .push(format!("{name}: listed, but deleted or never uploaded"));
            }
        }
        let stored = files
            .values()
            .filter(|entry| entry.state == State::Stored)
            .count();
        if stored != listed.len() {
            findings
                .faults
                .push(format!("{} listed, {stored} stored", listed.len()));
        }
        Ok(())
    }
}

/// Waits until the janitor has settled what a crash left open.
async fn wait_settled(client: &Client) -> Result<()> {
    crate::wait::until(PATIENCE * 2, async || {
        let status = client.status().await?;
        anyhow::ensure!(status.unsettled == 0, "{} unsettled", status.unsettled);
        Ok(())
    })
    .await
}

/// For a while after a start a read may fail.
async fn patient_get(client: &Client, name: &str) -> Result<Result<Bytes, Error>> {
    let start = std::time::Instant::now();
    loop {
        let read = async { client.get(name).await?.bytes().await };
        match tokio::time::timeout(PATIENCE, read).await? {
            Err(error) if error.is_retryable() && start.elapsed() <= PATIENCE / 2 => {}
            read => return Ok(read),
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
