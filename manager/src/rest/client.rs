//! One client has a share of every bound, so that no single one can take all places from
//! the others (invariant 9).

use super::allowance::Allowance;
use super::turns::Turns;
use crate::limits::RestLimits;
use crate::metrics::Counts;
use manager_callers::{Rates, Share};
use manager_protocol::nodes::NodeShares;
use manager_protocol::world::World;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// One client's shares.
pub(super) struct Client {
    pub(super) uploads: Arc<Semaphore>,
    pub(super) upload_bytes: Arc<Semaphore>,
    pub(super) downloads: Arc<Semaphore>,
    pub(super) requests: Arc<Semaphore>,
    pub(super) heads: Arc<Semaphore>,
    /// Streams of the status.
    pub(super) live: Arc<Semaphore>,
    /// Downloads that have a stream from a node, for each node.
    pub(super) reads: Arc<NodeShares>,
    /// The same for uploads.
    pub(super) writes: Arc<NodeShares>,
    /// HTTP/2 connections with wide windows.
    pub(super) wide: Arc<Semaphore>,
    /// In which its connections are served.
    pub(super) turns: Arc<Turns>,
    /// Questions about tokens of its that nobody knows yet.
    pub(super) strangers: Share,
    /// Its rates.
    pub(super) allowance: Allowance,
    /// What it asks for and moves, counted by its name.
    named: OnceLock<Arc<Counts>>,
    /// The same while it has told no name.
    unnamed: Arc<Counts>,
    most_at_once: usize,
}

/// Streams of the status at once.
pub(super) const STATUS_STREAMS: usize = 64;
/// HTTP/2 connections with wide windows at once.
pub(super) const H2_WIDE_PLACES: usize = 20;
/// The least share of heads: the longest head that can be allowed fits in.
const LONGEST_HEADS: usize = 2 << 20;
/// The part of a share that no single piece of a body claims, for the first bytes.
const BESIDE_FIRST: usize = 2 * proto::SMALL;

impl Client {
    /// Whoever is charged for the bytes of a file, if somebody is.
    pub(super) fn pays(self: &Arc<Self>) -> Option<Arc<Self>> {
        self.allowance.counts_bytes().then(|| self.clone())
    }

    /// The most that one piece of a body claims: it must fit in beside what its
    /// own upload holds already.
    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once
    }

    /// What it asks for and moves, for the metrics.
    pub(super) fn counts(&self) -> &Arc<Counts> {
        self.named.get().unwrap_or(&self.unnamed)
    }

    /// Its name is known from now on.
    pub(super) fn is_named(&self, counts: impl FnOnce() -> Arc<Counts>) {
        self.named.get_or_init(counts);
    }

    /// The client of this number.
    pub(super) fn new(
        number: u64,
        world: &World,
        limits: &RestLimits,
        rates: &Rates,
        unnamed: &Arc<Counts>,
    ) -> Arc<Self> {
        let share = |bound| Arc::new(Semaphore::new(limits.share_of(bound)));
        let bytes = usize::try_from(limits.max_upload_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        let heads = usize::try_from(limits.max_request_heads).unwrap_or(Semaphore::MAX_PERMITS);
        let streams_share = limits.share_of(proto::STREAMS as usize);
        let streams = || NodeShares::new(number, world, streams_share, limits.max_wait);
        let bytes_share = limits.share_of(bytes).max(2 * BESIDE_FIRST);
        Arc::new(Self {
            uploads: share(limits.max_uploads),
            upload_bytes: Arc::new(Semaphore::new(bytes_share)),
            downloads: share(limits.max_downloads),
            requests: share(limits.max_requests),
            heads: Arc::new(Semaphore::new(limits.share_of(heads).max(LONGEST_HEADS))),
            live: share(STATUS_STREAMS),
            reads: streams(),
            writes: streams(),
            wide: share(H2_WIDE_PLACES),
            turns: Turns::new(),
            strangers: Share::new(limits.client_share),
            allowance: Allowance::new(rates, limits),
            named: OnceLock::new(),
            unnamed: unnamed.clone(),
            most_at_once: bytes_share - BESIDE_FIRST,
        })
    }
}
