//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit status after a second signal: 128 and SIGINT's number.
const AT_ONCE: i32 = 130;

/// Listens for the signals and returns the token that the first one cancels.
///
/// # Errors
/// When the process can't listen for signals.
pub fn shutdown() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if asked {
                tracing::warn!("second signal: leaving at once");
                std::process::exit(AT_ONCE);
            }
            asked = true;
            tracing::info!("finishing what is under way; a second signal ends at once");
            cancelled.cancel();
        }
    });
    Ok(token)
}
