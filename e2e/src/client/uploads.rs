//! The four ways to upload a file, as requests.

use super::{Body, Pieces};
use crate::content;
use anyhow::Result;
use bytes::Bytes;
use http::{Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What RFC 3986 leaves unreserved stays as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A parting line that no content of the tests holds.
const BOUNDARY: &str = "e2e-7MA4YWxkTrZu0gW";

/// A name as one path segment or query value.
pub fn encode_name(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// Where the name stands in a body with two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameAt {
    /// Before the content.
    First,
    /// After the content.
    Last,
}

/// A way to upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `PUT /file/{name}`, raw.
    Put,
    /// `POST /file`, JSON with base64.
    Json(NameAt),
    /// `POST /file`, `application/x-www-form-urlencoded` with base64.
    Form(NameAt),
    /// `POST /file`, `multipart/form-data` with raw bytes.
    Multipart(NameAt),
}

impl Route {
    /// All of them, in both orders.
    pub const ALL: [Self; 7] = [
        Self::Put,
        Self::Json(NameAt::First),
        Self::Json(NameAt::Last),
        Self::Form(NameAt::First),
        Self::Form(NameAt::Last),
        Self::Multipart(NameAt::First),
        Self::Multipart(NameAt::Last),
    ];

    /// The body that uploads `data` as `name`, in pieces.
    pub fn pieces(self, name: &str, data: &Bytes) -> Vec<Bytes> {
        let text = |text: String| Bytes::from(text);
        match self {
            Self::Put => vec![data.clone()],
            Self::Json(order) => {
                let (before, after) = json_around(name, order);
                vec![text(before), text(content::base64(data)), text(after)]
            }
            Self::Form(order) => {
                let data = encode_base64_for_form(content::base64(data));
                let name = encode_name(name);
                vec![text(match order {
                    NameAt::First => format!("filename={name}&file={data}"),
                    NameAt::Last => format!("file={data}&filename={name}"),
                })]
            }
            Self::Multipart(order) => {
                let disposition = "Content-Disposition: form-data";
                let field =
                    format!("--{BOUNDARY}\r\n{disposition}; name=\"filename\"\r\n\r\n{name}\r\n");
                let file = format!(
                    "--{BOUNDARY}\r\n{disposition}; name=\"file\"; filename=\"blob\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                );
                let end = format!("--{BOUNDARY}--\r\n");
                match order {
                    NameAt::First => {
                        vec![
                            text(field + &file),
                            data.clone(),
                            text(format!("\r\n{end}")),
                        ]
                    }
                    NameAt::Last => {
                        vec![text(file), data.clone(), text(format!("\r\n{field}{end}"))]
                    }
                }
            }
        }
    }

    /// Method, path and content type.
    pub fn head(self, name: &str) -> (Method, String, String) {
        let post = |kind: &str| (Method::POST, "/file".to_owned(), kind.to_owned());
        match self {
            Self::Put => {
                let path = format!("/file/{}", encode_name(name));
                (Method::PUT, path, "application/octet-stream".to_owned())
            }
            Self::Json(_) => post("application/json"),
            Self::Form(_) => post("application/x-www-form-urlencoded"),
            Self::Multipart(_) => post(&format!("multipart/form-data; boundary={BOUNDARY}")),
        }
    }

    /// The request that uploads `data` as `name`.
    pub fn request(self, name: &str, data: &Bytes) -> Result<Request<Body>> {
        self.request_with(name, Pieces::new(self.pieces(name, data)).into())
    }

    /// The request with another body than the right one.
    pub fn request_with(self, name: &str, body: Body) -> Result<Request<Body>> {
        let (method, path, kind) = self.head(name);
        let request = Request::builder().method(method).uri(path);
        Ok(request
            .header(http::header::CONTENT_TYPE, kind)
            .body(body)?)
    }
}

/// The JSON before and after the base64 text.
pub fn json_around(name: &str, order: NameAt) -> (String, String) {
    let name = serde_json::Value::from(name);
    match order {
        NameAt::First => (
            format!("{{\"filename\":{name},\"file\":\""),
            "\"}".to_owned(),
        ),
        NameAt::Last => (
            "{\"file\":\"".to_owned(),
            format!("\",\"filename\":{name}}}"),
        ),
    }
}

/// `+`, `/` and `=` have a meaning of their own in a form.
fn encode_base64_for_form(text: String) -> String {
    text.replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_become_one_segment() {
        assert_eq!(encode_name("a b/ä%.txt"), "a%20b%2F%C3%A4%25.txt");
    }

    #[test]
    fn json_bodies_parse_in_both_orders() {
        for order in [NameAt::First, NameAt::Last] {
            let pieces = Route::Json(order).pieces("q\"\\ä", &Bytes::from_static(b"abc"));
            let json: serde_json::Value = serde_json::from_slice(&pieces.concat()).unwrap();
            assert_eq!(
                (&json["filename"], &json["file"]),
                (&"q\"\\ä".into(), &"YWJj".into())
            );
        }
    }
}
