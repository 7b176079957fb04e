//! Keys and values as text: what is UTF-8 is shown as it is, the rest in hexadecimal digits, in JSON
//! under a name of its own (`value_hex`), so that nothing is lost and nothing is guessed.

use serde_json::{Map, Value};

/// Puts bytes under `name`, or under `name_hex` where they are no text. `None` is null.
pub(crate) fn put(fields: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => fields.insert(name.to_owned(), Value::Null),
        Some(Ok(text)) => fields.insert(name.to_owned(), Value::from(text)),
        Some(Err(bytes)) => fields.insert(format!("{name}_hex"), Value::from(hex(bytes))),
    };
}

/// The bytes that [`put`] put there; absent is null.
pub(crate) fn take(fields: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>, String> {
    let hex_name = format!("{name}_hex");
    match (fields.remove(name), fields.remove(&hex_name)) {
        (None | Some(Value::Null), None) => Ok(None),
        (Some(Value::String(text)), None) => Ok(Some(text.into_bytes())),
        (None, Some(Value::String(digits))) => {
            unhex(&digits).map(Some).ok_or_else(|| format!("'{hex_name}' is not hexadecimal"))
        }
        (None, Some(_)) => Err(format!("'{hex_name}' is not a text")),
        (Some(_), Some(_)) => Err(format!("'{name}' and '{hex_name}' are both there")),
        // A number, an object: what a person means by it is its JSON.
        (Some(other), None) => Ok(Some(other.to_string().into_bytes())),
    }
}

/// Headers as a list of objects with `key` and `value`: keys may repeat.
pub(crate) fn headers<'a>(headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Value {
    let header = |(key, value): (&[u8], Option<&[u8]>)| {
        let mut fields = Map::new();
        put(&mut fields, "key", Some(key));
        put(&mut fields, "value", value);
        Value::Object(fields)
    };
    Value::Array(headers.map(header).collect())
}

/// For a line of text: quoted where it is text, `0x...` where it is not, `null`.
pub(crate) fn quoted(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("{text:?}"),
            Err(_) => format!("0x{}", hex(bytes)),
        },
    }
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|nibble| nibble as u8);
    digits.chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_json() {
        for bytes in [None, Some(&b""[..]), Some(b"text"), Some(b"\xff\x00\x7f"), Some("größe".as_bytes())]
        {
            let mut fields = Map::new();
            put(&mut fields, "value", bytes);
            let text = Value::Object(fields).to_string();
            let mut read: Map<String, Value> = serde_json::from_str(&text).unwrap();
            assert_eq!(take(&mut read, "value").unwrap().as_deref(), bytes, "{text}");
            assert!(read.is_empty());
        }
    }

    #[test]
    fn values_typed_by_people_are_taken_as_they_are_meant() {
        let read = |text: &str| take(&mut serde_json::from_str(text).unwrap(), "value");
        assert_eq!(read(r#"{"value": {"a": 1}}"#), Ok(Some(br#"{"a":1}"#.to_vec())));
        assert_eq!(read(r#"{"value": 7}"#), Ok(Some(b"7".to_vec())));
        assert_eq!(read("{}"), Ok(None));
        for bad in [r#"{"value_hex": "abc"}"#, r#"{"value_hex": 1}"#, r#"{"value": "", "value_hex": ""}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(quoted(Some(b"a\n\xc3\xbc")), "\"a\\n\u{fc}\"");
        assert_eq!(quoted(Some(b"\xff\x0a")), "0xff0a");
    }
}
