//! What a person may do about an error.

use client::{Code, Error, Mismatch};
use std::borrow::Cow;

/// An error with what helps, where its kind alone does not say that.
#[derive(Debug, thiserror::Error)]
#[error("{error:#}")]
struct Hinted {
    error: anyhow::Error,
    hint: String,
}

/// The error with this hint, if there is one.
pub(crate) fn with(error: anyhow::Error, hint: Option<String>) -> anyhow::Error {
    match hint {
        Some(hint) => Hinted { error, hint }.into(),
        None => error,
    }
}

/// What the library says of it.
pub(crate) fn known(error: &anyhow::Error) -> Option<&Error> {
    match error.downcast_ref::<Hinted>() {
        Some(hinted) => known(&hinted.error),
        None => error.downcast_ref(),
    }
}

/// What a person may do about it.
pub(crate) fn of(error: &anyhow::Error) -> Option<Cow<'_, str>> {
    match error.downcast_ref::<Hinted>() {
        Some(hinted) => Some(hinted.hint.as_str().into()),
        None => known(error).and_then(of_kind).map(Cow::from),
    }
}

/// What may be done about every error of its kind.
fn of_kind(error: &Error) -> Option<&'static str> {
    match error {
        Error::ReadOnce { source } => of_kind(source),
        Error::Refused(refusal) => match refusal.code {
            Some(Code::ServersUnavailable) => {
                Some("no node takes or serves files now: see `dfs status`, or try again later")
            }
            Some(Code::FileUnavailable) => Some(
                "its node is away or lacks it, or it is damaged: see `dfs status`, or try again later",
            ),
            Some(Code::FileNameExists) => Some("take another name, or delete that file first"),
            Some(Code::NotAuthorized) if refusal.status.as_u16() == 401 => {
                Some("give a token that the service knows with --token-file")
            }
            Some(Code::InsufficientStorage) => Some("delete files, or have nodes added"),
            Some(Code::TooManyRequests) => Some("try again later, or with fewer --jobs"),
            Some(
                Code::FileDoesNotExist
                | Code::Internal
                | Code::InvalidRequest
                | Code::NotAuthorized,
            )
            | None => None,
        },
        Error::NoAnswer { url, source } => match error.mismatch() {
            Some(mismatch) => Some(of_mismatch(mismatch)),
            None if source.is_connect() => Some("is the service up, and --url right?"),
            None if source.is_request() => Some(of_end(url)),
            None => None,
        },
        Error::Changed { .. } => Some("fetch it again"),
        _ => None,
    }
}

/// What may be done where the two sides do not fit.
fn of_mismatch(mismatch: Mismatch) -> &'static str {
    match mismatch {
        Mismatch::NoTls => {
            "it does not speak TLS: is --url right? If so, take http:// in place of https://"
        }
        Mismatch::UnknownAuthority => {
            "who signed its certificate is not trusted here: give that authority, as PEM, with --ca"
        }
        Mismatch::OtherName => {
            "its certificate is for another name: take one of those that it is for, in the URL"
        }
        Mismatch::OutOfDate => {
            "is the clock of this machine right? If so, the service needs a new certificate"
        }
        Mismatch::NotTrusted => {
            "it does not trust the certificate of --cert: give one that its authority signed"
        }
        Mismatch::NoCertificate => "it asks for a certificate: give one with --cert and --key",
        _ => {
            "the service needs a certificate that an authority signed for it, and --ca has that \
             authority; one that is an authority itself can't be used for both"
        }
    }
}

/// What may be done where a connection ended without an answer.
fn of_end(url: &str) -> &'static str {
    match url.starts_with("https:") {
        true => {
            "is the service up, and --url right? If it asks for certificates, give one that it \
             trusts with --cert and --key"
        }
        false => {
            "is the service up, and --url right? If that port speaks TLS, the URL must begin with \
             https://"
        }
    }
}
