//! The library for programs as runs and tests call it: what fails is seen, since nothing is
//! tried again unless they say so.

use anyhow::{Context, Result, bail};
use client::{Builder, Client, Code, Error};
use futures::TryStreamExt;
use std::net::SocketAddr;
use std::time::Duration;

/// A client of the REST API at an address, with a bearer token or none, which calls once.
///
/// # Errors
/// Where it can't be a token.
pub fn once(address: SocketAddr, token: Option<&str>) -> Result<Client> {
    let builder = calling_once(&format!("http://{address}"))?;
    let builder = match token {
        Some(token) => builder.token(token)?,
        None => builder,
    };
    Ok(builder.build()?)
}

/// Makes a client of the REST API at a URL, which calls once.
///
/// # Errors
/// Where it is no URL.
pub fn calling_once(url: &str) -> Result<Builder> {
    Ok(Client::builder(url)?.deadline(Duration::ZERO))
}

/// The names of all files.
///
/// # Errors
/// Where they are not all listed.
pub async fn names(client: &Client) -> Result<Vec<String>, Error> {
    let names = client.list("").map_ok(|file| file.file.filename);
    names.try_collect().await
}

/// Checks that the service refused a call, with this code.
///
/// # Errors
/// What came of it instead.
pub fn refused<T>(done: Result<T, Error>, code: Code) -> Result<()> {
    match done {
        Err(error) if error.code() == Some(code) => Ok(()),
        Err(error) => {
            let came = error.code();
            Err(error).with_context(|| format!("refused with {came:?}, not {code:?}"))
        }
        Ok(_) => bail!("not refused with {code:?}"),
    }
}
