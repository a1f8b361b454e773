//! Bounds on what is in flight: a request beyond one, or beyond its client's share of
//! one, waits, and after `--max-wait` is answered code 9 (invariant 9).

use super::client::{Client, STATUS_STREAMS};
use crate::limits::RestLimits;
use crate::metrics::InFlight;
use bytes::Bytes;
use manager_protocol::failure::Failure;
use manager_protocol::waiters::{NoPlace, Waiters};
use manager_protocol::world::World;
use prometheus_client::metrics::gauge::Gauge;
use proto::{Code, SMALL};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bounds of one manager.
pub(super) struct Gates {
    uploads: Gate,
    upload_bytes: Gate,
    downloads: Gate,
    requests: Gate,
    heads: Gate,
    live: Gate,
}

/// About what serving a request costs in memory beside its head.
const REQUEST: u64 = 2 << 10;

/// Places in a bounded set, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _own: OwnedSemaphorePermit,
    _permit: OwnedSemaphorePermit,
    taken: Gauge,
    places: i64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.dec_by(self.places);
    }
}

struct Gate {
    world: World,
    places: Arc<Semaphore>,
    /// How many are taken, for the metrics.
    taken: Gauge,
    wait: Duration,
    /// The flag that sets the bound.
    flag: &'static str,
}

impl Gate {
    fn new(
        world: &World,
        places: usize,
        taken: &Gauge,
        wait: Duration,
        flag: &'static str,
    ) -> Self {
        Self {
            world: world.clone(),
            places: Arc::new(Semaphore::new(places)),
            taken: taken.clone(),
            wait,
            flag,
        }
    }

    /// Takes places out of the client's share, and then out of all: a request that
    /// waits for its client's share takes no place from other clients.
    async fn enter(
        &self,
        share: &Arc<Semaphore>,
        places: u32,
        waiters: &Waiters,
    ) -> Result<Place, Failure> {
        let refused = |whose: &str, none: NoPlace| {
            let why = format_args!("{}{whose} are in flight{none}", self.flag);
            Failure::new(Code::TooManyRequests).because(why)
        };
        let own = waiters.take(&self.world, share, places, self.wait).await;
        let own = own.map_err(|none| refused(" of --client-share of this client", none))?;
        let permit = waiters
            .take(&self.world, &self.places, places, self.wait)
            .await;
        let permit = permit.map_err(|none| refused("", none))?;
        let places = places.into();
        self.taken.inc_by(places);
        Ok(Place {
            _own: own,
            _permit: permit,
            taken: self.taken.clone(),
            places,
        })
    }
}

impl Gates {
    pub(super) fn new(world: &World, limits: &RestLimits, metrics: &InFlight) -> Self {
        let wait = limits.max_wait;
        let gate = |places, taken, wait, flag| Gate::new(world, places, taken, wait, flag);
        let bytes = usize::try_from(limits.max_upload_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            uploads: gate(limits.max_uploads, &metrics.uploads, wait, "--max-uploads"),
            upload_bytes: gate(bytes, &metrics.upload_bytes, wait, "--max-upload-bytes"),
            downloads: gate(
                limits.max_downloads,
                &metrics.downloads,
                wait,
                "--max-downloads",
            ),
            requests: gate(
                limits.max_requests,
                &metrics.requests,
                wait,
                "--max-requests",
            ),
            heads: gate(
                usize::try_from(limits.max_request_heads).unwrap_or(Semaphore::MAX_PERMITS),
                &metrics.request_heads,
                Duration::ZERO,
                "--max-request-heads",
            ),
            live: gate(
                STATUS_STREAMS,
                &metrics.status_streams,
                Duration::ZERO,
                "64 streams of /status",
            ),
        }
    }

    /// For an upload, before its body is read.
    pub(super) async fn upload(
        &self,
        client: &Arc<Client>,
        waiters: &Waiters,
    ) -> Result<Admitted<'_>, Failure> {
        Ok(Admitted {
            _place: self.uploads.enter(&client.uploads, 1, waiters).await?,
            gates: self,
            client: client.clone(),
            waiters: waiters.clone(),
            first: Vec::new(),
            copied: 0,
        })
    }

    /// For every request, before anything else: the room that its head takes. Requests
    /// that wait for a place hold it too, so it is never waited for.
    pub(super) async fn head(&self, client: &Client, bytes: u64) -> Result<Place, Failure> {
        let bytes = u32::try_from(bytes + REQUEST).unwrap_or(u32::MAX);
        self.heads
            .enter(&client.heads, bytes, &Waiters::UNBOUNDED)
            .await
    }

    /// For a request that is neither an upload nor a download.
    pub(super) async fn request(&self, client: &Client) -> Result<Place, Failure> {
        self.requests
            .enter(&client.requests, 1, &Waiters::UNBOUNDED)
            .await
    }

    /// For a stream of the status, which may last for days: it takes none of the places of
    /// other requests, and does not wait for one.
    pub(super) async fn live(&self, client: &Client) -> Result<Place, Failure> {
        self.live.enter(&client.live, 1, &Waiters::UNBOUNDED).await
    }

    /// For a download or a listing.
    pub(super) async fn download(&self, client: &Client) -> Result<Place, Failure> {
        self.downloads
            .enter(&client.downloads, 1, &Waiters::UNBOUNDED)
            .await
    }
}

