//! Connecting: from a URL to a database that is formatted and has its indexes.

use super::document::{ClusterDocument, FORMAT, binary, uuid_of};
use super::failed;
use manager_protocol::store::StoreError;
use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind;
use mongodb::event::EventHandler;
use mongodb::event::cmap::CmapEvent;
use mongodb::options::{
    ClientOptions, IndexOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Collection, Database, IndexModel};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// The database of a URL that names none.
const DATABASE: &str = "dfs";
/// How long it may take to find a server that serves.
const SELECT: Duration = Duration::from_secs(3);
/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(3);
/// How long the first contact may take in all.
const FIRST: Duration = Duration::from_secs(15);
/// How long the servers of a replica set may take to agree on a write.
const AGREE: Duration = Duration::from_secs(8);
/// Connections to each server.
const POOL: u32 = 64;

/// The document of [`META`] about the cluster.
pub(super) const CLUSTER: &str = "cluster";
/// The document of [`META`] about the leader.
pub(super) const LEASE: &str = "lease";
pub(super) const FILES: &str = "files";
pub(super) const OWNERS: &str = "owners";
pub(super) const NODES: &str = "nodes";
pub(super) const META: &str = "meta";

/// A database that is ready.
pub(super) struct Connected {
    pub(super) database: Database,
    /// What a read of one record asks for (rule 12).
    pub(super) read_one: ReadConcern,
    /// What a read of many records asks for: only what most servers keep.
    pub(super) read_many: ReadConcern,
    /// The cluster that it belongs to.
    pub(super) cluster: Uuid,
    /// Counts connections: each new one may lead to another database.
    pub(super) connections: Arc<AtomicU64>,
}

/// Connects, formats a new database and makes its indexes.
///
/// # Errors
/// [`StoreError::Url`] without the URL, which may hold a password;
/// [`StoreError::Unavailable`] when no server answers;
/// [`StoreError::NewerFormat`].
pub(super) async fn connect(url: &str) -> Result<Connected, StoreError> {
    let connections = Arc::default();
    let database = database(url, &connections).await?;
    let ready = async {
        let concerns = read_concerns(&database).await;
        let cluster = format(&database).await?;
        make_indexes(&database).await?;
        Ok((concerns, cluster))
    };
    let ((read_one, read_many), cluster) = tokio::time::timeout(FIRST, ready)
        .await
        .map_err(|_| StoreError::unavailable("the database does not answer"))??;
    Ok(Connected {
        database,
        read_one,
        read_many,
        cluster,
        connections,
    })
}

async fn database(url: &str, connections: &Arc<AtomicU64>) -> Result<Database, StoreError> {
    let bad = |error: mongodb::error::Error| StoreError::Url(format!("mongodb: {error}"));
    let mut options = ClientOptions::parse(url).await.map_err(bad)?;
    options.app_name = Some("dfs-manager".to_owned());
    options.server_selection_timeout = Some(SELECT);
    options.connect_timeout = Some(CONNECT);
    options.max_pool_size = options.max_pool_size.or(Some(POOL));
    let majority = WriteConcern::builder()
        .w(mongodb::options::Acknowledgment::Majority)
        .w_timeout(AGREE)
        .build();
    // Only what most servers keep counts as durable, and only the primary is
    // asked (rule 12), whatever the URL says.
    options.write_concern = Some(majority);
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.read_concern = None;
    let counted = connections.clone();
    // Called before the connection is used for the first time.
    options.cmap_event_handler = Some(EventHandler::callback(move |event| {
        if matches!(event, CmapEvent::ConnectionReady(_)) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    }));
    let name = options.default_database.clone();
    let client = Client::with_options(options).map_err(bad)?;
    Ok(client.database(name.as_deref().unwrap_or(DATABASE)))
}

/// The concerns for reads of one record and of many: linearizable and majority where
/// there is a replica set (or a router of some); a single server knows no such
/// concerns, and its reads have these properties by themselves.
async fn read_concerns(database: &Database) -> (ReadConcern, ReadConcern) {
    let hello = database.run_command(doc! {"hello": 1}).await;
    let hello = hello.unwrap_or_default();
    let router = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
    if router || hello.contains_key("setName") {
        (ReadConcern::linearizable(), ReadConcern::majority())
    } else {
        (ReadConcern::local(), ReadConcern::local())
    }
}

/// The cluster that a database belongs to; for a new database an id is chosen at
/// random. Of several managers that do so at once, the first insert wins.
async fn format(database: &Database) -> Result<Uuid, StoreError> {
    let meta: Collection<ClusterDocument> = database.collection(META);
    let new = ClusterDocument {
        id: CLUSTER.to_owned(),
        format: FORMAT,
        cluster_id: binary(Uuid::new_v4().as_bytes()),
        rebuilt_at_ms: None,
        link_key: None,
    };
    match meta.insert_one(new).await {
        Ok(_) => {}
        Err(error) if super::is_duplicate(&error) => {}
        Err(error) => return Err(failed(error)),
    }
    let found = meta.find_one(doc! {"_id": CLUSTER}).await.map_err(failed)?;
    let cluster = found.ok_or_else(|| StoreError::unavailable("the database was just emptied"))?;
    if cluster.format > FORMAT {
        return Err(StoreError::NewerFormat {
            path: format!("database {}", database.name()).into(),
            found: u32::try_from(cluster.format).unwrap_or(u32::MAX),
            known: FORMAT.cast_unsigned(),
        });
    }
    uuid_of(&cluster.cluster_id)
}

async fn make_indexes(database: &Database) -> Result<(), StoreError> {
    let files: Collection<Document> = database.collection(FILES);
    let listed = IndexModel::builder()
        .keys(doc! {"copies.node": 1, "_id": 1})
        .options(IndexOptions::builder().name("listed".to_owned()).build())
        .build();
    files.create_index(listed).await.map_err(failed)?;
    let unsettled = doc! {"unsettled": 1, "_id": 1};
    make_partial(&files, "unsettled", unsettled, doc! {"unsettled": true}).await
}

/// An index of the documents that match; of all, where the server has no such indexes.
pub(super) async fn make_partial<T: Send + Sync>(
    files: &Collection<T>,
    name: &str,
    keys: Document,
    matching: Document,
) -> Result<(), StoreError> {
    let options = IndexOptions::builder().name(name.to_owned());
    let partial = IndexModel::builder()
        .keys(keys.clone())
        .options(options.partial_filter_expression(matching).build())
        .build();
    let Err(error) = files.create_index(partial).await else {
        return Ok(());
    };
    // Only what the server itself says: a connection that breaks says nothing of
    // what it can do.
    let ErrorKind::Command(command) = &*error.kind else {
        return Err(failed(error));
    };
    tracing::warn!(
        index = name,
        code = command.code,
        why = command.message,
        "the server takes no partial index; a plain one, which lists all files, serves instead"
    );
    let options = IndexOptions::builder().name(format!("{name}-plain"));
    let plain = IndexModel::builder()
        .keys(keys)
        .options(options.build())
        .build();
    files.create_index(plain).await.map(drop).map_err(failed)
}
