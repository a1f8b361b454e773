//! The token that guards the inner ports: read once, compared in constant
//! time, never shown.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use subtle::ConstantTimeEq;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// The fewest characters that a token must have.
const MIN_LENGTH: usize = 16;

/// The flags for the token.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TokenArgs {
    /// File that holds the token of the inner ports (or set DFS_TOKEN); without a token only loopback addresses may be listened on
    #[arg(long, env = "DFS_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

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
    /// Too short, or not printable ASCII.
    #[error("{0}: a token is at least {MIN_LENGTH} printable ASCII characters without white space")]
    Malformed(&'static str),
    /// An open address without a token.
    #[error(
        "{flag} {address}: without a token (--token-file or DFS_TOKEN) only loopback addresses may be listened on"
    )]
    Open {
        /// The flag that names the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
    },
}

/// The token, or none. Its `Debug` shows nothing of it.
#[derive(Clone, Default)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Token(set)"
        } else {
            "Token(none)"
        })
    }
}

impl TokenArgs {
    /// Reads the token from the file, or else from `DFS_TOKEN`.
    ///
    /// # Errors
    /// When the file can't be read or the token is malformed.
    pub fn load(&self) -> Result<Token, TokenError> {
        if let Some(path) = &self.token_file {
            let text = std::fs::read_to_string(path).map_err(|source| TokenError::Unreadable {
                path: path.clone(),
                source,
            })?;
            return Token::parse(&text, "--token-file");
        }
        match std::env::var("DFS_TOKEN") {
            Ok(text) => Token::parse(&text, "DFS_TOKEN"),
            Err(_) => Ok(Token(None)),
        }
    }
}

impl Token {
    fn parse(text: &str, from: &'static str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() < MIN_LENGTH || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::Malformed(from));
        }
        let mut value: MetadataValue<Ascii> = format!("Bearer {text}")
            .parse()
            .map_err(|_| TokenError::Malformed(from))?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }

    /// Refuses an address that others can reach where there is no token.
    ///
    /// # Errors
    /// Names the flag and the address.
    pub fn allows_listening(
        &self,
        flag: &'static str,
        address: SocketAddr,
    ) -> Result<(), TokenError> {
        if self.0.is_none() && !address.ip().is_loopback() {
            return Err(TokenError::Open { flag, address });
        }
        Ok(())
    }

    /// Puts the token on an outgoing call.
    pub fn attach<T>(&self, request: &mut Request<T>) {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
    }

    /// Checks an incoming call.
    fn check(&self, request: &Request<()>) -> Result<(), Status> {
        let Some(expected) = &self.0 else {
            return Ok(());
        };
        let given = request
            .metadata()
            .get("authorization")
            .map_or(&[][..], |v| v.as_bytes());
        if bool::from(expected.as_bytes().ct_eq(given)) {
            Ok(())
        } else {
            Err(Status::unauthenticated(
                "the token of this service is missing or wrong",
            ))
        }
    }

    /// An interceptor for servers that refuses callers without the token.
    pub fn guard(&self) -> Guard {
        Guard(self.clone())
    }

    /// An interceptor for clients that sends the token with each call.
    pub fn bearer(&self) -> Bearer {
        Bearer(self.clone())
    }
}

/// Refuses calls without the token.
#[derive(Debug, Clone)]
pub struct Guard(Token);

impl Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.0.check(&request).map(|()| request)
    }
}

/// Sends the token with each call.
#[derive(Debug, Clone)]
pub struct Bearer(Token);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        self.0.attach(&mut request);
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::parse(text, "DFS_TOKEN").expect("a good token")
    }

    #[test]
    fn only_the_same_token_is_let_in() {
        let server = token("0123456789abcdef\n");
        let mut good = Request::new(());
        server.attach(&mut good);
        assert!(server.check(&good).is_ok());
        let mut bad = Request::new(());
        token("0123456789abcdeX").attach(&mut bad);
        assert!(server.check(&bad).is_err());
        assert!(server.check(&Request::new(())).is_err());
        assert!(Token::default().check(&Request::new(())).is_ok());
    }

    #[test]
    fn a_token_is_long_and_never_shown() {
        assert!(Token::parse("short", "DFS_TOKEN").is_err());
        assert!(Token::parse("0123456789 abcdef", "DFS_TOKEN").is_err());
        assert_eq!(format!("{:?}", token("0123456789abcdef")), "Token(set)");
    }

    #[test]
    fn without_a_token_only_loopback_is_listened_on() {
        let open: SocketAddr = "0.0.0.0:9000".parse().expect("an address");
        let local: SocketAddr = "127.0.0.1:9000".parse().expect("an address");
        assert!(Token::default().allows_listening("--grpc", open).is_err());
        assert!(Token::default().allows_listening("--grpc", local).is_ok());
        assert!(
            token("0123456789abcdef")
                .allows_listening("--grpc", open)
                .is_ok()
        );
    }

    #[test]
    fn a_token_file_is_trimmed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").expect("written");
        let args = TokenArgs {
            token_file: Some(file),
        };
        assert!(args.load().is_ok());
        let args = TokenArgs {
            token_file: Some(dir.path().join("none")),
        };
        let error = args.load().expect_err("there is no such file");
        assert!(error.to_string().contains("--token-file"));
    }
}
