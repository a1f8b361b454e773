//! What an answer holds until its bytes have gone to the socket. Over HTTP/2 the
//! library takes whole pieces and keeps them for as long as the client's windows
//! are closed: each piece holds its answer's places until it was written.

use super::activity::InFlight;
use super::gate::Place;
use bytes::Bytes;
use futures::task::AtomicWaker;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// Bytes of an answer that are handed on before they are written: one piece that is
/// on its way to the socket, and the next one, so that the socket never waits.
const AHEAD: usize = 2 * proto::CHUNK;

/// What an answer holds: given back with the last reference to it. That may happen
/// while the library holds its own locks, so nothing of the library may be held here.
pub(super) struct Holds {
    pub(super) in_flight: InFlight,
    /// Its place among requests or downloads.
    pub(super) _place: Option<Place>,
    /// The room of its head.
    pub(super) _head: Option<Place>,
}

/// An answer over HTTP/2 of which not all was written yet.
pub(super) struct Unsent {
    holds: Holds,
    /// Bytes handed on and not written.
    bytes: AtomicUsize,
    /// The answer's own task, which waits for room.
    room: AtomicWaker,
}

impl Unsent {
    pub(super) fn new(holds: Holds) -> Arc<Self> {
        Arc::new(Self {
            holds,
            bytes: AtomicUsize::new(0),
            room: AtomicWaker::new(),
        })
    }

    /// Ready while so little waits to be written that more may be handed on; when a
    /// piece is written, the waiting task is woken.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        self.room.register(cx.waker());
        // A piece may have been written just before the registration.
        match self.has_room() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Acquire) < AHEAD
    }

    /// The same bytes, which keep what the answer holds until they are written.
    pub(super) fn piece(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        self.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        self.holds.in_flight.gave(bytes.len() as u64);
        let answer = self.clone();
        Bytes::from_owner(Piece { bytes, answer })
    }
}

/// A piece of an answer.
struct Piece {
    bytes: Bytes,
    answer: Arc<Unsent>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let answer = &self.answer;
        answer.holds.in_flight.took(self.bytes.len() as u64);
        answer.bytes.fetch_sub(self.bytes.len(), Ordering::Release);
        answer.room.wake();
    }
}

#[cfg(test)]
mod tests;
