//! What documents and comments point at is there: links and their headings, paths of
//! this repository, numbers of rules and invariants.

use anyhow::{Context, Result, ensure};
use e2e::cluster::binaries::workspace;
use e2e::repository::files;
use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// The text of a page without its fenced blocks.
fn prose(page: &str) -> String {
    let parts = page.split("\n```").enumerate();
    let outside = parts.filter(|(place, _)| place % 2 == 0);
    outside.map(|(_, part)| part).collect()
}

/// What the links of a text lead to.
fn links(text: &str) -> Vec<&str> {
    let starts = text.split("](").skip(1);
    starts
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .collect()
}

/// What a text has in backquotes.
fn codes(text: &str) -> Vec<&str> {
    let lines = text.lines();
    lines
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

/// The anchors of a page, as GitHub and mdBook make them of its headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let text = format!("\n{}", prose(page));
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || "-_".contains(c) => Some(c),
            _ => None,
        });
        kept.collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_to_a_page_and_a_heading() -> Result<()> {
    let mut broken = Vec::new();
    let mut count = 0;
    for path in files(&[".md"])? {
        let page = read(&path)?;
        for link in links(&prose(&page)) {
            if link.contains("://") {
                continue;
            }
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().context("a folder")?.join(file),
            };
            let good = match anchor {
                "" => target.exists(),
                anchor => read(&target).is_ok_and(|page| anchors(&page).contains(anchor)),
            };
            if !good {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    ensure!(count > 100, "{count} links");
    ensure!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

#[test]
fn every_page_of_the_book_is_in_its_contents() -> Result<()> {
    let docs = workspace().join("docs");
    let contents = read(&docs.join("SUMMARY.md"))?;
    let listed: BTreeSet<_> = links(&contents).into_iter().collect();
    for path in files(&[".md"])? {
        if let Ok(page) = path.strip_prefix(&docs)
            && page != Path::new("SUMMARY.md")
        {
            let page = page.to_string_lossy();
            ensure!(listed.contains(&*page), "{page} is not in SUMMARY.md");
        }
    }
    Ok(())
}

#[test]
fn every_path_that_documents_name_is_there() -> Result<()> {
    let root = workspace();
    let rooms = [
        "charts/",
        "console/",
        "crds/",
        "docs/",
        "e2e/",
        "manager/",
        "node/",
        "operator/",
        "proto/",
    ];
    let (mut missing, mut count) = (Vec::new(), 0);
    for path in files(&[".md"])? {
        for code in codes(&prose(&read(&path)?)) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
            let is_path =
                rooms.iter().any(|room| code.starts_with(room)) && code.chars().all(plain);
            if is_path {
                count += 1;
                if !root.join(code).exists() {
                    missing.push(format!("{}: {code}", path.display()));
                }
            }
        }
    }
    ensure!(count > 100, "{count} paths");
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

/// A section of a page.
fn section<'a>(page: &'a str, heading: &str) -> Result<&'a str> {
    let (_, rest) = page
        .split_once(&format!("\n## {heading}\n"))
        .context(heading.to_owned())?;
    Ok(rest.split("\n## ").next().unwrap_or_default())
}

/// The numbers that the first column of a section's table has.
fn numbered(page: &str, section: &str) -> Result<BTreeSet<u32>> {
    let rows = self::section(page, section)?
        .lines()
        .filter_map(|line| line.strip_prefix("| "));
    Ok(rows
        .filter_map(|row| row.split(' ').next()?.parse().ok())
        .collect())
}

/// The numbers that follow a word, as in "rules 3, 4 and 5".
fn cited(text: &str, word: &str) -> Vec<u32> {
    // In comments they may stand on two lines.
    let lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches(['/', '!']).trim());
    let text = lines.collect::<Vec<_>>().join(" ");
    let mut numbers = Vec::new();
    for rest in text.split(word).skip(1) {
        let rest = rest.strip_prefix('s').unwrap_or(rest);
        let Some(rest) = rest.strip_prefix(' ') else {
            continue;
        };
        for part in rest.split([' ', ',']).filter(|part| !part.is_empty()) {
            let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
            match digits.parse() {
                Ok(number) => numbers.push(number),
                Err(_) if part == "and" || part == "or" => continue,
                Err(_) => break,
            }
            if digits.len() < part.len() {
                break;
            }
        }
    }
    numbers
}

