//! How one peer is reached: in TLS, or with the token.

use crate::stepped::Stepped;
use crate::tls::{Mutual, Whom};
use crate::token::Bearer;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tonic::service::Interceptor;
use tonic::transport::{Channel, Endpoint, Error, Uri};
use tonic::{Request, Status};
use tower::Service;
use tower::util::ServiceFn;

/// How a peer is reached. On a [`Channel`] it is the interceptor that names the span that is
/// current, and without TLS sends the token.
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
        endpoint
            .connect_with_connector(self.connector(endpoint))
            .await
    }

    /// A channel that connects when it is used, and again when it broke.
    pub fn connect_lazy(&self, endpoint: &Endpoint) -> Channel {
        endpoint.connect_with_connector_lazy(self.connector(endpoint))
    }

    /// Connects as the library does, and speaks TLS on that connection if that is the way.
    fn connector(
        &self,
        endpoint: &Endpoint,
    ) -> ServiceFn<impl FnMut(Uri) -> Connecting + Send + use<>> {
        let mut plain = HttpConnector::new();
        plain.set_nodelay(true);
        // Divided among the addresses of a name, so that a dead one leaves time for others.
        plain.set_connect_timeout(endpoint.get_connect_timeout());
        let kind = self.0.clone();
        tower::service_fn(move |uri: Uri| -> Connecting {
            let (kind, connecting) = (kind.clone(), plain.call(uri));
            Box::pin(async move {
                let socket = connecting.await?;
                let stream = match kind {
                    Kind::Plain(_) => Either::Left(socket.into_inner()),
                    Kind::Secured(tls, whom) => {
                        let stream = tls.connect(&whom, socket.into_inner()).await?;
                        Either::Right(Box::new(stream))
                    }
                };
                Ok(TokioIo::new(Stepped::new(stream)))
            })
        })
    }
}

impl Interceptor for Way {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        crate::spans::inject(request.metadata_mut());
        match &mut self.0 {
            Kind::Plain(bearer) => bearer.call(request),
            Kind::Secured(..) => Ok(request),
        }
    }
}

type Connecting = BoxFuture<'static, Result<TokioIo<Stepped<Stream>>, BoxError>>;
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error with its causes: only these say that another one answers, or that a
/// certificate is not taken.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
