//! The token on calls: guards of servers, which admit callers, and bearers, which
//! send it.

use super::{Token, one_is};
use crate::accept::Peer;
use proto::keys::pool_key;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Under which a caller names the pool whose key it has.
const POOL: &str = "dfs-pool-bin";

/// Who called with the key of a pool and not with the token.
#[derive(Debug, Clone)]
pub struct PoolCaller(pub String);

/// What else a guard lets in.
#[derive(Debug, Clone)]
pub(super) enum Admits {
    /// Nothing.
    Token,
    /// The key of this pool.
    KeyOf(String),
    /// The key of the pool that the caller names.
    Keys,
}

/// Refuses calls without the token.
#[derive(Debug, Clone)]
pub struct Guard {
    pub(super) token: Token,
    pub(super) admits: Admits,
}

impl Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let admitted = self.admit(request)?;
        if let Some(peer) = admitted.extensions().get::<Peer>() {
            peer.admit();
        }
        Ok(admitted)
    }
}

impl Guard {
    fn admit(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let Some(keys) = self.token.keys() else {
            return Ok(request);
        };
        let given = request.metadata().get("authorization");
        let given = given.map_or(&[][..], |value| value.as_bytes());
        let is = |keys: &[String]| one_is(given, keys.iter().map(|key| format!("Bearer {key}")));
        if is(&keys) {
            return Ok(request);
        }
        let pool = match &self.admits {
            Admits::Token => None,
            Admits::KeyOf(pool) => Some(pool.clone()),
            Admits::Keys => {
                let named = request.metadata().get_bin(POOL);
                let named = named.and_then(|named| named.to_bytes().ok());
                named.and_then(|named| String::from_utf8(named.to_vec()).ok())
            }
        };
        if let Some(pool) = pool {
            let keys: Vec<String> = keys.iter().map(|key| pool_key(key, &pool)).collect();
            if is(&keys) {
                request.extensions_mut().insert(PoolCaller(pool));
                return Ok(request);
            }
        }
        Err(Status::unauthenticated(
            "the token of this service is missing or wrong",
        ))
    }
}

/// Sends the token with each call.
#[derive(Debug, Clone)]
pub struct Bearer {
    pub(super) token: Token,
    pub(super) pool: Option<String>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let keys = self.token.keys().unwrap_or_default();
        let Some(key) = keys.first() else {
            return Ok(request);
        };
        // Printable ASCII, by its parsing.
        if let Ok(mut value) = format!("Bearer {key}").parse::<MetadataValue<Ascii>>() {
            value.set_sensitive(true);
            request.metadata_mut().insert("authorization", value);
        }
        if let Some(pool) = &self.pool {
            let pool = MetadataValue::from_bytes(pool.as_bytes());
            request.metadata_mut().insert_bin(POOL, pool);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests;
