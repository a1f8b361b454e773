//! What a request must be before any route sees it: for a host that is served here,
//! framed as HTTP demands, and not sent by another site's page.

use super::answer::Refusal;
use super::hosts::Hosts;
use super::paths::FSCK;
use http::header::{HOST, ORIGIN, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use std::sync::OnceLock;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The first `Host` that was served on a connection, if it is not long: nearly all of
/// its requests name the same, and it need not be taken apart for each of them.
#[derive(Debug, Default)]
pub(super) struct KnownHost(OnceLock<HeaderValue>);

impl KnownHost {
    const LONGEST: usize = 256;

    /// Whether a request is for that host, and names no other.
    fn is_of<B>(&self, request: &Request<B>) -> bool {
        let mut hosts = request.headers().get_all(HOST).iter();
        let (host, more) = (hosts.next(), hosts.next());
        let only = request.uri().authority().is_none() && more.is_none();
        only && host.is_some() && host == self.0.get()
    }

    /// Keeps the host of a request that is served.
    fn keep<B>(&self, request: &Request<B>) {
        let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
        if let Some(host) = host.filter(|host| host.len() <= Self::LONGEST)
            && request.uri().authority().is_none()
        {
            // A copy: a part of the request would keep all that was read with it.
            let _ = HeaderValue::from_bytes(host).map(|host| self.0.set(host));
        }
    }
}

/// Refuses what no route is to see.
///
/// # Errors
/// 400 without one `Host`, 421 for a host that is not served, 501 for a transfer
/// coding other than chunked, 403 for a change or a comparison that another site's page asks for.
pub(super) fn vet<B>(
    request: &Request<B>,
    hosts: &Hosts,
    known: &KnownHost,
) -> Result<(), Refusal> {
    let headers = request.headers();
    if !known.is_of(request) {
        served(request, hosts)?;
        known.keep(request);
    }
    codings(headers)?;
    match *request.method() {
        Method::GET | Method::HEAD if request.uri().path() == FSCK => origin(request, hosts),
        Method::GET | Method::HEAD | Method::OPTIONS => Ok(()),
        _ => origin(request, hosts),
    }
}

/// Refuses what is for a host that is not served.
fn served<B>(request: &Request<B>, hosts: &Hosts) -> Result<(), Refusal> {
    match authority(request)? {
        Some(own) if !hosts.serves(own.host()) => Err(Refusal::invalid(
            StatusCode::MISDIRECTED_REQUEST,
            format_args!(
                "`Host`: {:?} is not served here; --allowed-hosts names those that are",
                own.host()
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// The host that the request is for. Only HTTP/1.0 may leave that out (RFC 9112,
/// section 3.2).
fn authority<B>(request: &Request<B>) -> Result<Option<Authority>, Refusal> {
    let version = request.version();
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    let wanted = |why| Err(Refusal::bad(format_args!("`Host`: {why}")));
    if more.is_some() {
        return wanted("is given twice");
    }
    if version == Version::HTTP_11 && host.is_none() {
        return wanted("is missing");
    }
    let own = match (request.uri().authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => match Authority::try_from(host.as_bytes()) {
            Ok(authority) => authority,
            Err(_) => return wanted("is malformed"),
        },
        (None, None) if version < Version::HTTP_11 => return Ok(None),
        (None, None) => return wanted("is missing"),
    };
    let more = own.as_str().len() > own.host().len();
    if own.as_str().contains('@') || (more && own.port_u16().is_none()) {
        return wanted("is malformed");
    }
    Ok(Some(own))
}

/// RFC 9112, section 6.1: what is coded in another way is not stored as if it
/// were the file.
fn codings(headers: &HeaderMap) -> Result<(), Refusal> {
    let chunked = tokens(headers, TRANSFER_ENCODING)
        .all(|coding| coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")));
    match chunked {
        true => Ok(()),
        false => Err(Refusal::invalid(
            StatusCode::NOT_IMPLEMENTED,
            "`Transfer-Encoding`: only chunked is understood",
        )),
    }
}

/// The members of a list, over all lines of a field; `None` for one that is no
/// text.
pub(super) fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Option<&str>> {
    headers.get_all(name).into_iter().flat_map(|line| {
        let text = line.to_str().ok();
        let members = text.unwrap_or("\0").split(',').map(str::trim);
        members
            .filter(|member| !member.is_empty())
            .map(|member| (member != "\0").then_some(member))
    })
}

/// Browsers say from which site a change comes. Other clients don't, and are not asked
/// to: a page can't make a browser leave it out.
fn origin<B>(request: &Request<B>, hosts: &Hosts) -> Result<(), Refusal> {
    let headers = request.headers();
    if !headers.contains_key(ORIGIN) && !headers.contains_key(&SEC_FETCH_SITE) {
        return Ok(());
    }
    let own = authority(request)?;
    let text = |value: Option<&HeaderValue>| {
        value.map(|value| value.to_str().unwrap_or_default().to_owned())
    };
    let origin = text(headers.get(ORIGIN));
    let trusted = origin.as_deref().is_some_and(|origin| {
        let uri: Option<Uri> = origin.parse().ok();
        let theirs = uri.as_ref().and_then(Uri::authority);
        theirs.is_some_and(|theirs| {
            hosts.names(theirs.host())
                || own.as_ref().is_some_and(|own| {
                    own.host().eq_ignore_ascii_case(theirs.host())
                        && own.port_u16() == theirs.port_u16()
                })
        })
    });
    let foreign = match text(headers.get(&SEC_FETCH_SITE)).as_deref() {
        // A proxy may have changed the host; the browser knows better.
        Some("same-origin" | "none") => false,
        Some(_) => !trusted,
        None => origin.is_some() && !trusted,
    };
    if !foreign {
        return Ok(());
    }
    Err(Refusal::forbidden(format_args!(
        "`Origin`: {:?} is another site; --allowed-hosts names those whose pages may change files",
        origin.unwrap_or_default()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, version: Version, uri: &str, fields: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).version(version).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let hosts = Hosts::new(vec!["files.example".parse().expect("a host")], true);
        let request = request.body(()).expect("a request");
        let known = KnownHost::default();
        let vetted = [(); 2].map(|()| match vet(&request, &hosts, &known) {
            Ok(()) => 200,
            Err(refusal) => refusal.response().status().as_u16(),
        });
        assert_eq!(vetted[0], vetted[1], "the same again");
        vetted[0]
    }

    fn get(fields: &[(&str, &str)]) -> u16 {
        status(Method::GET, Version::HTTP_11, "/files", fields)
    }

    #[test]
    fn a_request_is_for_one_host_that_is_served() {
        for (fields, wanted) in [
            (&[("host", "localhost:8000")][..], 200),
            (&[("host", "files.example")], 200),
            (&[("host", "evil.example:8000")], 421),
            (&[], 400),
            (&[("host", "localhost"), ("host", "localhost")], 400),
            (&[("host", "")], 400),
            (&[("host", "a b")], 400),
            (&[("host", "user@localhost")], 400),
            (&[("host", "localhost:port")], 400),
        ] {
            assert_eq!(get(fields), wanted, "{fields:?}");
        }
        // The target's own authority counts, whatever the field says.
        let target = "http://evil.example/files";
        let local = [("host", "localhost")];
        assert_eq!(status(Method::GET, Version::HTTP_11, target, &local), 421);
        assert_eq!(status(Method::GET, Version::HTTP_2, target, &[]), 421);
        assert_eq!(status(Method::GET, Version::HTTP_10, "/files", &[]), 200);
        assert_eq!(status(Method::GET, Version::HTTP_2, "/files", &[]), 400);
    }

    #[test]
    fn what_was_served_before_says_nothing_of_another_host() {
        let hosts = Hosts::new(Vec::new(), true);
        let known = KnownHost::default();
        let request = |uri: &str, named: &[&str]| {
            let mut request = Request::builder().uri(uri);
            for host in named {
                request = request.header("host", *host);
            }
            vet(&request.body(()).expect("a request"), &hosts, &known).is_ok()
        };
        assert!(request("/files", &["localhost"]));
        assert!(request("/files", &["localhost"]));
        assert!(!request("/files", &["evil.example"]));
        assert!(!request("/files", &[]));
        assert!(!request("/files", &["localhost", "localhost"]));
        assert!(!request("http://evil.example/files", &["localhost"]));
        assert!(request("/files", &["127.0.0.1"]));
    }

    #[test]
    fn only_chunked_is_a_transfer_coding() {
        let coded = |coding| get(&[("host", "localhost"), ("transfer-encoding", coding)]);
        for (coding, wanted) in [
            ("chunked", 200),
            ("Chunked", 200),
            ("gzip, chunked", 501),
            ("gzip", 501),
        ] {
            assert_eq!(coded(coding), wanted, "{coding}");
        }
    }

    #[test]
    fn changes_come_from_no_other_site() {
        for (fields, wanted) in [
            (&[][..], 200),
            (&[("origin", "http://localhost:8000")], 200),
            (&[("origin", "https://LOCALHOST:8000")], 200),
            (&[("origin", "https://files.example")], 200),
            (&[("origin", "http://localhost:3000")], 403),
            (&[("origin", "http://evil.example")], 403),
            (&[("origin", "null")], 403),
            (&[("sec-fetch-site", "none")], 200),
            (&[("sec-fetch-site", "same-origin")], 200),
            (&[("sec-fetch-site", "cross-site")], 403),
            (&[("sec-fetch-site", "same-site")], 403),
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "https://behind-a-proxy.example"),
                ],
                200,
            ),
            (
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://files.example"),
                ],
                200,
            ),
        ] {
            let mut fields = fields.to_vec();
            fields.push(("host", "localhost:8000"));
            for method in [Method::POST, Method::PUT, Method::DELETE] {
                let found = status(method.clone(), Version::HTTP_11, "/file", &fields);
                assert_eq!(found, wanted, "{method} {fields:?}");
            }
            assert_eq!(get(&fields), 200, "reading: the browser keeps the answer");
            for method in [Method::GET, Method::HEAD] {
                let compared = status(method.clone(), Version::HTTP_11, FSCK, &fields);
                assert_eq!(compared, wanted, "{method} {fields:?}");
            }
        }
    }
}
