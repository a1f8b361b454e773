//! Does the same with many files at once, until all are done or somebody interrupts.

use crate::hint;
use crate::out::{Out, count, size};
use crate::outcome::Outcome;
use crate::progress::Counts;
use crate::signals::interrupted;
use client::Code;
use futures::{Stream, StreamExt};
use std::cell::Cell;
use std::future::Future;
use std::time::{Duration, Instant};

/// One file that is worked on.
pub(crate) struct Item<T> {
    /// What it is called in messages.
    pub(crate) name: String,
    pub(crate) what: T,
}

/// How a command does something with each.
pub(crate) struct Task<'a> {
    pub(crate) out: &'a Out,
    /// At once.
    pub(crate) jobs: u16,
    pub(crate) counts: &'a Counts,
}

/// What a command says of all.
pub(crate) struct Words {
    /// Such as "stored".
    pub(crate) done: &'static str,
    /// What is true of those that an interruption met under way.
    pub(crate) cut: &'static str,
    /// What is wrong where there is no file at all.
    pub(crate) none: &'static str,
    /// What helps then.
    pub(crate) hint: Option<String>,
}

/// What came of all.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Those with which it was done.
    pub(crate) files: u64,
    /// Those that failed.
    pub(crate) failed: u64,
    /// Those that an interruption met under way.
    pub(crate) under_way: u64,
    /// Bytes that were moved.
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    pub(crate) interrupted: bool,
    pub(crate) outcome: Outcome,
}

/// Does it with each, and says what came of all. `work` prints its result, and returns bytes.
pub(crate) async fn each<T, W, F>(
    task: &Task<'_>,
    words: &Words,
    items: impl Stream<Item = anyhow::Result<Item<T>>>,
    work: W,
) -> anyhow::Result<Outcome>
where
    W: Fn(String, T) -> F,
    F: Future<Output = anyhow::Result<u64>>,
{
    let tally = all(task, items, work).await?;
    if !tally.interrupted && tally.files + tally.failed == 0 {
        let none = hint::with(anyhow::anyhow!("{}", words.none), words.hint.clone());
        task.out.failed(None, &none);
        return Ok(Outcome::Refused(Code::FileDoesNotExist));
    }
    if tally.interrupted || tally.failed > 0 || tally.files != 1 {
        let done = format!("{} {}", words.done, count(tally.files, "file"));
        task.out.note(&tally.line(&done, words.cut));
    }
    Ok(tally.outcome)
}

/// Does it with each, until all are done or somebody interrupts.
pub(crate) async fn all<T, W, F>(
    task: &Task<'_>,
    items: impl Stream<Item = anyhow::Result<Item<T>>>,
    work: W,
) -> anyhow::Result<Tally>
where
    W: Fn(String, T) -> F,
    F: Future<Output = anyhow::Result<u64>>,
{
    let (begun, interrupted) = (Instant::now(), interrupted()?);
    let (files, bytes, under_way) = (Cell::new(0_u64), Cell::new(0_u64), Cell::new(0_u64));
    let (failed, outcome) = (Cell::new(0_u64), Cell::new(Outcome::Done));
    let done = items.for_each_concurrent(usize::from(task.jobs), async |item| {
        let (name, result) = match item {
            Ok(Item { name, what }) => {
                under_way.set(under_way.get() + 1);
                let result = work(name.clone(), what).await;
                under_way.set(under_way.get() - 1);
                (Some(name), result)
            }
            Err(error) => (None, Err(error)),
        };
        task.counts.ended();
        match result {
            Ok(moved) => {
                files.set(files.get() + 1);
                bytes.set(bytes.get() + moved);
            }
            Err(error) => {
                failed.set(failed.get() + 1);
                outcome.set(outcome.get().and(Outcome::of_one(&error)));
                task.out.failed(name.as_deref(), &error);
            }
        }
    });
    let interrupted = tokio::select! {
        () = done => false,
        () = interrupted => true,
    };
    task.out.progress().end();
    outcome.set(task.out.printed(outcome.get()));
    Ok(Tally {
        files: files.get(),
        failed: failed.get(),
        under_way: under_way.get(),
        bytes: bytes.get(),
        took: begun.elapsed(),
        interrupted,
        outcome: match interrupted {
            true => Outcome::Interrupted,
            false => outcome.get(),
        },
    })
}

impl Tally {
    /// So many more failed.
    pub(crate) fn add(&mut self, failed: u64, outcome: Outcome) {
        if failed > 0 {
            self.failed += failed;
            self.outcome = self.outcome.and(outcome);
        }
    }

    /// Of this and of what was done after it.
    pub(crate) fn and(self, next: &Self) -> Self {
        Self {
            files: self.files + next.files,
            failed: self.failed + next.failed,
            under_way: self.under_way + next.under_way,
            bytes: self.bytes + next.bytes,
            took: self.took + next.took,
            interrupted: self.interrupted || next.interrupted,
            outcome: self.outcome.and(next.outcome),
        }
    }

    /// A line about all of it: what was done, how much moved how fast, and what was not done.
    pub(crate) fn line(&self, done: &str, cut: &str) -> String {
        let mut line = format!("{done}{}", self.moved());
        if self.failed > 0 {
            line += &format!("; {} failed", self.failed);
        }
        if self.interrupted {
            line = format!("interrupted: {line}");
            if self.under_way > 0 {
                line += &format!("; {} under way: {cut}", self.under_way);
            }
        }
        line
    }

    fn moved(&self) -> String {
        let seconds = self.took.as_secs_f64();
        match self.bytes {
            0 => String::new(),
            bytes => {
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a rate for people"
                )]
                let rate = size((bytes as f64 / seconds) as u64);
                format!(", {} in {seconds:.1} s ({rate}/s)", size(bytes))
            }
        }
    }
}
