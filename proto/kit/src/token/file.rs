//! A token that lies in a file, which is read again when it changes.

use super::{Secret, Token, TokenError, parse};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often a token's file is read again.
const REREAD: Duration = Duration::from_secs(5);

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
            let text = read(path)?;
            let token = Token::parse(&text, "--token-file")?;
            if let Some(secret) = &token.secret {
                let (path, secret) = (path.clone(), Arc::downgrade(secret));
                std::thread::spawn(move || follow(&path, text, &secret));
            }
            return Ok(token);
        }
        match std::env::var("DFS_TOKEN") {
            Ok(text) => Token::parse(&text, "DFS_TOKEN"),
            Err(_) => Ok(Token::default()),
        }
    }
}

fn read(path: &Path) -> Result<String, TokenError> {
    std::fs::read_to_string(path).map_err(|source| TokenError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// Reads the file again and again for as long as anybody has its token.
fn follow(path: &Path, mut known: String, secret: &Weak<Secret>) {
    loop {
        std::thread::sleep(REREAD);
        let Some(secret) = secret.upgrade() else {
            return;
        };
        let lines = match read(path) {
            Ok(text) if text == known => continue,
            Ok(text) => {
                let lines = parse(&text, "--token-file");
                known = text;
                lines
            }
            Err(error) => Err(error),
        };
        match lines {
            Ok(lines) => {
                *secret.0.write() = lines;
                tracing::info!(file = %path.display(), "the token was read again");
            }
            // The one that is known stays.
            Err(error) => tracing::warn!(%error, "the token was not read again"),
        }
    }
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