/// An upload that has its place, and the room that its bytes take.
pub(super) struct Admitted<'a> {
    _place: Place,
    gates: &'a Gates,
    client: Arc<Client>,
    waiters: Waiters,
    /// For its first bytes, which are kept in memory until it is known whether
    /// the file is a small one.
    first: Vec<Place>,
    copied: usize,
}

impl Admitted<'_> {
    /// Lets a piece of the file in once there is room for it, which it holds
    /// until the last reference to its bytes is gone.
    ///
    /// # Errors
    /// Code 9 when no room comes free in time.
    pub(super) async fn hold(&mut self, piece: Bytes) -> Result<Bytes, Failure> {
        let (gate, share) = (&self.gates.upload_bytes, &self.client.upload_bytes);
        let moved = piece.len() as u64;
        self.client.allowance.charge(moved, Instant::now());
        let all = self.copied.saturating_add(piece.len());
        if all <= SMALL {
            // First bytes are copied, so their room is claimed in steps, not by the byte.
            while all > self.first.len() * STEP {
                self.first
                    .push(gate.enter(share, STEP as u32, &self.waiters).await?);
            }
            self.copied = all;
            return Ok(piece);
        }
        // From here on nothing is copied any more.
        self.copied = SMALL;
        let most = self.client.most_at_once();
        let places = u32::try_from(piece.len().min(most)).unwrap_or(u32::MAX);
        let place = gate.enter(share, places, &self.waiters).await?;
        // The first bytes go out before this piece, and their room with it.
        let mut places = std::mem::take(&mut self.first);
        places.push(place);
        Ok(Bytes::from_owner(Held {
            bytes: piece,
            _places: places,
        }))
    }
}

/// The steps in which room for an upload's first bytes is claimed.
const STEP: usize = 8 << 10;

/// Bytes with the room that they take.
struct Held {
    bytes: Bytes,
    _places: Vec<Place>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::world;
    use manager_callers::Rates;

    fn limits(flags: &[&str]) -> RestLimits {
        RestLimits::given(flags).expect("good flags")
    }

    #[tokio::test(start_paused = true)]
    async fn past_a_bound_a_request_waits_and_then_gets_code_9() {
        let gate = Gate::new(
            &world(),
            1,
            &Gauge::default(),
            Duration::from_secs(5),
            "full",
        );
        let share = Arc::new(Semaphore::new(2));
        let held = gate
            .enter(&share, 1, &Waiters::UNBOUNDED)
            .await
            .expect("the first is let in");
        let refused = gate
            .enter(&share, 1, &Waiters::UNBOUNDED)
            .await
            .expect_err("there is one place");
        assert_eq!(refused.code, Code::TooManyRequests);
        assert!(refused.retry_after.is_some());
        let (entered, ()) = tokio::join!(gate.enter(&share, 1, &Waiters::UNBOUNDED), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(held);
        });
        assert!(entered.is_ok(), "a place that comes free in time is taken");
        assert_eq!(gate.taken.get(), 1);
        drop(entered);
        assert_eq!(gate.taken.get(), 0);
        assert_eq!(share.available_permits(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_leaves_places_to_others() {
        let limits = limits(&["--max-uploads=4", "--client-share=75"]);
        let gates = Gates::new(&world(), &limits, &InFlight::default());
        let (greedy, modest) = (
            Client::new(0, &world(), &limits, &Rates::default(), &Arc::default()),
            Client::new(0, &world(), &limits, &Rates::default(), &Arc::default()),
        );
        let waiters = Waiters::UNBOUNDED;
        let mut held = Vec::new();
        while let Ok(place) = gates.upload(&greedy, &waiters).await {
            held.push(place);
        }
        assert_eq!(held.len(), 3);
        assert!(gates.upload(&modest, &waiters).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_holds_what_is_buffered_of_it() {
        let limits = limits(&["--max-upload-bytes=1MiB", "--client-share=100"]);
        let metrics = InFlight::default();
        let gates = Gates::new(&world(), &limits, &metrics);
        let client = Client::new(0, &world(), &limits, &Rates::default(), &Arc::default());
        let upload = gates.upload(&client, &Waiters::UNBOUNDED);
        let mut upload = upload.await.expect("a place");
        for _ in 0..100 {
            upload.hold(Bytes::from_static(b"x")).await.expect("room");
        }
        assert_eq!(metrics.upload_bytes.get(), STEP as i64);
        let held = upload.hold(vec![0; 900 << 10].into()).await.expect("room");
        let part = held.slice(..10);
        drop(held);
        let more = upload.hold(vec![0; 200 << 10].into()).await;
        assert_eq!(more.expect_err("full").code, Code::TooManyRequests);
        drop(part);
        let huge = upload.hold(vec![0; 2 << 20].into()).await;
        assert!(huge.is_ok(), "one piece alone is always let in");
        drop(huge);
        drop(upload);
        assert_eq!(metrics.upload_bytes.get(), 0);
    }
}
