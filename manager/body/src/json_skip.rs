//! Walks over a JSON value that is ignored, checking its grammar (RFC 8259) in
//! constant memory.

/// Depth to which an ignored value may nest; `stack` has a bit for each level.
pub(crate) const MAX_DEPTH: u32 = 64;

/// What a step did with the byte it was given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Taken; the value goes on.
    More,
    /// Taken, and it opened a string: the caller reads it to its end.
    Text,
    /// Taken; the value is complete.
    Done,
    /// Not taken: the value (a number) was complete before it.
    DoneBefore,
}

#[derive(Clone, Copy)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

#[derive(Clone, Copy)]
enum Want {
    Value,
    ValueOrClose,
    Key,
    KeyOrClose,
    Colon,
    CommaOrClose,
    Number(Number),
    Word(&'static [u8]),
}

/// Where in the ignored value the reader is.
pub(crate) struct Skip {
    want: Want,
    /// One bit for each level, the lowest for the innermost: set for an object.
    stack: u64,
    depth: u32,
    /// The string that is being read is a key.
    in_key: bool,
}

impl Skip {
    pub(crate) fn new() -> Skip {
        Skip {
            want: Want::Value,
            stack: 0,
            depth: 0,
            in_key: false,
        }
    }

    /// Takes one byte that is not inside a string.
    pub(crate) fn step(&mut self, byte: u8) -> Result<Step, &'static str> {
        match self.want {
            Want::Number(state) => return self.number(state, byte),
            Want::Word(rest) => return self.word(rest, byte),
            _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => return Ok(Step::More),
            _ => {}
        }
        match (self.want, byte) {
            (Want::ValueOrClose, b']') | (Want::KeyOrClose, b'}') => Ok(self.close()),
            (Want::CommaOrClose, b']') if !self.in_object() => Ok(self.close()),
            (Want::CommaOrClose, b'}') if self.in_object() => Ok(self.close()),
            (Want::CommaOrClose, b',') => {
                self.want = if self.in_object() {
                    Want::Key
                } else {
                    Want::Value
                };
                Ok(Step::More)
            }
            (Want::Key | Want::KeyOrClose, b'"') => {
                self.in_key = true;
                Ok(Step::Text)
            }
            (Want::Colon, b':') => {
                self.want = Want::Value;
                Ok(Step::More)
            }
            (Want::Value | Want::ValueOrClose, _) => self.value(byte),
            (Want::Key | Want::KeyOrClose, _) => Err("a key is wanted"),
            (Want::Colon, _) => Err("':' is wanted"),
            _ => Err("',' or a closing bracket is wanted"),
        }
    }

    /// The string that a step opened has ended; true when it was the whole value.
    pub(crate) fn text_done(&mut self) -> bool {
        if std::mem::take(&mut self.in_key) {
            self.want = Want::Colon;
            return false;
        }
        self.done() == Step::Done
    }

    fn value(&mut self, byte: u8) -> Result<Step, &'static str> {
        self.want = match byte {
            b'"' => return Ok(Step::Text),
            b'{' => {
                self.open(1)?;
                Want::KeyOrClose
            }
            b'[' => {
                self.open(0)?;
                Want::ValueOrClose
            }
            b't' => Want::Word(b"rue"),
            b'f' => Want::Word(b"alse"),
            b'n' => Want::Word(b"ull"),
            b'-' => Want::Number(Number::Minus),
            b'0' => Want::Number(Number::Zero),
            b'1'..=b'9' => Want::Number(Number::Whole),
            _ => return Err("a value is wanted"),
        };
        Ok(Step::More)
    }

    fn open(&mut self, object: u64) -> Result<(), &'static str> {
        if self.depth == MAX_DEPTH {
            return Err("nested more than 64 deep");
        }
        self.depth += 1;
        self.stack = self.stack << 1 | object;
        Ok(())
    }

    fn close(&mut self) -> Step {
        self.stack >>= 1;
        self.depth -= 1;
        self.done()
    }

    fn done(&mut self) -> Step {
        self.want = Want::CommaOrClose;
        if self.depth == 0 {
            Step::Done
        } else {
            Step::More
        }
    }

    fn in_object(&self) -> bool {
        self.stack & 1 == 1
    }

    fn word(&mut self, rest: &'static [u8], byte: u8) -> Result<Step, &'static str> {
        match rest.split_first() {
            Some((first, rest)) if *first == byte => {
                if rest.is_empty() {
                    return Ok(self.done());
                }
                self.want = Want::Word(rest);
                Ok(Step::More)
            }
            _ => Err("unknown word"),
        }
    }

    fn number(&mut self, state: Number, byte: u8) -> Result<Step, &'static str> {
        use Number::*;
        let next = match (state, byte) {
            (Minus, b'0') => Zero,
            (Minus | Whole, b'0'..=b'9') => Whole,
            (Zero | Whole, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Whole | Fraction, b'e' | b'E') => Exponent,
            (Exponent, b'+' | b'-') => ExponentSign,
            (Exponent | ExponentSign | ExponentDigits, b'0'..=b'9') => ExponentDigits,
            (Zero | Whole | Fraction | ExponentDigits, _) => {
                return match self.done() {
                    Step::Done => Ok(Step::DoneBefore),
                    // Inside an array or object the byte belongs to that one.
                    _ => self.step(byte),
                };
            }
            _ => return Err("wrong number"),
        };
        self.want = Want::Number(next);
        Ok(Step::More)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Skips one value; strings here hold no escapes.
    fn skip(text: &str) -> Result<usize, &'static str> {
        let (mut skip, mut text_open) = (Skip::new(), false);
        for (at, byte) in text.bytes().enumerate() {
            if text_open {
                if byte == b'"' {
                    text_open = false;
                    if skip.text_done() {
                        return Ok(at + 1);
                    }
                }
                continue;
            }
            match skip.step(byte)? {
                Step::More => {}
                Step::Text => text_open = true,
                Step::Done => return Ok(at + 1),
                Step::DoneBefore => return Ok(at),
            }
        }
        Err("not complete")
    }

    #[test]
    fn values_are_skipped_to_their_ends() {
        let deep = format!("{}{}", "[".repeat(64), "]".repeat(64));
        for text in [
            "0,",
            "-0,",
            "12}",
            "1.5e+7 ",
            "1E9]",
            "-1.25e-3,",
            "true",
            "false",
            "null",
            "\"a\"",
            "[]",
            "{}",
            "[1,2.5,\"x\",null,[],{}]",
            "{\"a\":{\"b\":[1]},\"c\":2}",
            "[ 1 , 2 ]",
            &deep,
        ] {
            let end = skip(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(
                &text[..end],
                text.trim_end_matches([',', ' ']).trim_end_matches(
                    if text.starts_with(['[', '{']) {
                        &[][..]
                    } else {
                        &['}', ']'][..]
                    }
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_grammar_is_refused() {
        let deep = "[".repeat(65);
        for text in [
            "[01]",
            "-,",
            "+1,",
            ".5,",
            "1.,",
            "1.e5,",
            "1e,",
            "1e+,",
            "tru,",
            "nul",
            "nan",
            "[1,]",
            "[,1]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1}",
            "{\"a\":1]",
            "[1 2]",
            "'a'",
            "\u{e9}",
            &deep,
        ] {
            assert!(skip(text).is_err(), "{text}");
        }
    }
}
