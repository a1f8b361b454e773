//! The modules of each crate import each other in one direction. Modules of one parent
//! are the rooms of a floor here, and on no floor is there a circle of imports.

use anyhow::{Context, Result, ensure};
use e2e::cluster::binaries::workspace;
use e2e::repository::files;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::path::Path;

/// A module's path below its crate.
type Module = Vec<String>;
/// Which module imports which on one floor, and by which path.
type Floor = BTreeMap<String, BTreeMap<String, String>>;

/// The modules of a crate with their tokens, without those of its tests.
fn modules(
    folder: &Path,
    file: &Path,
    module: Module,
    found: &mut BTreeMap<Module, Vec<TokenTree>>,
) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let tokens: TokenStream = text.parse().map_err(|error| {
        let file = file.display();
        anyhow::anyhow!("{file}: {error}")
    })?;
    let tokens = without_tests(tokens);
    for three in tokens.windows(3) {
        let [word, name, end] = three else { continue };
        if word.to_string() != "mod" || end.to_string() != ";" {
            continue;
        }
        let name = name.to_string();
        let (flat, deep) = (folder.join(format!("{name}.rs")), folder.join(&name));
        let file = match flat.exists() {
            true => flat,
            false => deep.join("mod.rs"),
        };
        let child = [&module[..], &[name]].concat();
        modules(&deep, &file, child, found)?;
    }
    found.insert(module, tokens);
    Ok(())
}

/// Leaves out the items that `#[cfg(test)]` stands before.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut left = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_attribute = token.to_string() == "#";
        let tested = tokens
            .peek()
            .is_some_and(|next| is_attribute && next.to_string().replace(' ', "") == "[cfg(test)]");
        if !tested {
            left.push(token);
            continue;
        }
        while let Some(skipped) = tokens.next() {
            let ends = match &skipped {
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                TokenTree::Punct(punct) => punct.as_char() == ';',
                TokenTree::Ident(_) | TokenTree::Literal(_) => false,
            };
            // The braces of a `use` come before its semicolon.
            if ends && tokens.peek().is_none_or(|next| next.to_string() != ";") {
                break;
            }
        }
    }
    left
}

/// Every path that begins with `crate`, `super` or `self`, wherever it stands.
fn paths(tokens: &[TokenTree], found: &mut Vec<Module>) {
    let mut tokens = tokens.iter().cloned().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                paths(&inner, found);
            }
            TokenTree::Ident(ident) => {
                let word = ident.to_string();
                if ["crate", "super", "self"].contains(&word.as_str()) {
                    path(vec![word], &mut tokens, found);
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Reads a path on after its first words; each leaf of a tree in braces is a path.
fn path<I>(mut words: Module, tokens: &mut Peekable<I>, found: &mut Vec<Module>)
where
    I: Iterator<Item = TokenTree>,
{
    while tokens.next_if(|token| token.to_string() == ":").is_some() {
        tokens.next_if(|token| token.to_string() == ":");
        match tokens.peek() {
            Some(TokenTree::Ident(ident)) => words.push(ident.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let mut inner = group.stream().into_iter().peekable();
                while let Some(token) = inner.next() {
                    if let TokenTree::Ident(ident) = token {
                        let words = [&words[..], &[ident.to_string()]].concat();
                        path(words, &mut inner, found);
                    }
                }
                tokens.next();
                return;
            }
            _ => break,
        }
        tokens.next();
    }
    found.push(words);
}

/// How many re-exports of re-exports are followed.
const DEEP: usize = 8;

/// What a module imports by `use`: each name with the path that it stands for.
fn uses(tokens: &[TokenTree]) -> BTreeMap<String, Module> {
    let mut found = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        if token.to_string() == "use"
            && let Some(TokenTree::Ident(first)) = tokens.get(place + 1)
        {
            let mut rest = tokens[place + 2..].iter().cloned().peekable();
            path(vec![first.to_string()], &mut rest, &mut found);
        }
    }
    let named = found
        .into_iter()
        .filter_map(|path| Some((path.last()?.clone(), path)));
    named.collect()
}

/// The modules of a crate, and what each imports.
type Uses = BTreeMap<Module, BTreeMap<String, Module>>;

/// The module that a path names, as far as it names modules; where a parent only
/// re-exports a name, the module that the name comes from.
fn resolve(from: &[String], path: &[String], all: &Uses, deep: usize) -> Module {
    let mut at = from.to_vec();
    for (place, word) in path.iter().enumerate() {
        match word.as_str() {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            "self" if place == 0 => {}
            name => {
                let child = [&at[..], &[name.to_owned()]].concat();
                if all.contains_key(&child) {
                    at = child;
                    continue;
                }
                let handed_on = all.get(&at).and_then(|uses| uses.get(name));
                return match handed_on.filter(|_| place > 0 && deep > 0) {
                    Some(path) => resolve(&at, path, all, deep - 1),
                    None => at,
                };
            }
        }
    }
    at
}

/// Every floor of a crate, by the module that it lies in.
fn floors(all: &BTreeMap<Module, Vec<TokenTree>>) -> BTreeMap<Module, Floor> {
    let mut floors = BTreeMap::<Module, Floor>::new();
    let used = |(module, tokens): (&Module, &Vec<TokenTree>)| (module.clone(), uses(tokens));
    let used: Uses = all.iter().map(used).collect();
    for (from, tokens) in all {
        let mut found = Vec::new();
        paths(tokens, &mut found);
        for path in found {
            let to = resolve(from, &path, &used, DEEP);
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) {
                let floor = floors.entry(from[..shared].to_vec()).or_default();
                let beside = floor.entry(a.clone()).or_default();
                let told = format!("{} has {}", from.join("::"), path.join("::"));
                beside.entry(b.clone()).or_insert(told);
            }
        }
    }
    floors
}

