//! Questions before something is deleted.

use crate::outcome::Outcome;
use crate::signals::interrupted;
use anyhow::{Context, Result};
use std::io::{self, BufRead, IsTerminal, Write};

/// Whether there is somebody who can answer.
pub(crate) fn can_answer() -> bool {
    io::stdin().is_terminal()
}

/// Asks; what is not agreed to comes of it where it isn't [`Outcome::Done`].
pub(crate) async fn agrees(question: String) -> Result<Outcome> {
    let interrupted = interrupted()?;
    let answer = tokio::task::spawn_blocking(move || {
        let mut stderr = io::stderr().lock();
        write!(stderr, "{question} [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        io::Result::Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    });
    tokio::select! {
        answer = answer => match answer?.context("reading the answer")? {
            true => Ok(Outcome::Done),
            false => Ok(Outcome::Failed),
        },
        () = interrupted => Ok(Outcome::Interrupted),
    }
}
