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
mod tests {
    use super::super::tests::token;
    use super::*;

    fn call(guard: &Guard, bearer: &Bearer) -> Result<Request<()>, Status> {
        let sent = bearer.clone().call(Request::new(()))?;
        guard.clone().call(sent)
    }

    #[test]
    fn only_the_same_token_is_let_in() {
        let server = token("0123456789abcdef\n");
        assert!(call(&server.guard(), &server.bearer()).is_ok());
        let other = token("0123456789abcdeX");
        assert!(call(&server.guard(), &other.bearer()).is_err());
        let none = Token::default();
        assert!(call(&server.guard(), &none.bearer()).is_err());
        assert!(call(&none.guard(), &none.bearer()).is_ok());
    }

    #[test]
    fn of_two_tokens_both_are_let_in_and_the_first_is_sent() {
        let both = token("aaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbb\n");
        let (a, b) = (token("aaaaaaaaaaaaaaaa"), token("bbbbbbbbbbbbbbbb"));
        assert!(call(&both.guard(), &a.bearer()).is_ok());
        assert!(call(&both.guard(), &b.bearer()).is_ok());
        assert!(call(&a.guard(), &both.bearer()).is_ok());
        assert!(call(&b.guard(), &both.bearer()).is_err());
        assert!(Token::parse("aaaaaaaaaaaaaaaa\n".repeat(3).as_str(), "DFS_TOKEN").is_err());
    }

    #[test]
    fn the_key_of_a_pool_opens_joins_and_that_pools_nodes() {
        let master = token("0123456789abcdef");
        let key = token(&pool_key("0123456789abcdef", "a/p"));
        let joins = master.guard_of_joins();
        let caller = |bearer: &Bearer| -> Option<String> {
            let let_in = call(&joins, bearer).expect("it is let in");
            let caller = let_in.extensions().get::<PoolCaller>();
            caller.map(|PoolCaller(pool)| pool.clone())
        };
        assert_eq!(caller(&key.bearer_of_node("a/p")), Some("a/p".to_owned()));
        assert_eq!(caller(&master.bearer_of_node("a/p")), None);
        assert!(call(&joins, &key.bearer_of_node("a/q")).is_err());
        assert!(call(&joins, &key.bearer()).is_err());
        assert!(call(&master.guard(), &key.bearer_of_node("a/p")).is_err());
        // Managers call every node with the key of its pool, whatever it has.
        for node in [&master, &key] {
            assert!(call(&node.guard_of_node("a/p"), &master.of_pool("a/p").bearer()).is_ok());
        }
        assert!(call(&key.guard_of_node("a/p"), &master.of_pool("a/q").bearer()).is_err());
        assert!(call(&key.guard_of_node("a/p"), &master.bearer()).is_err());
    }
}
