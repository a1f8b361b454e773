//! The inside of one JSON string, in pieces: runs without escapes as they lie
//! in the input, and the characters that escapes stand for.

/// One piece of a string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Bytes as they are; not checked for UTF-8 or control characters.
    Run(&'a [u8]),
    /// An escape's character.
    Char(char),
    /// An escape that is half of a surrogate pair, without its other half.
    Lone,
    /// The closing quote.
    End,
}

#[derive(Default)]
enum Escape {
    #[default]
    None,
    Begun,
    Hex {
        digits: u8,
        value: u16,
    },
}

/// Reads a string whose opening quote was taken already.
#[derive(Default)]
pub(crate) struct Lexer {
    escape: Escape,
    /// First half of a surrogate pair.
    high: Option<u16>,
}

impl Lexer {
    /// Whether it is neither inside an escape nor inside a surrogate pair.
    pub(crate) fn at_rest(&self) -> bool {
        matches!(self.escape, Escape::None) && self.high.is_none()
    }

    /// The next piece, taken off `rest`; `None` when `rest` is used up.
    pub(crate) fn next<'a>(
        &mut self,
        rest: &mut &'a [u8],
    ) -> Result<Option<Piece<'a>>, &'static str> {
        while let Some(&byte) = rest.first() {
            match self.escape {
                Escape::None => {
                    if byte != b'\\' && self.high.take().is_some() {
                        return Ok(Some(Piece::Lone));
                    }
                    match byte {
                        b'"' => {
                            *rest = &rest[1..];
                            return Ok(Some(Piece::End));
                        }
                        b'\\' => self.escape = Escape::Begun,
                        _ => {
                            let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                            let (run, after) = rest.split_at(end);
                            *rest = after;
                            return Ok(Some(Piece::Run(run)));
                        }
                    }
                }
                Escape::Begun if byte == b'u' => {
                    self.escape = Escape::Hex {
                        digits: 0,
                        value: 0,
                    };
                }
                Escape::Begun => {
                    if self.high.take().is_some() {
                        return Ok(Some(Piece::Lone));
                    }
                    self.escape = Escape::None;
                    *rest = &rest[1..];
                    return Ok(Some(Piece::Char(simple(byte)?)));
                }
                Escape::Hex { digits, value } => {
                    let digit = (byte as char).to_digit(16).ok_or("wrong \\u escape")?;
                    let value = value << 4 | digit as u16;
                    if digits < 3 {
                        self.escape = Escape::Hex {
                            digits: digits + 1,
                            value,
                        };
                    } else {
                        self.escape = Escape::None;
                        if let Some(piece) = self.unit(value) {
                            *rest = &rest[1..];
                            return Ok(Some(piece));
                        }
                    }
                }
            }
            *rest = &rest[1..];
        }
        Ok(None)
    }

    /// A UTF-16 unit. After a lone half the unit that followed it is dropped:
    /// callers that need the text refuse a lone half, and the others ignore the
    /// text.
    fn unit(&mut self, unit: u16) -> Option<Piece<'static>> {
        let code = match self.high.take() {
            Some(high) if is_low(unit) => {
                0x10000 + (u32::from(high - 0xd800) << 10) + u32::from(unit - 0xdc00)
            }
            None if is_high(unit) => {
                self.high = Some(unit);
                return None;
            }
            None => u32::from(unit),
            Some(_) => {
                self.high = is_high(unit).then_some(unit);
                return Some(Piece::Lone);
            }
        };
        // Only a lone half is no character.
        Some(char::from_u32(code).map_or(Piece::Lone, Piece::Char))
    }
}

fn is_high(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn is_low(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

fn simple(byte: u8) -> Result<char, &'static str> {
    Ok(match byte {
        b'"' | b'\\' | b'/' => byte as char,
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return Err("unknown escape in a string"),
    })
}

/// Checks UTF-8 across pieces.
#[derive(Default)]
pub(crate) struct Utf8 {
    begun: [u8; 4],
    len: usize,
}

impl Utf8 {
    /// False when the text can't be UTF-8 any more.
    pub(crate) fn run(&mut self, mut run: &[u8]) -> bool {
        while self.len > 0 {
            let Some((&byte, rest)) = run.split_first() else {
                return true;
            };
            self.begun[self.len] = byte;
            self.len += 1;
            run = rest;
            match std::str::from_utf8(&self.begun[..self.len]) {
                Ok(_) => self.len = 0,
                // At four bytes a sequence is either whole or wrong, so `len`
                // never passes the array's end.
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        match std::str::from_utf8(run) {
            Ok(_) => true,
            Err(error) if error.error_len().is_some() => false,
            Err(error) => {
                let begun = &run[error.valid_up_to()..];
                self.begun[..begun.len()].copy_from_slice(begun);
                self.len = begun.len();
                true
            }
        }
    }

    /// Whether no character is left half read.
    pub(crate) fn whole(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let (mut lexer, mut out) = (Lexer::default(), String::new());
        // Byte by byte: the hardest split there is.
        for byte in text.bytes().collect::<Vec<_>>().chunks(1) {
            let mut rest = byte;
            while let Some(piece) = lexer.next(&mut rest).map_err(str::to_owned)? {
                match piece {
                    Piece::Run(run) => {
                        out.push_str(str::from_utf8(run).map_err(|e| e.to_string())?)
                    }
                    Piece::Char(char) => out.push(char),
                    Piece::Lone => out.push('?'),
                    Piece::End => return Ok(out),
                }
            }
        }
        Err("no end".to_owned())
    }

    #[test]
    fn escapes_stand_for_their_characters() {
        for (text, meant) in [
            (r#"plain""#, "plain"),
            (r#"\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#"\u002b\u002F""#, "+/"),
            (r#"\ud83d\ude00!""#, "😀!"),
            (r#"\ud83d!""#, "?!"),
            (r#"\ud83d\n""#, "?\n"),
            (r#"\ud83d""#, "?"),
            (r#"\ude00x""#, "?x"),
            (r#"\ud83d\ud83dx""#, "??x"),
            (r#"\ud83d\u0041x""#, "?x"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(meant), "{text}");
        }
        for text in [r#"\x""#, r#"\u00g0""#, r#"\u""#, r#"open"#, r#"\"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn utf8_is_checked_across_pieces() {
        for (bytes, good) in [
            (&b"abc"[..], true),
            ("aé€😀z".as_bytes(), true),
            (b"\xff", false),
            (b"a\xc3", false),
            (b"\xe2\x82", false),
            (b"\xc3\x28", false),
            (b"\xed\xa0\x80", false),
        ] {
            for width in 1..=bytes.len() {
                let mut utf8 = Utf8::default();
                let fine = bytes.chunks(width).all(|run| utf8.run(run)) && utf8.whole();
                assert_eq!(fine, good, "{bytes:?} in pieces of {width}");
            }
        }
    }
}
