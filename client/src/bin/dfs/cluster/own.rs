//! The token that the kubeconfig's user has by itself.

use super::caller::is_for;
use kube::config::AuthInfo;
use secrecy::ExposeSecret;
use std::io;
use std::path::PathBuf;

/// The token, where there is one.
pub(crate) fn token(user: &AuthInfo) -> Option<String> {
    match (&user.token, &user.token_file) {
        (Some(token), _) => Some(token.expose_secret().to_owned()),
        (None, Some(file)) => std::fs::read_to_string(file).ok(),
        (None, None) => None,
    }
    .map(|token| token.trim().to_owned())
}

/// What its file has by now. Only a token for this audience is shown, as with the first one.
pub(crate) async fn read(file: PathBuf, audience: String) -> io::Result<String> {
    let wrong = |why: String| io::Error::other(format!("{}: {why}", file.display()));
    let text = tokio::fs::read_to_string(&file).await;
    let text = text.map_err(|error| wrong(error.to_string()))?;
    let token = text.trim();
    match is_for(token, &audience) {
        true => Ok(token.to_owned()),
        false => Err(wrong(format!(
            "the token in it is not for the audience {audience} alone, and is not sent"
        ))),
    }
}
