//! A token that lies in a file, which is read again when it changes.

use super::{Secret, Token, TokenError, parse};
use crate::reread::{self, Source};
use std::path::PathBuf;
use std::sync::Arc;

/// The flag that names the file.
const FLAG: &str = "--token-file";

/// The flags for the token.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TokenArgs {
    /// File that holds the token of the inner ports (or set DFS_TOKEN), or two tokens to let in, the first to be sent; it is read again when it changes; without a token only loopback addresses may be listened on
    #[arg(long, env = "DFS_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl TokenArgs {
    /// Reads the token from the file, or else from `DFS_TOKEN`.
    ///
    /// # Errors
    /// When the file can't be read or the token is malformed.
    pub fn load(&self) -> Result<Token, TokenError> {
        if let Some(path) = &self.token_file {
            let file = Source::new(FLAG, path.clone());
            let text = file.read().map_err(|source| TokenError::Unreadable {
                path: path.clone(),
                source,
            })?;
            let token = Token::parse(&text, FLAG)?;
            if let Some(secret) = &token.secret {
                let held = Arc::downgrade(secret);
                reread::follow("the token", vec![file], vec![text], held, take);
            }
            return Ok(token);
        }
        match std::env::var("DFS_TOKEN") {
            Ok(text) => Token::parse(&text, "DFS_TOKEN"),
            Err(_) => Ok(Token::default()),
        }
    }
}

/// From now on the file's tokens are these.
fn take(secret: &Secret, texts: &[String]) -> Result<(), String> {
    let lines = parse(&texts.concat(), FLAG).map_err(|error| error.to_string())?;
    *secret.0.write() = lines;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