/// The imports of a circle on a floor, where there is one.
fn circle(floor: &Floor) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    let mut way = Vec::new();
    let rooms: Vec<_> = floor.keys().collect();
    rooms
        .into_iter()
        .find_map(|room| walk(floor, room, &mut way, &mut done))
}

fn walk<'a>(
    floor: &'a Floor,
    room: &'a String,
    way: &mut Vec<(&'a String, &'a String)>,
    done: &mut BTreeSet<&'a String>,
) -> Option<Vec<String>> {
    if let Some(begin) = way.iter().position(|(from, _)| *from == room) {
        return Some(
            way[begin..]
                .iter()
                .map(|(_, told)| told.to_string())
                .collect(),
        );
    }
    if done.contains(room) {
        return None;
    }
    for (next, told) in floor.get(room).into_iter().flatten() {
        way.push((room, told));
        if let Some(found) = walk(floor, next, way, done) {
            return Some(found);
        }
        way.pop();
    }
    done.insert(room);
    None
}

#[test]
fn no_rooms_of_a_crate_import_each_other_in_a_circle() -> Result<()> {
    let roots = files(&["lib.rs", "main.rs"])?;
    ensure!(roots.len() >= 16, "{roots:?}");
    let mut told = Vec::new();
    for root in roots {
        let (folder, mut all) = (root.parent().context("a folder")?, BTreeMap::new());
        modules(folder, &root, Module::new(), &mut all)?;
        for (module, floor) in floors(&all) {
            if let Some(circle) = circle(&floor) {
                let room = folder.join(module.join("/"));
                told.push(format!("{}: {}", room.display(), circle.join(", ")));
            }
        }
    }
    ensure!(told.is_empty(), "circles of imports:\n{}", told.join("\n"));
    Ok(())
}

/// What the protocol may not reach for by itself: time, tasks, chance, disk and network
/// come through its `World`, its store and its nodes, so that a test can be all of them.
const OF_THE_WORLD: [&str; 14] = [
    "tokio::time",
    "tokio::task",
    "tokio::spawn",
    "tokio::net",
    "tokio::fs",
    "Instant::now",
    "SystemTime",
    "rand::",
    "RandomState",
    "new_v4",
    "FileId::random",
    "std::fs",
    "std::net",
    "std::thread",
];

#[test]
fn the_protocol_reaches_the_world_through_its_traits_alone() -> Result<()> {
    let root = workspace().join("manager/protocol/src/lib.rs");
    let folder = root.parent().context("a folder")?;
    let mut all = BTreeMap::new();
    modules(folder, &root, Module::new(), &mut all)?;
    ensure!(all.len() > 50, "{} modules", all.len());
    let mut told = Vec::new();
    for (module, tokens) in all {
        if module.first().is_some_and(|room| room == "sim") {
            continue;
        }
        let text: TokenStream = tokens.into_iter().collect();
        let text = text.to_string().replace(' ', "");
        // An unbiased one draws random numbers of its own.
        if text.matches("select!{").count() > text.matches("select!{biased;").count() {
            told.push(format!("{}: select! without biased", module.join("::")));
        }
        let reached = OF_THE_WORLD.iter().filter(|word| text.contains(**word));
        told.extend(reached.map(|word| format!("{}: {word}", module.join("::"))));
    }
    ensure!(told.is_empty(), "{}", told.join("\n"));
    Ok(())
}

#[test]
fn a_circle_is_found_wherever_its_paths_stand() {
    let parse = |text: &str| without_tests(text.parse().expect("tokens"));
    let module = |text: &str| text.split("::").map(str::to_owned).collect::<Module>();
    let with = |last: &str| {
        let texts = [
            ("a", "use crate::{x::Y, b::{self, C as D}};"),
            ("b", "fn f() { println!(\"{}\", super::c::deep::N) }"),
            ("c", ""),
            ("c::deep", last),
        ];
        let all = texts.map(|(name, text)| (module(name), parse(text)));
        floors(&all.into())
    };
    let circles = |floors: BTreeMap<Module, Floor>| floors.values().find_map(circle);
    let found = circles(with("use crate::a::E;")).expect("a circle");
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(circles(with("use super::super::x::E;")), None);
    // A name that the root only re-exports counts as its own module's.
    let handed_on = |root: &str| {
        let texts = [("a", "use crate::F;"), ("b", "use crate::a::G;"), ("c", "")];
        let mut all: BTreeMap<_, _> = texts.map(|(name, text)| (module(name), parse(text))).into();
        all.insert(Module::new(), parse(root));
        circles(floors(&all))
    };
    assert_eq!(handed_on("mod a; mod b; pub use c::F;"), None);
    assert!(handed_on("mod a; mod b; pub use b::{E, F};").is_some());
    let tested = "#[cfg(test)] use crate::a::{E, F}; #[cfg(test)] mod tests { use crate::a::E; }";
    assert_eq!(circles(with(tested)), None);
}
