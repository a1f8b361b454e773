//! `dfs link`: makes links.

use crate::args::LinkArgs;
use crate::misnamed::Named;
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
    let link = match client.link(&args.name, link).await {
        Ok(link) => link,
        Err(error) => {
            let named = Named {
                of_files: args.put.is_none(),
                ..Named::listed(client, std::slice::from_ref(&args.name))
            };
            return Err(named.explain(&args.name, error).await);
        }
    };
    out.result(&link, || link.url.clone())?;
    Ok(Outcome::Done)
}
