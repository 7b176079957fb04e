//! Properties from files and from `key=value` arguments, as `java.util.Properties` and
//! `CommandLineUtils.parseKeyValueArgs` read them.

use std::collections::BTreeMap;

use super::throwable::Throwable;

/// Names and values.
pub(crate) type Properties = BTreeMap<String, String>;

/// Reads a `.properties` file.
///
/// # Errors
/// `NoSuchFileException` with the path, or an `IOException`.
pub(crate) fn load(path: &str) -> Result<Properties, Throwable> {
    let bytes = std::fs::read(path).map_err(|error| file_error(path, &error))?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

/// Reads a whole file as text (`Utils.readFileAsString`).
///
/// # Errors
/// `IOException` around what [`load`] fails with.
pub(crate) fn read_file(path: &str) -> Result<String, Throwable> {
    std::fs::read_to_string(path).map_err(|error| {
        Throwable::new("java.io.IOException", format!("Unable to read file {path}"))
            .caused_by(file_error(path, &error))
    })
}

fn file_error(path: &str, error: &std::io::Error) -> Throwable {
    match error.kind() {
        std::io::ErrorKind::NotFound => Throwable::new("java.nio.file.NoSuchFileException", path),
        std::io::ErrorKind::PermissionDenied => Throwable::new("java.nio.file.AccessDeniedException", path),
        _ => Throwable::new("java.io.IOException", error.to_string()),
    }
}

/// Reads the text of a `.properties` file.
pub(crate) fn parse(text: &str) -> Properties {
    let mut properties = Properties::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut logical = line.trim_start().to_owned();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while ends_with_continuation(&logical) {
            logical.pop();
            match lines.next() {
                Some(next) => logical.push_str(next.trim_start()),
                None => break,
            }
        }
        let (key, value) = split(&logical);
        properties.insert(unescape(key), unescape(value));
    }
    properties
}

fn ends_with_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Splits at the first `=`, `:` or blank that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, letter) in line.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if matches!(letter, '=' | ':' | ' ' | '\t') {
            let rest = line[at..].trim_start();
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (&line[..at], rest.trim_start());
        }
    }
    (line, "")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let code: String = letters.by_ref().take(4).collect();
                out.push(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}'));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// Reads `key=value` arguments; the value may hold more equals signs and may be missing.
pub(crate) fn from_arguments(arguments: &[String]) -> Properties {
    arguments
        .iter()
        .map(|argument| match argument.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (argument.clone(), String::new()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_file_format() {
        let text =
            "# comment\n! too\n\na=b\nc : d e\nf\\=g  h\nlong=1,\\\n   2\nempty=\nalone\nu=\\u0041\\t\n";
        let properties = parse(text);
        let expected = [
            ("a", "b"),
            ("alone", ""),
            ("c", "d e"),
            ("empty", ""),
            ("f=g", "h"),
            ("long", "1,2"),
            ("u", "A\t"),
        ];
        let found: Vec<(&str, &str)> =
            properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn reads_arguments() {
        let arguments = ["a=b=c", "d", "e="].map(str::to_owned);
        let properties = from_arguments(&arguments);
        assert_eq!(properties["a"], "b=c");
        assert_eq!(properties["d"], "");
        assert_eq!(properties["e"], "");
    }
}
