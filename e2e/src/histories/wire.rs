//! One client's connections to the managers, which distinguish requests that
//! were never sent from those whose answer was lost.

use crate::wire::{Answer, Body, Connection};
use http::Request;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What became of a request.
pub(super) enum Sent {
    Answer(Answer),
    /// No manager can have seen it.
    Never,
    /// It may have been carried out or not; the text says why nobody knows.
    Lost(&'static str),
}

impl Sent {
    /// The outcome in a word, for people.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Answer(answer) => match answer.outcome() {
                (status, Some(code)) => format!("{status}/{code}"),
                (status, None) => status.to_string(),
            },
            Self::Never => "not sent".to_owned(),
            Self::Lost(why) => (*why).to_owned(),
        }
    }
}

/// Connections of one client, one to each manager.
pub(super) struct Wire {
    managers: Vec<(SocketAddr, Option<Connection>)>,
    /// How long it waits for an answer.
    patience: Duration,
}

impl Wire {
    pub(super) fn new(managers: &[SocketAddr], patience: Duration) -> Self {
        let managers = managers.iter().map(|address| (*address, None)).collect();
        Self { managers, patience }
    }

    /// Sends a request to one manager.
    pub(super) async fn send(&mut self, manager: usize, request: Request<Body>) -> Sent {
        let until = Instant::now() + self.patience;
        let (address, kept) = &mut self.managers[manager];
        let kept = kept.take().filter(Connection::is_open);
        let mut connection = match kept {
            Some(connection) => connection,
            None => match timeout_at(until, Connection::open(*address)).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(_)) | Err(_) => return Sent::Never,
            },
        };
        match timeout_at(until, connection.send(request)).await {
            Ok(Ok(answer)) => {
                self.managers[manager].1 = Some(connection);
                Sent::Answer(answer)
            }
            Ok(Err(_)) => Sent::Lost("broken"),
            Err(_) => Sent::Lost("given up"),
        }
    }
}
