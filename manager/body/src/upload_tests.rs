//! What the three upload decoders accept, and what they refuse in which words.

use bytes::Bytes;
use futures::executor::block_on;
use futures::stream::{self, StreamExt};

use crate::event::BodyError;
use crate::test_kit::{NAME, RAW, Said, TEXT, multipart, said, whole};
use crate::upload::{UploadKind, decode, limit};

fn accepted(kind: UploadKind, table: &[(&str, Said)]) {
    for (body, wanted) in table {
        match whole(kind.clone(), body) {
            Ok(said) => assert_eq!(said, *wanted, "{body}"),
            Err(error) => panic!("{body}: {error}"),
        }
    }
}

/// Each body's error message must hold the text beside it.
fn refused(kind: UploadKind, table: &[(&str, &str)]) {
    for (body, part) in table {
        let error = whole(kind.clone(), body).expect_err(body).to_string();
        assert!(error.contains(part), "{body}: {error}");
    }
}

#[test]
fn content_types_choose_the_decoder() {
    let boundary = |text: &str| UploadKind::Multipart {
        boundary: text.to_owned(),
    };
    for (text, kind) in [
        ("application/json", UploadKind::Json),
        ("Application/JSON; charset=UTF-8", UploadKind::Json),
        ("application/json;", UploadKind::Json),
        ("application/vnd.x+json", UploadKind::Json),
        ("application/x-www-form-urlencoded", UploadKind::Form),
        (
            "application/x-www-form-urlencoded; charset=utf-8",
            UploadKind::Form,
        ),
        ("multipart/form-data; boundary=aBc", boundary("aBc")),
        ("multipart/form-data; boundary=\"a b:c\"", boundary("a b:c")),
        (
            "multipart/form-data; charset=utf-8; boundary=----x",
            boundary("----x"),
        ),
    ] {
        assert_eq!(UploadKind::of(Some(text)).unwrap(), kind, "{text}");
    }
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    for text in [
        None,
        Some(""),
        Some("text/plain"),
        Some("json"),
        Some("application/json; charset=latin1"),
        Some("multipart/form-data"),
        Some("multipart/form-data; boundary="),
        Some("multipart/form-data; boundary=\"a\u{e9}\""),
        Some("multipart/mixed; boundary=x"),
        Some(&long),
    ] {
        let error = UploadKind::of(text)
            .expect_err(text.unwrap_or("none"))
            .to_string();
        assert!(error.starts_with("Content-Type: "), "{error}");
    }
}

