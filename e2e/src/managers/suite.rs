//! The store's behaviour suite on a server for the MongoDB driver: the one that
//! was just started, and the real one that `DFS_TEST_MONGODB_URI` names.

use crate::mongo::Server;
use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use manager_protocol::sim::sample::record;
use manager_protocol::store::{Insert, Record, Store, Totals};
use manager_store::Mongo;
use manager_store::suite::{self, Place};
use mongodb::bson::{Document, doc};
use proto::Owner;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A database of its own for each promise that the suite checks.
struct Database(String);

#[async_trait]
impl Place for Database {
    async fn open(&self) -> Arc<dyn Store> {
        let store = Mongo::open(&self.0).await;
        Arc::new(
            store
                .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error))),
        )
    }
}

pub(super) async fn run(server: &Server) -> Result<()> {
    let run = rand::random::<u32>();
    let next = AtomicUsize::new(0);
    let name = || {
        format!(
            "dfs-test-{run:08x}-{}",
            next.fetch_add(1, Ordering::Relaxed)
        )
    };
    suite::run(|| Database(server.url(&name()))).await;
    puts_sums_right(&server.url(&name())).await?;
    println!("the behaviour suite passes on the server of this run");
    if let Ok(uri) = std::env::var("DFS_TEST_MONGODB_URI") {
        let (before, after) = around_database(&uri)?;
        suite::run(|| Database(format!("{before}/{}{after}", name()))).await;
        puts_sums_right(&format!("{before}/{}{after}", name())).await?;
        println!("the behaviour suite passes on the server of DFS_TEST_MONGODB_URI");
    }
    Ok(())
}

/// An owner's sum that a lost outcome left too high is put right at the third turn, unless
/// it changes meanwhile.
async fn puts_sums_right(url: &str) -> Result<()> {
    let store = Mongo::open(url).await?;
    let owner = Owner(7);
    let owned = |name: &str| Record {
        owner: Some(owner),
        ..record(name, 10)
    };
    for name in ["a", "b"] {
        ensure!(store.insert(owned(name)).await? == Insert::Inserted);
    }
    let client = mongodb::Client::with_uri_str(url).await?;
    let database = client.default_database().context("a database")?;
    let sums = database.collection::<Document>("owners");
    let lost = doc! {"$inc": {"files": 5, "bytes": 70_i64}};
    let raised = sums.update_one(doc! {"_id": owner.to_string()}, lost);
    ensure!(raised.await?.modified_count == 1, "the sum has another key");
    let sum = async || {
        let Totals { files, bytes } = store.stored_for(owner).await?;
        anyhow::Ok((files, bytes))
    };
    for _ in 0..2 {
        store.recount().await?;
        ensure!(sum().await? == (7, 90), "not before it has stood still");
    }
    ensure!(store.insert(owned("c")).await? == Insert::Inserted);
    for _ in 0..3 {
        ensure!(sum().await? == (8, 100), "it has changed meanwhile");
        store.recount().await?;
    }
    ensure!(sum().await? == (3, 30), "{:?}", sum().await?);
    Ok(())
}

/// What stands before and after the name of the database in a URI.
fn around_database(uri: &str) -> Result<(&str, &str)> {
    let (scheme, rest) = uri
        .split_once("://")
        .context("DFS_TEST_MONGODB_URI is no URI")?;
    let hosts = scheme.len() + 3 + rest.find(['/', '?']).unwrap_or(rest.len());
    let options = uri.find('?').unwrap_or(uri.len());
    Ok((&uri[..hosts], &uri[options..]))
}

#[cfg(test)]
mod tests {
    use super::around_database;

    #[test]
    fn a_uri_is_cut_around_its_database() {
        for (uri, before, after) in [
            ("mongodb://h:1", "mongodb://h:1", ""),
            ("mongodb://u:p@h:1,i:2/db", "mongodb://u:p@h:1,i:2", ""),
            ("mongodb://h/db?tls=true", "mongodb://h", "?tls=true"),
            ("mongodb://h/?tls=true", "mongodb://h", "?tls=true"),
        ] {
            assert_eq!(around_database(uri).ok(), Some((before, after)), "{uri}");
        }
    }
}
