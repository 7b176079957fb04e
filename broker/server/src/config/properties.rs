//! The format of `.properties` files, as `java.util.Properties.load` reads them: comments, escapes,
//! continuation lines, and `=`, `:` or blanks between key and value. Knows nothing of keys.

/// What Java counts as blank within a line.
const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// One key and its value, and the line on which it begins, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: String,
}

/// A `\u` that four hexadecimal digits do not follow, the only thing Java refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed \\uxxxx escape")]
pub(super) struct BadEscape {
    pub(super) line: usize,
}

/// Text of a file. Java reads Latin-1; people write UTF-8, so that is tried first.
pub(super) fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
}

/// All properties in the order of the file; of a key that stands twice the last one counts.
pub(super) fn parse(text: &str) -> Result<Vec<Property>, BadEscape> {
    let text = text.replace("\r\n", "\n");
    let mut lines = (1..).zip(text.split(['\n', '\r']));
    let mut properties = Vec::new();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start_matches(BLANKS);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while continues(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(BLANKS));
        }
        let (key, value) = split(&logical);
        let bad = || BadEscape { line: number };
        let (key, value) = (unescape(key).ok_or_else(bad)?, unescape(value).ok_or_else(bad)?);
        properties.push(Property { line: number, key, value });
    }
    Ok(properties)
}

/// An odd number of backslashes at the end joins the next line.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Splits at the first separator that no backslash hides.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, letter) in line.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '=' | ':' | ' ' | '\t' | '\u{c}' => {
                let rest = line[at..].trim_start_matches(BLANKS);
                let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
                return (&line[..at], rest.trim_start_matches(BLANKS));
            }
            _ => {}
        }
    }
    (line, "")
}

/// Resolves escapes; `None` for a malformed one. Pairs of surrogates become one character.
fn unescape(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut letters = text.chars();
    let push = |units: &mut Vec<u16>, letter: char| units.extend_from_slice(letter.encode_utf16(&mut [0; 2]));
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            push(&mut units, letter);
            continue;
        }
        match letters.next() {
            None => {}
            Some('t') => push(&mut units, '\t'),
            Some('n') => push(&mut units, '\n'),
            Some('r') => push(&mut units, '\r'),
            Some('f') => push(&mut units, '\u{c}'),
            Some('u') => {
                let mut code = 0;
                for _ in 0..4 {
                    code = code * 16 + letters.next()?.to_digit(16)?;
                }
                units.push(u16::try_from(code).ok()?);
            }
            Some(other) => push(&mut units, other),
        }
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        parse(text)
            .unwrap()
            .into_iter()
            .map(|property| (property.line, property.key, property.value))
            .collect()
    }

    #[test]
    fn reads_what_java_reads() {
        type Case = (&'static str, &'static [(usize, &'static str, &'static str)]);
        let cases: &[Case] = &[
            ("a=b", &[(1, "a", "b")]),
            ("# one\n! two\n\n  a = b \n", &[(4, "a", "b ")]),
            ("a:b\nc d\ne\tf\ng\n", &[(1, "a", "b"), (2, "c", "d"), (3, "e", "f"), (4, "g", "")]),
            ("a==b\nc: =d\ne = : f", &[(1, "a", "=b"), (2, "c", "=d"), (3, "e", ": f")]),
            ("a\\=b\\ c=d", &[(1, "a=b c", "d")]),
            ("a=1,\\\n   2,\\\r\n\t3\nb=4", &[(1, "a", "1,2,3"), (4, "b", "4")]),
            ("a=x\\\n# no comment\nb=y", &[(1, "a", "x# no comment"), (3, "b", "y")]),
            ("a=x\\\\\nb=y", &[(1, "a", "x\\"), (2, "b", "y")]),
            ("a=\\u0041\\t\\q\\uD83D\\uDE00", &[(1, "a", "A\tq\u{1F600}")]),
            ("a=1\rb=2\r\nc=3", &[(1, "a", "1"), (2, "b", "2"), (3, "c", "3")]),
            ("a=end\\", &[(1, "a", "end")]),
            ("listeners=PLAINTEXT://:9092", &[(1, "listeners", "PLAINTEXT://:9092")]),
        ];
        for (text, expected) in cases {
            let found = pairs(text);
            let found: Vec<_> =
                found.iter().map(|(line, key, value)| (*line, key.as_str(), value.as_str())).collect();
            assert_eq!(&found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_bad_escape_names_its_line() {
        assert_eq!(parse("a=1\nb=\\u00g0"), Err(BadEscape { line: 2 }));
        assert_eq!(parse("b=\\u12"), Err(BadEscape { line: 1 }));
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_latin_1() {
        assert_eq!(decode(vec![b'a', 0xe4]), "aä");
        assert_eq!(decode("aä".into()), "aä");
    }
}
