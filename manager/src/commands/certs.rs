//! `manager certs`: certificates of the inner ports, for processes on machines. Each folder
//! that it makes is what one kind of process is given.

mod folders;
mod plan;

use crate::config::{CertsArgs, CertsCommand, InitCertsArgs};
use anyhow::{Context, bail, ensure};
use authority::{Authority, Certificate, Validity};
use folders::Folders;
use kit::tls::FILES;
use plan::{AUTHORITY, Found, State, Wanted};
use std::io::Write;
use std::time::{Duration, SystemTime};

/// The files of a folder.
const CERT: &str = FILES[0];
const KEY: &str = FILES[1];
const TRUST: &str = FILES[2];
/// The life of an authority: ten years.
const LIFE: Duration = Duration::from_secs(3650 * 86_400);

/// Makes what is missing, renews what is due, and prints a line for each folder.
///
/// # Errors
/// Names the flag or the folder, and what helps.
pub fn run(args: CertsArgs) -> anyhow::Result<()> {
    let CertsCommand::Init(args) = args.command;
    init(&args, SystemTime::now(), &mut std::io::stdout())
}

fn init(args: &InitCertsArgs, now: SystemTime, out: &mut impl Write) -> anyhow::Result<()> {
    let folders = Folders::open(&args.dir)?;
    let pools = plan::pools(&args.pools, &folders.nodes()?)
        .with_context(|| args.dir.display().to_string())?;
    let wanted = plan::wanted(&args.release, &pools)?;
    let longest = wanted.iter().map(|each| each.folder.len()).max();
    let width = longest.unwrap_or_default().max(AUTHORITY.len());
    let mut say = |folder: &str, state: State, validity: Validity| {
        let until = humantime::format_rfc3339_seconds(validity.not_after);
        writeln!(out, "{folder:width$} {state} until {until}")
    };
    let (authority, state) = authority(&folders, &args.release, now)?;
    say(AUTHORITY, state, authority.validity())?;
    for each in &wanted {
        let (state, validity) = certificate(&folders, each, &authority, args.life, now)?;
        say(&each.folder, state, validity)?;
    }
    if authority.validity().is_due(now) {
        let folder = folders.path(AUTHORITY);
        let folder = folder.display();
        writeln!(
            std::io::stderr(),
            "manager: {folder}: it is old; make another one in a new folder before it ends"
        )?;
    }
    Ok(())
}

/// The authority that is there, or a new one where nothing is.
fn authority(
    folders: &Folders,
    release: &str,
    now: SystemTime,
) -> anyhow::Result<(Authority, State)> {
    let (path, found) = (folders.path(AUTHORITY), folders.read(AUTHORITY)?);
    let folder = path.display();
    let Some(cert) = found.cert else {
        if let Some(other) = folders.others()?.first() {
            bail!(
                "{folder}: there is no authority, but there is {other}: programs that run do not \
                 trust a new one. Bring it back from a backup, or begin in a new folder"
            );
        }
        let made = Authority::new(release, LIFE, now)?;
        folders.write(AUTHORITY, &[(KEY, made.key()), (CERT, made.cert())])?;
        return Ok((made, State::Made));
    };
    let key = found
        .key
        .with_context(|| format!("{folder}: tls.key is missing"))?;
    let kept = Authority::from_pem(&cert, &key).with_context(|| folder.to_string())?;
    let its = kept.release();
    ensure!(
        its == release,
        "--release {release}: {folder} is the authority of release {its}"
    );
    ensure!(
        !kept.validity().has_expired(now),
        "{folder}: it has expired; begin in a new folder"
    );
    Ok((kept, State::Kept))
}

/// Brings one folder up to date.
fn certificate(
    folders: &Folders,
    wanted: &Wanted,
    authority: &Authority,
    life: Duration,
    now: SystemTime,
) -> anyhow::Result<(State, Validity)> {
    let Wanted { folder, identity } = wanted;
    let found = folders.read(folder)?;
    let state = plan::state(&found, authority, identity, now);
    let cert = match (state, found) {
        (State::Kept, Found { cert: Some(it), .. }) => it,
        _ => {
            let pair = authority.sign(identity, life, now)?;
            // The certificate comes last: with it all is there.
            let files = [
                (TRUST, authority.cert()),
                (KEY, &pair.key),
                (CERT, &pair.cert),
            ];
            folders.write(folder, &files)?;
            pair.cert
        }
    };
    Ok((state, Certificate::from_pem(&cert)?.validity()))
}

#[cfg(test)]
mod tests;
