//! The asynchronous runtime of manager and nodes.

use std::io;
use tokio::runtime::{Builder, Runtime};

/// Tasks that a busy thread takes from its queue before it asks the kernel what else is
/// ready. The library's 61 are milliseconds where each of them moves some bytes, and whoever
/// asks for something small meanwhile waits as long.
const BETWEEN_EVENTS: u32 = 8;

/// Starts it, with a thread for each core.
///
/// # Errors
/// When the system gives no thread.
pub fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .event_interval(BETWEEN_EVENTS)
        .build()
}
