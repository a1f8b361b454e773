//! The programs on the page of other languages, each run beside a service that wants a
//! token, and what they print held against the page.

use super::session::same;
use super::{bash, read};
use crate::cluster::binaries;
use crate::tools;
use anyhow::{Context, Result, ensure};

const PAGE: &str = "docs/languages.md";

/// A language: its mark on the page, the tool that it needs beside the one that runs it, and
/// the arguments of that, of which the last is the file that holds the program.
struct Language {
    mark: &'static str,
    needs: &'static str,
    runs: &'static str,
    arguments: &'static [&'static str],
}

const LANGUAGES: [Language; 5] = [
    language("sh", "curl", "bash", &["hello.sh"]),
    language("python", "python3", "python3", &["hello.py"]),
    language("js", "node", "node", &["hello.js"]),
    language("go", "go", "go", &["run", "hello.go"]),
    language("java", "javac", "java", &["Hello.java"]),
];

const fn language(
    mark: &'static str,
    needs: &'static str,
    runs: &'static str,
    arguments: &'static [&'static str],
) -> Language {
    Language {
        mark,
        needs,
        runs,
        arguments,
    }
}

/// A service for callers with a token, which waits until its nodes serve.
const SERVICE: &str = r#"
manager token new --name languages --rights get,list,create,delete,admin >callers 2>token
manager standalone --auth tokens:callers >ready 2>log &
echo "header = \"Authorization: Bearer $(cat token)\"" >curl
for _ in $(seq 600); do
    count=$(curl -s -K curl http://127.0.0.1:8000/status | grep -o '"state":"available"' | wc -l)
    [ "$count" -eq 3 ] && break
    sleep 0.1
done
export DFS_URL=http://127.0.0.1:8000 DFS_CLIENT_TOKEN_FILE=token
"#;

/// Runs each program of the page whose language is there.
///
/// # Errors
/// Where one prints something else than the page shows.
pub(super) fn run() -> Result<()> {
    let page = read(PAGE)?;
    let mut run = Vec::new();
    for language in &LANGUAGES {
        let mark = language.mark;
        let (program, shown) = program(&page, mark).with_context(|| format!("{PAGE}: {mark}"))?;
        // By its path: ours come first there, and one of them is called node too.
        let found = tools::which(language.needs).and_then(|_| tools::which(language.runs));
        let Ok(tool) = found else {
            println!("{PAGE}: {mark} is left out: there is no {}", language.needs);
            continue;
        };
        let file = language.arguments.last().context("no file")?;
        let folder = tempfile::tempdir_in(binaries::scratch()?)?;
        std::fs::write(folder.path().join(file), program)?;
        let arguments = language.arguments.join(" ");
        let script = format!("{SERVICE}\n{} {arguments} 2>>log", tool.display());
        let printed = bash(folder.path(), &script)?;
        same(shown, &printed).with_context(|| format!("{PAGE}: {mark}"))?;
        run.push(mark);
    }
    println!(
        "{PAGE}: the programs in {} print what the page shows",
        run.join(", ")
    );
    Ok(())
}

/// The program of a language, and what the page says that it prints.
fn program<'a>(page: &'a str, mark: &str) -> Result<(&'a str, &'a str)> {
    let fence = format!("\n```{mark}\n");
    let (_, after) = page.split_once(&fence).context("has no program")?;
    let (program, after) = after.split_once("\n```\n").context("has no end")?;
    ensure!(!after.contains(&fence), "has two programs");
    let (says, after) = after.split_once("\n```\n").context("prints nothing")?;
    ensure!(says.trim() == "It prints:", "is followed by {says:?}");
    let (shown, _) = after
        .split_once("\n```\n")
        .context("has no end of what it prints")?;
    Ok((program, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_and_its_output_are_read_from_the_page() {
        let page = "a\n```js\nrun();\n```\n\nIt prints:\n\n```\n1\n2\n```\nb\n";
        assert_eq!(program(page, "js").expect("a program"), ("run();", "1\n2"));
        assert!(program(page, "go").is_err());
        assert!(program("a\n```js\nrun();\n```\n", "js").is_err());
    }
}
