//! The pages on installing and scaling, followed word for word.

use super::World;
use crate::cluster::binaries::workspace;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::io::Write;
use std::process::{Command, Stdio};

/// The namespace that the pages use.
pub(super) const NAMESPACE: &str = "dfs";
/// The Service of its managers.
const SERVICE: &str = "files-distributed-file-server-manager";

pub(super) async fn run(world: &mut World) -> Result<String> {
    let mut told = String::new();
    let mut count = 0;
    let pages = page("docs/kubernetes/install.md")? + &page("docs/kubernetes/scaling.md")?;
    for (language, code) in blocks(&pages) {
        let program = match language {
            "sh" => ["bash", "-euxs"],
            "python" => ["python3", "-"],
            "js" => ["node", "-"],
            _ => continue,
        };
        count += 1;
        if language != "sh" {
            let_in(world)?;
        }
        let code = match language {
            "sh" => code.to_owned(),
            _ => code.replace(
                &format!("http://{SERVICE}.{NAMESPACE}.svc:8000"),
                &world.kube.client(NAMESPACE, SERVICE, 8000)?.url(),
            ),
        };
        told += &input(program, &code).with_context(|| code.clone())?;
    }
    println!("{told}");
    for seen in [
        "Succeeded",
        "\"filename\":\"hello.txt\"",
        "b'hello'",
        "\nhello\n",
        "NodeRemoved",
    ] {
        ensure!(told.contains(seen), "no {seen:?} in {told}");
    }
    world
        .kube
        .kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])?;
    Ok(format!("{count} blocks of commands and code"))
}

/// This process calls from outside of the namespace, where the page's readers are in it.
fn let_in(world: &World) -> Result<()> {
    let policy = [
        "-n",
        NAMESPACE,
        "patch",
        "networkpolicy",
        SERVICE,
        "--type=merge",
    ];
    let found = world.kube.get(NAMESPACE, "networkpolicy", SERVICE)?;
    let mut ingress = found["spec"]["ingress"].clone();
    ingress[0]["from"] = json!([]);
    let patch = json!({ "spec": { "ingress": ingress } }).to_string();
    let patch = [&policy[..], &["-p", &patch]].concat();
    world.kube.kubectl(&patch).map(drop)
}

/// A page of the documentation.
pub(super) fn page(path: &str) -> Result<String> {
    std::fs::read_to_string(workspace().join(path)).context(path.to_owned())
}

/// The fenced blocks that name a language.
pub(super) fn blocks(text: &str) -> Vec<(&str, &str)> {
    let fenced = text.split("\n```").skip(1).step_by(2);
    fenced.filter_map(|block| block.split_once('\n')).collect()
}

fn input(program: [&str; 2], code: &str) -> Result<String> {
    let mut child = Command::new(program[0])
        .arg(program[1])
        .current_dir(workspace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| program[0].to_owned())?;
    let mut stdin = child.stdin.take().context("its input")?;
    stdin.write_all(code.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{}: {text}", output.status);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readme_begins_with_is_what_the_page_on_installing_has() {
        let install = page("docs/kubernetes/install.md").expect("a page");
        let readme = page("README.md").expect("a page");
        let commands = blocks(&readme);
        let commands = commands.iter().filter(|(language, _)| *language == "sh");
        assert!(commands.clone().count() > 0);
        for block in commands {
            assert!(blocks(&install).contains(block), "{block:?}");
        }
    }

    #[test]
    fn blocks_are_found_by_their_language() {
        let text = "a\n```\nx\n```\nb\n```sh\ny\nz\n```\n";
        assert_eq!(blocks(text), [("", "x"), ("sh", "y\nz")]);
    }
}
