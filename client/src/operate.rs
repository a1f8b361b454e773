//! The calls of whoever operates the service: each needs the right `admin`.

use crate::lines::Kind;
use crate::wire::Wire;
use crate::{Client, Drain, Error, FileId, lines, text};
use futures::Stream;
use http::Method;
use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::{Duration, SystemTime};

/// How long an order may take that goes through all files of a node.
const LONG: Duration = Duration::from_secs(60 * 60);

/// How drains stand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drains {
    /// The drains.
    pub drains: Vec<CountedDrain>,
    /// The manager that moves files, where it is not the one that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
}

/// A drain, by what the records say too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CountedDrain {
    /// How it stands.
    #[serde(flatten)]
    pub drain: Drain,
    /// Records that still list the node. It is empty where this, the files left and the copies
    /// in quarantine are 0, and it is sealed.
    pub records_left: u64,
}

/// What giving a node up costs, or has cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandoned {
    /// The node's id.
    pub node: String,
    /// Its volume.
    pub volume: uuid::Uuid,
    /// Whether it is given up.
    pub abandoned: bool,
    /// Files whose only copy is there.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first of their names.
    pub names: Vec<String>,
    /// Uploads and deletes under way there, for which no success was returned.
    pub unfinished: u64,
}

/// A difference between disks and records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable word for its kind, such as `missing-bytes`.
    pub kind: String,
    /// The node.
    pub node: String,
    /// The file's name, where it is about one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filename: String,
    /// The file's id, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The copy's generation; 0 where it is about none.
    #[serde(default)]
    pub generation: u32,
    /// What is known of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// A copy in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedCopy {
    /// The node that holds it.
    pub node: String,
    /// The file's id; empty where its metadata is damaged.
    pub id: String,
    /// The copy's generation.
    pub generation: u32,
    /// The file's name.
    pub filename: String,
    /// Bytes.
    pub size: u64,
    /// When it was stored.
    #[serde(with = "text::time")]
    pub created: SystemTime,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Why it is there.
    pub reason: String,
}

/// What became of a copy in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// The node that holds it.
    pub node: String,
    /// The file's id; empty where its metadata is damaged.
    pub id: String,
    /// The copy's generation.
    pub generation: u32,
    /// The file's name.
    pub filename: String,
    /// Whether it is a file again.
    pub adopted: bool,
    /// Why it stays in quarantine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kept: String,
}

#[derive(Deserialize)]
struct Named {
    filename: String,
}

impl Client {
    /// The drains.
    ///
    /// # Errors
    /// Where the caller lacks the right `admin`.
    pub async fn drains(&self) -> Result<Drains, Error> {
        let wire = self.wire();
        wire.json(|| wire.request(Method::GET, &["drains"])).await
    }

    /// Drains nodes: all of them, or none. Those that are drained already stay so.
    ///
    /// # Errors
    /// [`Code::InsufficientStorage`](crate::Code::InsufficientStorage) where their files have no room elsewhere.
    pub async fn drain(&self, nodes: &[&str]) -> Result<Drains, Error> {
        let wire = self.wire();
        let body = json!({"nodes": nodes});
        wire.json(|| wire.post(&["drains"], &body)).await
    }

    /// Cancels a drain: the node takes files again.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`](crate::Code::InvalidRequest) where there is no such node.
    pub async fn cancel_drain(&self, node: &str) -> Result<Drains, Error> {
        let wire = self.wire();
        let query = [("node", node.to_owned())];
        let cancel = || asked(wire, Method::DELETE, "drains", &query);
        wire.json(cancel).await
    }

    /// What it would cost to give a lost node up. It changes nothing.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`](crate::Code::InvalidRequest) where there is no such node, or it is alive.
    pub async fn cost_of_abandoning(&self, node: &str) -> Result<Abandoned, Error> {
        let wire = self.wire();
        let body = json!({"node": node});
        wire.json(|| wire.post(&["abandon"], &body)).await
    }

    /// Gives a lost node up, and with it the files whose only copy is there, if it has that
    /// volume and they are that many.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`](crate::Code::InvalidRequest) where it has not, or they are not: then nothing was changed.
    pub async fn abandon(
        &self,
        node: &str,
        volume: uuid::Uuid,
        lose_files: u64,
    ) -> Result<Abandoned, Error> {
        let wire = self.wire();
        let body = json!({"node": node, "volume": volume, "lose_files": lose_files});
        wire.order_json(LONG, || wire.post(&["abandon"], &body))
            .await
    }

    /// Compares what the disks hold with what the records say. Only a stream that ends
    /// without an error is complete.
    pub fn fsck(&self) -> impl Stream<Item = Result<Finding, Error>> + use<> {
        lines::objects(self.wire().clone(), Kind::Read, |wire| {
            wire.request(Method::GET, &["fsck"])
        })
    }

    /// The copies in quarantine, of one node or all available ones. Only a stream that ends
    /// without an error is complete.
    pub fn quarantine(
        &self,
        node: Option<&str>,
    ) -> impl Stream<Item = Result<QuarantinedCopy, Error>> + use<> {
        let node: Vec<_> = node
            .map(|node| ("node", node.to_owned()))
            .into_iter()
            .collect();
        lines::objects(self.wire().clone(), Kind::Read, move |wire| {
            asked(wire, Method::GET, "quarantine", &node)
        })
    }

    /// Makes a copy in quarantine a file again, and returns its name.
    ///
    /// # Errors
    /// [`Code::FileNameExists`](crate::Code::FileNameExists) where its name is in use.
    pub async fn adopt(&self, node: &str, id: FileId, generation: u32) -> Result<String, Error> {
        let wire = self.wire();
        let body = json!({"node": node, "id": id.to_string(), "generation": generation});
        let adopt = || wire.post(&["quarantine", "adopt"], &body);
        let named: Named = wire.order_json(LONG, adopt).await?;
        Ok(named.filename)
    }

    /// Makes all copies in quarantine files again that can be, of one node or all. What was
    /// adopted stays so, also where the stream ends with an error.
    pub fn adopt_all(
        &self,
        node: Option<&str>,
    ) -> impl Stream<Item = Result<Adoption, Error>> + use<> {
        let body = match node {
            Some(node) => json!({"node": node}),
            None => json!({}),
        };
        lines::objects(self.wire().clone(), Kind::Order, move |wire| {
            wire.post(&["quarantine", "adopt-all"], &body)
        })
    }

    /// Removes a copy in quarantine for good, and returns the name that it had.
    ///
    /// # Errors
    /// [`Code::FileDoesNotExist`](crate::Code::FileDoesNotExist) where it is not there.
    pub async fn remove_quarantined(
        &self,
        node: &str,
        id: FileId,
        generation: u32,
    ) -> Result<String, Error> {
        let wire = self.wire();
        let query = [
            ("node", node.to_owned()),
            ("id", id.to_string()),
            ("generation", generation.to_string()),
        ];
        let remove = || asked(wire, Method::DELETE, "quarantine", &query);
        let named: Named = wire.order_json(LONG, remove).await?;
        Ok(named.filename)
    }
}

fn asked(wire: &Wire, method: Method, path: &str, query: &[(&str, String)]) -> RequestBuilder {
    let mut url = wire.url(&[path]);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    wire.http.request(method, url)
}
