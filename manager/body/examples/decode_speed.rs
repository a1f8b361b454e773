//! How fast upload bodies are decoded and answers encoded, on one core:
//! `cargo run --release -p manager-body --example decode_speed`.
//!
//! MB/s refer to the decoded file, so that the figures can be compared.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::executor::block_on;
use futures::stream::{self, StreamExt};
use manager_body::json_answer::FileAnswer;
use manager_body::{Event, UploadKind, decode};

/// Bytes of the file.
const SIZE: usize = 64 << 20;
/// Bytes of a chunk of the body, about what a server's socket reads give.
const CHUNK: usize = 64 << 10;

fn main() {
    let file: Vec<u8> = (0..SIZE as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    let clean = STANDARD.encode(&file);
    let lines = |line_break: &str| {
        let mut text = String::with_capacity(clean.len() / 70 * 76);
        for line in clean.as_bytes().chunks(76) {
            text.push_str(str::from_utf8(line).expect("base64 is ASCII"));
            text.push_str(line_break);
        }
        text
    };
    let json = |text: &str| format!("{{\"filename\":\"a\",\"file\":\"{text}\"}}").into_bytes();
    let form = |text: &str| format!("filename=a&file={text}").into_bytes();
    let part = |head: &str, body: &[u8]| {
        let mut all =
            format!("--XX\r\nContent-Disposition: form-data; name=\"file\"{head}\r\n\r\n")
                .into_bytes();
        all.extend_from_slice(body);
        all.extend_from_slice(b"\r\n--XX--\r\n");
        all
    };
    let escaped = clean
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let mixed = clean.replace('+', "-");
    let multipart = UploadKind::Multipart {
        boundary: "XX".to_owned(),
    };

    run("json, clean", UploadKind::Json, json(&clean));
    run(
        "json, URL-safe",
        UploadKind::Json,
        json(&URL_SAFE_NO_PAD.encode(&file)),
    );
    run("json, mixed alphabets", UploadKind::Json, json(&mixed));
    run(
        "json, \\r\\n every 76",
        UploadKind::Json,
        json(&lines("\\r\\n")),
    );
    run(
        "json, raw CR LF every 76",
        UploadKind::Json,
        json(&lines("\r\n")),
    );
    run(
        "json, \\/ for /",
        UploadKind::Json,
        json(&clean.replace('/', "\\/")),
    );
    run("form, + and / raw", UploadKind::Form, form(&clean));
    run("form, escaped", UploadKind::Form, form(&escaped));
    run(
        "multipart, raw",
        multipart.clone(),
        part("; filename=\"a\"", &file),
    );
    run("multipart, base64 lines", multipart, {
        let mut all =
            b"--XX\r\nContent-Disposition: form-data; name=filename\r\n\r\na\r\n".to_vec();
        all.extend(part("", lines("\r\n").as_bytes()));
        all
    });
    answer(&file);
}

fn chunks(body: Vec<u8>) -> Vec<Bytes> {
    let mut body = Bytes::from(body);
    let mut chunks = Vec::new();
    while !body.is_empty() {
        chunks.push(body.split_to(body.len().min(CHUNK)));
    }
    chunks
}

fn run(what: &str, kind: UploadKind, body: Vec<u8>) {
    let chunks = chunks(body);
    let best = (0..3)
        .map(|_| {
            let body = stream::iter(chunks.clone().into_iter().map(Ok::<_, Infallible>));
            let start = Instant::now();
            let size = block_on(
                decode(kind.clone(), body).fold(0, |size, event| async move {
                    match event.expect("the body is good") {
                        Event::Data(bytes) => size + black_box(bytes).len(),
                        _ => size,
                    }
                }),
            );
            assert_eq!(size, SIZE);
            start.elapsed()
        })
        .min()
        .expect("three runs");
    println!(
        "{what:28} {:8.0} MB/s",
        SIZE as f64 / 1e6 / best.as_secs_f64()
    );
}

fn answer(file: &[u8]) {
    let chunks = chunks(file.to_vec());
    let answer = FileAnswer {
        filename: "a",
        id: "b",
        size: SIZE as u64,
        content_type: None,
    };
    let best = (0..3)
        .map(|_| {
            let body = stream::iter(chunks.clone().into_iter().map(Ok::<_, Infallible>));
            let start = Instant::now();
            let size = block_on(answer.encode(body).fold(0, |size, piece| async move {
                size + black_box(piece).map_or(0, |piece| piece.len() as u64)
            }));
            assert_eq!(size, answer.content_length());
            start.elapsed()
        })
        .min()
        .expect("three runs");
    println!(
        "{:28} {:8.0} MB/s",
        "json answer",
        SIZE as f64 / 1e6 / best.as_secs_f64()
    );
}
