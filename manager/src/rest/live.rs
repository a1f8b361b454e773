//! `GET /status` as a stream of server-sent events: the status at once, and again whenever
//! it has changed. It is read once a second for all streams together.

use super::caller::Caller;
use super::needs::Needs;
use super::{Rest, answer};
use crate::status;
use axum::body::Body;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Response, Uri};
use manager_callers::{Denied, Verb};
use manager_protocol::core::Core;
use manager_protocol::failure::Failure;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How often the status is read while somebody listens.
const EVERY: Duration = Duration::from_secs(1);
/// How often a stream says that it is there, and asks whether its caller still may.
const BEAT: Duration = Duration::from_secs(10);
/// What it says then: a comment, which clients pass by.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// The last event, kept up to date by one task while there are streams.
pub(super) struct Live {
    latest: watch::Sender<Bytes>,
    reading: Mutex<Option<JoinHandle<()>>>,
}

impl Live {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            latest: watch::Sender::new(Bytes::new()),
            reading: Mutex::new(None),
        })
    }

    /// The events from now on; the first reader begins the reading.
    fn listen(self: &Arc<Self>, core: &Arc<Core>) -> watch::Receiver<Bytes> {
        let events = self.latest.subscribe();
        self.go_on(core);
        events
    }

    /// Somebody listens, so it is read: for the first time, or since a reading broke off.
    fn go_on(self: &Arc<Self>, core: &Arc<Core>) {
        let mut reading = self.reading.lock();
        if reading.as_ref().is_none_or(JoinHandle::is_finished) {
            *reading = Some(tokio::spawn(self.clone().read(core.clone())));
        }
    }

    /// Reads the status until nobody listens.
    async fn read(self: Arc<Self>, core: Arc<Core>) {
        let mut last = Vec::new();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.ends() {
                return;
            }
            let mut status = status::status(&core).await;
            // The age of a count is another each second, and nothing has changed by it.
            let counted = status.counted_seconds_ago.take();
            let known = serde_json::to_vec(&status).unwrap_or_default();
            if known == last {
                continue;
            }
            status.counted_seconds_ago = counted;
            let text = serde_json::to_string(&status).unwrap_or_default();
            let event = format!("event: status\ndata: {text}\n\n");
            self.latest.send_replace(event.into());
            last = known;
        }
    }

    /// Whether nobody listens: then the next one begins anew.
    fn ends(&self) -> bool {
        let mut reading = self.reading.lock();
        let ends = self.latest.receiver_count() == 0;
        if ends {
            self.latest.send_replace(Bytes::new());
            *reading = None;
        }
        ends
    }
}

/// Answers with a stream.
///
/// # Errors
/// Code 9 where there are as many as there may be.
pub(super) async fn stream(rest: &Arc<Rest>, parts: &Parts) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(parts)?;
    let place = rest.gates.live(&caller.client).await?;
    let events = rest.live.listen(&rest.core);
    let mut headers = HeaderMap::new();
    for token in parts.headers.get_all(AUTHORIZATION) {
        headers.append(AUTHORIZATION, token.clone());
    }
    let asked = Asked {
        rest: rest.clone(),
        client: caller.client.clone(),
        uri: parts.uri.clone(),
        headers,
    };
    let mut response = Response::new(Body::from_stream(told(asked, events)));
    caller.hold(place);
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, answer::EVENTS);
    answer::as_it_comes(fields);
    Ok(response)
}

/// Who listens, as they asked for it.
struct Asked {
    rest: Arc<Rest>,
    client: Arc<super::client::Client>,
    uri: Uri,
    headers: HeaderMap,
}

impl Asked {
    /// Whether they still may. While that can't be checked they go on.
    async fn may(&self) -> bool {
        let now = self.rest.core.world.unix_ms() / 1000;
        let (needs, share) = (Needs::Right(Verb::Admin), &self.client.strangers);
        let admitted = self
            .rest
            .admits
            .admit(needs, &self.uri, &self.headers, share, now);
        !matches!(
            admitted.await,
            Err((
                Denied::Missing | Denied::Unknown | Denied::Forbidden { .. },
                _
            ))
        )
    }
}

fn told(
    asked: Asked,
    mut events: watch::Receiver<Bytes>,
) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + Send {
    async_stream::stream! {
        let shutdown = asked.rest.shutdown.clone();
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once, and the caller was let in just now.
        beats.tick().await;
        // What others had last, if there is anything.
        events.mark_changed();
        loop {
            tokio::select! {
                changed = events.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let event = events.borrow_and_update().clone();
                    if !event.is_empty() {
                        yield Ok(event);
                    }
                }
                _ = beats.tick() => {
                    if !asked.may().await {
                        break;
                    }
                    asked.rest.live.go_on(&asked.rest.core);
                    yield Ok(COMMENT);
                }
                () = shutdown.cancelled() => break,
            }
        }
    }
}
