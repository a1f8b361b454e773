//! Bars on a terminal: how much is done, how fast, and how long it still takes.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often a bar is drawn, a second.
const DRAWN: u8 = 10;
/// How often at least, also when nothing moves.
const TICK: Duration = Duration::from_millis(500);
const FILES: &str = "{bar:30} {bytes}/{total_bytes}  {msg}  {bytes_per_sec}  {eta} left";
const ONLY_FILES: &str = "{bar:30} {pos}/{len} files  {per_sec}  {eta} left";
const UNKNOWN: &str = "{spinner} {bytes}  {msg}  {bytes_per_sec}";

/// The bar of what is under way, if there is one.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: bool,
    bar: Mutex<Option<ProgressBar>>,
}

/// Files and bytes of a command.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    bar: ProgressBar,
    files: Arc<AtomicU64>,
    of: u64,
    only_files: bool,
}

/// The bytes of one file that are counted already. What an attempt that failed had moved is
/// taken back.
#[derive(Debug)]
pub(crate) struct OfFile {
    bar: ProgressBar,
    counted: AtomicU64,
}

impl Progress {
    pub(crate) fn new(shown: bool) -> Self {
        Self {
            shown,
            bar: Mutex::new(None),
        }
    }

    /// Whether it is worth counting beforehand.
    pub(crate) fn is_shown(&self) -> bool {
        self.shown
    }

    /// Begins a bar for so many files and bytes; without them it only shows the rate.
    pub(crate) fn begin(&self, total: Option<(u64, u64)>) -> Counts {
        match total {
            Some((files, bytes)) => self.begin_bar(ProgressBar::new(bytes), FILES, files, false),
            None => self.begin_bar(ProgressBar::no_length(), UNKNOWN, 0, false),
        }
    }

    /// Begins a bar for so many files of which no bytes move.
    pub(crate) fn begin_files(&self, files: u64) -> Counts {
        self.begin_bar(ProgressBar::new(files), ONLY_FILES, files, true)
    }

    fn begin_bar(&self, bar: ProgressBar, template: &str, of: u64, only_files: bool) -> Counts {
        bar.set_draw_target(match self.shown {
            true => ProgressDrawTarget::stderr_with_hz(DRAWN),
            false => ProgressDrawTarget::hidden(),
        });
        if self.shown {
            bar.enable_steady_tick(TICK);
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        *self.bar.lock() = Some(bar.clone());
        Counts {
            bar,
            files: Arc::default(),
            of,
            only_files,
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = self.bar.lock().take() {
            bar.finish_and_clear();
        }
    }

    /// Prints beside the bar.
    pub(crate) fn beside<T>(&self, print: impl FnOnce() -> T) -> T {
        let bar = self.bar.lock().clone();
        match bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Counts {
    /// Begins a file.
    pub(crate) fn file(&self) -> OfFile {
        OfFile {
            bar: self.bar.clone(),
            counted: AtomicU64::new(0),
        }
    }

    /// Of a file whose size was not known its size.
    pub(crate) fn grows(&self, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    /// A file ended.
    pub(crate) fn ended(&self) {
        let files = self.files.fetch_add(1, Ordering::Relaxed) + 1;
        if self.only_files {
            return self.bar.inc(1);
        }
        let message = match self.of {
            0 => format!("{files} files"),
            of => format!("{files}/{of} files"),
        };
        self.bar.set_message(message);
    }
}

impl OfFile {
    /// So much of it was moved.
    pub(crate) fn at(&self, bytes: u64) {
        let before = self.counted.swap(bytes, Ordering::Relaxed);
        match bytes.checked_sub(before) {
            Some(more) => self.bar.inc(more),
            None => self.bar.dec(before - bytes),
        }
    }
}
