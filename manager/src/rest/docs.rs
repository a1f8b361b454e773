//! `GET /docs`: the OpenAPI document for people, shown by a viewer from which calls can be
//! tried (decision 51). Its files are a part of the program: the page loads nothing from
//! elsewhere and calls nothing but this service.

use super::answer;
use super::asset::{Asset, HTML, SCRIPT, STYLE, TEXT};
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::Response;

/// The page.
pub(super) const PAGE: &str = "/docs";

/// What is served, by its path.
pub(super) static FILES: [(&str, Asset); 8] = [
    (
        PAGE,
        Asset::plain(
            HTML,
            Bytes::from_static(include_bytes!("../../viewer/index.html")),
        ),
    ),
    (
        "/docs/start.js",
        Asset::plain(
            SCRIPT,
            Bytes::from_static(include_bytes!("../../viewer/start.js")),
        ),
    ),
    (
        "/docs/style.css",
        Asset::plain(
            STYLE,
            Bytes::from_static(include_bytes!("../../viewer/style.css")),
        ),
    ),
    (
        "/docs/swagger-ui-bundle.js",
        Asset::packed(
            SCRIPT,
            Bytes::from_static(include_bytes!("../../viewer/swagger-ui-bundle.js.gz")),
        ),
    ),
    (
        "/docs/swagger-ui.css",
        Asset::packed(
            STYLE,
            Bytes::from_static(include_bytes!("../../viewer/swagger-ui.css.gz")),
        ),
    ),
    // The licences go where the viewer goes.
    (
        "/docs/swagger-ui-bundle.js.LICENSE.txt",
        Asset::plain(
            TEXT,
            Bytes::from_static(include_bytes!(
                "../../viewer/swagger-ui-bundle.js.LICENSE.txt"
            )),
        ),
    ),
    (
        "/docs/LICENSE",
        Asset::plain(
            TEXT,
            Bytes::from_static(include_bytes!("../../viewer/LICENSE")),
        ),
    ),
    (
        "/docs/NOTICE",
        Asset::plain(
            TEXT,
            Bytes::from_static(include_bytes!("../../viewer/NOTICE")),
        ),
    ),
];

/// Whether a path is the page, or a file that it loads.
pub(super) fn has(path: &str) -> bool {
    FILES.iter().any(|(known, _)| *known == path)
}

/// Serves the page and its files.
pub(super) async fn docs(request: Request) -> Response<Body> {
    let path = request.uri().path();
    let Some((_, asset)) = FILES.iter().find(|(known, _)| *known == path) else {
        return answer::no_such_path(request.uri());
    };
    asset.answer(request.method(), request.headers())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use sha2::{Digest, Sha256};

    async fn get(path: &str) -> Vec<u8> {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = docs(request).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let body = axum::body::to_bytes(response.into_body(), 4 << 20).await;
        body.expect("a body").to_vec()
    }

    #[tokio::test]
    async fn the_page_names_files_that_are_there_and_has_no_script_or_style_within() {
        let page = String::from_utf8(get(PAGE).await).expect("text");
        let mut named = 0;
        for after in ["src=\"", "rel=\"stylesheet\" href=\""] {
            for rest in page.split(after).skip(1) {
                let path = rest.split('"').next().unwrap_or_default();
                assert!(has(path), "{path}");
                named += 1;
            }
        }
        assert_eq!(named, 4, "the viewer and what starts it");
        for within in ["<style", " style=", "<script>", " onload=", "http"] {
            assert!(!page.contains(within), "{within}");
        }
    }

    #[tokio::test]
    async fn the_viewers_files_are_those_of_the_package_that_is_named() {
        let named = include_str!("../../viewer/package").lines().skip(2);
        let named: Vec<_> = named.filter_map(|line| line.split_once("  ")).collect();
        assert_eq!(named.len(), 2);
        for (digest, name) in named {
            let found = Sha256::digest(get(&format!("/docs/{name}")).await);
            assert_eq!(crate::format::hex(&found), digest, "{name}");
        }
    }
}
