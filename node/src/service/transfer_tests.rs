//! Two nodes, and between them connections that break.

use super::*;
use crate::disk::Place;
use crate::service::StorageService;
use crate::testing;
use kit::inner::Inner;
use proto::v1::handover_server::{Handover, HandoverServer};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::{Request, Response, Streaming};

const MIB: u64 = 1 << 20;
/// What may be on its way, and lost, where a connection breaks: a stream's window,
/// and what the relay holds.
const UNDER_WAY: u64 = 5 * MIB;

/// The target's service, with faults of its own.
struct Target {
    node: Arc<Node>,
    service: StorageService,
    /// Whether it can resume, which a node of the previous release can't.
    resumes: bool,
    /// The next answer is lost.
    loses: AtomicBool,
    /// The copy is deleted before the transfer resumes.
    deletes: AtomicBool,
    received: AtomicUsize,
}

#[tonic::async_trait]
impl Handover for Target {
    async fn receive_file(
        &self,
        request: Request<Streaming<v1::UploadPart>>,
    ) -> Result<Response<v1::UploadReply>, Status> {
        self.received.fetch_add(1, Ordering::Relaxed);
        let answer = self.service.receive_file(request).await;
        match self.loses.swap(false, Ordering::Relaxed) {
            true => Err(Status::unavailable("the connection broke")),
            false => answer,
        }
    }

    async fn resume_file(
        &self,
        request: Request<v1::ResumeRequest>,
    ) -> Result<Response<v1::ResumeReply>, Status> {
        if self.deletes.load(Ordering::Relaxed) {
            let copy = Copy::from_wire(request.get_ref().copy.clone())?;
            let session = self.node.session();
            let _ = self.node.creates().doom(copy.key, session);
        }
        match self.resumes {
            true => self.service.resume_file(request).await,
            false => Err(Status::unimplemented("resume_file")),
        }
    }
}

/// A source with one file, and a target.
struct Pair {
    source: Arc<Node>,
    target: Arc<Node>,
    serves: Arc<Target>,
    address: SocketAddr,
    copy: Copy,
    data: &'static [u8],
    _dirs: [TempDir; 2],
}

