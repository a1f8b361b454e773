//! The inner ports: who is let in, and how others are reached. A peer shows a
//! certificate of the release, or, where it has none, a token.

mod args;
mod way;

pub use args::{InnerArgs, InnerError};
pub use way::{Way, chain};

use crate::accept::{self, Connection};
use crate::tls::{Mutual, Whom};
use crate::token::{Bearer, Guard, Token};
use futures::Stream;
use proto::ticket::Claim;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What opens the inner ports; nothing by default, as on loopback.
#[derive(Debug, Clone, Default)]
pub struct Inner {
    token: Token,
    tls: Option<Mutual>,
    /// Peers without a certificate are let in by the token.
    plain: bool,
}

impl Inner {
    /// What opens the inner ports of a process without certificates.
    pub fn of_token(token: Token) -> Self {
        Self {
            token,
            ..Self::default()
        }
    }

    /// What opens the inner ports of a process that has these certificates, or none.
    pub fn of_certificates(tls: Option<Mutual>) -> Self {
        Self {
            tls,
            ..Self::default()
        }
    }

    /// The same, and peers without a certificate are let in by the token as well.
    ///
    /// # Errors
    /// What is missing: certificates, or a token.
    pub fn with_plain(self) -> Result<Self, &'static str> {
        match (&self.tls, self.token.is_set()) {
            (None, _) => Err("certificates (--certs)"),
            (_, false) => Err("a token (--token-file or DFS_TOKEN)"),
            (Some(_), true) => Ok(Self {
                plain: true,
                ..self
            }),
        }
    }

    /// Refuses an address that others can reach where nothing would keep them out.
    ///
    /// # Errors
    /// Names the flag and the address.
    pub fn allows_listening(
        &self,
        flag: &'static str,
        address: SocketAddr,
    ) -> Result<(), InnerError> {
        let guarded = self.tls.is_some() || self.token.is_set();
        match guarded || address.ip().is_loopback() {
            true => Ok(()),
            false => Err(InnerError::Open { flag, address }),
        }
    }

    /// The connections of an inner port; see [`accept::incoming`].
    pub fn incoming(
        &self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> impl Stream<Item = io::Result<Connection>> + use<> {
        let tls = self.tls.clone().map(|tls| (tls, self.plain));
        accept::incoming(listener, shutdown, tls)
    }

    /// Lets in who may give commands.
    pub fn guard_of_commands(&self) -> Guard {
        self.token.guard_of_commands()
    }

    /// Lets in managers, at a node of this pool.
    pub fn guard_of_storage(&self, pool: &str) -> Guard {
        self.token.guard_of_storage(pool)
    }

    /// Lets in nodes, at a manager. [`PoolCaller`](crate::token::PoolCaller) among the
    /// request's extensions is the pool that the node may be of; without one it may be of
    /// any.
    pub fn guard_of_joins(&self) -> Guard {
        self.token.guard_of_joins()
    }

    /// The way from a node to a manager that it joins.
    pub fn way_to_manager(&self, pool: &str) -> Way {
        self.way(self.token.bearer_of_node(pool), Whom::Manager)
    }

    /// The way from a person or the operator to a manager.
    pub fn way_of_commands(&self) -> Way {
        self.way(self.token.bearer(), Whom::Manager)
    }

    /// The way from a manager to a node of a pool. `secured` says whether the node speaks
    /// TLS, which only matters while some do not.
    pub fn way_to_node(&self, pool: &str, secured: bool) -> Way {
        let bearer = self.token.of_pool(pool).bearer();
        match secured || !self.plain {
            true => self.way(bearer, Whom::NodeOf(pool.to_owned())),
            false => Way::plain(bearer),
        }
    }

    /// The way from a node to another one of a pool, or of any where that is empty. A
    /// ticket admits to it.
    pub fn way_between_nodes(&self, pool: &str) -> Way {
        let whom = match pool {
            "" => Whom::Node,
            pool => Whom::NodeOf(pool.to_owned()),
        };
        self.way(Token::default().bearer(), whom)
    }

    fn way(&self, bearer: Bearer, whom: Whom) -> Way {
        match &self.tls {
            Some(tls) => Way::secured(tls.clone(), whom),
            None => Way::plain(bearer),
        }
    }

    /// Whether there are certificates.
    pub fn is_secured(&self) -> bool {
        self.tls.is_some()
    }

    /// A permit to bring one copy to a node of this pool that has given no key for it.
    /// Empty where there is no token.
    pub fn ticket(&self, pool: &str, id: &[u8], generation: u32, session: u64) -> Vec<u8> {
        self.token.of_pool(pool).ticket(id, generation, session)
    }

    /// Whether a node of this pool that has no certificate takes a copy by this ticket,
    /// made with the token or the pool's key.
    pub fn takes(&self, pool: &str, claim: &Claim) -> bool {
        self.token.takes(claim) || self.token.of_pool(pool).takes(claim)
    }
}
