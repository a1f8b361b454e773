use super::*;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

const DAY: Duration = Duration::from_secs(86_400);

fn day(day: u32) -> SystemTime {
    UNIX_EPOCH + DAY * (20_000 + day)
}

/// Runs it on a day, and gives its lines.
fn run(dir: &Path, release: &str, pools: &[&str], now: u32) -> anyhow::Result<Vec<String>> {
    let args = InitCertsArgs {
        dir: dir.to_owned(),
        release: release.to_owned(),
        pools: pools.iter().map(|&pool| pool.to_owned()).collect(),
        life: DAY * 30,
    };
    let mut out = Vec::new();
    init(&args, day(now), &mut out)?;
    let lines = String::from_utf8(out)?;
    Ok(lines.lines().map(str::to_owned).collect())
}

/// The states that it prints, one after another.
fn states(dir: &Path, pools: &[&str], now: u32) -> Vec<String> {
    let lines = run(dir, "dfs", pools, now).expect("made");
    let state = |line: &String| line.split_whitespace().nth(1).map(str::to_owned);
    lines.iter().filter_map(state).collect()
}

fn refused(dir: &Path, release: &str, now: u32) -> String {
    let refused = run(dir, release, &[], now).expect_err("refused");
    format!("{refused:#}")
}

#[test]
fn what_is_good_is_kept_and_the_rest_made_or_renewed() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("new").join("certs");
    assert_eq!(
        run(&dir, "dfs", &[], 0).expect("made"),
        [
            "authority    made until 2034-10-02T00:00:00Z",
            "manager      made until 2024-11-03T00:00:00Z",
            "operator     made until 2024-11-03T00:00:00Z",
            "node-default made until 2024-11-03T00:00:00Z",
        ]
    );
    assert_eq!(states(&dir, &[], 19), ["kept"; 4]);
    let more = states(&dir, &["a/b"], 19);
    assert_eq!(more, ["kept", "kept", "kept", "made", "kept"]);
    // The first ones are due, that of the new pool is not.
    let due = states(&dir, &[], 25);
    assert_eq!(due, ["kept", "renewed", "renewed", "kept", "renewed"]);
    // A run that ended before the certificate came, and one that replaced the key only.
    let manager = dir.join("manager");
    fs::remove_file(manager.join("tls.crt")).expect("removed");
    fs::copy(dir.join("operator/tls.key"), dir.join("node-a_b/tls.key")).expect("copied");
    fs::remove_file(dir.join("operator/ca.crt")).expect("removed");
    let mended = states(&dir, &[], 25);
    assert_eq!(mended, ["kept", "made", "renewed", "renewed", "kept"]);
    assert_eq!(states(&dir, &[], 25), ["kept"; 5]);
}

#[test]
fn a_new_authority_is_made_only_where_nobody_trusts_another_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    run(dir, "dfs", &[], 0).expect("made");
    let (authority, kept) = (dir.join("authority"), dir.join("kept"));
    fs::rename(&authority, &kept).expect("moved");
    let said = refused(dir, "dfs", 0);
    assert!(
        said.contains("there is no authority, but there is manager"),
        "{said}"
    );
    fs::rename(&kept, &authority).expect("moved");
    assert_eq!(states(dir, &[], 0), ["kept"; 4]);
    // Broken off before its certificate came, with nothing beside it.
    let begun = tempfile::tempdir().expect("a directory");
    fs::create_dir(begun.path().join("authority")).expect("made");
    fs::write(begun.path().join("authority/tls.key"), "half").expect("written");
    assert_eq!(states(begun.path(), &[], 0), ["made"; 4]);
}

#[test]
fn an_authority_that_can_not_be_used_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    run(dir, "dfs", &[], 0).expect("made");
    let said = refused(dir, "other", 0);
    assert!(
        said.starts_with("--release other: ") && said.ends_with("of release dfs"),
        "{said}"
    );
    let said = refused(dir, "dfs", 3651);
    assert!(said.contains("authority: it has expired"), "{said}");
    let (key, other) = (dir.join("authority/tls.key"), dir.join("manager/tls.key"));
    fs::copy(other, &key).expect("copied");
    let said = refused(dir, "dfs", 0);
    assert!(
        said.ends_with("authority: the key is not that of the certificate"),
        "{said}"
    );
    fs::remove_file(&key).expect("removed");
    assert!(refused(dir, "dfs", 0).ends_with("authority: tls.key is missing"));
    let file = dir.join("file");
    fs::write(&file, "").expect("written");
    assert!(refused(&file, "dfs", 0).ends_with("file: must be a folder"));
}

#[test]
fn one_run_at_a_time_changes_a_folder() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = Folders::open(dir.path()).expect("opened");
    let said = refused(dir.path(), "dfs", 0);
    assert!(said.ends_with("another run changes it now"), "{said}");
    drop(first);
    assert_eq!(states(dir.path(), &[], 0), ["made"; 4]);
}
