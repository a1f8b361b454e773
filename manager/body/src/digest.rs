//! `Content-Digest`, `Repr-Digest` and their `Want-` fields (RFC 9530):
//! parsing, checking while the bytes flow, and writing.

use crate::b64::PADDED;
use base64::Engine;
use http::HeaderMap;
use sfv::{BareItem, Dictionary, ListEntry, Parser};
use sha2::{Digest, Sha256, Sha512};

/// Name of the field about the bytes of a message.
pub const CONTENT_DIGEST: &str = "content-digest";
/// Name of the field about the whole representation.
pub const REPR_DIGEST: &str = "repr-digest";
/// Asks for a [`CONTENT_DIGEST`] in the answer.
pub const WANT_CONTENT_DIGEST: &str = "want-content-digest";
/// Asks for a [`REPR_DIGEST`] in the answer.
pub const WANT_REPR_DIGEST: &str = "want-repr-digest";

/// The algorithms that are not deprecated; others are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Its key in the fields.
    pub fn key(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha-256",
            Algorithm::Sha512 => "sha-512",
        }
    }

    fn len(self) -> usize {
        match self {
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }
}

/// Why a digest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The field is not a dictionary of byte sequences of the right lengths.
    #[error("{header} is malformed: {reason}")]
    Malformed {
        /// The field's name.
        header: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The bytes have another digest.
    #[error("{header}: the {} of what was received is another", algorithm.key())]
    Mismatch {
        /// The field's name.
        header: &'static str,
        /// The algorithm.
        algorithm: Algorithm,
    },
}

/// The digests that a field states, of the algorithms known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    header: &'static str,
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
}

impl Stated {
    /// Parses the field `header` ([`CONTENT_DIGEST`] or [`REPR_DIGEST`]);
    /// `None` when it is missing or states nothing that is known.
    pub fn parse(headers: &HeaderMap, header: &'static str) -> Result<Option<Stated>, DigestError> {
        let bad = |reason: String| DigestError::Malformed { header, reason };
        let Some(dictionary) = dictionary(headers, header).map_err(bad)? else {
            return Ok(None);
        };
        if dictionary.is_empty() {
            return Err(bad("is empty".to_owned()));
        }
        let digest = |algorithm: Algorithm| match dictionary.get(algorithm.key()) {
            None => Ok(None),
            Some(ListEntry::Item(item)) => match &item.bare_item {
                BareItem::ByteSequence(bytes) if bytes.len() == algorithm.len() => {
                    Ok(Some(bytes.clone()))
                }
                BareItem::ByteSequence(bytes) => {
                    Err(bad(format!("{} of {} bytes", algorithm.key(), bytes.len())))
                }
                _ => Err(bad(format!("{} is not a byte sequence", algorithm.key()))),
            },
            Some(ListEntry::InnerList(_)) => {
                Err(bad(format!("{} is not a byte sequence", algorithm.key())))
            }
        };
        let stated = Stated {
            header,
            sha256: digest(Algorithm::Sha256)?,
            sha512: digest(Algorithm::Sha512)?,
        };
        Ok((stated.sha256.is_some() || stated.sha512.is_some()).then_some(stated))
    }

    /// A checker for the stated digests. With `sha256_elsewhere` the caller
    /// computes SHA-256 anyway and gives it to [`Checker::finish`].
    pub fn checker(self, sha256_elsewhere: bool) -> Checker {
        Checker {
            header: self.header,
            sha256: (self.sha256.is_some() && !sha256_elsewhere).then(Box::default),
            sha512: self.sha512.is_some().then(Box::default),
            stated: Some(self),
            trailing: false,
        }
    }

    fn fits(&self, sha256: Option<&[u8]>, sha512: Option<&[u8]>) -> Result<(), DigestError> {
        let both = [
            (Algorithm::Sha256, &self.sha256, sha256),
            (Algorithm::Sha512, &self.sha512, sha512),
        ];
        for (algorithm, stated, computed) in both {
            if stated.is_some() && stated.as_deref() != computed {
                return Err(DigestError::Mismatch {
                    header: self.header,
                    algorithm,
                });
            }
        }
        Ok(())
    }
}

