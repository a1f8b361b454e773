//! `dfs link`: makes links.

use crate::args::LinkArgs;
use crate::out::Out;
use crate::outcome::Outcome;
use anyhow::Result;
use client::{Client, LinkFor};

pub(crate) async fn run(client: &Client, args: &LinkArgs, out: &Out) -> Result<Outcome> {
    let expires = args.expires;
    let link = match args.put {
        Some(bytes) => LinkFor::Put {
            expires,
            max_bytes: bytes.as_u64(),
        },
        None => LinkFor::Get { expires },
    };
    let link = client.link(&args.name, link).await?;
    out.result(&link, || link.url.clone())?;
    Ok(Outcome::Done)
}
