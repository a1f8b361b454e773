//! What holds for every upload body: however it is written, cut or damaged, and
//! whatever its size.

use bytes::Bytes;
use proptest::prelude::*;

use crate::test_kit::{NAME, RAW, TEXT, multipart, read, whole};
use crate::upload::{Decoder, UploadKind};

/// Base64 as clients write it.
#[derive(Debug, Clone)]
struct Style {
    url_safe: bool,
    padded: bool,
    width: Option<usize>,
    line_break: &'static str,
}

fn style() -> impl Strategy<Value = Style> {
    (
        any::<bool>(),
        any::<bool>(),
        prop::option::of(1usize..100),
        prop::sample::select(vec!["\n", "\r\n", "\t"]),
    )
        .prop_map(|(url_safe, padded, width, line_break)| Style {
            url_safe,
            padded,
            width,
            line_break,
        })
}

impl Style {
    fn encode(&self, bytes: &[u8]) -> String {
        use base64::Engine;
        use base64::engine::general_purpose::{
            STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD,
        };
        let text = match (self.url_safe, self.padded) {
            (false, true) => STANDARD.encode(bytes),
            (false, false) => STANDARD_NO_PAD.encode(bytes),
            (true, true) => URL_SAFE.encode(bytes),
            (true, false) => URL_SAFE_NO_PAD.encode(bytes),
        };
        let Some(width) = self.width else { return text };
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(width)
            .map(|line| str::from_utf8(line).unwrap())
            .collect();
        lines.join(self.line_break)
    }
}

/// One body of each kind for the same file.
fn bodies(name: &str, file: &[u8], style: &Style, file_first: bool) -> Vec<(UploadKind, Vec<u8>)> {
    let text = style.encode(file);
    let mut json = [
        format!("\"filename\":{}", serde_json::Value::from(name)),
        format!(
            "\"file\":{}",
            serde_json::Value::from(text.as_str())
                .to_string()
                .replace('/', "\\/")
        ),
    ];
    let escape = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let mut form = [
        format!("filename={}", escape(name)),
        format!("file={}", escape(&text)),
    ];
    let mut raw = [
        format!("{NAME}{name}\r\n").into_bytes(),
        [RAW.as_bytes(), file, b"\r\n"].concat(),
    ];
    let mut parts = [format!("{NAME}{name}\r\n"), format!("{TEXT}\r\n{text}\r\n")];
    if file_first {
        json.reverse();
        form.reverse();
        raw.reverse();
        parts.reverse();
    }
    vec![
        (
            UploadKind::Json,
            format!("{{{}}}", json.join(", ")).into_bytes(),
        ),
        (UploadKind::Form, form.join("&").into_bytes()),
        (multipart(), [raw.concat(), b"--XX--\r\n".to_vec()].concat()),
        (
            multipart(),
            format!("{}--XX--\r\n", parts.concat()).into_bytes(),
        ),
    ]
}

/// Cuts a body at random places.
fn cut(body: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts
        .iter()
        .map(|index| index.index(body.len() + 1))
        .collect();
    at.extend([0, body.len()]);
    at.sort_unstable();
    at.windows(2)
        .map(|pair| body[pair[0]..pair[1]].to_vec())
        .collect()
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        // Full of what a boundary begins with.
        prop::collection::vec(prop::sample::select(b"\r\n-XA".to_vec()), 0..100)
            .prop_filter("the boundary itself", |v| !v
                .windows(6)
                .any(|w| w == b"\r\n--XX")),
    ]
}

