//! How one peer is reached: in TLS, or with the token.

use crate::tls::{Mutual, Whom};
use crate::token::Bearer;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::service::Interceptor;
use tonic::transport::{Channel, Endpoint, Error, Uri};
use tonic::{Request, Status};
use tower::Service;
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
                let connector =
                    connector(tls.clone(), whom.clone(), endpoint.get_connect_timeout());
                endpoint.connect_with_connector(connector).await
            }
        }
    }

    /// A channel that connects when it is used, and again when it broke.
    pub fn connect_lazy(&self, endpoint: &Endpoint) -> Channel {
        match &self.0 {
            Kind::Plain(_) => endpoint.connect_lazy(),
            Kind::Secured(tls, whom) => endpoint.connect_with_connector_lazy(connector(
                tls.clone(),
                whom.clone(),
                endpoint.get_connect_timeout(),
            )),
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

type Connecting =
    BoxFuture<'static, Result<TokioIo<TlsStream<TokioIo<TokioIo<TcpStream>>>>, BoxError>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects as the library does without TLS, and speaks TLS on that connection.
fn connector(
    tls: Mutual,
    whom: Whom,
    within: Option<Duration>,
) -> ServiceFn<impl FnMut(Uri) -> Connecting + Send> {
    let mut plain = HttpConnector::new();
    plain.set_nodelay(true);
    // Divided among the addresses of a name, so that a dead one leaves time for others.
    plain.set_connect_timeout(within);
    tower::service_fn(move |uri: Uri| -> Connecting {
        let (tls, whom, connecting) = (tls.clone(), whom.clone(), plain.call(uri));
        Box::pin(async move {
            let socket = TokioIo::new(connecting.await?);
            Ok(TokioIo::new(tls.connect(&whom, socket).await?))
        })
    })
}

/// An error with its causes: only these say that another one answers, or that a
/// certificate is not taken.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