impl Pair {
    async fn new(size: u64, resumes: bool) -> Self {
        let (source, first) = testing::node();
        let (target, second) = testing::node();
        let data: Vec<u8> = (0..size / 8)
            .flat_map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())
            .collect();
        let data: &'static [u8] = data.leak();
        let copy = testing::store(&source, "large", data).await;
        let idle = Duration::from_secs(60);
        let service = StorageService::new(
            Arc::clone(&target),
            &Inner::default(),
            "p",
            idle,
            Default::default(),
        );
        let serves = Arc::new(Target {
            node: Arc::clone(&target),
            service,
            resumes,
            loses: AtomicBool::new(false),
            deletes: AtomicBool::new(false),
            received: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = tonic::transport::Server::builder()
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(8 << 20)
            .add_service(HandoverServer::from_arc(Arc::clone(&serves)));
        tokio::spawn(server.serve_with_incoming(incoming));
        Self {
            source,
            target,
            serves,
            address,
            copy,
            data,
            _dirs: [first, second],
        }
    }

    async fn transfer(&self, to: SocketAddr, generation: u32) -> Result<u32, Failure> {
        let request = v1::TransferRequest {
            copy: Some(self.copy.to_wire()),
            target_endpoint: to.to_string(),
            target_generation: generation,
            target_session: self.target.session(),
            ..v1::TransferRequest::default()
        };
        let progress = AtomicU64::new(0);
        let peers = Peers::new(Inner::default());
        let transfer = serve(&self.source, &peers, request, &progress);
        let ended = tokio::time::timeout(Duration::from_secs(120), transfer);
        ended.await.expect("an end")
    }

    /// The target has the file, byte for byte, and nothing else.
    fn arrived(&self, leaf: u32, generation: u32) {
        let mut copy = self.copy.clone();
        (copy.key.generation, copy.leaf) = (generation, Some(leaf));
        let found = self.target.disk.find(Place::Data, &copy).expect("a look");
        let found = found.expect("the file is there");
        assert_eq!(found.leaf, leaf);
        let there = found.read(0, self.data.len()).expect("its bytes");
        assert!(there == self.data, "other bytes");
        assert_eq!(self.target.disk.files(), 1);
        assert_eq!(self.target.creates().open_count(), 0);
    }
}

/// Carries bytes to the target: each connection up to its own bound, and connections
/// after the last bound without one.
struct Relay {
    address: SocketAddr,
    /// Bytes that the source has sent.
    sent: Arc<AtomicU64>,
    connections: Arc<AtomicUsize>,
}

impl Relay {
    /// With `half` the target's side of a connection that broke stays open.
    async fn new(target: SocketAddr, bounds: &'static [u64], half: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let relay = Self {
            address: listener.local_addr().expect("an address"),
            sent: Arc::default(),
            connections: Arc::default(),
        };
        let (sent, connections) = (Arc::clone(&relay.sent), Arc::clone(&relay.connections));
        tokio::spawn(async move {
            while let Ok((source, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::Relaxed);
                let bound = bounds.get(number).copied().unwrap_or(u64::MAX);
                let sent = Arc::clone(&sent);
                tokio::spawn(async move {
                    let mut target = TcpStream::connect(target).await.expect("the target");
                    // It ends at its bound, or when one side closes.
                    let _ = pass(source, &mut target, bound, &sent).await;
                    if half {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        relay
    }
}

async fn pass(
    mut source: TcpStream,
    target: &mut TcpStream,
    bound: u64,
    sent: &AtomicU64,
) -> std::io::Result<()> {
    let (mut there, mut back) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut carried = 0;
    while carried < bound {
        tokio::select! {
            read = source.read(&mut there) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                carried += read as u64;
                sent.fetch_add(read as u64, Ordering::Relaxed);
                target.write_all(&there[..read]).await?;
            }
            read = target.read(&mut back) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                source.write_all(&back[..read]).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_whose_connection_breaks_again_and_again_sends_the_file_once() {
    let pair = Pair::new(64 * MIB, true).await;
    let bounds = &[20 * MIB, 9 * MIB, 12 * MIB];
    let relay = Relay::new(pair.address, bounds, false).await;
    let leaf = pair.transfer(relay.address, 2).await.expect("arrived");
    pair.arrived(leaf, 2);
    let sent = relay.sent.load(Ordering::Relaxed);
    let connections = relay.connections.load(Ordering::Relaxed);
    println!("{} of 64 MiB over {connections} connections", sent / MIB);
    assert!(connections > bounds.len(), "{connections} connections");
    let most = (64 * MIB) + (bounds.len() as u64) * UNDER_WAY;
    assert!(sent < most, "{} MiB were sent", sent / MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_the_target_takes_the_broken_stream_for_open() {
    let pair = Pair::new(32 * MIB, true).await;
    let relay = Relay::new(pair.address, &[20 * MIB], true).await;
    let leaf = pair.transfer(relay.address, 2).await.expect("arrived");
    pair.arrived(leaf, 2);
    let sent = relay.sent.load(Ordering::Relaxed);
    println!("{} of 32 MiB", sent / MIB);
    assert!(sent < 32 * MIB + UNDER_WAY, "{} MiB", sent / MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_answer_is_lost_has_arrived() {
    let pair = Pair::new(9 * MIB, true).await;
    pair.serves.loses.store(true, Ordering::Relaxed);
    let leaf = pair.transfer(pair.address, 2).await.expect("arrived");
    pair.arrived(leaf, 2);
    assert_eq!(pair.serves.received.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_breaks_before_a_target_of_the_release_before_begins_anew() {
    let pair = Pair::new(32 * MIB, false).await;
    let relay = Relay::new(pair.address, &[20 * MIB], false).await;
    let failure = pair.transfer(relay.address, 2).await.expect_err("broken");
    assert_eq!(failure.fault, Fault::Io, "{failure}");
    assert_eq!(pair.serves.received.load(Ordering::Relaxed), 1);
    // As when a manager tries again.
    let leaf = pair.transfer(relay.address, 3).await.expect("arrived");
    pair.arrived(leaf, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_copy_was_deleted_meanwhile_does_not_go_on() {
    let pair = Pair::new(32 * MIB, true).await;
    let relay = Relay::new(pair.address, &[20 * MIB], false).await;
    pair.serves.deletes.store(true, Ordering::Relaxed);
    let failure = pair.transfer(relay.address, 2).await.expect_err("deleted");
    assert_eq!(failure.fault, Fault::Tombstone, "{failure}");
    assert_eq!(pair.target.disk.files(), 0);
    assert_eq!(pair.serves.received.load(Ordering::Relaxed), 1);
}
