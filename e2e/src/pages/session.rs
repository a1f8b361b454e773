//! A session on a page: commands behind a `$`, each with what it prints.

use anyhow::{Context, Result, ensure};
use regex::Regex;

/// A command and what the page shows of its output.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) command: String,
    pub(super) shown: String,
}

/// What differs from run to run, and what stands for it in a comparison.
const VARIABLE: [(&str, &str); 6] = [
    (
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "ID",
    ),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
    (
        r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
        "DATE",
    ),
    (r"x-request-id: [0-9a-f]{16}", "x-request-id: ID"),
    (r"\bnode-\d\b", "node-N"),
    // Of the photo, which is another one here.
    (
        r#""size":3000000,(.*?)"sha256":"[0-9a-f]{64}""#,
        r#""size":3000000,$1"sha256":"SHA""#,
    ),
];

/// The blocks of a page, without their fences.
pub(super) fn blocks(page: &str) -> impl Iterator<Item = &str> {
    let parts = page.split("```").skip(1).step_by(2);
    parts.map(|block| block.split_once('\n').map_or(block, |(_, text)| text))
}

/// The steps of all blocks that begin with a command.
pub(super) fn session(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in blocks(page).filter(|block| block.starts_with("$ ")) {
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step {
                    command: command.to_owned(),
                    shown: String::new(),
                });
            } else if let Some(step) = steps.last_mut() {
                step.shown.push_str(line);
                step.shown.push('\n');
            }
        }
    }
    steps
}

/// Compares what a page shows with what was printed; `…` stands for anything.
///
/// # Errors
/// With both, where they differ.
pub(super) fn same(shown: &str, printed: &str) -> Result<()> {
    let (shown, printed) = (steady(shown)?, steady(printed)?);
    let pattern = regex::escape(&shown).replace('…', ".*");
    let pattern = Regex::new(&format!("(?s)^{pattern}$")).context("the page's text")?;
    ensure!(
        pattern.is_match(&printed),
        "the page shows\n{shown}\nand it prints\n{printed}"
    );
    Ok(())
}

/// A text without what differs from run to run.
fn steady(text: &str) -> Result<String> {
    let mut text = text.replace('\r', "").trim().to_owned();
    for (pattern, name) in VARIABLE {
        text = Regex::new(pattern)?.replace_all(&text, name).into_owned();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_their_output_are_read_from_all_blocks() {
        let page = "a\n```\n$ one\n1\n2\n$ two\n```\nb\n```sh\nnone\n```\n```\n$ three\n3\n```\n";
        let steps = session(page);
        let found: Vec<_> = steps
            .iter()
            .map(|s| (s.command.as_str(), s.shown.as_str()))
            .collect();
        assert_eq!(found, [("one", "1\n2\n"), ("two", ""), ("three", "3\n")]);
    }

    #[test]
    fn ids_and_times_may_differ_and_nothing_else() {
        let shown = r#"{"id":"01a210eb-4e12-73ea-91ea-c90301660f8e",…,"node":"node-1"}"#;
        let printed = r#"{"id":"01a26ac1-0000-7000-8000-000000000000","size":1,"node":"node-3"}"#;
        assert!(same(shown, printed).is_ok());
        assert!(same(shown, &printed.replace("size", "node-x")).is_ok());
        assert!(same(shown, &printed.replace("\"id\"", "\"ID\"")).is_err());
        assert!(same("{\"code\":2}", "{\"code\":3}").is_err());
        assert!(same("", "x").is_err());
    }
}
