//! The operations that are measured, and the bytes they carry.

use crate::content;
use crate::load::{self, Measured};
use crate::wire::{Body, Connection, NameAt, Pieces, Route, Tls};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request};
use http_body_util::BodyExt;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::Rng;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// What a client does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Operation {
    /// `PUT`, raw.
    Put,
    /// `POST` of JSON with base64, the name first.
    Post,
    /// `GET`, raw.
    Get,
    /// `DELETE`.
    Delete,
}

impl Operation {
    /// As the table calls it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Get => "GET",
            Self::Delete => "DELETE",
        }
    }

    /// Whether it stores a file, and so has the file system's limit to be compared with.
    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Put | Self::Post)
    }
}

/// One figure to measure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) operation: Operation,
    pub(super) clients: usize,
}

/// A few different contents, made once so that the load costs no CPU; file
/// number `n` has variant `n % len`.
#[derive(Debug)]
pub(super) struct Content {
    size: usize,
    raw: Vec<Bytes>,
    base64: Vec<Bytes>,
}

impl Content {
    pub(super) fn new(size: usize) -> Self {
        let variants = if size <= 64 << 10 { 256 } else { 4 };
        let raw: Vec<Bytes> = (0..variants)
            .map(|seed| content::bytes(seed, size))
            .collect();
        let base64 = raw
            .iter()
            .map(|data| content::base64(data).into())
            .collect();
        Self { size, raw, base64 }
    }

    pub(super) fn raw(&self, file: u64) -> &Bytes {
        &self.raw[file as usize % self.raw.len()]
    }

    fn base64(&self, file: u64) -> &Bytes {
        &self.base64[file as usize % self.base64.len()]
    }
}

/// Which files exist; shared without a lock, since the loop runs on one thread.
#[derive(Debug)]
struct Files {
    next: u64,
    stored: Vec<u64>,
    random: SplitMix64,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            next: 0,
            stored: Vec::new(),
            random: content::random(0),
        }
    }
}

/// Everything that the cells of one size share.
#[derive(Debug)]
pub(super) struct Stage {
    address: SocketAddr,
    content: Rc<Content>,
    length: Duration,
    files: Rc<RefCell<Files>>,
    bearer: Option<HeaderValue>,
    tls: Option<Tls>,
}

impl Stage {
    pub(super) fn new(address: SocketAddr, content: Content, length: Duration) -> Self {
        Self {
            address,
            content: Rc::new(content),
            length,
            files: Rc::default(),
            bearer: None,
            tls: None,
        }
    }

    /// The same with clients that speak TLS.
    pub(super) fn over(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// The same with clients that send a bearer token.
    pub(super) fn with_bearer(self, token: &str) -> Result<Self> {
        let bearer = Some(format!("Bearer {token}").parse()?);
        Ok(Self { bearer, ..self })
    }

    pub(super) fn size(&self) -> usize {
        self.content.size
    }

    /// Stores the files that reads and deletes need, then warms the operation up.
    pub(super) async fn prepare(&self, cell: Cell) -> Result<()> {
        let wanted = match cell.operation {
            Operation::Put | Operation::Post => 1,
            Operation::Get => {
                if self.size() <= 64 << 10 {
                    2000
                } else {
                    16
                }
            }
            Operation::Delete => {
                if self.size() <= 64 << 10 {
                    30_000
                } else {
                    200
                }
            }
        };
        let have = self.files.borrow().stored.len();
        if have < wanted {
            let left = Rc::new(RefCell::new(wanted - have));
            let clients = if self.size() <= 64 << 10 { 64 } else { 4 };
            let put = Cell {
                operation: Operation::Put,
                clients,
            };
            self.run_for(put, Duration::from_secs(120), Some(left))
                .await?;
        }
        let warm = Duration::from_millis(200);
        if cell.operation != Operation::Delete {
            self.run_for(cell, warm, None).await?;
        }
        Ok(())
    }

    /// Measures one cell.
    pub(super) async fn run(&self, cell: Cell) -> Result<Measured> {
        self.run_for(cell, self.length, None).await
    }

    /// Does a number of operations, and returns the seconds that they took.
    pub(super) async fn some(&self, cell: Cell, operations: usize) -> Result<f64> {
        let left = Some(Rc::new(RefCell::new(operations)));
        let run = self.run_for(cell, self.length, left).await?;
        ensure!(run.failures.0 == 0, "{:?}", run.failures);
        ensure!(run.operations == operations as u64, "it took too long");
        Ok(run.elapsed.as_secs_f64())
    }

    /// Deletes what is left, so that the next size starts on a quiet disk.
    pub(super) async fn clean(&self) -> Result<()> {
        let left = Rc::new(RefCell::new(self.files.borrow().stored.len()));
        let cell = Cell {
            operation: Operation::Delete,
            clients: 64,
        };
        self.run_for(cell, Duration::from_secs(120), Some(left))
            .await
            .map(drop)
    }

    async fn run_for(
        &self,
        cell: Cell,
        length: Duration,
        left: Option<Rc<RefCell<usize>>>,
    ) -> Result<Measured> {
        let Self {
            address,
            content,
            files,
            bearer,
            tls,
            ..
        } = self;
        let (address, content, files) = (*address, Rc::clone(content), Rc::clone(files));
        let client = Worker {
            address,
            content,
            files,
            connection: None,
            left,
            bearer: bearer.clone(),
            tls: tls.clone(),
        };
        let make = async |_| Ok(client.another());
        let operation = cell.operation;
        let step = async move |worker: &mut Worker| worker.step(operation).await;
        load::closed_loop(cell.clients, length, make, step).await
    }
}

/// One client of the loop.
struct Worker {
    address: SocketAddr,
    content: Rc<Content>,
    files: Rc<RefCell<Files>>,
    connection: Option<Connection>,
    /// Operations that all clients together may still do.
    left: Option<Rc<RefCell<usize>>>,
    /// What it sends as `Authorization`.
    bearer: Option<HeaderValue>,
    /// Its TLS, if it speaks it.
    tls: Option<Tls>,
}

impl Worker {
    fn another(&self) -> Self {
        Self {
            address: self.address,
            content: Rc::clone(&self.content),
            files: Rc::clone(&self.files),
            connection: None,
            left: self.left.clone(),
            bearer: self.bearer.clone(),
            tls: self.tls.clone(),
        }
    }

