//! A new token and its line.

use super::file::{Digest, Entry};
use crate::Verb;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// What every token begins with, so that scanners for secrets find one that got lost.
const BEGINS: &str = "dfs_";

/// A token of 256 random bits, and the line of the file that lets it in.
///
/// # Errors
/// Names the field that the file would not take.
pub fn new(
    name: &str,
    rights: Vec<Verb>,
    prefix: Option<String>,
) -> Result<(String, String), String> {
    let secret: [u8; 32] = rand::random();
    let token = format!("{BEGINS}{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
    let entry = Entry {
        name: name.to_owned(),
        sha256: Digest::of(&token),
        rights,
        prefix,
        requests_per_second: None,
        bytes_per_second: None,
        stored_files: None,
        stored_bytes: None,
    };
    if let Some(fault) = entry.fault() {
        return Err(fault);
    }
    let line = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
    Ok((token, line))
}
