//! A client of the file server's REST API: stores, fetches, lists and deletes files.
//!
//! Uploads and downloads stream, and are compared with a SHA-256. What may succeed later is
//! tried again, after a pause that grows or that the service asked for, until a deadline;
//! an upload carries a key by which the service knows it again, so that a lost answer
//! stores nothing twice. A download that breaks off goes on where it broke.
//!
//! ```no_run
//! # async fn example() -> Result<(), client::Error> {
//! use client::Client;
//!
//! let client = Client::builder("http://127.0.0.1:8000")?.build()?;
//! let stored = client.put("hello.txt", "Hello, world!\n").await?;
//! println!("{} has the id {}", stored.filename, stored.id);
//!
//! let bytes = client.get("hello.txt").await?.bytes().await?;
//! assert_eq!(bytes, "Hello, world!\n");
//! client.delete("hello.txt").await?;
//! # Ok(())
//! # }
//! ```
//!
//! With a token from a file, which is read again when it changes, and a CA of one's own:
//!
//! ```no_run
//! # async fn example() -> Result<(), client::Error> {
//! use client::Client;
//! use futures::TryStreamExt;
//!
//! let client = Client::builder("https://files.example:8000")?
//!     .token_file("/var/run/secrets/fileserver/token")
//!     .ca_file("/etc/fileserver/ca.crt")
//!     .build()?;
//! let mut files = std::pin::pin!(client.list("photos-"));
//! while let Some(file) = files.try_next().await? {
//!     println!("{} {}", file.size, file.filename);
//! }
//! # Ok(())
//! # }
//! ```

mod answers;
mod body;
mod builder;
mod calls;
mod credential;
mod deletion;
mod digest;
mod download;
mod error;
mod lines;
mod listing;
mod mismatch;
mod operate;
mod status;
mod text;
mod upload;
mod wire;

pub use answers::{FileInfo, Link, LinkFor, Listed, Stored};
pub use builder::Builder;
pub use calls::Client;
pub use digest::{Digest, InvalidDigest};
pub use download::Download;
pub use error::{Error, Refusal};
pub use mismatch::Mismatch;
pub use names::{Code, FileId, FileName, InvalidFileName};
pub use operate::{Abandoned, Adoption, CountedDrain, Drains, Finding, QuarantinedCopy};
pub use status::{Damaged, Drain, Moves, Node, NodeState, Scrub, Status, StuckFile, StuckFiles};
pub use upload::Upload;