/// Computes only the stated digests, while the bytes flow; where a trailer is
/// announced that will state some, every digest that it may state.
pub struct Checker {
    header: &'static str,
    stated: Option<Stated>,
    /// The field comes after the bytes.
    trailing: bool,
    /// Boxed, as most uploads state no digest, and each has room for two checkers.
    sha256: Option<Box<Sha256>>,
    sha512: Option<Box<Sha512>>,
}

impl Checker {
    /// A checker of what the field `header` states before the bytes, or after
    /// them as the field `Trailer` announces.
    ///
    /// # Errors
    /// As [`Stated::parse`].
    pub fn of(
        headers: &HeaderMap,
        header: &'static str,
        sha256_elsewhere: bool,
    ) -> Result<Option<Checker>, DigestError> {
        let stated = Stated::parse(headers, header)?;
        if !announced(headers, header) {
            return Ok(stated.map(|stated| stated.checker(sha256_elsewhere)));
        }
        Ok(Some(Checker {
            header,
            stated,
            trailing: true,
            sha256: (!sha256_elsewhere).then(Box::default),
            sha512: Some(Box::default()),
        }))
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }

    /// Compares the digests. `sha256` is the caller's, needed only if the
    /// checker was made with `sha256_elsewhere`; if it is missing then, that is
    /// a mismatch. `trailers` are the fields that came after the bytes.
    ///
    /// # Errors
    /// When the bytes differ, or a trailer is malformed.
    pub fn finish(
        self,
        sha256: Option<&[u8; 32]>,
        trailers: Option<&HeaderMap>,
    ) -> Result<(), DigestError> {
        let own = self.sha256.map(|sha256| sha256.finalize().to_vec());
        let sha256 = own.as_deref().or(sha256.map(<[u8; 32]>::as_slice));
        let sha512 = self.sha512.map(|sha512| sha512.finalize().to_vec());
        let later = match (self.trailing, trailers) {
            (true, Some(trailers)) => Stated::parse(trailers, self.header)?,
            (true, None) | (false, _) => None,
        };
        for stated in [self.stated, later].into_iter().flatten() {
            stated.fits(sha256, sha512.as_deref())?;
        }
        Ok(())
    }
}

/// Whether the field `Trailer` lists a field.
fn announced(headers: &HeaderMap, header: &str) -> bool {
    let lines = headers.get_all(http::header::TRAILER).into_iter();
    let mut names = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    names.any(|name| name.trim().eq_ignore_ascii_case(header))
}

/// Which digest a `Want-` field asks for: the known one of the highest
/// preference, SHA-256 if equal. The field is a hint, so a malformed one asks
/// for nothing.
pub fn wanted(headers: &HeaderMap, header: &'static str) -> Option<Algorithm> {
    let dictionary = dictionary(headers, header).ok()??;
    let preference = |algorithm: Algorithm| match dictionary.get(algorithm.key()) {
        Some(ListEntry::Item(item)) => item
            .bare_item
            .as_integer()
            .map_or(0, |integer| i64::from(integer).clamp(0, 10)),
        _ => 0,
    };
    let (sha256, sha512) = (preference(Algorithm::Sha256), preference(Algorithm::Sha512));
    match (sha256, sha512) {
        (0, 0) => None,
        _ if sha256 >= sha512 => Some(Algorithm::Sha256),
        _ => Some(Algorithm::Sha512),
    }
}

/// The value of a digest field.
pub fn field_value(algorithm: Algorithm, digest: &[u8]) -> String {
    format!("{}=:{}:", algorithm.key(), PADDED.encode(digest))
}

