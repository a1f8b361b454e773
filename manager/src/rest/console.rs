//! The console at `/ui`, a page for people. Its files are a part of the program, and all
//! that it knows it asks of this API, as any other client does.

use super::asset::{Asset, HTML, SCRIPT, STYLE};
use super::{Rest, answer};
use axum::body::Body;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, Method, Response, StatusCode};
use manager_body::accept;
use rust_embed::RustEmbed;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// The page's path.
pub(super) const PAGE: &str = "/ui";
/// What the paths of its files begin with.
pub(super) const FILES: &str = "/ui/";
const INDEX: &str = "index.html";

/// What `npm run build` made in `console`.
#[derive(RustEmbed)]
#[folder = "../console/dist"]
struct Dist;

static ASSETS: LazyLock<BTreeMap<String, Asset>> = LazyLock::new(|| {
    let named = |name: Cow<'static, str>| {
        let file = Dist::get(&name)?;
        Some((name.to_string(), asset(&name, file.data)))
    };
    Dist::iter().filter_map(named).collect()
});

fn asset(name: &str, data: Cow<'static, [u8]>) -> Asset {
    let kind = match name.rsplit('.').next() {
        Some("html") => HTML,
        Some("js") => SCRIPT,
        Some("css") => STYLE,
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let bytes = match data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    let asset = Asset::plain(kind, bytes);
    match name {
        INDEX => asset,
        _ => asset.kept(),
    }
}

/// Serves the page and its files.
pub(super) async fn serve(State(rest): State<Arc<Rest>>, request: Request) -> Response<Body> {
    let path = request.uri().path();
    let name = match path.strip_prefix(FILES) {
        None => INDEX,
        Some("") if rest.console => return moved(StatusCode::PERMANENT_REDIRECT),
        Some(name) => name,
    };
    match ASSETS.get(name).filter(|_| rest.console) {
        Some(asset) => asset.answer(request.method(), request.headers()),
        None => answer::no_such_path(request.uri()),
    }
}

/// Sends a browser that comes to `/` to the page; programs are told that there is nothing.
pub(super) fn at_root(rest: &Rest, request: &Request) -> Option<Response<Body>> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let asks = reads && request.uri().path() == "/" && accept::names_html(request.headers());
    (asks && rest.console).then(|| moved(StatusCode::SEE_OTHER))
}

fn moved(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let page = HeaderValue::from_static(PAGE);
    response.headers_mut().insert(LOCATION, page);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::header::CACHE_CONTROL;

    fn cached(name: &str) -> String {
        let response = ASSETS[name].answer(&Method::GET, &HeaderMap::new());
        let cached = response.headers()[CACHE_CONTROL].to_str();
        cached.expect("text").to_owned()
    }

    #[test]
    fn the_page_names_files_that_are_there_and_nothing_of_another_site() {
        let page = String::from_utf8(ASSETS[INDEX].body(false).to_vec()).expect("text");
        let mut named = 0;
        for after in ["src=\"", "href=\""] {
            for rest in page.split(after).skip(1) {
                let target = rest.split('"').next().unwrap_or_default();
                let name = target.strip_prefix(FILES).expect(target);
                assert!(ASSETS.contains_key(name), "{target}");
                named += 1;
            }
        }
        assert_eq!(named, 3, "script, style, icon: {page}");
        assert!(!page.contains("style=") && !page.contains("<style"));
        assert!(
            page.matches("<script").count() == page.matches("<script type=\"module\" src=").count()
        );
    }

    #[test]
    fn the_page_is_asked_for_each_time_and_its_files_are_kept() {
        assert_eq!(cached(INDEX), "no-cache");
        for name in ASSETS.keys().filter(|name| *name != INDEX) {
            assert!(cached(name).contains("immutable"), "{name}");
        }
    }

    #[test]
    fn all_of_it_is_small() {
        let bytes: usize = ASSETS.values().map(|asset| asset.body(true).len()).sum();
        assert!(bytes < 100_000, "{bytes} bytes compressed");
    }
}
