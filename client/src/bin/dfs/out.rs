//! What is printed: results on standard output, all else on standard error.

use crate::hint;
use crate::outcome::{Outcome, is_broken_pipe, is_unanswered};
use crate::progress::Progress;
use client::Error;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// How it is printed.
#[derive(Debug)]
pub(crate) struct Out {
    json: bool,
    quiet: bool,
    progress: Progress,
    /// Why a line could not be printed, the first time.
    unprinted: Mutex<Option<io::Error>>,
    /// Why the service is not reached, where that is known.
    away: Mutex<Option<String>>,
}

impl Out {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self {
            json,
            quiet,
            progress: Progress::new(!json && !quiet && io::stderr().is_terminal()),
            unprinted: Mutex::new(None),
            away: Mutex::new(None),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Shows how far it is.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// A result that was asked for: as JSON, or as this text.
    pub(crate) fn result(
        &self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> io::Result<()> {
        let line = match self.json {
            true => serde_json::to_string(value)?,
            false => text(),
        };
        self.line(&line)
    }

    /// That something was done with a file. What can't be printed is done all the same:
    /// [`Self::printed`] says why.
    pub(crate) fn done(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.quiet && !self.json {
            return;
        }
        if let Err(error) = self.result(value, text) {
            self.unprinted.lock().get_or_insert(error);
        }
    }

    /// What came of it, unless not all could be printed, which is said then.
    pub(crate) fn printed(&self, outcome: Outcome) -> Outcome {
        let Some(error) = self.unprinted.lock().take() else {
            return outcome;
        };
        let error = anyhow::Error::from(error).context("writing to standard output");
        self.failed(None, &error);
        outcome.and(Outcome::of_one(&error))
    }

    /// A line of standard output.
    pub(crate) fn line(&self, line: &str) -> io::Result<()> {
        let line = harmless(line, self.json);
        self.progress.beside(|| {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{line}")
        })
    }

    /// Something a person may want to know.
    pub(crate) fn note(&self, line: &str) {
        if !self.quiet && !self.json {
            self.stderr(line);
        }
    }

    /// Why the service is not reached from now on, for those whom it does not answer.
    #[cfg(all(unix, feature = "kube"))]
    pub(crate) fn because(&self, why: Option<String>) {
        *self.away.lock() = why;
    }

    /// What failed, and of which file.
    pub(crate) fn failed(&self, filename: Option<&str>, error: &anyhow::Error) {
        if is_broken_pipe(error) {
            return;
        }
        let known = hint::known(error);
        let unanswered = known.is_some_and(is_unanswered);
        let away = self.away.lock().clone().filter(|_| unanswered);
        let refusal = known.and_then(Error::refusal);
        let id = refusal.and_then(|refusal| refusal.request_id.as_deref());
        let hint = away.map(Cow::from).or_else(|| hint::of(error));
        if self.json {
            let line = json!({
                "filename": filename,
                "error": format!("{error:#}"),
                "code": known.and_then(Error::code).map(client::Code::number),
                "request_id": id,
                "hint": hint,
            });
            return self.stderr(&line.to_string());
        }
        let whose = filename.map(|name| format!("{name}: ")).unwrap_or_default();
        let id = id.map(|id| format!(" [request {id}]")).unwrap_or_default();
        let hint = hint.map(|hint| format!("\n  {hint}")).unwrap_or_default();
        self.stderr(&format!("dfs: {whose}{error:#}{id}{hint}"));
    }

    fn stderr(&self, line: &str) {
        let line = harmless(line, self.json);
        // Nobody is left to report it to.
        let _ = self
            .progress
            .beside(|| writeln!(io::stderr().lock(), "{line}"));
    }
}

/// The same without what would steer a terminal, or turn the order of its letters: names on
/// this machine and answers of a service may have it. In JSON it can only be within a string.
fn harmless(line: &str, json: bool) -> Cow<'_, str> {
    let steers = |c: char| match c {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    };
    if !line.contains(steers) {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len() + 8);
    for c in line.chars() {
        match (steers(c), json) {
            (false, _) => plain.push(c),
            (true, true) => plain.push_str(&format!("\\u{:04x}", u32::from(c))),
            (true, false) => plain.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(plain)
}

/// A size as people read it.
pub(crate) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

/// "1 file", "2 files".
pub(crate) fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// The time that is left, as an addition to a line; nothing where it is not known.
pub(crate) fn left(seconds: Option<f64>) -> String {
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(left)) => {
            let left = Duration::from_secs(left.as_secs());
            format!(", {} left", humantime::format_duration(left))
        }
        Some(Err(_)) | None => String::new(),
    }
}

/// The widest column; what is longer stands out of it.
const WIDEST: usize = 255;

/// Columns of equal width; those that are numbers are aligned at the right.
pub(crate) fn table<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    right: &[usize],
) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        let widest = cells.chain([head[column].len()]).max();
        widest.unwrap_or_default().min(WIDEST)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: [&str; N]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            match right.contains(&column) {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            }
        });
        let line: Vec<String> = padded.collect();
        line.join("  ").trim_end().to_owned()
    };
    let rows = rows
        .iter()
        .map(|row| line(row.each_ref().map(String::as_str)));
    let lines: Vec<String> = std::iter::once(line(head)).chain(rows).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_steers_a_terminal() {
        for (line, text, json) in [
            ("a b\n\tü", "a b\n\tü", "a b\n\tü"),
            ("\u{1b}]0;x\u{7}", "\\u{1b}]0;x\\u{7}", "\\u001b]0;x\\u0007"),
            (
                "\u{7f}\u{9b}\r",
                "\\u{7f}\\u{9b}\\u{d}",
                "\\u007f\\u009b\\u000d",
            ),
            ("a\u{202e}b", "a\\u{202e}b", "a\\u202eb"),
        ] {
            assert_eq!(harmless(line, false), text);
            assert_eq!(harmless(line, true), json);
        }
    }

    #[test]
    fn a_cell_of_any_length_is_printed() {
        let rows = [["x".repeat(70_000), "1".to_owned()]];
        assert!(table(["A", "B"], &rows, &[1]).len() > 70_000);
    }
}