/// A field, its lines joined; `None` when there is none.
fn dictionary(headers: &HeaderMap, header: &str) -> Result<Option<Dictionary>, String> {
    let lines: Vec<&[u8]> = headers
        .get_all(header)
        .iter()
        .map(|value| value.as_bytes())
        .collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let joined = lines.join(&b", "[..]);
    Parser::new(&joined)
        .parse::<Dictionary>()
        .map(Some)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9530, appendix B: of `{"hello": "world"}` and a line feed.
    const BODY: &[u8] = b"{\"hello\": \"world\"}\n";
    const SHA256: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    const SHA512: &str = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:";

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn check(values: &[&str], body: &[u8]) -> Result<(), DigestError> {
        let stated = Stated::parse(&headers(CONTENT_DIGEST, values), CONTENT_DIGEST)?;
        let Some(stated) = stated else { return Ok(()) };
        let mut checker = stated.clone().checker(false);
        body.chunks(3).for_each(|chunk| checker.update(chunk));
        let mut elsewhere = stated.checker(true);
        elsewhere.update(body);
        let sha256: [u8; 32] = Sha256::digest(body).into();
        let result = checker.finish(None, None);
        assert_eq!(elsewhere.finish(Some(&sha256), None), result);
        result
    }

    #[test]
    fn stated_digests_are_checked() {
        for values in [
            &[SHA256][..],
            &[SHA512],
            &[SHA256, SHA512],
            &[&format!("{SHA512},md5=:AAAA:, {SHA256}")],
            &["md5=:AAAA:, unixsum=:AA==:"],
            &["unknown=5"],
        ] {
            assert_eq!(check(values, BODY), Ok(()), "{values:?}");
        }
        let mismatch = |algorithm| {
            Err(DigestError::Mismatch {
                header: CONTENT_DIGEST,
                algorithm,
            })
        };
        assert_eq!(check(&[SHA256], b"else"), mismatch(Algorithm::Sha256));
        assert_eq!(check(&[SHA512], b"else"), mismatch(Algorithm::Sha512));
        assert_eq!(
            check(&[SHA256, SHA512.replace('Y', "Z").as_str()], BODY),
            mismatch(Algorithm::Sha512)
        );
    }

    #[test]
    fn a_digest_in_an_announced_trailer_is_checked() {
        let announced = headers("trailer", &["X-Other, Content-Digest"]);
        for elsewhere in [true, false] {
            for (trailer, body, fits) in [
                (Some(SHA256), BODY, true),
                (Some(SHA512), BODY, true),
                (Some(SHA256), &b"else"[..], false),
                (Some(SHA512), &b"else"[..], false),
                (Some("sha-256=:AAAA:"), BODY, false),
                (Some("md5=:AAAA:"), BODY, true),
                (None, BODY, true),
            ] {
                let checker = Checker::of(&announced, CONTENT_DIGEST, elsewhere);
                let mut checker = checker.unwrap().expect("announced");
                checker.update(body);
                let sha256: [u8; 32] = Sha256::digest(body).into();
                let trailers = trailer.map(|value| headers(CONTENT_DIGEST, &[value]));
                let result = checker.finish(elsewhere.then_some(&sha256), trailers.as_ref());
                assert_eq!(result.is_ok(), fits, "{trailer:?}");
            }
        }
        let other = headers("trailer", &["Repr-Digest"]);
        assert!(Checker::of(&other, CONTENT_DIGEST, true).unwrap().is_none());
    }

    #[test]
    fn malformed_digests_are_refused_by_name() {
        for value in [
            "sha-256=abc",
            "sha-256=:AAAA:",
            "sha-256",
            "sha-256=:not base64!:",
            "sha-256=(:AAAA:)",
            "SHA-256=:AAAA:",
            "sha-512=\"x\"",
            "=",
            "sha-256=:",
        ] {
            let error = check(&[value], BODY).expect_err(value);
            assert!(
                error.to_string().starts_with("content-digest is malformed"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_missing_field_states_nothing() {
        assert_eq!(Stated::parse(&HeaderMap::new(), REPR_DIGEST), Ok(None));
    }

    #[test]
    fn the_preferred_known_algorithm_is_wanted() {
        for (value, algorithm) in [
            ("sha-256=1", Some(Algorithm::Sha256)),
            ("sha-512=3, sha-256=10, md5=10", Some(Algorithm::Sha256)),
            ("sha-512=10, sha-256=5", Some(Algorithm::Sha512)),
            ("sha-256=0, sha-512=0", None),
            ("sha-256=0, sha-512=1", Some(Algorithm::Sha512)),
            ("md5=10", None),
            ("garbage,,", None),
        ] {
            let headers = headers(WANT_REPR_DIGEST, &[value]);
            assert_eq!(wanted(&headers, WANT_REPR_DIGEST), algorithm, "{value}");
        }
        assert_eq!(wanted(&HeaderMap::new(), WANT_REPR_DIGEST), None);
    }

    #[test]
    fn written_values_are_those_of_the_rfc() {
        assert_eq!(
            field_value(Algorithm::Sha256, &Sha256::digest(BODY)),
            SHA256
        );
        assert_eq!(
            field_value(Algorithm::Sha512, &Sha512::digest(BODY)),
            SHA512
        );
    }
}
