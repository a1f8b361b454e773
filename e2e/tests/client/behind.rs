//! A client behind a way on which things go wrong.

use anyhow::Result;
use client::Client;
use e2e::cluster::Cluster;
use e2e::faulty::{Fault, Faulty};

pub(crate) async fn behind(
    cluster: &Cluster,
    faults: impl IntoIterator<Item = Fault>,
) -> Result<(Faulty, Client)> {
    let way = Faulty::start(cluster.http(), faults).await?;
    let client = Client::builder(&way.url())?.build()?;
    Ok((way, client))
}
