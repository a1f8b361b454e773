//! What the clients do: each route, with the one right answer to it.

use super::wire::{AsyncStep, Wire};
use crate::content;
use crate::wire::{Answer, Body, NameAt, Pieces, Route, encode_name};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Request};

/// Different files of one size.
const VARIANTS: usize = 16;

/// A route of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `GET` of a whole file.
    Get,
    /// `GET` of a part of a larger file.
    Range,
    /// `HEAD`.
    Head,
    /// `GET /files`.
    List,
    /// `PUT`, and `DELETE` of what it stored.
    Put,
    /// `POST` of JSON, and `DELETE` of what it stored.
    PostJson,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Get,
        Self::Range,
        Self::Head,
        Self::List,
        Self::Put,
        Self::PostJson,
    ];
}

/// Files of one size, whose content is known.
#[derive(Debug, Clone)]
pub struct Files {
    size: usize,
    contents: Vec<Bytes>,
    /// A larger file, of which ranges of that size are read.
    larger: Bytes,
}

impl Files {
    /// Makes contents of a size.
    pub fn new(size: usize) -> Self {
        let variants = if size > 4 << 20 { 1 } else { VARIANTS };
        let seeds = 0..variants as u64;
        Self {
            size,
            contents: seeds.map(|seed| content::bytes(seed, size)).collect(),
            larger: content::bytes(99, 2 * size + 4096),
        }
    }

    fn name(&self, variant: usize) -> String {
        format!("pressure-{}-{variant}", self.size)
    }

    fn larger_name(&self) -> String {
        format!("pressure-{}-larger", self.size)
    }

    /// Stores those that reads need.
    ///
    /// # Errors
    /// Where one is not taken.
    pub async fn store(&self, wire: &Wire) -> Result<()> {
        for (variant, data) in self.contents.iter().enumerate() {
            let request = Route::Put.request(&self.name(variant), data)?;
            wire.send(request).await?.expect(201)?;
        }
        let request = Route::Put.request(&self.larger_name(), &self.larger)?;
        wire.send(request).await?.expect(201)?;
        Ok(())
    }
}

/// A route and its files.
#[derive(Debug, Clone)]
pub struct Work {
    /// The route.
    pub verb: Verb,
    /// The files.
    pub files: Files,
    /// Keeps the names of stored files apart from those of other work.
    pub tag: String,
}

impl AsyncStep for Work {
    async fn run(&self, wire: &Wire, number: u64) -> Result<()> {
        let variant = number as usize % self.files.contents.len();
        let data = &self.files.contents[variant];
        let name = self.files.name(variant);
        let path = format!("/file/{name}");
        match self.verb {
            Verb::Get => {
                let answer = plain(wire, Method::GET, &path, None).await?.expect(200)?;
                same(&answer.body, data)
            }
            Verb::Head => {
                let answer = plain(wire, Method::HEAD, &path, None).await?.expect(200)?;
                let length = answer.header("content-length");
                ensure!(length == data.len().to_string(), "HEAD: {length:?}");
                Ok(())
            }
            Verb::Range => self.range(wire, number).await,
            Verb::List => {
                let path = "/files?limit=20&prefix=pressure-";
                let answer = plain(wire, Method::GET, path, None).await?.expect(200)?;
                let json = answer.json()?;
                let files = json["files"].as_array().context("no files")?;
                ensure!(!files.is_empty(), "an empty listing");
                Ok(())
            }
            Verb::Put => self.stored(wire, Route::Put, data, number).await,
            Verb::PostJson => {
                let route = Route::Json(NameAt::First);
                self.stored(wire, route, data, number).await
            }
        }
    }
}

impl Work {
    async fn range(&self, wire: &Wire, number: u64) -> Result<()> {
        let size = self.files.size.max(1);
        let start = number as usize * 4099 % (self.files.larger.len() - size);
        let range = format!("bytes={start}-{}", start + size - 1);
        let path = format!("/file/{}", self.files.larger_name());
        let answer = plain(wire, Method::GET, &path, Some(&range)).await?;
        let answer = answer.expect(206)?;
        same(&answer.body, &self.files.larger[start..start + size])
    }

    /// Stores a file and deletes it again.
    async fn stored(&self, wire: &Wire, route: Route, data: &Bytes, number: u64) -> Result<()> {
        let name = format!("stored-{}-{}-{number}", self.tag, self.files.size);
        let answer = wire.send(route.request(&name, data)?).await?;
        answer.expect(201).context("the upload")?;
        let path = format!("/file/{}", encode_name(&name));
        let answer = plain(wire, Method::DELETE, &path, None).await?;
        answer.expect(204).context("the delete")?;
        Ok(())
    }
}

async fn plain(wire: &Wire, method: Method, path: &str, range: Option<&str>) -> Result<Answer> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(range) = range {
        request = request.header(http::header::RANGE, range);
    }
    wire.send(request.body(Body::from(Pieces::empty()))?).await
}

fn same(got: &[u8], wanted: &[u8]) -> Result<()> {
    ensure!(
        got == wanted,
        "{} bytes that are not the {} that were stored",
        got.len(),
        wanted.len()
    );
    Ok(())
}
