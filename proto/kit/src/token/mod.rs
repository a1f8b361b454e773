//! The token that guards the inner ports, and the keys of pools that are derived
//! from it: compared in constant time, never shown.

mod file;
mod guard;

pub use file::TokenArgs;
pub use guard::{Bearer, Guard, PoolCaller};

use guard::Admits;
use parking_lot::RwLock;
use proto::keys::{pool_key, ticket};
use proto::ticket::{Claim, is_of};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use subtle::{Choice, ConstantTimeEq};

/// The fewest characters that a token, or another secret of a file, must have.
pub const MIN_LENGTH: usize = 16;
/// Secrets of a file that are let in at the same time.
pub const MOST: usize = 2;

/// Why there is no usable token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can't be read.
    #[error("--token-file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Too short, not printable ASCII, or too many.
    #[error(
        "{0}: a token is at least {MIN_LENGTH} printable ASCII characters without white space; \
         there may be {MOST} at the most, each on a line of its own"
    )]
    Malformed(&'static str),
}

/// The token, or none. Its `Debug` shows nothing of it.
///
/// A file may hold two, each on a line of its own: both are let in, and the first
/// is sent. Where the file changes it is read again, so that a token is changed
/// without a restart.
#[derive(Clone, Default)]
pub struct Token {
    secret: Option<Arc<Secret>>,
    /// The pool whose key it stands for instead.
    pool: Option<String>,
}

/// The lines of a token, as they are now.
struct Secret(RwLock<Vec<String>>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secret.is_some() {
            "Token(set)"
        } else {
            "Token(none)"
        })
    }
}

/// The tokens of a text, each on a line; `from` names where it came from.
///
/// # Errors
/// Where one is too short or not printable, or there are too many.
pub fn parse(text: &str, from: &'static str) -> Result<Vec<String>, TokenError> {
    secrets(text).ok_or(TokenError::Malformed(from))
}

/// The secrets of a text, each on a line, the first one to be used; nothing where one is
/// too short or not printable, or there are too many.
pub fn secrets(text: &str) -> Option<Vec<String>> {
    let lines: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    let good =
        |line: &String| line.len() >= MIN_LENGTH && line.bytes().all(|b| b.is_ascii_graphic());
    let fits = (1..=MOST).contains(&lines.len()) && lines.iter().all(good);
    fits.then_some(lines)
}

impl Token {
    fn parse(text: &str, from: &'static str) -> Result<Self, TokenError> {
        let lines = parse(text, from)?;
        Ok(Self {
            secret: Some(Arc::new(Secret(RwLock::new(lines)))),
            pool: None,
        })
    }

    /// The pool's keys in place of the token.
    pub fn of_pool(&self, pool: &str) -> Self {
        Self {
            secret: self.secret.clone(),
            pool: Some(pool.to_owned()),
        }
    }

    /// What is let in, the first to be sent; nothing where there is no token.
    fn keys(&self) -> Option<Vec<String>> {
        let lines = self.secret.as_ref()?.0.read();
        let key = |line: &String| match &self.pool {
            Some(pool) => pool_key(line, pool),
            None => line.clone(),
        };
        Some(lines.iter().map(key).collect())
    }

    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        self.secret.is_some()
    }

    /// A permit to bring one copy to a node of this pool, for a node of another.
    /// Empty where there is no token.
    pub fn ticket(&self, id: &[u8], generation: u32, session: u64) -> Vec<u8> {
        let keys = self.keys().unwrap_or_default();
        keys.first().map_or_else(Vec::new, |key| {
            ticket(key.as_bytes(), id, generation, session).to_vec()
        })
    }

    /// Whether a claim's ticket is one of these keys', for that very copy.
    pub fn takes(&self, claim: &Claim) -> bool {
        let Some(keys) = self.keys() else {
            return true;
        };
        // All are compared, so that the time does not depend on which it is.
        let of = |key: &String| is_of(claim, key.as_bytes());
        keys.iter().map(of).fold(false, |one, this| one | this)
    }

    /// An interceptor for servers that lets in who may give commands.
    pub fn guard_of_commands(&self) -> Guard {
        self.guard_of(Admits::Commands)
    }

    /// The same for a node, which managers call with its pool's key.
    pub fn guard_of_storage(&self, pool: &str) -> Guard {
        self.guard_of(Admits::Managers(pool.to_owned()))
    }

    /// The same for joins, where a node may have the key of its pool: `PoolCaller`
    /// among the request's extensions says which.
    pub fn guard_of_joins(&self) -> Guard {
        self.guard_of(Admits::Nodes)
    }

    fn guard_of(&self, admits: Admits) -> Guard {
        Guard {
            token: self.clone(),
            admits,
        }
    }

    /// An interceptor for clients that sends the token with each call.
    pub fn bearer(&self) -> Bearer {
        Bearer {
            token: self.clone(),
            pool: None,
        }
    }

    /// The same for a node that joins: it says for which pool its key is.
    pub fn bearer_of_node(&self, pool: &str) -> Bearer {
        Bearer {
            token: self.clone(),
            pool: Some(pool.to_owned()),
        }
    }
}

/// Whether one of the secrets is given, in a time that does not depend on which.
fn one_is(given: &[u8], secrets: impl Iterator<Item = impl AsRef<[u8]>>) -> bool {
    let same = secrets.map(|secret| secret.as_ref().ct_eq(given));
    bool::from(same.fold(Choice::from(0), |a, b| a | b))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn token(text: &str) -> Token {
        Token::parse(text, "DFS_TOKEN").expect("a good token")
    }

    #[test]
    fn a_ticket_is_good_for_one_copy_on_one_pool() {
        let master = token("0123456789abcdef");
        let ticket = master.of_pool("a/p").ticket(b"id", 2, 7);
        let claim = |id: &[u8], generation, session| Claim {
            id: id.to_vec(),
            generation,
            session,
            ticket: ticket.clone(),
        };
        let key = token(&pool_key("0123456789abcdef", "a/p"));
        let good = claim(b"id", 2, 7);
        assert!(key.takes(&good));
        for (id, generation, session) in [(&b"ie"[..], 2, 7), (b"id", 3, 7), (b"id", 2, 8)] {
            assert!(!key.takes(&claim(id, generation, session)));
        }
        assert!(!master.of_pool("a/q").takes(&good));
        let bare = Claim {
            ticket: Vec::new(),
            ..good
        };
        assert!(!key.takes(&bare));
        assert!(Token::default().takes(&bare));
    }

    #[test]
    fn a_token_is_long_and_never_shown() {
        assert!(Token::parse("short", "DFS_TOKEN").is_err());
        assert!(Token::parse("0123456789 abcdef", "DFS_TOKEN").is_err());
        assert_eq!(format!("{:?}", token("0123456789abcdef")), "Token(set)");
    }
}
