//! Guards of servers, which admit callers by their certificate or else by the token, and
//! bearers, which send that.

use super::{Token, one_is};
use crate::accept::Peer;
use proto::identity::Role;
use proto::keys::pool_key;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Under which a caller names the pool whose key it has.
const POOL: &str = "dfs-pool-bin";

/// The pool that a node may join as: its certificate's, or that whose key it called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolCaller(pub String);

/// Who is let in by a guard.
#[derive(Debug, Clone)]
pub(super) enum Admits {
    /// Who may give commands: by the certificate of an operator or a manager, which has
    /// every other power already, or the token.
    Commands,
    /// Managers: by a certificate of that role, the token, or the key of this pool.
    Managers(String),
    /// Nodes: by a certificate of that role, the token, or the key of the pool that they
    /// name.
    Nodes,
}

/// Refuses calls of others.
#[derive(Debug, Clone)]
pub struct Guard {
    pub(super) token: Token,
    pub(super) admits: Admits,
}

impl Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let identity = peer.as_ref().and_then(Peer::identity);
        let admitted = match identity {
            Some(identity) => self.admit_as(identity.role(), request)?,
            None => self.admit_by_token(request)?,
        };
        // A node is let in by its join, if that succeeds: until then it is a stranger, or
        // calls that never join would hold the port's connections.
        let joins = matches!(self.admits, Admits::Nodes);
        if let Some(peer) = peer.filter(|_| !joins) {
            peer.admit();
        }
        Ok(admitted)
    }
}

impl Guard {
    fn admit_as(&self, role: &Role, mut request: Request<()>) -> Result<Request<()>, Status> {
        match (&self.admits, role) {
            (Admits::Commands, Role::Operator | Role::Manager)
            | (Admits::Managers(_), Role::Manager) => {}
            (Admits::Nodes, Role::Node { pool }) => {
                request.extensions_mut().insert(PoolCaller(pool.clone()));
            }
            (Admits::Commands, _) => return Err(not_for(role, "an operator's")),
            (Admits::Managers(_), _) => return Err(not_for(role, "a manager's")),
            (Admits::Nodes, _) => return Err(not_for(role, "a node's")),
        }
        Ok(request)
    }

    fn admit_by_token(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
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
            Admits::Commands => None,
            Admits::Managers(pool) => Some(pool.clone()),
            Admits::Nodes => {
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

fn not_for(role: &Role, wanted: &str) -> Status {
    Status::permission_denied(format!(
        "the certificate is that of {role}; this needs {wanted}"
    ))
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
