//! The calls of the REST API.

use crate::answers::{FileInfo, Link, LinkFor, Listed, Stored};
use crate::deletion;
use crate::download::{self, Download};
use crate::listing;
use crate::status::Status;
use crate::upload::{self, Upload};
use crate::wire::{Sent, Wire};
use crate::{Error, FileId, FileName};
use futures::{Stream, StreamExt, stream};
use http::header::RANGE;
use http::{Method, StatusCode};
use reqwest::Response;
use std::sync::Arc;

/// The status of more than one code.
const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// A client of one service. It is cheap to clone; its clones share their connections.
#[derive(Debug, Clone)]
pub struct Client(Arc<Wire>);

impl Client {
    pub(crate) fn new(wire: Wire) -> Self {
        Self(Arc::new(wire))
    }

    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.0
    }

    /// Where the service is.
    pub fn url(&self) -> String {
        self.0.whom()
    }

    /// Stores a file. When this returns, the file is durable on its node.
    ///
    /// # Errors
    /// [`Code::FileNameExists`](crate::Code::FileNameExists) where the name is in use: nothing is ever overwritten.
    pub async fn put(&self, name: &str, upload: impl Into<Upload>) -> Result<Stored, Error> {
        upload::put(&self.0, &FileName::new(name)?, upload.into()).await
    }

    /// Begins to fetch a file.
    ///
    /// # Errors
    /// [`Code::FileDoesNotExist`](crate::Code::FileDoesNotExist) where there is none.
    pub async fn get(&self, name: &str) -> Result<Download, Error> {
        Download::begin(&self.0, FileName::new(name)?).await
    }

    /// What is known of a file. Its node is asked whether it holds it.
    ///
    /// # Errors
    /// [`Code::FileDoesNotExist`](crate::Code::FileDoesNotExist) where there is none, without a detail: the answer to a
    /// `HEAD` has no body. Where that leaves the code open, it is asked for.
    pub async fn stat(&self, name: &str) -> Result<FileInfo, Error> {
        let name = FileName::new(name)?;
        let path = ["file", name.as_str()];
        let answer = match self.0.send(|| self.0.request(Method::HEAD, &path)).await {
            Err(error) if error.lacks_code() => self.first_byte(&path).await.map_err(|why| {
                let says_why = why.refusal().map(|why| why.status) == Some(UNAVAILABLE);
                if says_why { why } else { error }
            }),
            other => other,
        };
        download::info(&self.0, &name, answer?.headers())
    }

    /// The head of an answer that has a body where it is refused.
    async fn first_byte(&self, path: &[&str]) -> Result<Response, Error> {
        let request = self.0.request(Method::GET, path).header(RANGE, "bytes=0-0");
        self.0.once(request, Sent::default()).await
    }

    /// Deletes the file that has the name now. Its id is asked for first, so that another
    /// attempt after a lost answer deletes no other one that has the name by then; where the
    /// id can't be had, there is no other attempt after one without a certain answer.
    ///
    /// # Errors
    /// [`Code::FileDoesNotExist`](crate::Code::FileDoesNotExist) where there is none.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let name = FileName::new(name)?;
        let request = self.0.request(Method::HEAD, &["file", name.as_str()]);
        let known = match self.0.once(request, Sent::default()).await {
            Ok(answer) => download::info(&self.0, &name, answer.headers()).ok(),
            Err(error) if error.is_gone() => return Err(error),
            // A file whose bytes are lost can be deleted, and not asked for.
            Err(_) => None,
        };
        deletion::delete(&self.0, &name, known.map(|file| file.id)).await
    }

    /// Deletes a file only while it has this id. Where an attempt got no certain answer and
    /// it is gone by the next one, it counts as deleted.
    ///
    /// # Errors
    /// Where there is no file of that name, or the name belongs to another one by now
    /// (status 412).
    pub async fn delete_exactly(&self, name: &str, id: FileId) -> Result<(), Error> {
        deletion::delete(&self.0, &FileName::new(name)?, Some(id)).await
    }

    /// The files whose names begin so, in the order of their names. Those that are neither
    /// made nor deleted meanwhile are listed once.
    pub fn list(&self, prefix: &str) -> impl Stream<Item = Result<Listed, Error>> + use<> {
        listing::files(self.0.clone(), prefix.to_owned(), None)
    }

    /// The same, only those after this name, which need not exist.
    pub fn list_after(
        &self,
        prefix: &str,
        after: &str,
    ) -> impl Stream<Item = Result<Listed, Error>> + use<> {
        listing::files(self.0.clone(), prefix.to_owned(), Some(after.to_owned()))
    }

    /// The files whose names begin with one of these, one prefix after the other. A name that
    /// begins with two of them is listed twice.
    pub fn list_all(
        &self,
        prefixes: Vec<String>,
    ) -> impl Stream<Item = Result<Listed, Error>> + use<> {
        let wire = self.0.clone();
        let listed = move |prefix| listing::files(wire.clone(), prefix, None);
        stream::iter(prefixes).flat_map(listed)
    }

    /// Makes a link that needs no token.
    ///
    /// # Errors
    /// Where the caller lacks the right that the link would give, or nobody needs a token.
    pub async fn link(&self, name: &str, link: LinkFor) -> Result<Link, Error> {
        let name = FileName::new(name)?;
        let body = match link {
            LinkFor::Get { expires } => serde_json::json!({
                "method": "GET",
                "expires": humantime::format_duration(expires).to_string(),
            }),
            LinkFor::Put { expires, max_bytes } => serde_json::json!({
                "method": "PUT",
                "expires": humantime::format_duration(expires).to_string(),
                "max_bytes": max_bytes,
            }),
        };
        let path = ["file", name.as_str(), "link"];
        self.0.json(|| self.0.post(&path, &body)).await
    }

    /// How the service is.
    ///
    /// # Errors
    /// Where the caller lacks the right `admin`.
    pub async fn status(&self) -> Result<Status, Error> {
        self.0
            .json(|| self.0.request(Method::GET, &["status"]))
            .await
    }
}
