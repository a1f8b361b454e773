//! Measures the engines that could hold the manager's records: redb, fjall,
//! SQLite and LMDB. `engine-spike all` prints one markdown table.

mod engines;
mod work;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use work::Figures;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let figures = match words.as_slice() {
        ["all", base, records, seconds] => {
            return all(Path::new(base), records.parse()?, seconds.parse()?);
        }
        ["commits", engine, dir, writers, seconds, seed] => work::commits(
            engine,
            Path::new(dir),
            writers.parse()?,
            seconds.parse()?,
            seed.parse()?,
        )?,
        ["load", engine, dir, records] => work::load(engine, Path::new(dir), records.parse()?)?,
        ["reads", engine, dir, records, seconds] => {
            work::reads(engine, Path::new(dir), records.parse()?, seconds.parse()?)?
        }
        _ => bail!("usage: engine-spike all DIR RECORDS SECONDS"),
    };
    for (name, figure) in figures {
        println!("{name} {figure}");
    }
    // As after kill -9: nothing is closed, so that the next opening must recover.
    use std::io::Write;
    std::io::stdout().flush()?;
    if words[0] == "commits" {
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
    }
    Ok(())
}

/// Runs one measurement in a process of its own, so that memory and opening are its own.
fn child(args: &[&str]) -> Result<Figures> {
    let out = Command::new(std::env::current_exe()?).args(args).output()?;
    let text = String::from_utf8(out.stdout)?;
    ensure!(
        out.status.success() || args[0] == "commits" && !text.is_empty(),
        "{args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    eprintln!("{args:?}: {}", text.replace('\n', "  "));
    text.lines()
        .map(|line| {
            let (name, figure) = line.split_once(' ').context("name and figure")?;
            Ok((name.to_owned(), figure.parse()?))
        })
        .collect()
}

fn size_mib(dir: &Path) -> Result<f64> {
    let out = Command::new("du").args(["-sk"]).arg(dir).output()?;
    let text = String::from_utf8(out.stdout)?;
    Ok(text
        .split_whitespace()
        .next()
        .context("du")?
        .parse::<f64>()?
        / 1024.0)
}

fn all(base: &Path, records: u64, seconds: f64) -> Result<()> {
    let mut rows: BTreeMap<&str, Figures> = BTreeMap::new();
    let seconds_text = seconds.to_string();
    for round in ["1", "2"] {
        for writers in ["64", "1"] {
            for engine in engines::NAMES {
                let dir = base.join(format!("{engine}-{round}-{writers}"));
                let path = dir.to_str().context("path")?;
                let got = child(&["commits", engine, path, writers, &seconds_text, round])?;
                std::fs::remove_dir_all(&dir)?;
                keep(rows.entry(engine).or_default(), &format!("w{writers}"), got);
            }
        }
    }
    for engine in engines::NAMES {
        let dir = base.join(format!("{engine}-big"));
        let row = rows.entry(engine).or_default();
        big(engine, &dir, records, seconds, row)?;
        std::fs::remove_dir_all(&dir)?;
    }
    print(&rows);
    Ok(())
}

/// Everything that is measured on the large store.
fn big(engine: &str, dir: &PathBuf, records: u64, seconds: f64, row: &mut Figures) -> Result<()> {
    let (path, records, seconds) = (
        dir.to_str().context("path")?,
        records.to_string(),
        seconds.to_string(),
    );
    row.extend(child(&["load", engine, path, &records])?);
    row.insert("size_mib".into(), size_mib(dir)?);
    row.extend(child(&["reads", engine, path, &records, "3"])?);
    for round in ["11", "12"] {
        keep(
            row,
            "big64",
            child(&["commits", engine, path, "64", &seconds, round])?,
        );
        let after = child(&["reads", engine, path, &records, "1"])?;
        keep(
            row,
            "killed",
            Figures::from([("open_s".into(), after["open_s"])]),
        );
    }
    row.insert("size_after_mib".into(), size_mib(dir)?);
    Ok(())
}

/// Keeps the better of two rounds: the machine's other work only ever slows one down.
fn keep(row: &mut Figures, prefix: &str, got: Figures) {
    let faster = row
        .get(&format!("{prefix}_per_s"))
        .is_none_or(|old| got.get("per_s").is_none_or(|new| new > old));
    if faster {
        row.extend(
            got.into_iter()
                .map(|(name, figure)| (format!("{prefix}_{name}"), figure)),
        );
    }
}

fn print(rows: &BTreeMap<&str, Figures>) {
    println!("| |{}", engines::NAMES.map(|n| format!(" {n} |")).concat());
    println!("|---|{}", "---:|".repeat(engines::NAMES.len()));
    let mut names: Vec<&String> = rows.values().flat_map(Figures::keys).collect();
    names.sort();
    names.dedup();
    for name in names {
        let cell = |engine: &&str| match rows.get(engine).and_then(|row| row.get(name)) {
            Some(figure) if *figure >= 100.0 => format!(" {figure:.0} |"),
            Some(figure) => format!(" {figure:.2} |"),
            None => " |".to_owned(),
        };
        println!(
            "| {name} |{}",
            engines::NAMES.iter().map(cell).collect::<String>()
        );
    }
}
