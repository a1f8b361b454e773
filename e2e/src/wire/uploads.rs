//! The four ways to upload a file, as requests.

use super::{Body, Pieces};
use crate::content;
use anyhow::Result;
use bytes::Bytes;
use http::{Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that RFC 3986 calls unreserved stay as they are.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A boundary that no content of the tests contains.
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
        let (before, after) = self.around(name);
        vec![before.into(), self.encode(data), after.into()]
    }

    /// What stands in the body before and after the encoded content.
    pub fn around(self, name: &str) -> (String, String) {
        let disposition = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=");
        let field = format!("{disposition}\"filename\"\r\n\r\n{name}\r\n");
        let file = format!("{disposition}\"file\"; filename=\"blob\"\r\n\r\n");
        let end = format!("--{BOUNDARY}--\r\n");
        let encoded = encode_name(name);
        match self {
            Self::Put => (String::new(), String::new()),
            Self::Json(order) => json_around(name, order),
            Self::Form(NameAt::First) => (format!("filename={encoded}&file="), String::new()),
            Self::Form(NameAt::Last) => ("file=".to_owned(), format!("&filename={encoded}")),
            Self::Multipart(NameAt::First) => (field + &file, format!("\r\n{end}")),
            Self::Multipart(NameAt::Last) => (file, format!("\r\n{field}{end}")),
        }
    }

    /// A piece of the content as the body carries it. Pieces whose length is a
    /// multiple of 3 can be encoded one by one.
    pub fn encode(self, data: &Bytes) -> Bytes {
        match self {
            Self::Put | Self::Multipart(_) => data.clone(),
            Self::Json(_) => content::base64(data).into(),
            Self::Form(_) => encode_base64_for_form(content::base64(data)).into(),
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
