//! What an error of the driver says about a change.

use manager_protocol::store::StoreError;
use mongodb::error::{Error, ErrorKind, WriteFailure};

/// The server's code for a key that is there already.
const DUPLICATE_KEY: i32 = 11_000;

/// Whether a write found its key taken: then it certainly did not happen.
pub(super) fn is_duplicate(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE_KEY,
        ErrorKind::Command(command) => command.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// What the driver says, as the store's error: but for a server that could not
/// be chosen, to which nothing was sent, the outcome is unknown.
pub(super) fn failed(error: Error) -> StoreError {
    match &*error.kind {
        ErrorKind::ServerSelection { .. } => StoreError::refused(error),
        _ => StoreError::unavailable(error),
    }
}