#[test]
fn json_bodies_that_are_accepted() {
    accepted(
        UploadKind::Json,
        &[
            (r#"{"filename":"a","file":"QUJD"}"#, said("a", None, b"ABC")),
            (
                r#"{"\u001cx":"\u0000","filename":"a","file":"QUJD"}"#,
                said("a", None, b"ABC"),
            ),
            (
                r#" { "file" : "QUJD" , "filename" : "a" } "#,
                said("a", None, b"ABC"),
            ),
            (r#"{"filename":"a","file":""}"#, said("a", None, b"")),
            (r#"{"filename":"","file":"QQ"}"#, said("", None, b"A")),
            (
                r#"{"filename":"\u00e9\ud83d\ude00\"","file":"QQ=="}"#,
                said("é😀\"", None, b"A"),
            ),
            (
                r#"{"\u0066ilename":"a","fil\u0065":"QQ=="}"#,
                said("a", None, b"A"),
            ),
            (
                r#"{"filename":"a","file":"\u002b\/-_"}"#,
                said("a", None, &[0xfb, 0xff, 0xbf]),
            ),
            (
                r#"{"filename":"a","file":"QU\r\nJD\n\t "}"#,
                said("a", None, b"ABC"),
            ),
            (
                "{\"filename\":\"a\",\"file\":\"QU\r\nJD\n\"}",
                said("a", None, b"ABC"),
            ),
            (
                r#"{"x":{"file":"no","y":[1,-2.5e3,true,null,{}]},"filename":"a","z":"\ud800","file":"QUJD","n":0}"#,
                said("a", None, b"ABC"),
            ),
            (
                r#"{"filename":"a","file":"QUJD","content_type":"x/y"}"#,
                said("a", Some("x/y"), b"ABC"),
            ),
            (
                r#"{"filename":"a","file":"QUJD","content_type":null}"#,
                said("a", None, b"ABC"),
            ),
            (
                r#"{"Filename":1,"filename2":2,"":3,"filename":"a","file":"QUJD"}"#,
                said("a", None, b"ABC"),
            ),
        ],
    );
}

#[test]
fn json_bodies_that_are_refused_name_the_field() {
    refused(
        UploadKind::Json,
        &[
            ("", "body: empty"),
            ("[]", "byte 0: an object"),
            ("{}", "filename is missing"),
            (r#"{"filename":"a"}"#, "file is missing"),
            (r#"{"file":"QQ=="}"#, "filename is missing"),
            (
                r#"{"filename":5,"file":""}"#,
                "filename: must be a string, not a number",
            ),
            (
                r#"{"filename":null,"file":""}"#,
                "filename: must be a string, not null",
            ),
            (
                r#"{"filename":"a","file":{}}"#,
                "file: must be a string, not an object",
            ),
            (
                r#"{"filename":"a","file":[1]}"#,
                "file: must be a string, not an array",
            ),
            (
                r#"{"filename":"a","file":true}"#,
                "file: must be a string, not a boolean",
            ),
            (
                r#"{"filename":"a","filename":"b","file":""}"#,
                "filename: given twice",
            ),
            (
                r#"{"file":"","filename":"a","file":""}"#,
                "file: given twice",
            ),
            (r#"{"filename":"a","file":"Q"}"#, "file: base64"),
            (r#"{"filename":"a","file":"QUJ!"}"#, "file: byte 0x21"),
            (r#"{"filename":"a","file":"\u0000"}"#, "file: byte 0x00"),
            (
                r#"{"filename":"a","file":"\ud800"}"#,
                "file: half a surrogate",
            ),
            (
                r#"{"filename":"a\ud800","file":""}"#,
                "filename: half a surrogate",
            ),
            (r#"{"filename":"a","file":"QQ=="}x"#, "data after the end"),
            (r#"{"filename":"a","file":"QQ=="}{}"#, "data after the end"),
            (r#"{"filename":"a","file":"QQ==",}"#, "a key is wanted"),
            (r#"{"filename":"a" "file":"QQ=="}"#, "',' or '}'"),
            (
                r#"{"filename":"a","file":"QQ==","x":01}"#,
                "not valid JSON at byte",
            ),
            (r#"{"filename":"a","file":"QQ==","x":tru}"#, "unknown word"),
            ("{\"filename\":\"a\nb\",\"file\":\"\"}", "control character"),
            (
                "{\"filename\":\"a\",\"file\":\"\",\"x\":\"\u{1}\"}",
                "control character",
            ),
            (r#"{"filename":"a","file":"QQ==""#, "not complete"),
        ],
    );
}

#[test]
fn json_that_is_no_utf_8_too_long_or_too_deep_is_refused() {
    for bad in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80"] {
        for (before, after) in [
            (r#"{"filename":""#, r#"","file":""}"#),
            (r#"{"filename":"a","file":"","x":""#, r#""}"#),
            (r#"{"filename":"a","file":"",""#, r#"":1}"#),
            (r#"{"filename":"a","file":"","x":["#, r#"]}"#),
            (r#"{"filename":"a","file":""#, r#""}"#),
        ] {
            let body = [before.as_bytes(), bad, after.as_bytes()].concat();
            assert!(whole(UploadKind::Json, &body).is_err(), "{before}{bad:?}");
        }
    }
    let long = format!(r#"{{"filename":"{}","file":""}}"#, "x".repeat(5000));
    assert!(
        whole(UploadKind::Json, long)
            .unwrap_err()
            .to_string()
            .contains("limit of 255 bytes")
    );
    let deep = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    assert!(
        whole(UploadKind::Json, deep)
            .unwrap_err()
            .to_string()
            .contains("64 deep")
    );
}

#[test]
fn forms_that_are_accepted() {
    accepted(
        UploadKind::Form,
        &[
            ("filename=a&file=QUJD", said("a", None, b"ABC")),
            ("file=QUJD&filename=a", said("a", None, b"ABC")),
            ("&&filename=a&&file=QUJD&", said("a", None, b"ABC")),
            (
                "filename=a+b%2B%C3%A9%26=&file=QQ==",
                said("a b+é&=", None, b"A"),
            ),
            ("filename=a&file=QQ%3D%3d", said("a", None, b"A")),
            (
                "filename=a&file=%2B%2F%2D%5F",
                said("a", None, &[0xfb, 0xff, 0xbf]),
            ),
            ("filename=a&file=+/-_", said("a", None, &[0xfb, 0xff, 0xbf])),
            ("filename=a&file=QU%0D%0AJD%0A", said("a", None, b"ABC")),
            ("filename=a&file=QU\nJD\r\n", said("a", None, b"ABC")),
            (
                "x=%00%20+&y&filename=a&file&content_type=text/plain",
                said("a", Some("text/plain"), b""),
            ),
            (
                "file%6Fame=no&fil%65name=a&fil%65=QUJD",
                said("a", None, b"ABC"),
            ),
        ],
    );
}

#[test]
fn forms_that_are_refused_name_the_field() {
    refused(
        UploadKind::Form,
        &[
            ("", "filename is missing"),
            ("filename=a", "file is missing"),
            ("file=QUJD", "filename is missing"),
            ("filename=a&filename=b&file=", "filename: given twice"),
            ("filename=a&file=&file=", "file: given twice"),
            ("filename=a&file=QUJ", "file: the last base64"),
            ("filename=a&file=Q", "file: base64 text ends"),
            ("filename=%ff&file=", "filename: not valid UTF-8"),
            ("filename=100%&file=", "filename: '%' without"),
            ("filename=a&file=QQ%3", "file: ends within"),
            ("filename=a&file=QQ%zz", "file: '%' without"),
            // What may have been a '+' is never dropped nor guessed.
            ("filename=a&file=QU JD", "file: a space"),
            ("filename=a&file=QU%20JD", "file: a space"),
            ("filename=a&file=QU+D%2B+/A", "file: a space"),
            ("filename=a&file=QU%2FD+++A", "file: a space"),
        ],
    );
    let long = format!("filename={}&file=", "x".repeat(5000));
    assert!(
        whole(UploadKind::Form, long)
            .unwrap_err()
            .to_string()
            .contains("limit of 255 bytes")
    );
}

#[test]
fn multipart_bodies_that_are_accepted() {
    accepted(
        multipart(),
        &[
            (
                &format!("{NAME}a\r\n{RAW}\r\n-ABC\r\n-\r\n--XX--\r\n"),
                said("a", Some("image/png"), b"\r\n-ABC\r\n-"),
            ),
            (
                &format!("{RAW}ABC\r\n{NAME}a\r\n--XX--"),
                said("a", Some("image/png"), b"ABC"),
            ),
            (
                &format!("{RAW}ABC\r\n--XX--"),
                said("own", Some("image/png"), b"ABC"),
            ),
            (
                &format!("{RAW}\r\n--XX--"),
                said("own", Some("image/png"), b""),
            ),
            (
                &format!("{NAME}a\r\n{TEXT}\r\nQU\r\nJD\r\n--XX--\r\n"),
                said("a", None, b"ABC"),
            ),
            (
                &format!("{NAME}a\r\n{TEXT}Content-Type: text/plain\r\n\r\nQUJD\r\n--XX--\r\n"),
                said("a", None, b"ABC"),
            ),
            (
                &format!("{NAME}a\r\n{TEXT}Content-Type: a/b\r\n\r\nQUJD\r\n--XX--\r\n"),
                said("a", Some("a/b"), b"ABC"),
            ),
            (
                &format!(
                    "{NAME}a\r\n{TEXT}Content-Transfer-Encoding: binary\r\n\r\nQUJD\r\n--XX--\r\n"
                ),
                said("a", None, b"QUJD"),
            ),
            (
                &format!(
                    "{NAME}a\r\n{}Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--XX--\r\n",
                    RAW.trim_end_matches("\r\n").to_owned() + "\r\n"
                ),
                said("a", Some("image/png"), b"ABC"),
            ),
            (
                &format!(
                    "preamble --XX\r\n{NAME}a \r\n--XX \t\r\nContent-Disposition: form-data; name=x\r\n\r\nignored\r\n{TEXT}\r\n\r\n--XX--"
                ),
                said("a ", None, b""),
            ),
            (
                &format!(
                    "{NAME}a\r\n--XX\r\nContent-Disposition: form-data; name=content_type\r\n\r\nc/d\r\n{RAW}A\r\n--XX--"
                ),
                said("a", Some("c/d"), b"A"),
            ),
        ],
    );
}

#[test]
fn multipart_bodies_that_are_refused_say_why() {
    let long_head = format!("--XX\r\nX: {}", "y".repeat(20_000));
    refused(
        multipart(),
        &[
            ("", "closing boundary"),
            ("--XX--", "filename is missing"),
            (&format!("{NAME}a\r\n--XX--"), "file is missing"),
            (
                &format!("{NAME}a\r\n{TEXT}\r\nQUJD\r\n"),
                "closing boundary",
            ),
            (&format!("{NAME}a\r\n{RAW}ABC"), "closing boundary"),
            (&format!("{NAME}a\r\n{RAW}ABC\r\n--XX-"), "closing boundary"),
            (&format!("{TEXT}\r\nQUJD\r\n--XX--"), "filename is missing"),
            (
                &format!("{NAME}a\r\n{NAME}a\r\n{RAW}ABC\r\n--XX--"),
                "filename: given twice",
            ),
            (
                &format!("{NAME}a\r\n{RAW}\r\n{RAW}ABC\r\n--XX--"),
                "file: given twice",
            ),
            (
                &format!("{NAME}a\r\n{TEXT}\r\nQUJ!\r\n--XX--"),
                "file: byte 0x21",
            ),
            (
                &format!(
                    "{NAME}a\r\n{TEXT}Content-Transfer-Encoding: quoted-printable\r\n\r\nx\r\n--XX--"
                ),
                "quoted-printable",
            ),
            (
                &format!("{NAME}a\r\n{RAW}ABC\r\n--XX--garbage"),
                "after the last boundary",
            ),
            (
                &format!("{NAME}a\r\n{RAW}ABC\r\n--XXY--"),
                "not alone on its line",
            ),
            ("--XX\r\n\r\nx\r\n--XX--", "Content-Disposition"),
            (&long_head, "16384 bytes"),
        ],
    );
}

#[test]
fn a_broken_transport_is_told_from_a_broken_body() {
    let body = stream::iter([
        Ok(Bytes::from_static(
            b"{\"filename\":\"a\",\"file\":\"QUJD\"}",
        )),
        Err("connection reset"),
    ]);
    let events = block_on(decode(UploadKind::Json, body).collect::<Vec<_>>());
    assert!(matches!(events.last(), Some(Err(BodyError::Read(_)))));

    let bytes = || {
        stream::iter([Ok::<_, &str>(Bytes::from_static(
            b"{\"filename\":\"a\",\"file\":\"\"}",
        ))])
    };
    let events = block_on(decode(UploadKind::Json, limit(bytes(), 24)).collect::<Vec<_>>());
    assert!(matches!(
        events.last(),
        Some(Err(BodyError::TooLarge { limit: 24 }))
    ));
    let events = block_on(decode(UploadKind::Json, limit(bytes(), 26)).collect::<Vec<_>>());
    assert!(events.iter().all(Result::is_ok));
}
