//! Files that are a part of the program and are served as they are: the pages for people at
//! `/ui` and `/docs`, and what they load.

use super::answer;
use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::{GzDecoder, GzEncoder};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG,
    REFERRER_POLICY, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use manager_body::conditional::{Outcome, Validators, evaluate};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The longest that a compressed file is: a bound for what is unpacked (invariant 9).
const LONGEST: u64 = 4 << 20;

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const STYLE: &str = "text/css; charset=utf-8";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// A page loads its own scripts, styles and pictures, or pictures that a style holds, and
/// talks to this service; nothing else, and nobody frames it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
static OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// It is asked for each time, so that a new release is seen at once, and sent only if it has
/// changed.
const ASK: HeaderValue = HeaderValue::from_static("no-cache");
/// Its name has a hash of its content.
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A file of the program.
pub(super) struct Asset {
    kind: HeaderValue,
    /// What was compiled in: compressed by gzip, or not.
    bytes: Bytes,
    packed: bool,
    /// The other form of it, made when the first client asks for that.
    other: OnceLock<Bytes>,
    tag: OnceLock<String>,
    kept: HeaderValue,
}

impl Asset {
    /// A file as it is.
    pub(super) const fn plain(kind: &'static str, bytes: Bytes) -> Self {
        Self::new(kind, bytes, false)
    }

    /// A file that gzip has compressed.
    pub(super) const fn packed(kind: &'static str, bytes: Bytes) -> Self {
        Self::new(kind, bytes, true)
    }

    const fn new(kind: &'static str, bytes: Bytes, packed: bool) -> Self {
        Self {
            kind: HeaderValue::from_static(kind),
            bytes,
            packed,
            other: OnceLock::new(),
            tag: OnceLock::new(),
            kept: ASK,
        }
    }

    /// The same, under a name that another content never has.
    pub(super) fn kept(self) -> Self {
        Self { kept: KEEP, ..self }
    }

    /// The answer to a request for it.
    pub(super) fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<Body> {
        let tag = self.tag();
        let current = Validators {
            etags: &[tag],
            // It has no date, so that none says that it has not changed.
            last_modified: SystemTime::now(),
        };
        let packs = takes_gzip(headers);
        let mut response = match evaluate(method, headers, Some(current)) {
            Outcome::NotModified => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response
            }
            Outcome::Proceed { .. } | Outcome::PreconditionFailed => {
                let mut response =
                    answer::bytes(StatusCode::OK, self.kind.clone(), self.body(packs));
                if packs {
                    let gzip = HeaderValue::from_static("gzip");
                    response.headers_mut().insert(CONTENT_ENCODING, gzip);
                }
                response
            }
        };
        let fields = response.headers_mut();
        // Weak: the same tag stands for both codings.
        if let Ok(tag) = HeaderValue::try_from(format!("W/{tag}")) {
            fields.insert(ETAG, tag);
        }
        fields.insert(CACHE_CONTROL, self.kept.clone());
        fields.insert(VARY, HeaderValue::from_static("accept-encoding"));
        fields.insert(CONTENT_SECURITY_POLICY, POLICY);
        fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        fields.insert(OPENER.clone(), HeaderValue::from_static("same-origin"));
        response
    }

    /// What is sent, compressed or not.
    pub(super) fn body(&self, packs: bool) -> Bytes {
        if packs == self.packed {
            return self.bytes.clone();
        }
        let other = || match packs {
            true => read(GzEncoder::new(&*self.bytes, Compression::best())),
            false => read(GzDecoder::new(&*self.bytes)),
        };
        self.other.get_or_init(other).clone()
    }

    fn tag(&self) -> &str {
        self.tag.get_or_init(|| {
            let digest = Sha256::digest(&self.bytes);
            format!("\"{}\"", crate::format::hex(&digest[..8]))
        })
    }
}

/// What comes of gzip; a test reads each file that is compiled in.
fn read(from: impl Read) -> Bytes {
    let mut other = Vec::new();
    if let Err(error) = from.take(LONGEST).read_to_end(&mut other) {
        tracing::error!(%error, "a file of the program can't be read");
    }
    other.into()
}

/// Whether `Accept-Encoding` names gzip and does not refuse it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    let mut codings = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=");
        let taken = weight.is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0));
        taken && name.trim().eq_ignore_ascii_case("gzip")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};

    fn asked(asset: &Asset, fields: &[(http::HeaderName, &str)]) -> Response<Body> {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| (name.clone(), value.parse().expect("a value")));
        asset.answer(&Method::GET, &fields.collect())
    }

    async fn body(response: Response<Body>) -> Bytes {
        let body = axum::body::to_bytes(response.into_body(), 1000).await;
        body.expect("a body")
    }

    /// `Hello` by `gzip -9n`.
    const HELLO: &[u8] = &[
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x82, 0x89, 0xd1,
        0xf7, 5, 0, 0, 0,
    ];

    #[tokio::test]
    async fn a_file_is_sent_compressed_to_those_who_take_that_and_as_it_is_to_others() {
        let hello = Bytes::from_static(b"Hello");
        for asset in [
            Asset::packed(TEXT, Bytes::from_static(HELLO)),
            Asset::plain(TEXT, hello.clone()),
        ] {
            for (accepts, packed) in [
                ("gzip", true),
                ("br, GZIP;q=0.5", true),
                ("gzip;q=0", false),
                ("br", false),
                ("", false),
            ] {
                let response = asked(&asset, &[(ACCEPT_ENCODING, accepts)]);
                let coding = response.headers().contains_key(CONTENT_ENCODING);
                assert_eq!(coding, packed, "{accepts}");
                let body = body(response).await;
                let body = match packed {
                    true => read(GzDecoder::new(&*body)),
                    false => body,
                };
                assert_eq!(body, hello, "{accepts}");
            }
        }
    }

    #[test]
    fn nothing_but_this_service_is_called_or_loaded() {
        let policy = POLICY;
        let policy = policy.to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; "));
        for other in ["unsafe", "http", "*"] {
            assert!(!policy.contains(other), "{other}");
        }
    }

    #[test]
    fn who_has_it_gets_304() {
        let asset = Asset::plain(TEXT, Bytes::from_static(b"Hello"));
        let response = asked(&asset, &[]);
        assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(response.headers()[CACHE_CONTROL], ASK);
        let tag = response.headers()[ETAG].to_str().expect("a tag");
        let again = asked(&asset, &[(IF_NONE_MATCH, tag)]);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = asked(&asset, &[(IF_NONE_MATCH, "W/\"0\"")]);
        assert_eq!(other.status(), StatusCode::OK);
        let dated = "Sun, 01 Nov 2026 00:00:00 GMT";
        let dated = asked(&asset, &[(IF_MODIFIED_SINCE, dated)]);
        assert_eq!(dated.status(), StatusCode::OK);
    }
}