proptest! {
    #[test]
    fn any_file_comes_back_from_any_body_cut_anywhere(
        name in "[^\\r\\n\"\\\\\\p{Cc}]{1,12}",
        file in file(),
        style in style(),
        file_first: bool,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        for (kind, body) in bodies(&name, &file, &style, file_first) {
            let said = read(kind.clone(), cut(&body, &cuts)).map_err(|e| TestCaseError::fail(format!("{kind:?} {e}")))?;
            prop_assert_eq!(said.filename.as_deref(), Some(name.as_str()));
            prop_assert_eq!(&said.file, &file);
            let bytes = body.iter().map(|byte| vec![*byte]).collect();
            prop_assert_eq!(read(kind.clone(), bytes).unwrap(), said, "byte by byte, {:?}", kind);
        }
    }

    #[test]
    fn every_truncation_is_refused(file in file(), style in style(), file_first: bool) {
        for (kind, body) in bodies("name", &file, &style, file_first) {
            // A form has no end mark, and white space after the last boundary
            // is not part of a multipart body.
            if kind == UploadKind::Form {
                continue;
            }
            let end = body.trim_ascii_end().len();
            for len in 0..end {
                prop_assert!(whole(kind.clone(), &body[..len]).is_err(), "{:?} at {}", kind, len);
            }
        }
    }

    #[test]
    fn mutations_never_panic_and_never_depend_on_the_cut(
        file in file(),
        style in style(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        for (kind, mut body) in bodies("name", &file, &style, false) {
            for (at, byte) in &mutations {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            // Of two faults either may be found first.
            let one = whole(kind.clone(), &body).ok();
            let many = read(kind.clone(), cut(&body, &cuts)).ok();
            prop_assert_eq!(one, many);
        }
    }

    #[test]
    fn json_is_accepted_only_where_serde_json_accepts_it(
        text in "\\{(\"filename\":\"a\",|\"file\":\"QUJD\",|\"x\":(1|01|-|\\[\\]|\\{\\}|\"\\\\u12\"|null|tru|1e5|\\[1,\\]),){0,4}\"z\":[0-9.eE+-]{1,6}\\}",
    ) {
        let ours = whole(UploadKind::Json, &text);
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        if ours.is_ok() {
            prop_assert!(theirs.is_ok(), "{text}");
        } else if theirs.is_ok() {
            let error = ours.unwrap_err().to_string();
            prop_assert!(error.contains("missing") || error.contains("twice"), "{text}: {error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Longer than the pieces in which the decoders work.
    #[test]
    fn large_files_come_back_from_any_body_cut_anywhere(
        seed: u64,
        size in 40_000usize..200_000,
        style in style(),
        file_first: bool,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut state = seed;
        let file: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        })
        .take(size)
        .collect();
        for (kind, body) in bodies("name", &file, &style, file_first) {
            let said = read(kind.clone(), cut(&body, &cuts));
            let said = said.map_err(|e| TestCaseError::fail(format!("{kind:?} {e}")))?;
            prop_assert!(said.file == file, "{:?}", kind);
        }
    }
}

/// Invariant 9: what a decoder holds is bounded by its pieces, whatever the
/// size of the body.
#[test]
fn a_gibibyte_is_decoded_in_constant_memory() {
    const HELD: usize = 512 * 1024;
    const GIB: u64 = 1 << 30;
    let line = format!("{}\r\n", "A".repeat(76));
    let bodies = [
        (
            UploadKind::Json,
            r#"{"file":""#,
            "A".repeat(65_536),
            r#"","filename":"a"}"#,
        ),
        (
            UploadKind::Json,
            r#"{"file":""#,
            line.repeat(800).replace("\r\n", "\\r\\n"),
            r#"","filename":"a"}"#,
        ),
        (
            UploadKind::Json,
            r#"{"x":""#,
            "x".repeat(65_536),
            r#"","filename":"a","file":""}"#,
        ),
        (UploadKind::Form, "file=", line.repeat(800), "&filename=a"),
        (
            UploadKind::Form,
            "x",
            "x".repeat(65_536),
            "&filename=a&file=",
        ),
        (multipart(), RAW, "A".repeat(65_536), "\r\n--XX--"),
        (
            multipart(),
            &format!("{TEXT}\r\n"),
            line.repeat(800),
            &format!("\r\n{NAME}a\r\n--XX--"),
        ),
        (
            multipart(),
            "",
            "preamble".repeat(8192),
            &format!("\r\n{RAW}\r\n--XX--"),
        ),
    ];
    for (kind, before, middle, after) in bodies {
        let mut decoder = Decoder::new(kind.clone());
        let (middle, mut sent, mut most) = (Bytes::from(middle), 0, 0);
        let mut push = |piece: Bytes, decoder: &mut Decoder| {
            decoder
                .push(piece)
                .unwrap_or_else(|error| panic!("{kind:?} {before}: {error}"));
            most = most.max(decoder.held());
            decoder.events().clear();
        };
        push(Bytes::copy_from_slice(before.as_bytes()), &mut decoder);
        while sent < GIB {
            push(middle.clone(), &mut decoder);
            sent += middle.len() as u64;
        }
        push(Bytes::copy_from_slice(after.as_bytes()), &mut decoder);
        decoder
            .finish()
            .unwrap_or_else(|error| panic!("{kind:?} {before}: {error}"));
        assert!(most <= HELD, "{kind:?} {before}: {most} bytes held");
    }
}
