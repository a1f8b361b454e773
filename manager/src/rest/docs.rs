//! The page at `/docs`: the OpenAPI document for people, in one piece.

use super::{Rest, answer};
use axum::body::Body;
use axum::extract::State;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, Response, StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use std::sync::Arc;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// The page has a style of its own and nothing else.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'");

const STYLE: &str = "
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { border-top: 1px solid #8884; padding-top: 1rem } h2 b { color: #06c }
code, pre { font: 14px/1.4 ui-monospace, monospace } pre { background: #8881; padding: .6rem; overflow: auto }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8883 }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd } h2 b { color: #6af } }
";

/// Serves the page.
pub(super) async fn docs(State(rest): State<Arc<Rest>>) -> Response<Body> {
    let mut response = answer::bytes(StatusCode::OK, HTML, rest.docs.clone());
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// The page of a document.
pub(super) fn page(document: &Value) -> String {
    let info = &document["info"];
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (text(&info["title"])) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (text(&info["title"])) " " small { (text(&info["version"])) } }
                p { (text(&info["description"])) " For programs: " a href="/openapi.json" { "/openapi.json" } "." }
                @for (path, methods) in fields(&document["paths"]) {
                    @for (method, operation) in fields(methods) {
                        (operation_section(path, method, operation))
                    }
                }
                h1 { "Shapes" }
                @for (name, schema) in fields(&document["components"]["schemas"]) {
                    h2 id=(name) { (name) }
                    p { (text(&schema["description"])) }
                    (properties(schema))
                }
            }
        }
    }
    .into_string()
}

fn operation_section(path: &str, method: &str, operation: &Value) -> Markup {
    html! {
        h2 id=(text(&operation["operationId"])) { b { (method.to_uppercase()) } " " code { (path) } }
        p { strong { (text(&operation["summary"])) "." } " " (text(&operation["description"])) }
        @let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        @if !parameters.is_empty() {
            table {
                @for parameter in parameters {
                    tr {
                        td { code { (text(&parameter["name"])) } }
                        td { (text(&parameter["in"])) }
                        td { (text(&parameter["description"])) }
                    }
                }
            }
        }
        @if operation["requestBody"].is_object() {
            p { "Body: " (bodies(&operation["requestBody"]["content"])) }
        }
        table {
            @for (status, response) in fields(&operation["responses"]) {
                tr {
                    td { code { (status) } }
                    td { (text(&response["description"])) }
                    td { (bodies(&response["content"])) }
                }
            }
        }
    }
}

fn bodies(content: &Value) -> Markup {
    html! {
        @for (at, (media, body)) in fields(content).enumerate() {
            @if at > 0 { ", " }
            code { (media) }
            @if let Some(name) = referred(&body["schema"]) { " (" a href={ "#" (name) } { (name) } ")" }
        }
    }
}

fn properties(schema: &Value) -> Markup {
    html! {
        table {
            @for (name, property) in fields(&schema["properties"]) {
                tr {
                    td { code { (name) } }
                    td { (kind(property)) }
                    td { (text(&property["description"])) }
                }
            }
        }
    }
}

/// A property's type, as short as it can be said.
fn kind(property: &Value) -> Markup {
    let items = referred(&property["items"]);
    html! {
        @if let Some(name) = referred(property).or(items) {
            @if items.is_some() { "list of " }
            a href={ "#" (name) } { (name) }
        } @else {
            @match &property["type"] {
                Value::Array(kinds) => { @for kind in kinds.iter().filter(|kind| **kind != "null") { (text(kind)) } }
                kind => { (text(kind)) }
            }
        }
    }
}

fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_operation_and_every_shape() {
        let document = super::super::openapi::document(false);
        let page = page(&document);
        for (path, methods) in fields(&document["paths"]) {
            assert!(page.contains(path.as_str()), "{path}");
            for (_, operation) in fields(methods) {
                assert!(page.contains(text(&operation["summary"])), "{operation}");
            }
        }
        for (name, _) in fields(&document["components"]["schemas"]) {
            assert!(page.contains(&format!("<h2 id=\"{name}\">")), "{name}");
        }
    }

    #[test]
    fn what_is_shown_is_escaped() {
        let page = page(&serde_json::json!({"info": {"title": "<script>"}}));
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
    }
}