    async fn step(&mut self, operation: Operation) -> Result<()> {
        if let Some(left) = &self.left {
            let mut left = left.borrow_mut();
            if *left == 0 {
                return Err(load::Enough.into());
            }
            *left -= 1;
        }
        let mut connection = match self.connection.take() {
            Some(open) if open.is_open() => open,
            _ => match &self.tls {
                Some(tls) => Connection::open_tls(self.address, tls).await?,
                None => Connection::open(self.address).await?,
            },
        };
        match operation {
            Operation::Put | Operation::Post => self.store(&mut connection, operation).await?,
            Operation::Get => self.fetch(&mut connection).await?,
            Operation::Delete => self.delete(&mut connection).await?,
        }
        self.connection = Some(connection);
        Ok(())
    }

    async fn store(&self, connection: &mut Connection, operation: Operation) -> Result<()> {
        let file = {
            let mut files = self.files.borrow_mut();
            files.next += 1;
            files.next
        };
        let name = name(self.content.size, file);
        let (route, pieces) = match operation {
            Operation::Post => {
                let (before, after) = crate::wire::json_around(&name, NameAt::First);
                let base64 = self.content.base64(file).clone();
                let pieces = vec![before.into(), base64, after.into()];
                (Route::Json(NameAt::First), pieces)
            }
            _ => (Route::Put, vec![self.content.raw(file).clone()]),
        };
        let request = route.request_with(&name, Pieces::new(pieces).into())?;
        connection.send(self.known(request)).await?.expect(201)?;
        self.files.borrow_mut().stored.push(file);
        Ok(())
    }

    /// Compares every byte of a small file, and of about every eighth large one.
    async fn fetch(&self, connection: &mut Connection) -> Result<()> {
        let (file, compare) = {
            let mut files = self.files.borrow_mut();
            let random = files.random.next_u64();
            let count = files.stored.len() as u64;
            ensure!(count > 0, "nothing to read");
            let file = files.stored[(random % count) as usize];
            (
                file,
                self.content.size <= 64 << 10 || random.is_multiple_of(8),
            )
        };
        let path = format!("/file/{}", name(self.content.size, file));
        let request = Request::get(path).body(Pieces::empty().into())?;
        let answer = connection.start(self.known(request)).await?;
        ensure!(answer.status() == 200, "{} for a GET", answer.status());
        let wanted = self.content.raw(file);
        let (mut body, mut at) = (answer.into_body(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            let piece = wanted
                .get(at..at + data.len())
                .context("more bytes than stored")?;
            ensure!(!compare || piece == data, "other bytes than stored");
            at += data.len();
        }
        ensure!(at == wanted.len(), "{at} bytes instead of {}", wanted.len());
        Ok(())
    }

    async fn delete(&self, connection: &mut Connection) -> Result<()> {
        let file = self.files.borrow_mut().stored.pop();
        let Some(file) = file else {
            return Err(load::Enough.into());
        };
        let path = format!("/file/{}", name(self.content.size, file));
        let request = Request::builder().method(Method::DELETE).uri(path);
        let request = request.body(Pieces::empty().into())?;
        connection.send(self.known(request)).await?.expect(204)?;
        Ok(())
    }

    /// A request with the client's token, if it has one.
    fn known(&self, mut request: Request<Body>) -> Request<Body> {
        if let Some(bearer) = &self.bearer {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        }
        request
    }
}

fn name(size: usize, file: u64) -> String {
    format!("bench-{size}-{file:09}")
}
