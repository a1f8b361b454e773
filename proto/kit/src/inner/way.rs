//! How one peer is reached: in TLS, or with the token.

use crate::tls::{Mutual, Whom};
use crate::token::Bearer;
use hyper_util::rt::TokioIo;
use std::io;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::service::Interceptor;
use tonic::transport::{Channel, Endpoint, Error, Uri};
use tonic::{Request, Status};
use tower::util::ServiceFn;

/// How a peer is reached. On a [`Channel`] without TLS it is the interceptor that sends
/// the token.
#[derive(Debug, Clone)]
pub struct Way(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Plain(Bearer),
    Secured(Mutual, Whom),
}

impl Way {
    pub(super) fn plain(bearer: Bearer) -> Self {
        Self(Kind::Plain(bearer))
    }

    pub(super) fn secured(tls: Mutual, whom: Whom) -> Self {
        Self(Kind::Secured(tls, whom))
    }

    /// Connects to `endpoint`, whose scheme has to be `http`.
    ///
    /// # Errors
    /// Where nobody answers there, or not the one that is wanted.
    pub async fn connect(&self, endpoint: &Endpoint) -> Result<Channel, Error> {
        match &self.0 {
            Kind::Plain(_) => endpoint.connect().await,
            Kind::Secured(tls, whom) => {
                let connector = connector(tls.clone(), whom.clone());
                endpoint.connect_with_connector(connector).await
            }
        }
    }

    /// A channel that connects when it is used, and again when it broke.
    pub fn connect_lazy(&self, endpoint: &Endpoint) -> Channel {
        match &self.0 {
            Kind::Plain(_) => endpoint.connect_lazy(),
            Kind::Secured(tls, whom) => {
                endpoint.connect_with_connector_lazy(connector(tls.clone(), whom.clone()))
            }
        }
    }
}

impl Interceptor for Way {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        match &mut self.0 {
            Kind::Plain(bearer) => bearer.call(request),
            Kind::Secured(..) => Ok(request),
        }
    }
}

type Connecting = futures::future::BoxFuture<'static, io::Result<TokioIo<TlsStream<TcpStream>>>>;

fn connector(tls: Mutual, whom: Whom) -> ServiceFn<impl FnMut(Uri) -> Connecting + Send> {
    tower::service_fn(move |uri: Uri| -> Connecting {
        let (tls, whom) = (tls.clone(), whom.clone());
        Box::pin(async move {
            let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16());
            let port = port.ok_or_else(|| io::Error::other("an address without a port"))?;
            let socket = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
            socket.set_nodelay(true)?;
            Ok(TokioIo::new(tls.connect(&whom, socket).await?))
        })
    })
}