#[test]
fn rules_and_invariants_that_are_cited_are_in_the_architecture() -> Result<()> {
    let architecture = read(&workspace().join("ARCHITECTURE.md"))?;
    for (word, section, at_least) in [("rule", "Rules", 17), ("invariant", "Invariants", 9)] {
        let known = numbered(&architecture, section)?;
        ensure!(known.len() >= at_least, "{section}: {known:?}");
        let mut used = BTreeSet::new();
        for path in files(&[".rs", ".md", ".proto"])? {
            for number in cited(&read(&path)?, word) {
                let place = path.display();
                ensure!(known.contains(&number), "{place} cites {word} {number}");
                used.insert(number);
            }
        }
        ensure!(used.len() > known.len() / 2, "{used:?} of {known:?}");
    }
    Ok(())
}

#[test]
fn crash_points_bear_the_names_of_the_crash_steps() -> Result<()> {
    let architecture = read(&workspace().join("ARCHITECTURE.md"))?;
    let steps = section(&architecture, "Crash steps and their recovery")?;
    let steps = steps.lines().filter_map(|line| line.strip_prefix("| "));
    let is_step = |word: &&str| word.len() == 2 && word.ends_with(|c: char| c.is_ascii_digit());
    let steps: BTreeSet<_> = steps
        .filter_map(|row| row.split(' ').next())
        .filter(is_step)
        .collect();
    let points = || {
        manager_protocol::failpoints::ALL
            .iter()
            .chain(node::failpoints::ALL)
    };
    let named = points().filter_map(|point| point.split([':', '_']).nth(2));
    let named: BTreeSet<_> = named.map(str::to_uppercase).collect();
    ensure!(steps.len() >= 11, "{steps:?}");
    // A crash point that is in no list is never tested.
    let mut in_code = BTreeSet::new();
    for path in files(&[".rs"])? {
        let text = read(&path)?;
        let calls = text.split("crash_here!(\"").skip(1);
        let named = calls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
        in_code.extend(named.filter(|name| name.contains("::")));
    }
    let listed: BTreeSet<_> = points().map(|point| (*point).to_owned()).collect();
    ensure!(in_code == listed, "{in_code:?} but {listed:?}");
    ensure!(
        named.iter().map(String::as_str).eq(steps.iter().copied()),
        "{steps:?} but {named:?}"
    );
    Ok(())
}

/// A file that its program does not name would never be compiled.
#[test]
fn every_file_of_tests_is_in_its_program() -> Result<()> {
    let mut count = 0;
    for program in ["service", "repository"] {
        let folder = workspace().join("e2e/tests").join(program);
        let main = read(&folder.join("main.rs"))?;
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let module = path.file_stem().context("a file")?.to_string_lossy();
            let named = format!("mod {module};");
            let is_named = main.lines().any(|line| line == named);
            ensure!(
                is_named || module == "main",
                "{}: no `{named}`",
                path.display()
            );
            count += 1;
        }
    }
    ensure!(count > 50, "{count} files");
    Ok(())
}

#[test]
fn citations_are_read_as_people_write_them() {
    let text = "(rule 3), rules\n    /// 4, 5 and 16: by rule 7. The rules of 8, and rule of 9.";
    assert_eq!(cited(text, "rule"), [3, 4, 5, 16, 7]);
    let page = "# A b\n\n```\n# no\n```\n## It's `x`, no?\n";
    assert_eq!(anchors(page), ["a-b", "its-x-no"].map(str::to_owned).into());
}
